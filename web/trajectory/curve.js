/**
 * Interpolation: easing, the box of a track at any time, the boxes of all tracks at every frame.
 *
 * @import {Box, Ease, Key, Size, Track, Trajectory} from "./document.js"
 */

import { LIMITS, whole } from "./document.js";
import { bendAt, curveOf, isCurved } from "./path.js";
import { say, TrajectoryError } from "./refusal.js";

// https://www.w3.org/TR/css-easing-1/#cubic-bezier-easing-functions
const NAMED_CURVES = { in: [0.42, 0, 1, 1], out: [0, 0, 0.58, 1], in_out: [0.42, 0, 0.58, 1] };

/** One coordinate of the cubic Bezier curve with control values 0, a, b, 1. */
function bezier(a, b, u) {
  return ((1 - 3 * b + 3 * a) * u + (3 * b - 6 * a)) * u * u + 3 * a * u;
}

/**
 * The four control values of an easing curve, or null for "linear" and "hold".
 *
 * @param {Ease} ease
 * @returns {[number, number, number, number] | null}
 */
export function easeCurve(ease) {
  return Array.isArray(ease) ? ease : NAMED_CURVES[ease] ?? null;
}

/**
 * The parameter u of the curve at time t. Python bisects the same interval with the same polynomial in float64, so both
 * agree to the last bits even where the curve is vertical. A search that stops at a residual would not.
 */
function parameterAt(x1, x2, t) {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 64; step += 1) {
    const middle = (low + high) / 2;
    if (bezier(x1, x2, middle) < t) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Progress along a segment, from 0 to 1, at time t in 0..1.
 *
 * @param {Ease} ease
 * @param {number} t
 */
export function easeAt(ease, t) {
  if (t === 0 || ease === "hold") return 0;
  const curve = easeCurve(ease);
  if (!curve) return t;
  return bezier(curve[1], curve[3], parameterAt(curve[0], curve[2], t));
}

/**
 * Split an ease at time t (0 < t < 1) into two that together equal it, so that a key can be added without motion.
 *
 * @param {Ease} ease
 * @param {number} t
 * @returns {[Ease, Ease]}
 */
export function splitEase(ease, t) {
  const curve = easeCurve(ease);
  if (!curve) return [ease, ease];
  const [x1, y1, x2, y2] = curve;
  const u = parameterAt(x1, x2, t);
  const x = deCasteljau(x1, x2, u);
  const y = deCasteljau(y1, y2, u);
  const before = [x.a / x.middle, y.a / y.middle, x.b / x.middle, y.b / y.middle];
  const after = [x.c, y.c, x.d, y.d].map((v, n) => {
    const axis = n % 2 ? y : x;
    return (v - axis.middle) / (1 - axis.middle);
  });
  return [allowedEase(before, ease), allowedEase(after, ease)];
}

/** Control values of both halves of the curve 0, p, q, 1 split at u: 0, a, b, middle and middle, c, d, 1. */
function deCasteljau(p, q, u) {
  const mix = (v, w) => v + (w - v) * u;
  const [a, e, d] = [mix(0, p), mix(p, q), mix(q, 1)];
  const [b, c] = [mix(a, e), mix(e, d)];
  return { a, b, middle: mix(b, c), c, d };
}

/** Round to a valid curve; `otherwise` if the split is degenerate because no distance is left. */
function allowedEase(curve, otherwise) {
  const rounded = curve.map((v, n) => Math.round((n % 2 ? v : Math.min(Math.max(v, 0), 1)) * 1e6) / 1e6);
  const inside = rounded.every((v, n) => n % 2 === 0 || (v >= LIMITS.ease_y[0] && v <= LIMITS.ease_y[1]));
  return inside && rounded.every(Number.isFinite) ? /** @type {Ease} */ (rounded) : otherwise;
}

/**
 * Index of the last key at or before `time`, or of the first key if there is none.
 *
 * @param {Key[]} keys
 * @param {number} time
 */
export function keyIndexAt(keys, time) {
  let low = 0;
  let high = keys.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (keys[middle].frame <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The box of some keys at a time in frames, fractions included. An overshooting ease can turn it inside out.
 *
 * @param {Key[]} keys
 * @param {number} time
 * @param {Size} size  of the frame, for the length of curved paths
 * @returns {Box}
 */
export function sampleKeys(keys, time, size) {
  const here = keyIndexAt(keys, time);
  const { frame, box, ease } = keys[here];
  const next = keys[here + 1];
  if (!next || time <= frame) return box;
  const progress = easeAt(ease, (time - frame) / (next.frame - frame));
  const [x1, y1, x2, y2] = box;
  const [a, b, c, d] = next.box;
  const [x, y] = isCurved(keys[here], next) ? bendAt(curveOf(keys[here], next, size), progress) : [0, 0];
  return [
    x1 + (a - x1) * progress + x,
    y1 + (b - y1) * progress + y,
    x2 + (c - x2) * progress + x,
    y2 + (d - y2) * progress + y,
  ];
}

/**
 * The box of a track at a time in frames.
 *
 * @param {Pick<Track, "keys">} track
 * @param {number} time
 * @param {Size} size  of the frame
 * @returns {Box}
 */
export function boxAt(track, time, size) {
  return sampleKeys(track.keys, time, size);
}

/**
 * Whether a track is visible at a time in frames.
 *
 * @param {Pick<Track, "keys">} track
 * @param {number} time
 */
export function visibleAt(track, time) {
  return track.keys[keyIndexAt(track.keys, time)].visible;
}

/**
 * Evenly spaced times over a trajectory, such as those of the frames that the model makes.
 *
 * @param {number} frames  of the trajectory
 * @param {number} count
 * @returns {number[]}
 */
export function sampledTimes(frames, count) {
  return Array.from({ length: count }, (_, n) => (n * (frames - 1)) / Math.max(count - 1, 1));
}

/**
 * Boxes [F][N][4], not clipped, and mask [F][N] of all enabled objects, as the model gets them. Another number of
 * frames than the trajectory's samples evenly spaced times, first and last frame included.
 *
 * @param {Trajectory} trajectory
 * @param {number | null} [numFrames]
 * @returns {{boxes: Box[][], mask: boolean[][]}}
 */
export function boxesAt(trajectory, numFrames = null) {
  const count = numFrames === null ? trajectory.frames : whole(numFrames, "numFrames", 1, LIMITS.frames);
  const tracks = trajectory.objects.filter((track) => track.enabled);
  const times = sampledTimes(trajectory.frames, count);
  return {
    boxes: times.map((time) => tracks.map((track) => boxAt(track, time, trajectory))),
    mask: times.map((time) => tracks.map((track) => visibleAt(track, time))),
  };
}

/**
 * Clip a box to 0..1 for the model. Null if nothing of it is left in the frame, or if an overshooting ease turned it
 * inside out.
 *
 * @param {Box} box
 * @returns {Box | null}
 */
export function clipBox(box) {
  if (!box.every(Number.isFinite)) {
    throw new TrajectoryError(say`a visible box is NaN or infinite: repair the boxes before clipping them`);
  }
  const [x1, y1, x2, y2] = box;
  return isInFrame(box) ? [Math.max(x1, 0), Math.max(y1, 0), Math.min(x2, 1), Math.min(y2, 1)] : null;
}

/**
 * Whether any area of a box lies in the frame.
 *
 * @param {Box} box
 */
export function isInFrame([x1, y1, x2, y2]) {
  return Math.min(x2, 1) > Math.max(x1, 0) && Math.min(y2, 1) > Math.max(y1, 0);
}

/**
 * Clip boxes [F][N][4] with mask [F][N] for the model: to 0..1, and to 0 where the mask is false.
 *
 * @param {Box[][]} boxes
 * @param {boolean[][]} mask
 * @returns {{boxes: Box[][], mask: boolean[][]}}
 */
export function clipBoxes(boxes, mask) {
  const clipped = boxes.map((row, f) => row.map((box, n) => (mask[f][n] ? clipBox(box) : null)));
  return {
    boxes: clipped.map((row) => row.map((box) => box ?? [0, 0, 0, 0])),
    mask: clipped.map((row) => row.map((box) => box !== null)),
  };
}

const STRAIGHT = [0, 0];

/** @type {Map<string, Float64Array>} cached progress at each frame of a segment, by ease and length */
const progressCache = new Map();

function progressOf(ease, span) {
  const name = `${ease}/${span}`;
  let progress = progressCache.get(name);
  if (!progress) {
    if (progressCache.size > 2000) progressCache.clear();
    progress = Float64Array.from({ length: span }, (_, n) => easeAt(ease, n / span));
    progressCache.set(name, progress);
  }
  return progress;
}

/** @type {WeakMap<Track["keys"], {dense: Float64Array, width: number, height: number}>} */
const denseCache = new WeakMap();

/**
 * A track's boxes at every frame, [F * 4]. Cached while its keys stay the same, because drawing asks for it often.
 *
 * @param {Pick<Track, "keys">} track
 * @param {Size & {frames: number}} trajectory  its trajectory; all keys lie before the end
 * @returns {Float64Array}
 */
export function denseBoxes(track, { frames, width, height }) {
  const { keys } = track;
  const cached = denseCache.get(keys);
  if (cached?.dense.length === frames * 4 && cached.width === width && cached.height === height) return cached.dense;
  const dense = new Float64Array(frames * 4);
  const fill = (box, from, to) => {
    for (let frame = from; frame < to; frame += 1) dense.set(box, frame * 4);
  };
  fill(keys[0].box, 0, keys[0].frame);
  for (let k = 0; k < keys.length; k += 1) {
    const { frame: start, box, ease } = keys[k];
    const next = keys[k + 1];
    if (!next) {
      fill(box, start, frames);
      break;
    }
    const span = next.frame - start;
    if (span === 1) {
      dense.set(box, start * 4);
      continue;
    }
    const progress = progressOf(ease, span);
    const curve = isCurved(keys[k], next) ? curveOf(keys[k], next, { width, height }) : null;
    for (let n = 0; n < span; n += 1) {
      const bend = curve && n ? bendAt(curve, progress[n]) : STRAIGHT;
      for (let c = 0; c < 4; c += 1) {
        dense[(start + n) * 4 + c] = box[c] + (next.box[c] - box[c]) * progress[n] + bend[c % 2];
      }
    }
  }
  denseCache.set(keys, { dense, width, height });
  return dense;
}

/**
 * One box of `denseBoxes`.
 *
 * @param {Float64Array} dense  from denseBoxes
 * @param {number} frame
 * @returns {Box}
 */
export function boxOf(dense, frame) {
  return [dense[frame * 4], dense[frame * 4 + 1], dense[frame * 4 + 2], dense[frame * 4 + 3]];
}

/**
 * The frames at which a track is visible, as [first, last] pairs.
 *
 * @param {Track} track
 * @param {number} frames
 * @returns {[number, number][]}
 */
export function visibleRanges(track, frames) {
  /** @type {[number, number][]} */
  const ranges = [];
  track.keys.forEach((key, n) => {
    const start = n === 0 ? 0 : key.frame;
    const end = (track.keys[n + 1]?.frame ?? frames) - 1;
    if (!key.visible || end < start) return;
    const last = ranges.at(-1);
    if (last && last[1] === start - 1) last[1] = end;
    else ranges.push([start, end]);
  });
  return ranges;
}

/**
 * Replacing a span of a track by a box per frame.
 *
 * @import {Box, Key, Size, Track, Trajectory} from "./document.js"
 */

import { tidyBox } from "./box.js";
import { boxOf, denseBoxes, sampleKeys, visibleAt } from "./curve.js";
import { straightKey, whole } from "./document.js";
import { curvedKeys } from "./motion.js";
import { withHandles } from "./path.js";
import { say, TrajectoryError } from "./refusal.js";
import { DEFAULT_TOLERANCE, runs, simplified } from "./simplify.js";
import { withKey } from "./split.js";
import { changeTracks } from "./tracks.js";

/** Of the frame: two pixels of 256, as a hand is not more exact. */
const BY_HAND = 0.008;

/**
 * @callback Fit  keys for boxes, one per frame from `from` on, with a key at the first and the last
 * @param {Box[]} boxes
 * @param {number} from
 * @returns {Key[]}
 */

/** Few keys with linear motion between them. @param {number} tolerance @returns {Fit} */
export function straight(tolerance) {
  return (boxes, from) =>
    simplified(boxes, 0, boxes.length - 1, tolerance).map((n) => straightKey(from + n, boxes[n]));
}

/** Few keys, curved and eased where that spares some. @param {number} tolerance @param {Size} size @returns {Fit} */
function curved(tolerance, size) {
  return (boxes, from) => {
    const [simple, smooth] = [straight(tolerance)(boxes, from), curvedKeys(boxes, from, tolerance, size)];
    return smooth.length < simple.length ? smooth : simple;
  };
}

/**
 * Replace boxes from frame `from` on, one per frame. Visibility, keys outside the span and the paths from and to them
 * stay.
 *
 * @param {Track} track
 * @param {number} from
 * @param {Box[]} boxes
 * @param {Fit} fit
 * @param {Size} size  of the frame
 * @returns {Track}
 */
export function withSpan(track, from, boxes, fit, size) {
  const to = from + boxes.length - 1;
  const keyed = withKey(withKey(track, from, size), to, size);
  const tidy = boxes.map(tidyBox);
  const visible = tidy.map((_, n) => visibleAt(track, from + n));
  const inside = runs(visible).flatMap(([start, end]) =>
    fit(tidy.slice(start, end + 1), from + start).map((key) => ({ ...key, visible: visible[start] })),
  );
  return spliced(keyed, inside);
}

/**
 * Replace the keys of a track from the first to the last of other keys, at both of which it has one. What leads to the
 * first and what follows the last stays.
 *
 * @param {Track} track
 * @param {Key[]} inside
 * @returns {Track}
 */
export function spliced(track, inside) {
  const [from, to] = [inside[0].frame, inside.at(-1).frame];
  const [first, last] = [from, to].map((frame) => track.keys.find((key) => key.frame === frame));
  const joined = [...inside];
  joined[0] = withHandles(joined[0], { arriving: first.handles?.[0] ?? [0, 0] });
  const end = withHandles(joined.at(-1), { leaving: last.handles?.[1] ?? [0, 0] });
  joined[joined.length - 1] = { ...end, ease: last.ease };
  return {
    ...track,
    keys: [
      ...track.keys.filter((key) => key.frame < from),
      ...joined,
      ...track.keys.filter((key) => key.frame > to),
    ],
  };
}

/**
 * Apply a path that was recorded by hand: samples of the box at times in frames, in recording order. The box at each
 * frame is interpolated from the samples around it. Samples that go back in time are ignored. The keys are few, with
 * curves and easing, within `tolerance` of these boxes at each frame, in units of the frame.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {{time: number, box: Box}[]} samples
 * @param {number} [tolerance]
 * @returns {Trajectory}
 */
export function recordPath(trajectory, id, samples, tolerance = BY_HAND) {
  const last = trajectory.frames - 1;
  const forward = [];
  for (const { time, box } of samples) {
    const at = Math.min(Math.max(time, 0), last);
    if (forward.at(-1)?.frame === at) forward.pop();
    if (!(forward.at(-1)?.frame > at)) forward.push(straightKey(at, box));
  }
  if (!forward.length) return trajectory;
  const from = Math.min(Math.ceil(forward[0].frame), Math.round(forward.at(-1).frame));
  const to = Math.max(Math.floor(forward.at(-1).frame), from);
  const boxes = spanOf(from, to, (frame) => sampleKeys(forward, frame, trajectory));
  return changeTracks(trajectory, [id], (track) => withSpan(track, from, boxes, curved(tolerance, trajectory), trajectory));
}

/**
 * Replace the keys of objects by fewer ones with linear motion, within `tolerance` of the old boxes.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {number} [tolerance]
 * @returns {Trajectory}
 */
export function simplifyTracks(trajectory, ids, tolerance = DEFAULT_TOLERANCE) {
  return changeTracks(trajectory, ids, (track) => {
    const dense = denseBoxes(track, trajectory);
    const boxes = spanOf(0, trajectory.frames - 1, (frame) => boxOf(dense, frame));
    const simple = withSpan(track, 0, boxes, straight(tolerance), trajectory);
    return simple.keys.length < track.keys.length ? simple : track;
  });
}

/**
 * Refuse a span that is outside the clip or too short for motion.
 *
 * @param {Trajectory} trajectory
 * @param {number} from
 * @param {number} to
 */
export function checkSpan(trajectory, from, to) {
  whole(from, "from", 0, trajectory.frames - 1);
  whole(to, "to", 0, trajectory.frames - 1);
  if (to === from) throw new TrajectoryError(say`frame ${from} leaves no time to move: choose a later end frame`);
  if (to < from) {
    throw new TrajectoryError(say`frames ${from} to ${to} leave no time to move: choose a later end frame`);
  }
}

/**
 * @template T
 * @param {number} from
 * @param {number} to
 * @param {(frame: number) => T} make
 * @returns {T[]}
 */
export function spanOf(from, to, make) {
  return Array.from({ length: to - from + 1 }, (_, n) => make(from + n));
}

/**
 * Checks for problems that a run would have. Each finding is the key of a text in editor/strings/ with values, so that
 * it can be translated.
 *
 * @import {Box, Track, Trajectory} from "./document.js"
 * @typedef {{width: number, height: number}} PixelSize
 * @typedef {{key: string, values: Record<string, string | number>, id: string | null,
 *   frames: [number, number] | null}} Finding  id: of the object; frames: first and last one affected
 * @typedef {{columns: number, rows: number, slots: number, minCells: number, maxSpeed: number,
 *   numFrames: number | null, width: number | null, height: number | null, multiple: number, prompt: string | null,
 *   isOtherPicture: boolean, bundled: {name: string, examples: string[] | null} | null, isLinked: boolean,
 *   wordsCount: boolean, cropTo: PixelSize | null, picture: PixelSize | null}} Rules  columns, rows: cells of the latent grid; width, height: of the
 *   video in pixels, null if unknown; multiple: pixels that the model takes multiples of; slots: objects that the model was trained on; minCells: smallest side of a box;
 *   maxSpeed: cells per frame; numFrames: frames that the model makes, null for all; prompt: null if unknown;
 *   isOtherPicture: the run starts from another image; bundled: the bundled checkpoint, where the picture is
 *   none of its examples; isLinked: the run gets the text of a link, not this one; wordsCount: whether the model looks at words;
 *   cropTo: the video that the picture is cropped to; picture: what the boxes lie on
 */

import { boxAt, boxOf, denseBoxes, isInFrame, visibleAt, visibleRanges } from "./curve.js";
import { cutsOf } from "./cuts.js";

/** @type {Rules} */
const DEFAULT_RULES = {
  columns: 32, // 256 pixels, 8 to a cell
  rows: 32,
  slots: 8,
  minCells: 2, // 1/16 of the frame
  maxSpeed: 6, // crossing the image in 8 frames takes about 5
  numFrames: null,
  prompt: null,
  isOtherPicture: false,
  bundled: null,
  width: null,
  height: null,
  multiple: 64, // pixels; the released networks take no other sizes
  isLinked: false,
  wordsCount: true,
  cropTo: null,
  picture: null,
};
const MAX_STRETCH = 0.05; // relative change of the aspect ratio that nobody sees
const LEAST_CUT = 0.01; // share of a box that is worth a word

/**
 * All findings, the gravest first: those about the whole trajectory, objects that would stay where they are, the boxes
 * of each object, words. Disabled objects are skipped.
 *
 * @param {Trajectory} trajectory
 * @param {Partial<Rules>} [rules]
 * @returns {Finding[]}
 */
export function checkTrajectory(trajectory, rules = {}) {
  const all = { ...DEFAULT_RULES, ...rules };
  const tracks = trajectory.objects.filter((track) => track.enabled);
  const over = tracks.length - all.slots;
  const values = { count: tracks.length, limit: all.slots, over };
  const whole = (key, more = {}) => ({ key, values: more, id: null, frames: null });
  return [
    ...(all.isLinked ? [whole("host.linked")] : []),
    ...(all.isOtherPicture ? [whole("check.other_picture")] : []),
    ...(tracks.length ? [] : [whole("check.no_object")]),
    ...otherShape(trajectory, all).map((sizes) => whole("check.other_shape", sizes)),
    ...wrongSize(all).map((sizes) => whole("check.wrong_size", sizes)),
    ...(over > 0 ? [whole("check.too_many", values)] : []),
    ...tracks.flatMap((track) => checkStart(trajectory, track)),
    ...tracks.flatMap((track) => checkTrack(trajectory, track, all)),
    ...tracks.flatMap((track) => checkWords(track, all)),
    ...(all.bundled ? [whole(all.bundled.examples ? "check.drawings" : "check.bundled", { name: all.bundled.name })] : []),
  ];
}

/** A size of the video that the model would refuse, with the nearest that it takes. */
function wrongSize({ width, height, multiple }) {
  if (!width || !height || (width % multiple === 0 && height % multiple === 0)) return [];
  const nearest = [width, height].map((side) => Math.max(1, Math.round(side / multiple)) * multiple).join(" × ");
  return [{ width, height, multiple, nearest }];
}

/** The sizes of the clip and of a picture of another shape, which the boxes are stretched over. */
function otherShape({ width, height }, { picture }) {
  if (!picture || !isOtherShape({ width, height }, picture)) return [];
  return [{ from: `${width} × ${height}`, to: `${picture.width} × ${picture.height}` }];
}

/** Whether two sizes differ in their aspect ratio, as far as people see. @param {PixelSize} a @param {PixelSize} b */
export function isOtherShape(a, b) {
  return Math.abs(((b.width / b.height) * a.height) / a.width - 1) > MAX_STRETCH;
}

/** @param {Track} track @returns {(key: string, values: Finding["values"], frames?: Finding["frames"]) => Finding[]} */
function findingsOf(track) {
  const object = track.phrase.trim() || track.id;
  return (key, values, frames = null) => [{ key, values: { object, ...values }, id: track.id, frames }];
}

function checkTrack(trajectory, track, rules) {
  const found = findingsOf(track);
  const samples = samplesOf(trajectory, track, rules);
  const seen = samples.filter((sample) => sample.seen);
  return [
    ...(wordsOf(track.phrase) ? [] : found("check.no_phrase", {})), // which no run takes
    ...(samples.some(({ visible }) => visible) ? [] : found("check.never_visible", {})),
    ...checkSpeed(samples, rules, found),
    ...checkSize(seen, rules, found),
    ...checkOutside(trajectory, track, found),
    ...checkCrop(trajectory, samples, rules, found),
  ];
}

/** The track at each frame that the model makes; `seen`: whether the model gets a box there. */
function samplesOf(trajectory, track, { numFrames }) {
  const count = numFrames ?? trajectory.frames;
  const dense = count === trajectory.frames ? denseBoxes(track, trajectory) : null;
  return Array.from({ length: count }, (_, n) => {
    const frame = (n * (trajectory.frames - 1)) / Math.max(count - 1, 1);
    const box = dense ? boxOf(dense, frame) : boxAt(track, frame, trajectory);
    const visible = visibleAt(track, frame);
    return { frame, box, visible, seen: visible && isInFrame(box) };
  });
}

function checkWords(track, { prompt, wordsCount }) {
  const words = wordsOf(track.phrase);
  if (!words || !wordsCount || prompt === null) return [];
  if ( ` ${wordsOf(prompt)} `.includes(` ${words} `)) return [];
  // In languages without spaces between words the phrase may be anywhere in the text.
  if (/[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}]/u.test(words) && wordsOf(prompt).includes(words)) return [];
  return findingsOf(track)("check.not_in_prompt", { phrase: track.phrase.trim() });
}

/** Normalise to lower-case words with single spaces, so that "A red  Car," equals "a red car". */
function wordsOf(text) {
  return text.toLowerCase().normalize("NFKC").match(/[\p{L}\p{M}\p{N}]+/gu)?.join(" ") ?? "";
}

function checkSpeed(samples, { columns, rows, maxSpeed }, found) {
  let worst = null;
  for (let n = 1; n < samples.length; n += 1) {
    const [before, after] = [samples[n - 1], samples[n]];
    if (!before.seen || !after.seen) continue;
    const speed = Math.hypot(
      ((after.box[0] + after.box[2] - before.box[0] - before.box[2]) / 2) * columns,
      ((after.box[1] + after.box[3] - before.box[1] - before.box[3]) / 2) * rows,
    );
    if (speed > maxSpeed && !(worst && worst.speed >= speed)) worst = { speed, before, after };
  }
  if (!worst) return [];
  const frames = [Math.floor(worst.before.frame), Math.ceil(worst.after.frame)];
  const [speed, limit] = [worst.speed, maxSpeed].map((cells) => oneDecimal((cells / columns) * 100)); // of the width
  return found("check.too_fast", { speed, limit, frame: frames[1] }, frames);
}

function checkSize(seen, { columns, rows, minCells }, found) {
  // Measure the whole box even if only a part is in the frame: such a box is leaving, not small.
  const sizes = seen.map(({ frame, box: [x1, y1, x2, y2] }) => {
    return { frame, width: (x2 - x1) * columns, height: (y2 - y1) * rows };
  });
  const small = sizes.filter(({ width, height }) => Math.min(width, height) < minCells);
  if (!small.length) return [];
  const least = small.reduce((a, b) => (Math.min(b.width, b.height) < Math.min(a.width, a.height) ? b : a));
  const frame = Math.round(least.frame);
  const values = { width: oneDecimal(least.width), height: oneDecimal(least.height), limit: minCells, frame };
  return found("check.too_small", values, [Math.floor(small[0].frame), Math.ceil(small.at(-1).frame)]);
}

/** Report a track that has nothing to cut out of the image where it first appears, which then does not move. */
function checkStart(trajectory, track) {
  const frame = visibleRanges(track, trajectory.frames)[0]?.[0];
  if (frame === undefined || cutsOf([track], trajectory).length) return [];
  const last = outsideOf(trajectory, track).find(([first]) => first === frame)?.[1] ?? frame;
  return findingsOf(track)("check.not_taken", { frame }, [frame, last]);
}

/**
 * Report the stretches outside of the frame that the object comes back from: one without a return is how objects leave.
 * Of one at the start `checkStart` tells.
 */
function checkOutside(trajectory, track, found) {
  const start = visibleRanges(track, trajectory.frames)[0]?.[0];
  const dense = denseBoxes(track, trajectory);
  const isSeen = (frame) => visibleAt(track, frame) && isInFrame(boxOf(dense, frame));
  let end = trajectory.frames - 1; // where it is seen last
  while (end >= 0 && !isSeen(end)) end -= 1;
  const between = outsideOf(trajectory, track).filter(([first, last]) => first !== start && last < end);
  return between.flatMap(([first, last]) => {
    if (first === last) return found("check.leaves_at", { frame: first }, [first, last]);
    return found("check.leaves_frame", { first, last }, [first, last]);
  });
}

/** Each run of frames, [first, last], in which a visible box lies outside the frame. */
function outsideOf(trajectory, track) {
  const dense = denseBoxes(track, trajectory);
  const stretches = [];
  for (const [first, last] of visibleRanges(track, trajectory.frames)) {
    for (let frame = first; frame <= last; frame += 1) {
      if (isInFrame(boxOf(dense, frame))) continue;
      const open = stretches.at(-1);
      if (open && open[1] === frame - 1) open[1] = frame;
      else stretches.push([frame, frame]);
    }
  }
  return stretches;
}

/** Report the frame in which the crop to another shape takes most of a box. */
function checkCrop(trajectory, samples, { cropTo, picture }, found) {
  if (!cropTo) return [];
  const aspect = cropTo.width / cropTo.height / ((picture ?? trajectory).width / (picture ?? trajectory).height);
  const [kept, tall] = [Math.min(aspect, 1), Math.min(1 / aspect, 1)]; // shares of width and height
  /** @type {Box} */
  const part = [(1 - kept) / 2, (1 - tall) / 2, (1 + kept) / 2, (1 + tall) / 2];
  let worst = { frame: 0, share: 0 };
  for (const { frame, box, visible } of samples) {
    const whole = visible ? areaWithin(box, [0, 0, 1, 1]) : 0;
    const share = whole > 0 ? 1 - areaWithin(box, part) / whole : 0;
    if (share > worst.share) worst = { frame: Math.round(frame), share };
  }
  if (worst.share <= LEAST_CUT) return [];
  const values = { ...cropTo, share: Math.round(worst.share * 100), frame: worst.frame };
  return found("check.cropped", values, [worst.frame, worst.frame]);
}

/** @param {Box} box @param {Box} part */
function areaWithin([x1, y1, x2, y2], [left, top, right, bottom]) {
  const width = Math.min(x2, right) - Math.max(x1, left);
  const height = Math.min(y2, bottom) - Math.max(y1, top);
  return Math.max(width, 0) * Math.max(height, 0);
}

function oneDecimal(value) {
  return Math.round(value * 10) / 10;
}

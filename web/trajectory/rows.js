/**
 * The boxes of one video as files list them, and as a box per frame. The rules are those of
 * smcd_core/trajectory/rows.py.
 *
 * @import {Said} from "./refusal.js"
 * @import {Box} from "./document.js"
 * @typedef {{frame: number, name: string | number, box: Box, where: Said}} Entry  name: of the object; where: in the file
 * @typedef {{entries: Entry[], phrases: Map<string | number, string>, length?: number | null, inPixels?: boolean,
 *   mayStartLate?: boolean, leftOut?: number, size?: {width: number, height: number} | null, fromSides?: boolean,
 *   remarks?: Said[]}} BoxRows  phrases: of each object, in order; length: frames, if the file
 *   tells them; inPixels: not in shares of the frame; mayStartLate: frame numbers may be those of a longer video;
 *   leftOut: lines that do not count; size: of the image, if the file tells it; fromSides: it lists left, top, width and
 *   height; remarks: what users may not expect
 * @typedef {{boxes: Box[][], mask: boolean[][], phrases: string[], inPixels?: boolean, leftOut?: number,
 *   size?: {width: number, height: number} | null, fromSides?: boolean, remarks?: Said[]}} DenseBoxes  boxes, mask: [F][N]
 */

import { LIMITS, whole } from "./document.js";
import { say, TrajectoryError } from "./refusal.js";

export const MAX_PIXELS = 1e6; // of a coordinate, which may lie outside the frame

/** Most boxes lie outside the frame: ask for the size of the image that they were made on. */
export class SizeQuestion extends TrajectoryError {
  name = "SizeQuestion";
}

/** Whether boxes are in shares of the frame: in pixels they would lie in a corner of a pixel. @param {Box[]} boxes */
export function allAreShares(boxes) {
  const values = boxes.flat();
  return values.some((value) => value !== 0) && values.every((value) => value >= -0.05 && value <= 1.05);
}

/** @param {Said} where */
export function untracked(where) {
  return new TrajectoryError(
    say`${where}: found id -1, a detection that no tracker has joined to an object: run a tracker, or give the rows of each object a number of its own`,
  );
}

/** @param {Box[]} boxes @param {string} program */
export function refuseShares(boxes, program) {
  if (!allAreShares(boxes)) return;
  throw new TrajectoryError(say`all numbers are 0 to 1, which are shares of the picture, not pixels as ${program} has them`);
}

/** The objects of a file in the order in which they come, with the first label of each as its phrase. */
export class ObjectNames {
  /** @type {Map<string | number, string>} */
  phrases = new Map();
  #labels = new Map();

  /** @param {string | number} name  as a row of the file calls it @param {string} phrase */
  add(name, phrase) {
    if (!this.phrases.has(name)) this.phrases.set(name, phrase);
    this.#labels.set(name, (this.#labels.get(name) ?? new Set()).add(phrase));
  }

  /** A sentence if the label of an object changes. @returns {Said[]} */
  remarks() {
    const changed = [...this.#labels].filter(([, labels]) => labels.size > 1);
    if (!changed.length) return [];
    const [name, labels] = changed[0];
    const shown = [...labels].slice(0, 4).map((label) => label.slice(0, 40)).join(", ");
    return [say`objects whose label changes, and keep the first: ${changed.length} (object ${String(name).slice(0, 40)}: ${shown})`];
  }
}

/**
 * A sentence if boxes read as left, top, width and height must be corners: most leave the frame, as corners none. An
 * object that the frame cuts off may look so as well.
 *
 * @param {{boxes: Box[][], mask: boolean[][]}} boxes  in shares of the frame
 * @returns {Said[]}
 */
export function reallyCorners({ boxes, mask }) {
  const seen = boxes.flatMap((row, frame) => row.filter((_, n) => mask[frame][n]));
  const leave = seen.filter(([, , x2, y2]) => x2 > 1 + 1e-6 || y2 > 1 + 1e-6).length;
  const fit = seen.every(([x, y, x2, y2]) => {
    const [w, h] = [x2 - x, y2 - y];
    return x >= 0 && y >= 0 && w > x && h > y && w <= 1 + 1e-6 && h <= 1 + 1e-6;
  });
  if (!fit || 2 * leave <= seen.length) return [];
  return [
    say`${leave} of ${seen.length} boxes leave the image as left, top, width, height, and none as x1, y1, x2, y2: see that the columns are what they are called`,
  ];
}

/**
 * Refuse boxes that must have been made on a larger image, as most have their centre outside this one.
 *
 * @param {{boxes: Box[][], mask: boolean[][]}} boxes  in shares of the frame
 * @param {{width: number, height: number}} size
 */
export function refuseOtherSize({ boxes, mask }, { width, height }) {
  const seen = boxes.flatMap((row, frame) => row.filter((_, n) => mask[frame][n]));
  // To the left of the image or above it, no other size would help.
  const outside = seen.filter(([x1, y1, x2, y2]) => x1 + x2 > 2 || y1 + y2 > 2);
  if (2 * outside.length <= seen.length) return;
  const [right, bottom] = [2, 3].map((side) => seen.reduce((most, box) => Math.max(most, box[side]), -Infinity));
  const reach = `${Math.round(right * width)} x ${Math.round(bottom * height)}`;
  const size = `${width} x ${height}`;
  throw new SizeQuestion(
    say`boxes reach to ${reach}, the image has ${size} pixels: give the size of the image that they were made on`,
  );
}

const LISTED = 8; // frames in one sentence

/** As long as videos are; larger numbers are something else. */
const LAST_FRAME = 1e9;

/** Whether a number may be that of a frame; `first` is where a format counts from. @param {number} number @param {number} first */
export function isFrame(number, first = 0) {
  return Number.isInteger(number) && number >= first && number <= LAST_FRAME;
}

/** Whether a number may be the id of an object. From 2**53 on, whole numbers run together. @param {number} number */
export function isId(number) {
  return Number.isSafeInteger(number) && number >= 0;
}

/**
 * Join the boxes of each object by straight lines if no two rows of the file are in adjacent frames.
 *
 * Such rows are keyframes. Evenly spaced ones may be samples as well: where other objects have a row in a frame between
 * two boxes, this one is not there.
 *
 * @param {BoxRows} rows
 * @param {number[]} annotated  frames that the file tells of, where some of them may have no box
 * @param {{frame: number, name: unknown}[]} absent  rows that say that an object is not there; one without a box stands for all
 * @returns {BoxRows}
 */
export function joined(rows, annotated, absent) {
  const numbers = [...new Set(annotated)].sort((a, b) => a - b);
  const steps = numbers.slice(1).map((frame, n) => frame - numbers[n]);
  if (!steps.length || steps.includes(1)) return rows;
  const isEven = steps.length > 1 && steps.every((step) => step === steps[0]);
  const longest = isEven ? steps[0] : LIMITS.frames;
  const between = [...rows.phrases.keys()].flatMap((name) => {
    const marks = absent.filter((mark) => mark.name === name || !rows.phrases.has(/** @type {any} */ (mark.name)));
    const isLeft = (first, last) => marks.some(({ frame }) => first < frame && frame < last);
    const own = rows.entries.filter((entry) => entry.name === name).sort((a, b) => a.frame - b.frame);
    return own.slice(1).flatMap((after, n) => {
      const here = own[n];
      return after.frame - here.frame > longest || isLeft(here.frame, after.frame) ? [] : inBetween(here, after);
    });
  });
  if (!between.length) return rows;
  const said = say`rows in frames ${listed(numbers)} only: straight lines between`;
  return { ...rows, entries: [...rows.entries, ...between], remarks: [...(rows.remarks ?? []), said] };
}

/** @param {number[]} numbers */
function listed(numbers) {
  if (numbers.length <= LISTED) return numbers.join(", ");
  return `${numbers.slice(0, LISTED - 1).join(", ")} ... ${numbers[numbers.length - 1]}`;
}

/** @param {Entry} here @param {Entry} after @returns {Entry[]} */
function inBetween(here, after) {
  const step = after.frame - here.frame;
  return Array.from({ length: step - 1 }, (_, n) => {
    const box = here.box.map((value, axis) => value + ((after.box[axis] - value) * (n + 1)) / step);
    return { ...here, frame: here.frame + n + 1, box: /** @type {Box} */ (box) };
  });
}

/**
 * A box per frame and object.
 *
 * @param {BoxRows} rows
 * @param {number} frames  expected number, 0 if unknown
 * @returns {DenseBoxes}
 */
export function denseOf(rows, frames) {
  const { phrases, length = null, inPixels, leftOut, size, fromSides, remarks } = rows;
  const entries = frames ? rows.entries : started(rows);
  const last = entries.reduce((late, { frame }) => Math.max(late, frame + 1), 0);
  const total = length ?? (frames || last);
  if (length !== null) whole(length, "frames", 1, LIMITS.frames);
  if (total < 1 || total > LIMITS.frames || phrases.size > LIMITS.objects) {
    const limits = say`1 to ${LIMITS.frames} frames and up to ${LIMITS.objects} objects`;
    throw new TrajectoryError(say`the file has ${total} frames and ${phrases.size} objects; expected ${limits}`);
  }
  if (last > total) {
    const missing = last - total === 1 ? say`1 frame` : say`${last - total} frames`;
    throw new TrajectoryError(say`the file has boxes up to frame ${last} of ${total}: add ${missing} or cut the file`);
  }
  const names = [...phrases.keys()];
  const boxes = Array.from({ length: total }, () => names.map(() => /** @type {Box} */ ([0, 0, 0, 0])));
  const mask = Array.from({ length: total }, () => names.map(() => false));
  const columns = new Map(names.map((name, n) => [name, n]));
  for (const { frame, name, box } of entries) {
    const n = columns.get(name);
    boxes[frame][n] = box;
    mask[frame][n] = true;
  }
  return { boxes, mask, phrases: [...phrases.values()], inPixels, leftOut, size, fromSides, remarks };
}

/** Entries of a part of a longer video, numbered from its first frame. Those that start soon stay as they are. */
function started({ entries, length = null, mayStartLate = false }) {
  if (length !== null || !mayStartLate || !entries.length) return entries;
  const [first, last] = entries.reduce(([low, high], { frame }) => [Math.min(low, frame), Math.max(high, frame)], [Infinity, 0]);
  return first < last - first + 1 ? entries : entries.map((entry) => ({ ...entry, frame: entry.frame - first }));
}

/**
 * Refuse a second box of an object in a frame.
 *
 * @param {Entry[]} entries
 * @param {boolean} hasNames  whether the file names its objects
 */
export function refuseRepeated(entries, hasNames = true) {
  const seen = new Set();
  for (const { frame, name, where } of entries) {
    const key = JSON.stringify([frame, name]);
    if (seen.has(key)) {
      const object = JSON.stringify(String(name ?? "").slice(0, 40));
      if (hasNames) throw new TrajectoryError(say`${where}: found a second box for object ${object} in the same frame`);
      throw new TrajectoryError(
        say`${where}: found a second box for object ${object} in the same frame: add a column 'object' that tells them apart`,
      );
    }
    seen.add(key);
  }
}

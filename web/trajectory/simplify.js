/**
 * From a box per frame to few keys.
 *
 * @import {Box, Key, Trajectory} from "./document.js"
 */

import { readBox, readTrajectory, straightKey, VERSION } from "./document.js";
import { say, TrajectoryError } from "./refusal.js";

export const DEFAULT_TOLERANCE = 0.004; // of the frame: one pixel of 256

/**
 * Turn boxes [F][N] and mask [F][N] into a document with few keys, joined by straight lines. Its mask is the same, and
 * on visible frames no coordinate is further than `tolerance` (in units of the frame) from the input. Boxes where the
 * mask is false are not read. Python's trajectory_from_boxes gives the same.
 *
 * @param {Box[][]} boxes
 * @param {boolean[][]} mask
 * @param {{width: number, height: number, fps: number, phrases: string[], tolerance?: number}} details
 * @returns {Trajectory}
 */
export function trajectoryFromBoxes(boxes, mask, { width, height, fps, phrases, tolerance = DEFAULT_TOLERANCE }) {
  if (!(tolerance >= 0)) {
    throw new TrajectoryError(say`tolerance is ${tolerance}: give 0 or more, in units of the frame`);
  }
  mask.forEach((row, frame) => {
    if (row.length !== phrases.length) {
      throw new TrajectoryError(say`frame ${frame} has ${row.length} objects but there are ${phrases.length} phrases`);
    }
    row.forEach((visible, n) => visible && readBox(boxes[frame][n], `object ${n} (${phrases[n]}), frame ${frame}`));
  });
  const objects = phrases.map((phrase, n) => {
    const keys = fewKeys(boxes.map((row) => row[n]), mask.map((row) => row[n]), tolerance);
    return { phrase, keys };
  });
  return readTrajectory({ version: VERSION, width, height, frames: boxes.length, fps, objects });
}

/**
 * Keys for one object from a box per frame. A gap is one key that is not visible.
 *
 * @param {Box[]} boxes  [F]
 * @param {boolean[]} visible  [F]
 * @param {number} tolerance
 * @returns {Key[]}
 */
function fewKeys(boxes, visible, tolerance) {
  if (!visible.includes(true)) return [straightKey(0, [0, 0, 0, 0], false)];
  return runs(visible).flatMap(([start, end]) => {
    if (visible[start]) {
      return simplified(boxes, start, end, tolerance).map((frame) => straightKey(frame, boxes[frame]));
    }
    const nearest = start > 0 ? start - 1 : end + 1;
    return [straightKey(start, boxes[nearest], false)];
  });
}

/**
 * First and last index of each stretch of equal values.
 *
 * @param {boolean[]} values
 * @returns {[number, number][]}
 */
export function runs(values) {
  const starts = values.flatMap((value, n) => (n === 0 || value !== values[n - 1] ? [n] : []));
  return starts.map((start, n) => [start, (starts[n + 1] ?? values.length) - 1]);
}

/**
 * The frames from start to end to keep, so that straight lines between them stay within `tolerance` of the rest.
 * Source: Ramer (1972), Douglas and Peucker (1973), with the distance measured at equal times.
 *
 * @param {Box[]} boxes
 * @param {number} start
 * @param {number} end
 * @param {number} tolerance
 * @returns {number[]}
 */
export function simplified(boxes, start, end, tolerance) {
  const kept = new Set([start, end]);
  const spans = [[start, end]];
  while (spans.length) {
    const [first, last] = spans.pop();
    const [from, to] = [boxes[first], boxes[last]];
    let worst = tolerance;
    let split = -1;
    for (let frame = first + 1; frame < last; frame += 1) {
      const t = (frame - first) / (last - first);
      const box = boxes[frame];
      let error = 0;
      for (let c = 0; c < 4; c += 1) error = Math.max(error, Math.abs(from[c] + (to[c] - from[c]) * t - box[c]));
      if (error > worst) [worst, split] = [error, frame];
    }
    if (split >= 0) {
      kept.add(split);
      spans.push([first, split], [split, last]);
    }
  }
  return [...kept].sort((a, b) => a - b);
}

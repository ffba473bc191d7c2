/**
 * Simplification of a box per frame to few keys.
 *
 * @import {Box, Key, Trajectory} from "./document.js"
 */

import { readBox, readTrajectory, straightKey, VERSION } from "./document.js";
import { say, TrajectoryError } from "./refusal.js";

export const DEFAULT_TOLERANCE = 0.004; // of the frame: one pixel of 256

/**
 * Turn boxes [F][N] and mask [F][N] into a trajectory with few keys and linear motion. The mask stays the same. On
 * visible frames no coordinate differs by more than `tolerance` (in units of the frame). Boxes where the mask is false
 * are not read. Python's trajectory_from_boxes returns the same.
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
 * Keys of one object from a box per frame. A gap becomes one invisible key.
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
 * First and last index of each run of equal values.
 *
 * @param {boolean[]} values
 * @returns {[number, number][]}
 */
export function runs(values) {
  const starts = values.flatMap((value, n) => (n === 0 || value !== values[n - 1] ? [n] : []));
  return starts.map((start, n) => [start, (starts[n + 1] ?? values.length) - 1]);
}

/**
 * The frames from start to end to keep, so that linear motion between them stays within `tolerance` of the others.
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

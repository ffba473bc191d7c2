/**
 * Align and distribute boxes at one frame.
 *
 * @import {Trajectory} from "./document.js"
 * @typedef {"left" | "center" | "right" | "top" | "middle" | "bottom"} Edge
 */

import { boxAround } from "./box.js";
import { boxAt } from "./curve.js";
import { moveBoxes } from "./keys.js";
import { trackOf } from "./tracks.js";

/** Position of each edge between the low (0) and the high (1) side of its axis. */
const EDGES = { left: [0, 0], center: [0, 0.5], right: [0, 1], top: [1, 0], middle: [1, 0.5], bottom: [1, 1] };

/**
 * Align boxes at a frame: several to their bounding box, a single one to the image.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {number} frame
 * @param {Edge} edge
 * @returns {Trajectory}
 */
export function alignBoxes(trajectory, ids, frame, edge) {
  const boxes = boxesOf(trajectory, ids, frame);
  if (!boxes.length) return trajectory;
  const around = boxes.length > 1 ? boxAround(boxes.map(({ box }) => box)) : [0, 0, 1, 1];
  const [axis, share] = EDGES[edge];
  const place = (box) => box[axis] + (box[axis + 2] - box[axis]) * share;
  const to = place(around);
  return boxes.reduce((result, { id, box }) => shifted(result, id, frame, axis, to - place(box)), trajectory);
}

/**
 * Space boxes at a frame with equal gaps. The two outermost ones stay.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {number} frame
 * @param {"x" | "y"} axisName
 * @returns {Trajectory}
 */
export function distributeBoxes(trajectory, ids, frame, axisName) {
  const axis = axisName === "x" ? 0 : 1;
  const middle = ({ box }) => box[axis] + box[axis + 2];
  const sorted = boxesOf(trajectory, ids, frame).sort((a, b) => middle(a) - middle(b));
  if (sorted.length < 3) return trajectory;
  const sizes = sorted.map(({ box }) => box[axis + 2] - box[axis]);
  const room = sorted.at(-1).box[axis + 2] - sorted[0].box[axis] - sizes.reduce((a, b) => a + b);
  const gap = room / (sorted.length - 1);
  let next = sorted[0].box[axis];
  return sorted.reduce((result, { id, box }, n) => {
    const by = next - box[axis];
    next += sizes[n] + gap;
    return n === 0 || n === sorted.length - 1 ? result : shifted(result, id, frame, axis, by);
  }, trajectory);
}

function boxesOf(trajectory, ids, frame) {
  return [...ids].map((id) => ({ id, box: boxAt(trackOf(trajectory, id), frame, trajectory) }));
}

function shifted(trajectory, id, frame, axis, by) {
  if (Math.abs(by) < 1e-9) return trajectory;
  return moveBoxes(trajectory, [id], frame, axis === 0 ? by : 0, axis === 1 ? by : 0);
}

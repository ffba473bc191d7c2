/**
 * Geometry of single boxes, [x1, y1, x2, y2] in units of the frame.
 *
 * @import {Box} from "./document.js"
 */

import { LIMITS } from "./document.js";
import { say, TrajectoryError } from "./refusal.js";

const [LOW, HIGH] = LIMITS.coordinate;
const DECIMALS = 1e6; // a 60th of a pixel of the largest frame: drags leave no long tails of digits in the text

/**
 * A box as a key may hold it: inside the range of coordinates, and sides that crossed meet in their middle, where the
 * model does not see the box either.
 *
 * @param {Box} box
 * @returns {Box}
 */
export function allowedBox(box) {
  if (!box.every(Number.isFinite)) throw new TrajectoryError(say`box [${box.join(", ")}] is not finite: give numbers`);
  const [x1, y1] = [clampCoordinate(box[0]), clampCoordinate(box[1])];
  const [x2, y2] = [clampCoordinate(box[2]), clampCoordinate(box[3])];
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return [x1 <= x2 ? x1 : x, y1 <= y2 ? y1 : y, x1 <= x2 ? x2 : x, y1 <= y2 ? y2 : y];
}

/**
 * An allowed box with coordinates of six decimals, as operations of the editor leave it.
 *
 * @param {Box} box
 * @returns {Box}
 */
export function tidyBox(box) {
  const [x1, y1, x2, y2] = allowedBox(box);
  return [rounded(x1), rounded(y1), rounded(x2), rounded(y2)];
}

/**
 * The box between any two opposite corners.
 *
 * @returns {Box}
 */
export function boxBetween(xa, ya, xb, yb) {
  return [Math.min(xa, xb), Math.min(ya, yb), Math.max(xa, xb), Math.max(ya, yb)];
}

/**
 * The box moved, as far as the range of coordinates lets it: it keeps its size.
 *
 * @param {Box} box
 * @param {number} dx
 * @param {number} dy
 * @returns {Box}
 */
export function movedBox([x1, y1, x2, y2], dx, dy) {
  const x = Math.min(Math.max(dx, LOW - x1), HIGH - x2);
  const y = Math.min(Math.max(dy, LOW - y1), HIGH - y2);
  return [x1 + x, y1 + y, x2 + x, y2 + y];
}

/**
 * The box scaled about a point.
 *
 * @param {Box} box
 * @param {number} factor
 * @param {number} x
 * @param {number} y
 * @returns {Box}
 */
export function scaledBox([x1, y1, x2, y2], factor, x, y) {
  return [x + (x1 - x) * factor, y + (y1 - y) * factor, x + (x2 - x) * factor, y + (y2 - y) * factor];
}

/**
 * @param {Box} box
 * @returns {[number, number]}
 */
export function centreOf([x1, y1, x2, y2]) {
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}

/**
 * The smallest box around all of at least one.
 *
 * @param {Box[]} boxes
 * @returns {Box}
 */
export function boxAround(boxes) {
  return boxes.reduce(([x1, y1, x2, y2], [a1, b1, a2, b2]) => {
    return [Math.min(x1, a1), Math.min(y1, b1), Math.max(x2, a2), Math.max(y2, b2)];
  });
}

/**
 * @param {Box} a
 * @param {Box} b
 */
export function sameBox(a, b) {
  return a.every((v, n) => v === b[n]);
}

function rounded(v) {
  return Math.round(v * DECIMALS) / DECIMALS + 0; // + 0 makes -0 a 0
}

function clampCoordinate(v) {
  return Math.min(Math.max(v, LOW), HIGH);
}

/**
 * Geometry of single boxes, [x1, y1, x2, y2] in units of the frame.
 *
 * @import {Box} from "./document.js"
 */

import { LIMITS } from "./document.js";
import { say, TrajectoryError } from "./refusal.js";

const [LOW, HIGH] = LIMITS.coordinate;
const DECIMALS = 1e6; // 1/60 pixel of the largest image; keeps the text free of long decimals

/**
 * Make a box valid for a key: clamp it to the range of coordinates, and collapse crossed sides to their middle, as the
 * model ignores such a box too.
 *
 * @param {Box} box
 * @returns {Box}
 */
export function allowedBox(box) {
  if (!box.every(Number.isFinite)) {
    throw new TrajectoryError(say`box [${box.join(", ")}] is not finite: numbers expected`);
  }
  const [x1, y1] = [clampCoordinate(box[0]), clampCoordinate(box[1])];
  const [x2, y2] = [clampCoordinate(box[2]), clampCoordinate(box[3])];
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return [x1 <= x2 ? x1 : x, y1 <= y2 ? y1 : y, x1 <= x2 ? x2 : x, y1 <= y2 ? y2 : y];
}

/**
 * Make a box valid and round it to six decimals, as every operation of the editor does.
 *
 * @param {Box} box
 * @returns {Box}
 */
export function tidyBox(box) {
  const [x1, y1, x2, y2] = allowedBox(box);
  return [rounded(x1), rounded(y1), rounded(x2), rounded(y2)];
}

/**
 * The box between two opposite corners, in any order.
 *
 * @returns {Box}
 */
export function boxBetween(xa, ya, xb, yb) {
  return [Math.min(xa, xb), Math.min(ya, yb), Math.max(xa, xb), Math.max(ya, yb)];
}

/**
 * Move a box, at most to the end of the range of coordinates. Its size stays.
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
 * Scale a box about a point.
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
 * The bounding box of one or more boxes.
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
  return Math.round(v * DECIMALS) / DECIMALS + 0; // + 0 turns -0 into 0
}

function clampCoordinate(v) {
  return Math.min(Math.max(v, LOW), HIGH);
}

/** Intersection over union of two boxes. @param {Box} a @param {Box} b */
export function overlapOf(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  return (width * height) / (area(a) + area(b) - width * height);
}

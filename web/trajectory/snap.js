/**
 * Snapping to the frame, to other boxes and to a grid. All values are in units of the frame.
 *
 * @import {Box} from "./document.js"
 * @import {Handle} from "./hit.js"
 * @typedef {{axis: "x" | "y", at: number, kind: "frame" | "box" | "grid", id?: string}} Guide  a line that was met
 * @typedef {{frame?: boolean, boxes?: {id: string, box: Box}[], grid?: [number, number] | null}} Targets  what to snap
 *   to: sides and middle of the frame, sides and middles of other boxes, multiples of a step in x and y
 */

import { HANDLES } from "./hit.js";

const EPSILON = 1e-9; // of the frame: lines that are equal except for rounding

/**
 * How much further to move a box so that a side or its middle meets a line, per axis.
 *
 * @param {Box} box  without snapping
 * @param {Targets} targets
 * @param {[number, number]} reach  snapping distance, from reachOf
 * @returns {{dx: number, dy: number, guides: Guide[]}}
 */
export function snapMove(box, targets, reach) {
  const [x, y] = [0, 1].map((axis) => {
    const [low, high] = [box[axis], box[axis + 2]];
    return snapAxis([low, (low + high) / 2, high], axis, targets, reach[axis]);
  });
  return { dx: x.by, dy: y.by, guides: [...x.guides, ...y.guides] };
}

/**
 * How much further to drag a handle so that its sides meet a line.
 *
 * @param {Box} box  without snapping
 * @param {Handle} handle  under the pointer
 * @param {Targets} targets
 * @param {[number, number]} reach
 * @returns {{dx: number, dy: number, guides: Guide[]}}
 */
export function snapResize(box, handle, targets, reach) {
  const [x, y] = [0, 1].map((axis) => {
    const side = HANDLES[handle][axis];
    const values = side === 0.5 ? [] : [box[axis + 2 * side]];
    return snapAxis(values, axis, targets, reach[axis]);
  });
  return { dx: x.by, dy: y.by, guides: [...x.guides, ...y.guides] };
}

/** The smallest step that moves one of `values` onto a line, and all lines met. Other lines win over the grid. */
function snapAxis(values, axis, { frame = false, boxes = [], grid = null }, reach) {
  /** @type {Omit<Guide, "axis">[]} */
  const lines = frame ? [0, 0.5, 1].map((at) => ({ at, kind: "frame" })) : [];
  for (const { id, box } of boxes) {
    const [low, high] = [box[axis], box[axis + 2]];
    for (const at of [low, (low + high) / 2, high]) lines.push({ at, kind: "box", id });
  }
  const step = grid?.[axis];
  const gridLines = step > 0 ? values.map((value) => ({ at: Math.round(value / step) * step, kind: "grid" })) : [];
  const by = nearest(values, lines, reach) ?? nearest(values, gridLines, reach);
  if (by === null) return { by: 0, guides: [] };
  const isSame = (a, b) => Math.abs(a - b) < EPSILON;
  const met = [...lines, ...gridLines].filter(({ at }) => values.some((value) => isSame(value + by, at)));
  const isFirst = (line, n) => met.findIndex(({ at, kind }) => isSame(at, line.at) && kind === line.kind) === n;
  return { by, guides: met.filter(isFirst).map((line) => ({ axis: axis === 0 ? "x" : "y", ...line })) };
}

function nearest(values, lines, reach) {
  let best = null;
  for (const value of values) {
    for (const { at } of lines) {
      const by = at - value;
      if (Math.abs(by) <= reach && (best === null || Math.abs(by) < Math.abs(best))) best = by;
    }
  }
  return best;
}

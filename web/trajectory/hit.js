/**
 * Hit tests. All values are in units of the frame. Pixels are not square in these units, so `reach`, the distance at
 * which a handle can be grabbed, has an x and a y value, from `reachOf`.
 *
 * @import {Box} from "./document.js"
 * @typedef {"nw" | "n" | "ne" | "e" | "se" | "s" | "sw" | "w"} Handle
 * @typedef {{id: string, box: Box}} Shape  a box that can be hit, in drawing order
 * @typedef {{kind: "handle", id: string, handle: Handle} | {kind: "point", id: string, frame: number} |
 *   {kind: "box", id: string} | null} Hit
 */

/** Position of each handle in x and y: 0 low side, 0.5 middle, 1 high side. Corners come first, so they win. */
export const HANDLES = {
  nw: [0, 0],
  ne: [1, 0],
  se: [1, 1],
  sw: [0, 1],
  n: [0.5, 0],
  e: [1, 0.5],
  s: [0.5, 1],
  w: [0, 0.5],
};

/**
 * Positions of the eight handles of a box. On a small box they move outwards, so that its middle can be grabbed.
 *
 * @param {Box} box
 * @param {[number, number]} reach
 * @returns {{handle: Handle, x: number, y: number}[]}
 */
export function handlePoints([x1, y1, x2, y2], [reachX, reachY]) {
  const offX = Math.max(0, 2 * reachX - (x2 - x1) / 2);
  const offY = Math.max(0, 2 * reachY - (y2 - y1) / 2);
  return Object.entries(HANDLES).map(([handle, [u, v]]) => ({
    handle: /** @type {Handle} */ (handle),
    x: x1 - offX + (x2 - x1 + 2 * offX) * u,
    y: y1 - offY + (y2 - y1 + 2 * offY) * v,
  }));
}

/**
 * Hit test at x, y: a handle of a selected box, else a point of a selected path, else the topmost box. Handles win even
 * over boxes drawn later.
 *
 * @param {{shapes: Shape[], selected: Set<string>, points?: {id: string, frame: number, x: number, y: number}[]}} scene
 * @param {number} x
 * @param {number} y
 * @param {[number, number]} reach
 * @returns {Hit}
 */
export function hitTest({ shapes, selected, points = [] }, x, y, reach) {
  const near = (point) => Math.abs(point.x - x) <= reach[0] && Math.abs(point.y - y) <= reach[1];
  for (const { id, box } of [...shapes].reverse()) {
    if (!selected.has(id) || !isNearBox(box, x, y, reach)) continue;
    const found = handlePoints(box, reach).find(near);
    if (found) return { kind: "handle", id, handle: found.handle };
  }
  const distance = (point) => Math.hypot((point.x - x) / reach[0], (point.y - y) / reach[1]);
  const nearest = points.filter(near).sort((a, b) => distance(a) - distance(b))[0];
  if (nearest) return { kind: "point", id: nearest.id, frame: nearest.frame };
  const [top] = boxesUnder(shapes, x, y, reach);
  return top ? { kind: "box", id: top } : null;
}

/** Whether any handle of a box may be within reach: a quick test before computing their positions. */
function isNearBox([x1, y1, x2, y2], x, y, [reachX, reachY]) {
  return x >= x1 - 3 * reachX && x <= x2 + 3 * reachX && y >= y1 - 3 * reachY && y <= y2 + 3 * reachY;
}

/**
 * The ids of all boxes at a point, topmost first. A box without area can be hit within half the reach.
 *
 * @param {Shape[]} shapes
 * @param {number} x
 * @param {number} y
 * @param {[number, number]} reach
 * @returns {string[]}
 */
export function boxesUnder(shapes, x, y, [reachX, reachY]) {
  const isUnder = ({ box: [x1, y1, x2, y2] }) => {
    const [slackX, slackY] = [Math.max(0, reachX - (x2 - x1)) / 2, Math.max(0, reachY - (y2 - y1)) / 2];
    return x >= x1 - slackX && x <= x2 + slackX && y >= y1 - slackY && y <= y2 + slackY;
  };
  return shapes.filter(isUnder).map(({ id }) => id).reverse();
}

/**
 * The next box under the pointer for Alt-click: the one below the current one, or the topmost after the last.
 *
 * @param {string[]} under  from boxesUnder
 * @param {string | null} current
 * @returns {string | null}
 */
export function nextUnder(under, current) {
  if (!under.length) return null;
  return under[(under.indexOf(current) + 1) % under.length];
}

/**
 * The boxes that a marquee selects: all that it touches, or only those inside it.
 *
 * @param {Shape[]} shapes
 * @param {Box} marquee
 * @param {"touch" | "inside"} [mode]
 * @returns {string[]}
 */
export function boxesIn(shapes, [left, top, right, bottom], mode = "touch") {
  const isTaken = ({ box: [x1, y1, x2, y2] }) =>
    mode === "inside"
      ? x1 >= left && x2 <= right && y1 >= top && y2 <= bottom
      : x1 <= right && x2 >= left && y1 <= bottom && y2 >= top;
  return shapes.filter(isTaken).map(({ id }) => id);
}

/**
 * Resizing with snapping, with or without a fixed aspect ratio.
 *
 * @import {Box} from "./document.js"
 * @import {Handle} from "./hit.js"
 * @import {Guide, Targets} from "./snap.js"
 */

import { HANDLES, resizedBox, snapResize } from "./model.js";

const MET = 1e-7; // of the frame

/**
 * Drag a handle by dx, dy, then snap to near lines.
 *
 * @param {Box} box  from before the drag
 * @param {Handle} handle
 * @param {number} dx
 * @param {number} dy
 * @param {{keepAspect: boolean, aboutCentre: boolean}} options
 * @param {{targets: Targets, reach: [number, number]} | null} snap
 * @returns {{box: Box, handle: Handle, guides: Guide[]}}
 */
export function snappedResize(box, handle, dx, dy, options, snap) {
  const free = resizedBox(box, handle, dx, dy, options);
  if (!snap) return { ...free, guides: [] };
  const { targets, reach } = snap;
  const by = snapResize(free.box, free.handle, targets, reach);
  const hasAspect = options.keepAspect && box[2] > box[0] && box[3] > box[1];
  const [x, y] = hasAspect ? aspectDrag(box, handle, free, by, options, reach) ?? [dx, dy] : [dx + by.dx, dy + by.dy];
  const snapped = resizedBox(box, handle, x, y, options);
  return { ...snapped, guides: snapResize(snapped.box, snapped.handle, targets, [MET, MET]).guides };
}

/** The drag that snaps the side nearest to a line and scales the other side in proportion, or null. */
function aspectDrag(box, handle, free, by, { aboutCentre }, reach) {
  if (free.handle !== handle) return null; // flipped
  const near = [0, 1].filter((axis) => by[axis ? "dy" : "dx"] !== 0);
  const [axis] = near.sort((a, b) => distance(by, a, reach) - distance(by, b, reach));
  if (axis === undefined) return null;
  const about = aboutCentre ? 2 : 1;
  const ways = HANDLES[handle].map((side) => 2 * side - 1);
  const sizes = [box[2] - box[0], box[3] - box[1]];
  const grown = free.box[axis + 2] - free.box[axis] + by[axis ? "dy" : "dx"] * ways[axis] * about;
  return sizes.map((size, n) => (size * (grown / sizes[axis] - 1) * ways[n]) / about);
}

function distance(by, axis, reach) {
  return Math.abs(by[axis ? "dy" : "dx"]) / reach[axis];
}

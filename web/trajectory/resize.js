/**
 * Resizing a box by one of its handles.
 *
 * @import {Box} from "./document.js"
 * @import {Handle} from "./hit.js"
 */

import { centreOf } from "./box.js";
import { HANDLES } from "./hit.js";

const NAMES = [["nw", "n", "ne"], ["w", "", "e"], ["sw", "s", "se"]];

/**
 * Drag a handle of a box by dx, dy. Returns the handle that is then under the pointer too: if a side is dragged past
 * the opposite one, the box stays upright and the handle changes sides.
 *
 * @param {Box} box  from before the drag
 * @param {Handle} handle
 * @param {number} dx  since the start of the drag, in units of the frame
 * @param {number} dy
 * @param {{keepAspect?: boolean, aboutCentre?: boolean}} [options]  keepAspect has no effect on a box without area
 * @returns {{box: Box, handle: Handle}}
 */
export function resizedBox(box, handle, dx, dy, { keepAspect = false, aboutCentre = false } = {}) {
  const sides = HANDLES[handle];
  const centre = centreOf(box);
  const sizes = [box[2] - box[0], box[3] - box[1]];
  const about = aboutCentre ? 2 : 1; // the opposite side moves the other way
  const dragged = [dx, dy].map((by, axis) => {
    const way = 2 * sides[axis] - 1; // -1 low side, 0 middle, 1 high side
    return way === 0 ? null : { way, grown: sizes[axis] + by * way * about }; // grown < 0: flipped
  });
  const aspect = keepAspect && sizes[0] > 0 && sizes[1] > 0 ? commonFactor(dragged, sizes) : null;
  const spans = [0, 1].map((axis) => {
    const side = dragged[axis];
    if (!side) {
      const half = (sizes[axis] * (aspect === null ? 1 : Math.abs(aspect))) / 2;
      return [centre[axis] - half, centre[axis] + half];
    }
    const sign = Math.sign(side.grown) || 1;
    const size = aspect === null ? side.grown : sizes[axis] * Math.abs(aspect) * sign;
    const opposite = side.way > 0 ? box[axis] : box[axis + 2];
    const fixed = aboutCentre ? centre[axis] - (side.way * size) / 2 : opposite;
    return [fixed, fixed + side.way * size].sort((a, b) => a - b);
  });
  const turned = [0, 1].map((axis) => (dragged[axis] && dragged[axis].grown < 0 ? 1 - sides[axis] : sides[axis]));
  return {
    box: [spans[0][0], spans[1][0], spans[0][1], spans[1][1]],
    handle: /** @type {Handle} */ (NAMES[turned[1] * 2][turned[0] * 2]),
  };
}

/**
 * Resize one box of a selection with the bounding box of the selection.
 *
 * @param {Box} box
 * @param {Box} before  bounding box of the selection
 * @param {Box} after
 * @returns {Box}
 */
export function boxWithin(box, before, after) {
  const place = (v, axis) => {
    const size = before[axis + 2] - before[axis];
    return size > 0 ? after[axis] + ((v - before[axis]) / size) * (after[axis + 2] - after[axis]) : after[axis];
  };
  return [place(box[0], 0), place(box[1], 1), place(box[2], 0), place(box[3], 1)];
}

/** One factor for both axes: that of the dragged axis which changes the size most. */
function commonFactor(dragged, sizes) {
  const candidates = dragged.flatMap((side, axis) => (side ? [side.grown / sizes[axis]] : []));
  const change = (factor) => Math.abs(Math.abs(factor) - 1);
  return candidates.reduce((best, factor) => (change(factor) > change(best) ? factor : best));
}

/**
 * Moving an end of a visible range: when an object enters or leaves.
 *
 * @import {Trajectory} from "./document.js"
 */

import { deleteKeys, denseBoxes, setVisible, trackOf } from "./model.js";

const SAME = 1e-5; // of the frame; added keys are rounded to six decimals

/**
 * Let a visible range begin or end at another frame without changing the motion. The key that only the old end needed
 * is deleted, so dragging an end back and forth leaves nothing behind.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {[number, number]} range  one of the object's visibleRanges
 * @param {"first" | "last"} end
 * @param {number} frame  limited by the other end
 * @returns {Trajectory}
 */
export function moveRangeEnd(trajectory, id, [first, last], end, frame) {
  if (end === "first") {
    const to = Math.min(Math.max(frame, 0), last);
    if (to === first) return trajectory;
    const isLonger = to < first;
    const [from, until] = isLonger ? [to, first - 1] : [first, to - 1];
    return withoutSpareKey(setVisible(trajectory, [id], from, until, isLonger), id, first);
  }
  const to = Math.min(Math.max(frame, first), trajectory.frames - 1);
  if (to === last) return trajectory;
  const isLonger = to > last;
  const [from, until] = isLonger ? [last + 1, to] : [to + 1, last];
  return withoutSpareKey(setVisible(trajectory, [id], from, until, isLonger), id, last + 1);
}

/** Delete the key at a frame unless boxes or visibility need it. */
function withoutSpareKey(trajectory, id, frame) {
  const track = trackOf(trajectory, id);
  const index = track.keys.findIndex((key) => key.frame === frame);
  if (index < 1 || track.keys[index - 1].visible !== track.keys[index].visible) return trajectory;
  const without = deleteKeys(trajectory, [{ id, frame }]);
  const before = denseBoxes(track, trajectory);
  const after = denseBoxes(trackOf(without, id), trajectory);
  return before.every((value, n) => Math.abs(value - after[n]) <= SAME) ? without : trajectory;
}

/**
 * Camera moves, imitated by moving all boxes. The model does not learn that the background moves too.
 *
 * @import {Box, Ease, Handles, Key, Trajectory} from "./document.js"
 */

import { movedBox, scaledBox, tidyBox } from "./box.js";
import { boxOf, denseBoxes, easeAt } from "./curve.js";
import { number, readEase } from "./document.js";
import { withHandles } from "./path.js";
import { randomNumbers } from "./random.js";
import { DEFAULT_TOLERANCE } from "./simplify.js";
import { checkSpan, spanOf, straight, withSpan } from "./span.js";
import { changeTracks } from "./tracks.js";

/**
 * Pan and zoom from frame `from` to frame `to`. The camera then stays where it is.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids  objects that it moves: all but the locked ones
 * @param {{from: number, to: number, dx?: number, dy?: number, zoom?: number, ease?: Ease}} move  dx, dy: camera
 *   motion in units of the frame (right and down, so boxes go left and up); zoom 2 makes boxes twice as large
 * @returns {Trajectory}
 */
export function moveCamera(trajectory, ids, { from, to, dx = 0, dy = 0, zoom = 1, ease = "linear" }) {
  checkSpan(trajectory, from, to);
  readEase(ease, "ease");
  number(zoom, "zoom", 0.01, 100);
  const seen = (box, progress) => {
    const moved = movedBox(box, -dx * progress, -dy * progress);
    return scaledBox(moved, zoom ** progress, 0.5, 0.5);
  };
  return changeTracks(trajectory, ids, (track) => {
    const dense = denseBoxes(track, trajectory);
    const boxes = spanOf(from, to, (frame) => seen(boxOf(dense, frame), easeAt(ease, (frame - from) / (to - from))));
    const spanned = withSpan(track, from, boxes, straight(DEFAULT_TOLERANCE), trajectory);
    // One linear change to all later keys changes every box between them alike, whatever their easing.
    const keys = spanned.keys.map((key) => {
      if (key.frame < to) return key;
      const [arriving, leaving] = scaledHandles(key, zoom);
      if (key.frame === to) return withHandles(key, { leaving });
      return withHandles({ ...key, box: tidyBox(seen(key.box, 1)) }, { arriving, leaving });
    });
    return { ...spanned, keys };
  });
}

/** @param {Key} key @param {number} zoom @returns {Handles} */
function scaledHandles({ handles: [before, after] = [[0, 0], [0, 0]] }, zoom) {
  return [[before[0] * zoom, before[1] * zoom], [after[0] * zoom, after[1] * zoom]];
}

/**
 * Shake the camera between the frames `from` and `to`, which stay as they are.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {{from: number, to: number, amount?: number, seed?: number}} shake  amount: largest offset, in
 *   units of the frame
 * @returns {Trajectory}
 */
export function shakeCamera(trajectory, ids, { from, to, amount = 0.02, seed = 1 }) {
  checkSpan(trajectory, from, to);
  const random = randomNumbers(seed);
  const offsets = spanOf(from, to, (frame) => {
    const isInside = frame > from && frame < to;
    const [x, y] = [random(), random()];
    return isInside ? [(2 * x - 1) * amount, (2 * y - 1) * amount] : [0, 0];
  });
  return changeTracks(trajectory, ids, (track) => {
    const dense = denseBoxes(track, trajectory);
    const boxes = offsets.map(([dx, dy], n) => movedBox(boxOf(dense, from + n), dx, dy));
    return withSpan(track, from, boxes, straight(0), trajectory);
  });
}

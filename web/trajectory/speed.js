/**
 * How fast objects move on the screen.
 *
 * @import {Track, Trajectory} from "./document.js"
 */

import { denseBoxes } from "./curve.js";

/**
 * The speed of a track's centre from each frame to the next, [F - 1], in widths of the image per second.
 *
 * @param {Track} track
 * @param {Trajectory} trajectory  its trajectory
 * @returns {Float64Array}
 */
export function speedsOf(track, trajectory) {
  const { frames, fps, width, height } = trajectory;
  const dense = denseBoxes(track, trajectory);
  const centre = (frame, axis) => (dense[frame * 4 + axis] + dense[frame * 4 + axis + 2]) / 2;
  return Float64Array.from({ length: frames - 1 }, (_, n) => {
    const dx = centre(n + 1, 0) - centre(n, 0);
    const dy = ((centre(n + 1, 1) - centre(n, 1)) * height) / width;
    return Math.sqrt(dx * dx + dy * dy) * fps;
  });
}

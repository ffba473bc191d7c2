/**
 * Conversion between units of the frame and screen pixels: px = left + x * width.
 *
 * @import {Box} from "./document.js"
 * @typedef {{left: number, top: number, width: number, height: number}} Viewport  the frame on the screen,
 *   in CSS pixels
 */

const MIN_SIDE = 16; // pixels of the frame on the screen
const MAX_SIDE = 65536;

/**
 * Fit the frame into the middle of a canvas.
 *
 * @param {number} canvasWidth  CSS pixels
 * @param {number} canvasHeight
 * @param {number} width  of the frame; only the ratio matters
 * @param {number} height
 * @param {number} [margin]  room for boxes that leave the frame, CSS pixels
 * @returns {Viewport}
 */
export function fitViewport(canvasWidth, canvasHeight, width, height, margin = 0) {
  const room = [Math.max(canvasWidth - 2 * margin, MIN_SIDE), Math.max(canvasHeight - 2 * margin, MIN_SIDE)];
  const scale = Math.min(room[0] / width, room[1] / height);
  const [w, h] = [width * scale, height * scale];
  return { left: (canvasWidth - w) / 2, top: (canvasHeight - h) / 2, width: w, height: h };
}

/**
 * Zoom by a factor about the point under the pointer.
 *
 * @param {Viewport} viewport
 * @param {number} px
 * @param {number} py
 * @param {number} factor
 * @returns {Viewport}
 */
export function zoomAt({ left, top, width, height }, px, py, factor) {
  const low = MIN_SIDE / Math.min(width, height);
  const high = MAX_SIDE / Math.max(width, height);
  const by = Math.max(Math.min(factor, high), Math.min(low, 1));
  return { left: px + (left - px) * by, top: py + (top - py) * by, width: width * by, height: height * by };
}

/**
 * @param {Viewport} viewport
 * @param {number} dx  CSS pixels
 * @param {number} dy
 * @returns {Viewport}
 */
export function panBy(viewport, dx, dy) {
  return { ...viewport, left: viewport.left + dx, top: viewport.top + dy };
}

/**
 * @param {Viewport} viewport
 * @param {number} px
 * @param {number} py
 * @returns {[number, number]} units of the frame
 */
export function toFrame({ left, top, width, height }, px, py) {
  return [(px - left) / width, (py - top) / height];
}

/**
 * @param {Viewport} viewport
 * @param {number} x  units of the frame
 * @param {number} y
 * @returns {[number, number]} CSS pixels
 */
export function toPixels({ left, top, width, height }, x, y) {
  return [left + x * width, top + y * height];
}

/**
 * Convert a length in CSS pixels to units of the frame per axis: the reach of handles and snapping.
 *
 * @param {Viewport} viewport
 * @param {number} pixels
 * @returns {[number, number]}
 */
export function reachOf({ width, height }, pixels) {
  return [pixels / width, pixels / height];
}

/**
 * The label of a box: its phrase on a chip of its colour.
 *
 * @import {Track} from "../../trajectory/document.js"
 */

import { drawText, fittedText } from "../kit/canvas_text.js";
import { drawPadlock } from "../kit/icons.js";

export const FONT = "11px system-ui, sans-serif";
const HEIGHT = 15; // CSS pixels
const PADDING = 4;
const LEAST = 44; // CSS pixels; the label of a narrower box is above it
const ROOMY = 220; // CSS pixels, maximum width of a label above a box
const OFF = 8; // CSS pixels between that label and the box, room for the handles

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Track} track
 * @param {[number, number, number, number]} box  left, top, width, height in CSS pixels
 * @param {{number: number, isLocked: boolean, isRoomy: boolean}} options  number: shown instead of an empty phrase;
 *   isRoomy: allow a wide label above a small box
 */
export function drawLabel(context, track, [left, top, width, height], { number, isLocked, isRoomy }) {
  const isSmall = width < LEAST || height < HEIGHT + 2;
  if (isSmall && !isRoomy && Math.max(width, height) < 12) return; // too small to label
  const lock = isLocked ? 11 : 0;
  const room = isSmall ? (isRoomy ? ROOMY : LEAST) : width - 2;
  const phrase = track.phrase.trim() || `#${number}`;
  context.font = FONT;
  const { text, width: length } = fittedText(context, phrase, Math.floor((room - 2 * PADDING - lock) / 4) * 4);
  const whole = length + 2 * PADDING + lock;
  // The label stays visible if the box extends beyond the left or upper edge of the canvas.
  const x = Math.round(isSmall ? left - 1 : Math.max(left + 1, Math.min(1, left + width - whole - 1)));
  const y = Math.round(isSmall ? top - HEIGHT - OFF : Math.max(top + 1, Math.min(1, top + height - HEIGHT - 1)));
  context.fillStyle = track.color;
  context.fillRect(x, y, whole, HEIGHT);
  context.fillStyle = isLight(track.color) ? "#101010" : "#ffffff";
  context.textBaseline = "middle";
  if (isLocked) drawPadlock(context, x + PADDING, y + 3);
  drawText(context, text, x + PADDING + lock, y + HEIGHT / 2 + 0.5);
}

/** Whether dark text reads better on a colour. @param {string} color */
function isLight(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => (parseInt(color.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18; // relative luminance at which both contrasts are equal
}

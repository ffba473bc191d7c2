/**
 * The label of a box: its phrase on a chip of its colour.
 *
 * @import {Track} from "../../trajectory/document.js"
 */

import { drawText, fittedText } from "../kit/canvas_text.js";
import { drawPadlock } from "../kit/icons.js";
import { contrastTo } from "../kit/theme.js";

const HEIGHT = 15; // CSS pixels
const PADDING = 4;
const LEAST = 90; // CSS pixels, of a label that is wider than its box
const ROOMY = 220; // CSS pixels, the same of a box that is selected or under the pointer
const OFF = 7; // CSS pixels between the label and a box with handles

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Track} track
 * @param {[number, number, number, number]} box  left, top, width, height in CSS pixels
 * @param {{number: number, isLocked: boolean, isRoomy: boolean, hasHandles: boolean, font: string, limit: number}}
 *   options  number: shown instead of an empty phrase; isRoomy: allow a wide label; limit: width of the canvas
 */
export function drawLabel(context, track, [left, top, width, height], options) {
  const { number, isLocked, isRoomy, hasHandles, font, limit } = options;
  if (!isRoomy && Math.max(width, height) < 12) return; // too small to label
  const lock = isLocked ? 11 : 0;
  const room = Math.min(Math.max(width, isRoomy ? ROOMY : LEAST), limit - 2);
  const phrase = track.phrase.trim() || `#${number}`;
  context.font = font;
  const { text, width: length } = fittedText(context, phrase, Math.floor((room - 2 * PADDING - lock) / 4) * 4);
  const whole = length + 2 * PADDING + lock;
  // Above the box, which it would cover, but always on the canvas.
  const above = top - HEIGHT - (hasHandles ? OFF : 2);
  const x = Math.round(Math.max(Math.min(left - 1, limit - whole - 1), 1));
  const y = Math.round(above >= 1 ? above : Math.max(top + 2, Math.min(1, top + height - HEIGHT - 2)));
  context.fillStyle = track.color;
  context.fillRect(x, y, whole, HEIGHT);
  context.fillStyle = contrastTo(track.color);
  context.textBaseline = "middle";
  if (isLocked) drawPadlock(context, x + PADDING, y + 3);
  drawText(context, text, x + PADDING + lock, y + HEIGHT / 2 + 0.5);
}

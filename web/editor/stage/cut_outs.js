/**
 * The pictures of what is cut out by a mask: in its shape with a faded edge where it moves, as in the still where it is
 * in its place, and the hole that it leaves. The rules are those of smcd_core/guides/cut_and_drag.py.
 *
 * @import {Cut, Mask} from "../../trajectory/cuts.js"
 * @import {Box} from "../../trajectory/document.js"
 * @typedef {[number, number, number, number]} Rectangle  left, top, width, height
 * @typedef {{image: CanvasImageSource, part: Rectangle}} Still  part: what is shown of the image, in its own pixels
 * @typedef {"shape" | "hole"} Half  of a mask's picture: the upper and the lower one
 */

import { movedPart } from "../../trajectory/model.js";
import { canvasOf, filledCopy } from "./fill.js";
import { rectangle } from "./scene.js";

const MAX_SIDE = 1024; // pixels of a cut-out
const SMOOTH_SIDE = 64; // of the colours around and behind it
const RIM = 1; // pixels of a filled copy around a hole into which the still was smoothed
const SOLID = 4; // times that a soft edge is drawn to be none
/** @type {Box} */
const WHOLE = [0, 0, 1, 1];

/** A box in pixels of the image of the still. @param {Box} box @param {Still} still */
export function pixelsOf(box, { part: [left, top, width, height] }) {
  return rectangle(box, { left, top, width, height });
}

/**
 * Where a box is on a canvas that shows a region.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {Box} region
 */
function placeOn({ canvas: { width, height } }, box, region) {
  return rectangle(movedPart(box, region, WHOLE), { left: 0, top: 0, width, height });
}

/**
 * Make transparent what a cut leaves behind, on a small copy of a region of the still.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Cut} cut
 * @param {Box} region
 */
export function clearHole(context, { mask, part }, region) {
  const [left, top, width, height] = placeOn(context, part, region);
  if (!mask) {
    const [x, y] = [Math.floor(left) - RIM, Math.floor(top) - RIM];
    context.clearRect(x, y, Math.ceil(left + width) + RIM - x, Math.ceil(top + height) + RIM - y);
    return;
  }
  context.globalCompositeOperation = "destination-out";
  for (let n = 0; n < SOLID; n += 1) {
    drawMask(context, mask, "hole", part, [left - RIM, top - RIM, width + 2 * RIM, height + 2 * RIM]);
  }
  context.globalCompositeOperation = "source-over";
}

/**
 * The hole of a cut, filled.
 *
 * @param {Cut} cut  with a mask
 * @param {Still} still
 * @param {HTMLCanvasElement} smooth  the whole still without any object
 */
export function filledHole(cut, still, smooth) {
  const context = canvasOfPart(cut.part, still);
  const { width, height } = context.canvas;
  const { width: side } = smooth;
  context.drawImage(smooth, ...rectangle(cut.part, { left: 0, top: 0, width: side, height: side }), 0, 0, width, height);
  keepOnly(context, cut, "hole");
  return context.canvas;
}

/**
 * A cut where it moves.
 *
 * @param {Cut} cut  with a mask
 * @param {Still} still
 */
export function movingShape(cut, still) {
  const context = ownColors(cut, still, "shape");
  keepOnly(context, cut, "shape");
  return context.canvas;
}

/**
 * A cut in its place: the still, but for objects in front.
 *
 * @param {Cut} cut  with a mask
 * @param {Still} still
 */
export function restingShape(cut, still) {
  const context = ownColors(cut, still, "hole");
  keepOnly(context, cut, "hole");
  return context.canvas;
}

/**
 * The part of the still that a cut is in. Its own colours go on behind objects in front and around the shape, else the
 * background would shine at the edges.
 *
 * @param {Cut} cut  with a mask
 * @param {Still} still
 * @param {Half} half  what is not filled
 */
function ownColors(cut, still, half) {
  const context = canvasOfPart(cut.part, still);
  const draw = (on, kept) => {
    on.drawImage(still.image, ...pixelsOf(cut.part, still), 0, 0, on.canvas.width, on.canvas.height);
    for (const { by } of cut.covered) clearHole(on, by, cut.part);
    keepOnly(on, cut, kept);
  };
  draw(context, half);
  context.globalCompositeOperation = "destination-over";
  const smooth = filledCopy(SMOOTH_SIDE, (small) => draw(small, "shape"));
  context.drawImage(smooth, 0, 0, context.canvas.width, context.canvas.height);
  return context;
}

/**
 * Keep what is within the mask, on a canvas that shows the part of a cut.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Cut} cut  with a mask
 * @param {Half} half
 */
function keepOnly(context, { mask, part }, half) {
  context.globalCompositeOperation = "destination-in";
  drawMask(context, mask, half, part, [0, 0, context.canvas.width, context.canvas.height]);
  context.globalCompositeOperation = "source-over";
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Mask} mask
 * @param {Half} half
 * @param {Box} part  what of the frame to draw
 * @param {Rectangle} place  where
 */
function drawMask(context, { image, box }, half, part, place) {
  const { width, height: both } = image;
  const height = both / 2;
  const within = rectangle(movedPart(part, box, WHOLE), { left: 0, top: half === "hole" ? height : 0, width, height });
  context.drawImage(image, ...within, ...place);
}

/** An empty canvas with about as many pixels as the still has there. */
function canvasOfPart(part, still) {
  const [, , width, height] = pixelsOf(part, still);
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  const context = canvasOf(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  context.imageSmoothingQuality = "high";
  return context;
}

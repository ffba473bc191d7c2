/**
 * The animatic: what each box holds in the first frame of its object is cut out of the still, and moves and scales with
 * the box. The hole that it leaves is filled from around it.
 *
 * Only filled holes are cached: each is filled anew after a change of the still, or of a box that is cut out there.
 *
 * @import {Cut} from "../../trajectory/cuts.js"
 * @import {Box} from "../../trajectory/document.js"
 * @import {Viewport} from "../../trajectory/viewport.js"
 * @import {EditorState} from "../state/state.js"
 * @typedef {{draw: (context: CanvasRenderingContext2D, editor: EditorState, viewport: Viewport,
 *   image: CanvasImageSource) => void}} Animatic  draw: on the still `image`, which is on the canvas already
 * @typedef {[number, number, number, number]} Rectangle  left, top, width, height
 */

import * as model from "../../trajectory/model.js";
import { watch } from "../kit/dom.js";
import { rectangle, shownBox } from "./scene.js";

// Pixels a side of a filled copy. It is stretched, and sharpness is not missed in a smooth surface.
const WHOLE_SIDE = 256;
const CUT_SIDE = 64;
const RIM = 1; // pixels of the copy around a hole into which the still was smoothed
const PUSHED = 4; // times that a size is put onto the next, over itself: one known pixel of four is nearly enough

const STILL = ""; // its name among the copies; no object has it
/** @type {Box} */
const WHOLE = [0, 0, 1, 1];

/** Whether the boxes move what is in them. A video moves by itself. @param {EditorState} editor */
export function isAnimatic({ settings, background }) {
  return settings.animatic && Boolean(background?.isStill);
}

/** @returns {Animatic} */
export function createAnimatic() {
  const isOtherStill = watch();
  const isOtherCut = watch();
  /** By object id. @type {Map<string, Cut>} */
  let cuts = new Map();
  /** Copies of the still, and of cut-outs by object id. @type {Map<string, {of: Box[], canvas: HTMLCanvasElement}>} */
  const filled = new Map();

  /** @param {string} name @param {Box} region  of the still @param {Box[]} holes  in it, both in units of the still */
  function copyOf(name, side, image, still, region, holes) {
    const of = [region, ...holes];
    const known = filled.get(name);
    if (known?.of.length === of.length && known.of.every((box, n) => model.sameBox(box, of[n]))) return known.canvas;
    const inside = holes.map((hole) => model.movedPart(hole, region, WHOLE));
    const canvas = filledCopy(side, image, pixelsOf(region, still), inside);
    filled.set(name, { of, canvas });
    return canvas;
  }

  return {
    draw(context, editor, viewport, image) {
      if (!isAnimatic(editor)) return;
      const { trajectory, background } = editor;
      const { width, height } = trajectory;
      const tracks = trajectory.objects.filter(({ id, enabled }) => enabled && editor.isShown(id));
      const sources = tracks.flatMap((track) => [track.id, model.firstBox(track, trajectory)]);
      if (isOtherStill(background, image)) filled.clear();
      if (isOtherCut(width, height, tracks.length, ...sources)) {
        cuts = new Map(model.cutsOf(tracks, trajectory).map((cut) => [cut.id, cut]));
        for (const id of filled.keys()) if (!cuts.has(id) && id !== STILL) filled.delete(id);
      }

      /** Where what is visible is now, in drawing order. @type {Map<Cut, Box>} */
      const boxes = new Map();
      for (const track of tracks) {
        const cut = cuts.get(track.id);
        if (cut && model.visibleAt(track, editor.time)) boxes.set(cut, boxNow(editor, track));
      }
      const isInPlace = (cut) => boxes.has(cut) && model.sameBox(boxes.get(cut), cut.source);
      const away = new Set([...cuts.values()].filter((cut) => !isInPlace(cut)));
      if (!away.size) return; // the still shows it

      const { part } = background;
      context.save();
      context.imageSmoothingQuality = "medium"; // many objects are drawn at each frame
      context.save();
      clipTo(context, [...away].map((cut) => rectangle(cut.part, viewport)));
      const holes = [...cuts.values()].map((cut) => cut.part);
      drawSmooth(context, copyOf(STILL, WHOLE_SIDE, image, part, WHOLE, holes), rectangle(WHOLE, viewport));
      context.restore();

      for (const [cut, box] of boxes) {
        if (!model.isUpright(box)) continue;
        const place = rectangle(model.movedPart(cut.part, cut.source, box), viewport);
        context.drawImage(image, ...pixelsOf(cut.part, part), ...place);
        // Where an object in front is in its place too, it is drawn over this one as in the still.
        const bare = cut.covered.filter(({ by }) => away.has(cut) || away.has(by));
        if (!bare.length) continue;
        const covered = cut.covered.map((other) => other.part);
        context.save();
        clipTo(context, bare.map((other) => rectangle(model.movedPart(other.part, cut.source, box), viewport)));
        drawSmooth(context, copyOf(cut.id, CUT_SIDE, image, part, cut.part, covered), place);
        context.restore();
      }
      context.restore();
    },
  };
}

/** The box at the playhead as it is interpolated: one that is inside out is not there. */
function boxNow(editor, track) {
  return editor.recording?.id === track.id ? shownBox(editor, track) : model.boxAt(track, editor.time, editor.trajectory);
}

/** A box in pixels of the image of which `part` is shown. @param {Box} box @param {Rectangle} part */
function pixelsOf(box, [left, top, width, height]) {
  return rectangle(box, { left, top, width, height });
}

/** @param {CanvasRenderingContext2D} context @param {Rectangle[]} places */
function clipTo(context, places) {
  context.beginPath();
  for (const place of places) context.rect(...place);
  context.clip();
}

/** Draw a filled copy. @param {CanvasRenderingContext2D} context @param {Rectangle} place */
function drawSmooth(context, copy, place) {
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "low"; // it is only enlarged
  context.drawImage(copy, ...place);
}

/**
 * A small stretched copy of a part of an image, where holes have colours from around them.
 *
 * Push and pull, by the browser: halving a canvas makes means of colours by how opaque they are, so that holes count
 * for nothing; then each size is put under the one above it. Pixels are not read: a browser may forbid or falsify that.
 *
 * @param {number} side  pixels, a power of two
 * @param {CanvasImageSource} image
 * @param {Rectangle} part  in pixels of the image
 * @param {Box[]} holes  in units of the part
 */
function filledCopy(side, image, part, holes) {
  const copy = canvasOf(side);
  copy.imageSmoothingQuality = "high";
  copy.drawImage(image, ...part, 0, 0, side, side);
  for (const [x1, y1, x2, y2] of holes) {
    const [left, top] = [Math.floor(x1 * side) - RIM, Math.floor(y1 * side) - RIM];
    copy.clearRect(left, top, Math.ceil(x2 * side) + RIM - left, Math.ceil(y2 * side) + RIM - top);
  }
  const sizes = [copy];
  for (let size = side / 2; size >= 1; size /= 2) {
    const half = scratchOf(size);
    for (let n = 0; n < PUSHED; n += 1) half.drawImage(sizes.at(-1).canvas, 0, 0, size, size);
    sizes.push(half);
  }
  for (let n = sizes.length - 2; n >= 0; n -= 1) {
    const { width, height } = sizes[n].canvas;
    sizes[n].globalCompositeOperation = "destination-over";
    sizes[n].drawImage(sizes[n + 1].canvas, 0, 0, width, height);
  }
  return copy.canvas;
}

/** @param {number} side  pixels */
function canvasOf(side) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [side, side];
  return canvas.getContext("2d");
}

/** @type {Map<number, CanvasRenderingContext2D>} by side */
const scratch = new Map();

/** An empty canvas until the next call. @param {number} side  pixels */
function scratchOf(side) {
  if (!scratch.has(side)) scratch.set(side, canvasOf(side));
  const context = scratch.get(side);
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, side, side);
  return context;
}

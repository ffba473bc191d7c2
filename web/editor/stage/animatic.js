/**
 * The animatic: what each box holds in the first frame of its object is cut out of the still, and moves and scales with
 * the box. The hole that it leaves is filled from around it.
 *
 * Only holes are cached: they are filled anew after a change of the still, or of a box that is cut out.
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
const DOUBLED = 3; // times that colours are put over themselves: one known pixel of four is enough

/** Whether the boxes move what is in them. A video moves by itself. @param {EditorState} editor */
export function isAnimatic({ settings, background }) {
  return settings.animatic && Boolean(background?.isStill);
}

/** @returns {Animatic} */
export function createAnimatic() {
  const isChanged = watch();
  /** By object id. @type {Map<string, Cut>} */
  let cuts = new Map();
  /** Copies of the still and of cut-outs without what is in front. @type {Map<"still" | Cut, HTMLCanvasElement>} */
  let filled = new Map();

  /** Of a region of the still, all in units of it. @param {"still" | Cut} of @param {Box[]} holes */
  function copyOf(of, side, image, still, region, holes) {
    if (!filled.has(of)) {
      const inside = holes.map((hole) => model.movedPart(hole, region, [0, 0, 1, 1]));
      filled.set(of, filledCopy(side, image, pixelsOf(region, still), inside));
    }
    return filled.get(of);
  }

  return {
    draw(context, editor, viewport, image) {
      if (!isAnimatic(editor)) return;
      const { trajectory, background } = editor;
      const { width, height, frames } = trajectory;
      const tracks = trajectory.objects.filter(({ id, enabled }) => enabled && editor.isShown(id));
      const sources = tracks.flatMap((track) => [track.id, model.firstBox(track, frames)]);
      if (isChanged(background, image, width, height, tracks.length, ...sources)) {
        cuts = new Map(model.cutsOf(tracks, trajectory).map((cut) => [cut.id, cut]));
        filled = new Map();
      }

      /** Where what is visible is now, in drawing order. @type {Map<Cut, Box>} */
      const boxes = new Map();
      for (const track of tracks) {
        const cut = cuts.get(track.id);
        if (cut && model.visibleAt(track, editor.time)) boxes.set(cut, boxNow(editor, track));
      }
      const away = new Set([...cuts.values()].filter((cut) => !boxes.has(cut) || !model.sameBox(boxes.get(cut), cut.source)));
      if (!away.size) return; // the still shows it

      const { part } = background;
      context.save();
      clipTo(context, [...away].map((cut) => rectangle(cut.part, viewport)));
      const holes = [...cuts.values()].map((cut) => cut.part);
      context.imageSmoothingEnabled = true;
      context.drawImage(copyOf("still", WHOLE_SIDE, image, part, WHOLE, holes), ...rectangle(WHOLE, viewport));
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
        context.imageSmoothingEnabled = true;
        context.drawImage(copyOf(cut, CUT_SIDE, image, part, cut.part, covered), ...place);
        context.restore();
      }
    },
  };
}

/** @type {Box} */
const WHOLE = [0, 0, 1, 1];

/** The box at the playhead as it is interpolated: one that is inside out is not there. */
function boxNow(editor, track) {
  return editor.recording?.id === track.id ? shownBox(editor, track) : model.boxAt(track, editor.time);
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

/**
 * A small stretched copy of a part of an image, where holes have colours from around them.
 *
 * Push and pull, by the browser: halving a canvas makes means of colours by how opaque they are, so that holes count for
 * nothing; then each size is put under the one above it. The pixels are not read, which a browser may forbid or falsify.
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
    half.drawImage(sizes.at(-1).canvas, 0, 0, size, size);
    for (let n = 0; n < DOUBLED; n += 1) half.drawImage(half.canvas, 0, 0);
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

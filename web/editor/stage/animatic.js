/**
 * The animatic: what each box holds in the first frame of its object is cut out of the still, and moves and scales with
 * the box. With a mask only what that shows moves. The hole that it leaves is filled from around it.
 *
 * Filled holes and shapes are cached: each is made anew after a change of the still or the masks, or of a box that is
 * cut out there.
 *
 * @import {Cut} from "../../trajectory/cuts.js"
 * @import {Box} from "../../trajectory/document.js"
 * @import {Viewport} from "../../trajectory/viewport.js"
 * @import {EditorState} from "../state/state.js"
 * @import {Rectangle, Still} from "./cut_outs.js"
 * @typedef {{draw: (context: CanvasRenderingContext2D, editor: EditorState, viewport: Viewport,
 *   image: CanvasImageSource) => void}} Animatic  draw: on the still `image`, which is on the canvas already
 */

import * as model from "../../trajectory/model.js";
import { watch } from "../kit/dom.js";
import { clearHole, filledHole, movingShape, pixelsOf, restingShape } from "./cut_outs.js";
import { filledCopy } from "./fill.js";
import { rectangle, shownBox } from "./scene.js";

// Pixels a side of a filled copy. It is stretched, and sharpness is not missed in a smooth surface.
const WHOLE_SIDE = 256;
const CUT_SIDE = 64;
const KINDS = ["behind", "hole", "moving", "resting"]; // of pictures of a cut-out
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
  /** Pictures of the still and of cut-outs, by what they are. @type {Map<string, {of: Box[], canvas: HTMLCanvasElement}>} */
  const made = new Map();

  /** @param {string} name @param {Box[]} of  what it depends on @param {() => HTMLCanvasElement} make */
  function cached(name, of, make) {
    const known = made.get(name);
    if (known?.of.length === of.length && known.of.every((box, n) => model.sameBox(box, of[n]))) return known.canvas;
    const canvas = make();
    made.set(name, { of, canvas });
    return canvas;
  }

  /** A small copy of a region of the still, where cuts are filled. @param {Still} still @param {Cut[]} holes */
  const copyOf = (name, side, still, region, holes) =>
    cached(name, [region, ...holes.map((cut) => cut.part)], () =>
      filledCopy(side, (context) => {
        context.drawImage(still.image, ...pixelsOf(region, still), 0, 0, side, side);
        for (const cut of holes) clearHole(context, cut, region);
      }),
    );

  /** @param {Set<Cut>} away  cuts that are not in their places */
  function drawHoles(context, viewport, still, away) {
    const all = [...cuts.values()];
    const smooth = copyOf("still", WHOLE_SIDE, still, WHOLE, all);
    const shaped = [...away].filter((cut) => cut.mask);
    const whole = [...away].filter((cut) => !cut.mask);
    context.save();
    clipTo(context, whole.map((cut) => rectangle(cut.part, viewport)));
    drawSmooth(context, smooth, rectangle(WHOLE, viewport));
    context.restore();
    const parts = all.map((cut) => cut.part);
    for (const cut of shaped) {
      const hole = cached(`${cut.id} hole`, [cut.part, ...parts], () => filledHole(cut, still, smooth));
      context.drawImage(hole, ...rectangle(cut.part, viewport));
    }
  }

  function drawShape(context, viewport, still, cut, box, isAway) {
    const [kind, make] = isAway ? ["moving", movingShape] : ["resting", restingShape];
    const covered = cut.covered.map(({ part }) => part);
    const shape = cached(`${cut.id} ${kind}`, [cut.part, ...covered], () => make(cut, still));
    context.drawImage(shape, ...rectangle(model.movedPart(cut.part, cut.source, box), viewport));
  }

  function drawBox(context, viewport, still, cut, box, away) {
    const place = (part) => rectangle(model.movedPart(part, cut.source, box), viewport);
    context.drawImage(still.image, ...pixelsOf(cut.part, still), ...place(cut.part));
    // Where an object in front is in its place too, it is drawn over this one as in the still.
    const bare = cut.covered.filter(({ by }) => away.has(cut) || away.has(by));
    if (!bare.length) return;
    const holes = cut.covered.map(({ by }) => by);
    context.save();
    clipTo(context, bare.map(({ part }) => place(part)));
    drawSmooth(context, copyOf(`${cut.id} behind`, CUT_SIDE, still, cut.part, holes), place(cut.part));
    context.restore();
  }

  return {
    draw(context, editor, viewport, image) {
      if (!isAnimatic(editor)) return;
      const { trajectory, background, masks } = editor;
      const { width, height } = trajectory;
      const tracks = trajectory.objects.filter(({ id, enabled }) => enabled && editor.isShown(id));
      const sources = tracks.flatMap((track) => [track.id, model.firstBox(track, trajectory)]);
      if (isOtherStill(background, image, masks)) made.clear();
      if (isOtherCut(width, height, masks, tracks.length, ...sources)) {
        cuts = new Map(model.cutsOf(tracks, trajectory, masks).map((cut) => [cut.id, cut]));
        const names = new Set(["still", ...[...cuts.keys()].flatMap((id) => KINDS.map((kind) => `${id} ${kind}`))]);
        for (const name of made.keys()) if (!names.has(name)) made.delete(name);
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

      const still = { image, part: background.part };
      context.save();
      context.imageSmoothingQuality = "medium"; // many objects are drawn at each frame
      drawHoles(context, viewport, still, away);
      for (const [cut, box] of boxes) {
        if (!model.isUpright(box)) continue;
        if (cut.mask) drawShape(context, viewport, still, cut, box, away.has(cut));
        else drawBox(context, viewport, still, cut, box, away);
      }
      context.restore();
    },
  };
}

/** The box at the playhead as it is interpolated: one that is inside out is not there. */
function boxNow(editor, track) {
  return editor.recording?.id === track.id ? shownBox(editor, track) : model.boxAt(track, editor.time, editor.trajectory);
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

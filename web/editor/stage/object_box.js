/**
 * The box of the object at a place: by the masks of the last run where one is there, else by the colours of the image.
 *
 * @import {Box, Point, Trajectory} from "../../trajectory/document.js"
 * @import {Regions} from "../../trajectory/segmentation.js"
 * @import {Background, EditorState} from "../state/state.js"
 */

import { addTrack, centreOf, movedPart, setBox, trackOf } from "../../trajectory/model.js";
import { overlapOf } from "../../trajectory/box.js";
import { finished, maskedAt, objectsAt, regionsBySteps, SIDE } from "../../trajectory/segmentation.js";
import { canvasOf } from "./fill.js";
import { shownBox } from "./scene.js";

const MASK_SIDE = 256; // pixels of a mask that is searched
const SLICE = 6; // ms of a look ahead, of the 16 of a frame
const PAUSE = 10; // ms between two
const SAME = 0.97; // overlap (IoU) from which on boxes count as the same
/** @type {Box} */
const WHOLE = [0, 0, 1, 1];

/**
 * @typedef {{image: CanvasImageSource, time: number, steps: Generator<undefined, Regions>, regions: Regions | null,
 *   isAhead: boolean}} Search  steps: the work, of which `regions` is the result; isAhead: slices of it are done
 */

/** The last search in a background. @type {WeakMap<Background, Search>} */
const searches = new WeakMap();

/**
 * Begin to look for the objects in a still image, a little at a time, so that a click there need not wait.
 *
 * @param {EditorState} editor
 */
export function lookAhead(editor) {
  const search = editor.shownBackground?.isStill ? searchNow(editor) : null;
  if (!search || search.regions || search.isAhead) return;
  search.isAhead = true;
  const work = () => {
    const isBusy = editor.isInGesture || editor.isPlaying;
    for (const end = performance.now() + SLICE; !isBusy && !search.regions && performance.now() < end; ) {
      const step = search.steps.next();
      if (step.done) search.regions = step.value;
    }
    if (!search.regions) setTimeout(work, PAUSE);
  };
  setTimeout(work, PAUSE);
}

/**
 * Add the box of the object where the pointer was last on the stage, and ask for its phrase. If that box is there
 * already, the next best is taken.
 *
 * @param {EditorState} editor
 * @param {(key: string) => string} t
 */
export function addObjectAt(editor, t) {
  const found = boxesAt(editor, editor.pointed ?? centreOf(WHOLE));
  if (!found) return editor.notify("info", t("object.noImage"));
  const { objects } = editor.trajectory;
  const isThere = (box) => objects.some((track) => overlapOf(shownBox(editor, track), box) >= SAME);
  const box = found.find((candidate) => !isThere(candidate));
  if (!box) return editor.notify("info", t("object.none"));
  const { frame } = editor;
  if (!editor.apply("step.object", (trajectory) => addTrack(trajectory, box, frame))) return;
  const { id } = editor.trajectory.objects.at(-1);
  editor.select([id]);
  editor.set({ naming: id, solo: editor.solo.size ? new Set([...editor.solo, id]) : editor.solo });
}

/**
 * Fit the selected boxes at the playhead to what is in them. One that fits already takes the next best.
 *
 * @param {EditorState} editor
 * @param {(key: string) => string} t
 */
export function fitToObjects(editor, t) {
  const { frame, trajectory } = editor;
  /** @type {Map<string, Box>} */
  const fitted = new Map();
  for (const id of editor.editable) {
    const box = shownBox(editor, trackOf(trajectory, id));
    const found = boxesAt(editor, centreOf(box));
    if (!found) return editor.notify("info", t("object.noImage"));
    if (!found.length) continue;
    const here = found.findIndex((other) => overlapOf(other, box) >= SAME);
    const nearest = found.reduce((a, b) => (overlapOf(b, box) > overlapOf(a, box) ? b : a));
    fitted.set(id, here < 0 ? nearest : found[(here + 1) % found.length]);
  }
  if (!fitted.size) return editor.notify("info", t("object.none"));
  /** @param {Trajectory} before */
  const fit = (before) => [...fitted].reduce((result, [id, box]) => setBox(result, id, frame, box), before);
  editor.apply("step.fit", fit);
}

/**
 * @param {EditorState} editor
 * @param {Point} place
 * @returns {Box[] | null} the likeliest first; null without an image to look at
 */
function boxesAt(editor, place) {
  const masked = maskedBox(editor, place);
  if (masked) return [masked];
  const regions = regionsNow(editor);
  return regions && objectsAt(regions, place);
}

/** The box of what a mask shows at a place, by the last mask that shows something there. */
function maskedBox({ masks }, [x, y]) {
  for (const { box, image } of [...masks.values()].reverse()) {
    const [column, row] = movedPart([x, y, x, y], box, WHOLE);
    const height = image.height / 2; // the lower half is the hole
    const scale = Math.min(1, MASK_SIDE / Math.max(image.width, height));
    const pixels = pixelsOf(image, [0, 0, image.width, height], scale);
    const found = maskedAt(pixels, [column, row]);
    if (found) return movedPart(found, WHOLE, box);
  }
  return null;
}

/** The regions of the image behind the boxes. @param {EditorState} editor */
function regionsNow(editor) {
  const search = searchNow(editor);
  if (search) search.regions ??= finished(search.steps);
  return search?.regions;
}

/** The search in the image behind the boxes. @param {EditorState} editor @returns {Search | null} */
function searchNow({ shownBackground: background, time }) {
  const image = background?.imageAt(time);
  if (!image) return null;
  const known = searches.get(background);
  if (known?.image === image && (background.isStill || known.time === time)) return known;
  const [, , width, height] = background.part;
  const steps = regionsBySteps(pixelsOf(image, background.part, SIDE / Math.max(width, height)));
  const search = { image, time, steps, regions: null, isAhead: false };
  searches.set(background, search);
  return search;
}

/**
 * Pixels of a part of an image at another scale.
 *
 * @param {CanvasImageSource} image
 * @param {[number, number, number, number]} part  left, top, width, height
 * @param {number} scale
 */
function pixelsOf(image, [left, top, width, height], scale) {
  const context = canvasOf(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const { canvas } = context;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/**
 * What is cut out of a still so that it moves with its box: the content of each box in the first frame in which the
 * object is visible. The rules are those of smcd_core/guides/cut_and_drag.py.
 *
 * @import {Box, Key, Track} from "./document.js"
 * @typedef {{width: number, height: number, frames: number}} Clip  pixels, frames
 * @typedef {{id: string, source: Box, part: Box, covered: {by: Cut, part: Box}[], mask?: Mask}} Cut  id: of the
 *   object; source: its box in that frame; part: what is cut out, inside the still; covered: where the still shows a
 *   later object, and which; mask: the shape of what is cut out, if it is not the whole part
 * @typedef {{box: Box, image: HTMLImageElement | HTMLCanvasElement}} Mask  box: what of the frame the image shows;
 *   image: the shape above the hole that it leaves, both as opacity
 */

import { keyIndexAt, sampleKeys } from "./curve.js";

/** Whether a box has an inside. An overshooting ease can turn it inside out. @param {Box} box */
export function isUpright([x1, y1, x2, y2]) {
  return x2 > x1 && y2 > y1;
}

/** @type {WeakMap<Key[], {clip: Clip, box: Box | null}>} */
const cache = new WeakMap();

/**
 * The box of a track in the first frame in which there is something to see of it.
 *
 * @param {Track} track
 * @param {Clip} clip
 * @returns {Box | null} null if it is never visible
 */
export function firstBox({ keys }, { width, height, frames }) {
  const known = cache.get(keys);
  const { clip } = known ?? {};
  if (clip?.frames === frames && clip.width === width && clip.height === height) return known.box;
  let box = null;
  const first = keys.find(({ visible }) => visible);
  const start = first === keys[0] ? 0 : (first?.frame ?? frames); // the first key holds before its frame
  for (let frame = start; frame < frames && !box; frame += 1) {
    if (!keys[keyIndexAt(keys, frame)].visible) continue;
    const here = sampleKeys(keys, frame, { width, height });
    if (isUpright(here)) box = here;
  }
  cache.set(keys, { clip: { width, height, frames }, box });
  return box;
}

/** The name of a mask for all objects, each of which is within its own box. */
export const MASK_FOR_ALL = "";

/**
 * Everything that can be cut out of a still, in the order of the tracks. An object with less than a pixel inside the
 * still has nothing to cut out.
 *
 * @param {Track[]} tracks
 * @param {Clip} clip
 * @param {Map<string, Mask>} [masks]  by object id; one of its own may reach beyond the box
 * @returns {Cut[]}
 */
export function cutsOf(tracks, clip, masks = new Map()) {
  /** @type {Cut[]} */
  const cuts = [];
  for (const track of tracks) {
    const source = firstBox(track, clip);
    const inside = source && overlap(source, [0, 0, 1, 1]);
    if (!inside || (inside[2] - inside[0]) * clip.width * (inside[3] - inside[1]) * clip.height < 1) continue;
    const own = masks.get(track.id);
    const mask = own ?? masks.get(MASK_FOR_ALL);
    const part = own ? own.box : mask ? overlap(inside, mask.box) : inside;
    if (!part) continue;
    /** @type {Cut} */
    const cut = { id: track.id, source, part, covered: [], ...(mask && { mask }) };
    for (const below of cuts) {
      const shared = overlap(below.part, part);
      if (shared) below.covered.push({ by: cut, part: shared });
    }
    cuts.push(cut);
  }
  return cuts;
}

/**
 * What two boxes have in common, null if nothing.
 *
 * @param {Box} a
 * @param {Box} b
 * @returns {Box | null}
 */
export function overlap(a, b) {
  /** @type {Box} */
  const shared = [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])];
  return isUpright(shared) ? shared : null;
}

/**
 * Where a part of a box is after the box has moved and changed its size.
 *
 * @param {Box} part
 * @param {Box} from
 * @param {Box} to
 * @returns {Box}
 */
export function movedPart(part, from, to) {
  const along = (v, axis) => {
    const share = (v - from[axis]) / (from[axis + 2] - from[axis]);
    return to[axis] + share * (to[axis + 2] - to[axis]);
  };
  return [along(part[0], 0), along(part[1], 1), along(part[2], 0), along(part[3], 1)];
}

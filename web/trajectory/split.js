/**
 * Adding a key without changing the motion.
 *
 * @import {Size, Track} from "./document.js"
 */

import { tidyBox } from "./box.js";
import { boxAt, easeAt, keyIndexAt, splitEase, visibleAt } from "./curve.js";
import { straightKey } from "./document.js";
import { curveOf, isCurved, splitCurve, withHandles } from "./path.js";

/**
 * Add a key at a frame without changing the motion, to six decimals. The exceptions are an easing curve that doubles
 * back at the frame, because its halves are not valid, and one that overshoots the end of a curved path there.
 *
 * @template {Pick<Track, "keys">} T
 * @param {T} track
 * @param {number} frame
 * @param {Size} size  of the frame
 * @returns {T}
 */
export function withKey(track, frame, size) {
  const { keys } = track;
  const here = keyIndexAt(keys, frame);
  if (keys[here].frame === frame) return track;
  let added = straightKey(frame, tidyBox(boxAt(track, frame, size)), visibleAt(track, frame));
  if (frame < keys[here].frame) return { ...track, keys: [added, ...keys] };
  let before = { ...keys[here] };
  const later = keys.slice(here + 1);
  if (later.length) {
    const time = (frame - before.frame) / (later[0].frame - before.frame);
    [before.ease, added.ease] = splitEase(before.ease, time);
    if (isCurved(keys[here], later[0])) {
      const curve = curveOf(keys[here], later[0], size);
      const { leaving, between, arriving } = splitCurve(curve, easeAt(keys[here].ease, time));
      before = withHandles(before, { leaving });
      added = withHandles(added, { arriving: between[0], leaving: between[1] });
      later[0] = withHandles(later[0], { arriving });
    }
  }
  return { ...track, keys: [...keys.slice(0, here), before, added, ...later] };
}

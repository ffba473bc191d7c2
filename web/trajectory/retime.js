/**
 * Operations on the times of chosen keys. Each returns a new trajectory, or the old one if nothing changed.
 *
 * @import {Ease, Key, NamedEase, Trajectory} from "./document.js"
 * @import {KeyRef} from "./keys.js"
 */

import { changeChosen, mergedKeys } from "./keys.js";

/** @type {Record<NamedEase, NamedEase>} */
const BACKWARDS = { linear: "linear", in: "out", out: "in", in_out: "in_out", hold: "hold" };

/**
 * Stretch keys in time about the first of them, so that the last one moves by some frames. They replace keys that they
 * land on. Nothing changes where two of an object would meet, or one would leave the clip.
 *
 * @param {Trajectory} trajectory
 * @param {KeyRef[]} refs
 * @param {number} by  whole frames
 * @returns {Trajectory}
 */
export function stretchKeys(trajectory, refs, by) {
  const [first, last] = spanOf(refs);
  if (last <= first || by === 0 || last + by <= first || last + by >= trajectory.frames) return trajectory;
  const moved = (frame) => Math.round(first + ((frame - first) * (last + by - first)) / (last - first));
  const places = new Set(refs.map(({ id, frame }) => `${moved(frame)}/${id}`));
  return places.size < refs.length ? trajectory : replaced(trajectory, refs, (keys) =>
    keys.map((key) => ({ ...key, frame: moved(key.frame) })),
  );
}

/** The frames of stretched keys. @param {KeyRef[]} refs @param {number} by @returns {KeyRef[]} */
export function stretchedRefs(refs, by) {
  const [first, last] = spanOf(refs);
  return refs.map(({ id, frame }) => {
    return { id, frame: Math.round(first + ((frame - first) * (last + by - first)) / (last - first)) };
  });
}

/**
 * Play keys backwards: the first and the last change places in time. Easing and handles turn round with them.
 *
 * @param {Trajectory} trajectory
 * @param {KeyRef[]} refs
 * @returns {Trajectory}
 */
export function reverseKeys(trajectory, refs) {
  const [first, last] = spanOf(refs);
  if (last <= first) return trajectory;
  return replaced(trajectory, refs, (keys) => {
    const back = [...keys].reverse();
    return back.map((key, n) => {
      // What a key says about the way to the next one now belongs to the one at the other end of that way.
      const { ease, visible } = n < back.length - 1 ? back[n + 1] : keys.at(-1);
      const turned = { ...key, frame: first + last - key.frame, ease: n < back.length - 1 ? backwards(ease) : ease, visible };
      return key.handles ? { ...turned, handles: [key.handles[1], key.handles[0]] } : turned;
    });
  });
}

/** The frames of reversed keys. @param {KeyRef[]} refs @returns {KeyRef[]} */
export function reversedRefs(refs) {
  const [first, last] = spanOf(refs);
  return refs.map(({ id, frame }) => ({ id, frame: first + last - frame }));
}

/** @param {KeyRef[]} refs @returns {[number, number]} */
function spanOf(refs) {
  return [
    refs.reduce((least, { frame }) => Math.min(least, frame), Infinity),
    refs.reduce((most, { frame }) => Math.max(most, frame), -Infinity),
  ];
}

/** @param {(keys: Key[]) => Key[]} change  of the chosen keys of one object */
function replaced(trajectory, refs, change) {
  return changeChosen(trajectory, refs, (track, isChosen) => {
    const others = track.keys.filter((key) => !isChosen(key));
    return { ...track, keys: mergedKeys(others, change(track.keys.filter(isChosen))) };
  });
}

/** @param {Ease} ease @returns {Ease} */
function backwards(ease) {
  if (!Array.isArray(ease)) return BACKWARDS[ease];
  const [x1, y1, x2, y2] = ease.map((value) => Math.round((1 - value) * 1e6) / 1e6);
  return [x2, y2, x1, y1];
}

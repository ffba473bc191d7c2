/**
 * Copy and paste. A copy is a trajectory of its own, so its text can go through the system's clipboard, and any
 * trajectory can be pasted.
 *
 * @import {Trajectory} from "./document.js"
 * @import {KeyRef} from "./keys.js"
 * @import {Said} from "./refusal.js"
 */

import { movedBox, tidyBox } from "./box.js";
import { changeChosen, mergedKeys } from "./keys.js";
import { say } from "./refusal.js";
import { changeTracks, insertTracks, trackOf } from "./tracks.js";

/**
 * Copy some objects into a trajectory of their own.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @returns {Trajectory}
 */
export function copyTracks(trajectory, ids) {
  return { ...trajectory, objects: [...ids].map((id) => trackOf(trajectory, id)) };
}

/**
 * Add the objects of another trajectory, moved by dx, dy. They come last; keys past the end are cropped.
 *
 * @param {Trajectory} trajectory
 * @param {Trajectory} clipboard
 * @param {number} [dx]
 * @param {number} [dy]
 * @returns {Trajectory}
 */
export function pasteTracks(trajectory, clipboard, dx = 0, dy = 0) {
  const moved = clipboard.objects.map((track) => ({
    ...track,
    keys: track.keys.map((key) => ({ ...key, box: tidyBox(movedBox(key.box, dx, dy)) })),
  }));
  return insertTracks(trajectory, moved);
}

/**
 * A remark on objects of a shorter clip, which keep their frames when they are pasted.
 *
 * @param {Trajectory} trajectory
 * @param {Trajectory} clipboard
 * @returns {Said[]}
 */
export function shorterThan({ frames }, { frames: found, objects }) {
  if (found >= frames || objects.every(({ keys }) => keys.length < 2)) return [];
  return [
    say`the boxes have ${found} frames, the clip ${frames}: they move up to frame ${found - 1} and rest after it. Stretch their keyframes to fill the clip`,
  ];
}

/**
 * Copy keys into a trajectory of their own, the earliest at frame 0. Null if none of them exists.
 *
 * @param {Trajectory} trajectory
 * @param {KeyRef[]} refs
 * @returns {Trajectory | null}
 */
export function copyKeys(trajectory, refs) {
  const chosen = changeChosen(trajectory, refs, (track, isChosen) => ({ ...track, keys: track.keys.filter(isChosen) }));
  const objects = chosen.objects.filter((track, n) => track !== trajectory.objects[n]);
  if (!objects.length) return null;
  const first = Math.min(...objects.map((track) => track.keys[0].frame));
  const last = Math.max(...objects.map((track) => track.keys.at(-1).frame));
  const shifted = (key) => ({ ...key, frame: key.frame - first });
  return {
    ...trajectory,
    frames: last - first + 1,
    objects: objects.map((track) => ({ ...track, keys: track.keys.map(shifted) })),
  };
}

/**
 * Paste copied keys into objects from a frame on. They replace keys at the same frame; those past the end are left
 * out. Keys copied from one object go into each of `ids`, keys from several objects into one of them each, in order.
 *
 * @param {Trajectory} trajectory
 * @param {Trajectory} clipboard  from copyKeys
 * @param {number} frame
 * @param {string[]} ids
 * @returns {Trajectory}
 */
export function pasteKeys(trajectory, clipboard, frame, ids) {
  const sources = clipboard.objects;
  const sourceOf = new Map(ids.map((id, n) => [id, sources.length === 1 ? sources[0] : sources[n]]));
  return changeTracks(trajectory, ids, (track) => {
    const keys = (sourceOf.get(track.id)?.keys ?? []).map((key) => ({ ...key, frame: key.frame + frame }));
    const inside = keys.filter((key) => key.frame >= 0 && key.frame < trajectory.frames);
    return inside.length ? { ...track, keys: mergedKeys(track.keys, inside) } : track;
  });
}

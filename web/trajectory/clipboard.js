/**
 * Copy and paste. What is copied is a document of its own, so that its text can go through the system's clipboard and
 * any trajectory can be pasted.
 *
 * @import {Trajectory} from "./document.js"
 * @import {KeyRef} from "./keys.js"
 */

import { movedBox, tidyBox } from "./box.js";
import { changeTracks, insertTracks, trackOf } from "./tracks.js";
import { changeChosen, mergedKeys } from "./keys.js";

/**
 * A document of some of the objects.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @returns {Trajectory}
 */
export function copyTracks(trajectory, ids) {
  return { ...trajectory, objects: [...ids].map((id) => trackOf(trajectory, id)) };
}

/**
 * Add the objects of another document, moved by dx, dy. They come last; keys past the end are cut off as by "crop".
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
 * A document of chosen keys only; the earliest of them is at frame 0. Null where none of them exists.
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
 * Put copied keys into objects, starting at a frame; they replace the keys that they land on, and those past the end
 * are left out. The keys of one object go into each of `ids`, those of several into as many of them, in order.
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

/**
 * Operations on whole objects (tracks). Each returns a new trajectory that shares unchanged parts with the old one, or
 * the old one itself if nothing changed. New objects come last.
 *
 * @import {Box, Track, Trajectory} from "./document.js"
 */

import { movedBox, tidyBox } from "./box.js";
import { freeId, LIMITS, PALETTE, readColor, readPhrase, readStrength, straightKey } from "./document.js";
import { croppedKeys } from "./length.js";
import { say, TrajectoryError } from "./refusal.js";

/** Objects by id, for one list of objects each. @type {WeakMap<readonly Track[], Map<string, Track>>} */
const byId = new WeakMap();

/**
 * @param {Trajectory} trajectory
 * @param {string} id
 * @returns {Track}
 */
export function trackOf({ objects }, id) {
  let tracks = byId.get(objects);
  if (!tracks) byId.set(objects, (tracks = new Map(objects.map((object) => [object.id, object]))));
  const track = tracks.get(id);
  if (!track) throw new TrajectoryError(say`there is no object ${id}: choose one from the list`);
  return track;
}

/**
 * Apply a change to some objects.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {(track: Track) => Track} change  returns the same track if it changes nothing
 * @returns {Trajectory}
 */
export function changeTracks(trajectory, ids, change) {
  const chosen = new Set(ids);
  for (const id of chosen) trackOf(trajectory, id);
  const objects = trajectory.objects.map((track) => (chosen.has(track.id) ? change(track) : track));
  return objects.some((track, n) => track !== trajectory.objects[n]) ? { ...trajectory, objects } : trajectory;
}

/**
 * Add a motionless object with one key.
 *
 * @param {Trajectory} trajectory
 * @param {Box} box
 * @param {number} frame
 * @param {{phrase?: string, color?: string}} [details]  color: by default the least used one of the palette
 * @returns {Trajectory}
 */
export function addTrack(trajectory, box, frame, { phrase = "", color = nextColor(trajectory) } = {}) {
  const keys = [straightKey(frame, tidyBox(box))];
  return insertTracks(trajectory, [{ id: "", phrase, color, strength: 1, enabled: true, keys }]);
}

/**
 * Add copies of tracks, also from another trajectory. They get unused ids and are cropped to the length of this one.
 *
 * @param {Trajectory} trajectory
 * @param {Track[]} tracks
 * @returns {Trajectory}
 */
export function insertTracks(trajectory, tracks) {
  const total = trajectory.objects.length + tracks.length;
  if (total > LIMITS.objects) {
    throw new TrajectoryError(say`there would be ${total} objects, the limit is ${LIMITS.objects}: remove some first`);
  }
  if (!tracks.length) return trajectory;
  const used = new Set(trajectory.objects.map((track) => track.id));
  const added = tracks.map((track) => {
    const id = freeId(used, trajectory.objects.length + 1);
    used.add(id);
    return {
      ...track,
      id,
      phrase: readPhrase(track.phrase, "phrase"),
      color: readColor(track.color, "color"),
      keys: croppedKeys(track.keys, trajectory.frames, trajectory),
    };
  });
  return { ...trajectory, objects: [...trajectory.objects, ...added] };
}

/**
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @returns {Trajectory}
 */
export function removeTracks(trajectory, ids) {
  const gone = new Set(ids);
  const objects = trajectory.objects.filter((track) => !gone.has(track.id));
  return objects.length < trajectory.objects.length ? { ...trajectory, objects } : trajectory;
}

/**
 * Duplicate objects with all keys, moved by dx, dy, with new colors.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {number} [dx]
 * @param {number} [dy]
 * @returns {Trajectory}
 */
export function duplicateTracks(trajectory, ids, dx = 0, dy = 0) {
  return [...ids].reduce((result, id) => {
    const track = trackOf(trajectory, id);
    const keys = track.keys.map((key) => ({ ...key, box: tidyBox(movedBox(key.box, dx, dy)) }));
    return insertTracks(result, [{ ...track, color: nextColor(result), keys }]);
  }, trajectory);
}

/**
 * Move objects, in their current order, in front of the one at `index`; objects.length moves them to the end. Later
 * objects are drawn over earlier ones, and the model gets them in this order.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {number} index
 * @returns {Trajectory}
 */
export function reorderTracks(trajectory, ids, index) {
  const moving = new Set(ids);
  const isMoving = (track) => moving.has(track.id);
  const stays = (track) => !moving.has(track.id);
  const { objects } = trajectory;
  const ordered = [
    ...objects.slice(0, index).filter(stays),
    ...objects.filter(isMoving),
    ...objects.slice(index).filter(stays),
  ];
  return ordered.some((track, n) => track !== objects[n]) ? { ...trajectory, objects: ordered } : trajectory;
}

/**
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {string} phrase
 * @returns {Trajectory}
 */
export function setPhrase(trajectory, id, phrase) {
  return setProperty(trajectory, [id], "phrase", readPhrase(phrase, "phrase"));
}

/**
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {string} color  like #e69f00
 * @returns {Trajectory}
 */
export function setColor(trajectory, ids, color) {
  return setProperty(trajectory, ids, "color", readColor(color, "color"));
}

/**
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {number} strength  0 no effect, 1 as trained, at most 2
 * @returns {Trajectory}
 */
export function setStrength(trajectory, ids, strength) {
  return setProperty(trajectory, ids, "strength", readStrength(strength, "strength"));
}

/**
 * Enable or disable objects. Disabled ones stay in the trajectory, but the model does not get them.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {boolean} enabled
 * @returns {Trajectory}
 */
export function setEnabled(trajectory, ids, enabled) {
  return setProperty(trajectory, ids, "enabled", Boolean(enabled));
}

/**
 * The least used color of the palette.
 *
 * @param {Trajectory} trajectory
 */
function nextColor(trajectory) {
  const uses = (color) => trajectory.objects.filter((track) => track.color === color).length;
  return PALETTE.reduce((best, color) => (uses(color) < uses(best) ? color : best));
}

function setProperty(trajectory, ids, name, value) {
  return changeTracks(trajectory, ids, (track) => (track[name] === value ? track : { ...track, [name]: value }));
}

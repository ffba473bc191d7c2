/**
 * Operations on whole objects. Each gives a new document that shares what did not change with the old one, or the old
 * one itself where nothing changed. New objects come last.
 *
 * @import {Box, Track, Trajectory} from "./document.js"
 */

import { movedBox, tidyBox } from "./box.js";
import { freeId, LIMITS, PALETTE, readColor, readPhrase, readStrength, straightKey } from "./document.js";
import { croppedKeys } from "./length.js";
import { say, TrajectoryError } from "./refusal.js";

/**
 * @param {Trajectory} trajectory
 * @param {string} id
 * @returns {Track}
 */
export function trackOf(trajectory, id) {
  const track = trajectory.objects.find((object) => object.id === id);
  if (!track) throw new TrajectoryError(say`there is no object ${id}: choose one of the list`);
  return track;
}

/**
 * Replace some objects by what `change` makes of them.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {(track: Track) => Track} change  gives the same track where it changes nothing
 * @returns {Trajectory}
 */
export function changeTracks(trajectory, ids, change) {
  const chosen = new Set(ids);
  for (const id of chosen) trackOf(trajectory, id);
  const objects = trajectory.objects.map((track) => (chosen.has(track.id) ? change(track) : track));
  return objects.some((track, n) => track !== trajectory.objects[n]) ? { ...trajectory, objects } : trajectory;
}

/**
 * Add an object that stands still, with one key.
 *
 * @param {Trajectory} trajectory
 * @param {Box} box
 * @param {number} frame
 * @param {{phrase?: string, color?: string}} [details]  without a color it gets the least used of the palette
 * @returns {Trajectory}
 */
export function addTrack(trajectory, box, frame, { phrase = "", color = nextColor(trajectory) } = {}) {
  const keys = [straightKey(frame, tidyBox(box))];
  return insertTracks(trajectory, [{ id: "", phrase, color, strength: 1, enabled: true, keys }]);
}

/**
 * Add copies of tracks, which may come from another document: they get ids that are free and end with this document.
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
      keys: croppedKeys(track.keys, trajectory.frames),
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
 * Copy objects with all their keys, moved by dx, dy, in colors of their own.
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
 * Put objects, in the order they have, in front of the one that is at `index` now; objects.length means last. Later
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
 * @param {number} strength  0 not at all, 1 as trained, 2 at most
 * @returns {Trajectory}
 */
export function setStrength(trajectory, ids, strength) {
  return setProperty(trajectory, ids, "strength", readStrength(strength, "strength"));
}

/**
 * Objects that are not enabled stay in the document and are not given to the model.
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
 * The color of the palette that the fewest objects have.
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

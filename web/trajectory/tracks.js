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
 * @param {Trajectory} document
 * @param {string} id
 * @returns {Track}
 */
export function trackOf(document, id) {
  const track = document.objects.find((object) => object.id === id);
  if (!track) throw new TrajectoryError(say`there is no object ${id}: choose one of the list`);
  return track;
}

/**
 * Replace some objects by what `change` makes of them.
 *
 * @param {Trajectory} document
 * @param {Iterable<string>} ids
 * @param {(track: Track) => Track} change  gives the same track where it changes nothing
 * @returns {Trajectory}
 */
export function changeTracks(document, ids, change) {
  const chosen = new Set(ids);
  for (const id of chosen) trackOf(document, id);
  const objects = document.objects.map((track) => (chosen.has(track.id) ? change(track) : track));
  return objects.some((track, n) => track !== document.objects[n]) ? { ...document, objects } : document;
}

/**
 * Add an object that stands still, with one key.
 *
 * @param {Trajectory} document
 * @param {Box} box
 * @param {number} frame
 * @param {{phrase?: string, color?: string}} [details]  without a color it gets the least used of the palette
 * @returns {Trajectory}
 */
export function addTrack(document, box, frame, { phrase = "", color = nextColor(document) } = {}) {
  const keys = [straightKey(frame, tidyBox(box))];
  return insertTracks(document, [{ id: "", phrase, color, strength: 1, enabled: true, keys }]);
}

/**
 * Add copies of tracks, which may come from another document: they get ids that are free and end with this document.
 *
 * @param {Trajectory} document
 * @param {Track[]} tracks
 * @returns {Trajectory}
 */
export function insertTracks(document, tracks) {
  const total = document.objects.length + tracks.length;
  if (total > LIMITS.objects) {
    throw new TrajectoryError(say`there would be ${total} objects, the limit is ${LIMITS.objects}: remove some first`);
  }
  if (!tracks.length) return document;
  const used = new Set(document.objects.map((track) => track.id));
  const added = tracks.map((track) => {
    const id = freeId(used, document.objects.length + 1);
    used.add(id);
    return {
      ...track,
      id,
      phrase: readPhrase(track.phrase, "phrase"),
      color: readColor(track.color, "color"),
      keys: croppedKeys(track.keys, document.frames),
    };
  });
  return { ...document, objects: [...document.objects, ...added] };
}

/**
 * @param {Trajectory} document
 * @param {Iterable<string>} ids
 * @returns {Trajectory}
 */
export function removeTracks(document, ids) {
  const gone = new Set(ids);
  const objects = document.objects.filter((track) => !gone.has(track.id));
  return objects.length < document.objects.length ? { ...document, objects } : document;
}

/**
 * Copy objects with all their keys, moved by dx, dy, in colors of their own.
 *
 * @param {Trajectory} document
 * @param {Iterable<string>} ids
 * @param {number} [dx]
 * @param {number} [dy]
 * @returns {Trajectory}
 */
export function duplicateTracks(document, ids, dx = 0, dy = 0) {
  return [...ids].reduce((result, id) => {
    const track = trackOf(document, id);
    const keys = track.keys.map((key) => ({ ...key, box: tidyBox(movedBox(key.box, dx, dy)) }));
    return insertTracks(result, [{ ...track, color: nextColor(result), keys }]);
  }, document);
}

/**
 * Put objects, in the order they have, in front of the one that is at `index` now; objects.length means last. Later
 * objects are drawn over earlier ones, and the model gets them in this order.
 *
 * @param {Trajectory} document
 * @param {Iterable<string>} ids
 * @param {number} index
 * @returns {Trajectory}
 */
export function reorderTracks(document, ids, index) {
  const moving = new Set(ids);
  const isMoving = (track) => moving.has(track.id);
  const stays = (track) => !moving.has(track.id);
  const { objects } = document;
  const ordered = [
    ...objects.slice(0, index).filter(stays),
    ...objects.filter(isMoving),
    ...objects.slice(index).filter(stays),
  ];
  return ordered.some((track, n) => track !== objects[n]) ? { ...document, objects: ordered } : document;
}

/**
 * @param {Trajectory} document
 * @param {string} id
 * @param {string} phrase
 * @returns {Trajectory}
 */
export function setPhrase(document, id, phrase) {
  return setProperty(document, [id], "phrase", readPhrase(phrase, "phrase"));
}

/**
 * @param {Trajectory} document
 * @param {Iterable<string>} ids
 * @param {string} color  like #e69f00
 * @returns {Trajectory}
 */
export function setColor(document, ids, color) {
  return setProperty(document, ids, "color", readColor(color, "color"));
}

/**
 * @param {Trajectory} document
 * @param {Iterable<string>} ids
 * @param {number} strength  0 not at all, 1 as trained, 2 at most
 * @returns {Trajectory}
 */
export function setStrength(document, ids, strength) {
  return setProperty(document, ids, "strength", readStrength(strength, "strength"));
}

/**
 * Objects that are not enabled stay in the document and are not given to the model.
 *
 * @param {Trajectory} document
 * @param {Iterable<string>} ids
 * @param {boolean} enabled
 * @returns {Trajectory}
 */
export function setEnabled(document, ids, enabled) {
  return setProperty(document, ids, "enabled", Boolean(enabled));
}

/**
 * The color of the palette that the fewest objects have.
 *
 * @param {Trajectory} document
 */
export function nextColor(document) {
  const uses = (color) => document.objects.filter((track) => track.color === color).length;
  return PALETTE.reduce((best, color) => (uses(color) < uses(best) ? color : best));
}

function setProperty(document, ids, name, value) {
  return changeTracks(document, ids, (track) => (track[name] === value ? track : { ...track, [name]: value }));
}

/**
 * Operations on keys: where and when an object is. Each returns a new trajectory that shares unchanged parts with the
 * old one, or the old one itself if nothing changed.
 *
 * @import {Box, Ease, Key, Track, Trajectory} from "./document.js"
 * @typedef {{id: string, frame: number}} KeyRef  a key of an object
 */

import { centreOf, movedBox, sameBox, tidyBox } from "./box.js";
import { boxAt, visibleAt } from "./curve.js";
import { readEase, whole } from "./document.js";
import { withKey } from "./split.js";
import { changeTracks, trackOf } from "./tracks.js";

/**
 * Set an object's box at a frame, in the key there or in a new one.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {number} frame
 * @param {Box} box
 * @returns {Trajectory}
 */
export function setBox(trajectory, id, frame, box) {
  checkFrame(trajectory, frame);
  return changeTracks(trajectory, [id], (track) => withBox(track, frame, box, trajectory));
}

/**
 * Move the boxes of objects at a frame.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {number} frame
 * @param {number} dx  in units of the frame
 * @param {number} dy
 * @returns {Trajectory}
 */
export function moveBoxes(trajectory, ids, frame, dx, dy) {
  checkFrame(trajectory, frame);
  if (dx === 0 && dy === 0) return trajectory;
  return changeTracks(trajectory, ids, (track) => {
    return withBox(track, frame, movedBox(boxAt(track, frame, trajectory), dx, dy), trajectory);
  });
}

/**
 * Move the centre of an object's box to a point, as dragging a path point does.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {number} frame
 * @param {number} x
 * @param {number} y
 * @returns {Trajectory}
 */
export function movePathPoint(trajectory, id, frame, x, y) {
  const [cx, cy] = centreOf(boxAt(trackOf(trajectory, id), frame, trajectory));
  return moveBoxes(trajectory, [id], frame, x - cx, y - cy);
}

/**
 * Move whole tracks: all keys by the same offset.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {number} dx
 * @param {number} dy
 * @returns {Trajectory}
 */
export function moveTracks(trajectory, ids, dx, dy) {
  if (dx === 0 && dy === 0) return trajectory;
  return changeTracks(trajectory, ids, (track) => mapBoxes(track, (box) => movedBox(box, dx, dy)));
}

/**
 * Resize a whole track: its box at `frame` becomes `box`, the others grow and shift in proportion.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {number} frame
 * @param {Box} box
 * @returns {Trajectory}
 */
export function resizeTrack(trajectory, id, frame, box) {
  checkFrame(trajectory, frame);
  return changeTracks(trajectory, [id], (track) => {
    const old = boxAt(track, frame, trajectory);
    // Per axis, each side moves by a fixed share of the size that the box has at that time.
    const share = [0, 1, 2, 3].map((n) => {
      const size = old[(n % 2) + 2] - old[n % 2];
      return size > 0 ? (box[n] - old[n]) / size : 0;
    });
    return mapBoxes(track, (b) => b.map((v, n) => v + share[n] * (b[(n % 2) + 2] - b[n % 2])));
  });
}

/**
 * Add a key to objects without moving them.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {number} frame
 * @returns {Trajectory}
 */
export function addKeys(trajectory, ids, frame) {
  checkFrame(trajectory, frame);
  return changeTracks(trajectory, ids, (track) => withKey(track, frame, trajectory));
}

/**
 * Delete keys. An object keeps at least its first one.
 *
 * @param {Trajectory} trajectory
 * @param {KeyRef[]} refs
 * @returns {Trajectory}
 */
export function deleteKeys(trajectory, refs) {
  return changeChosen(trajectory, refs, (track, isChosen) => {
    const keys = track.keys.filter((key) => !isChosen(key));
    return { ...track, keys: keys.length ? keys : track.keys.slice(0, 1) };
  });
}

/**
 * Limit a shift so that keys which move together stay inside the clip.
 *
 * @param {Trajectory} trajectory
 * @param {KeyRef[]} refs
 * @param {number} shift  in frames
 * @returns {number}
 */
export function allowedShift(trajectory, refs, shift) {
  const frames = refs.map((ref) => ref.frame);
  const earliest = frames.reduce((a, b) => Math.min(a, b), trajectory.frames - 1);
  const latest = frames.reduce((a, b) => Math.max(a, b), 0);
  return Math.min(Math.max(Math.round(shift), -earliest), trajectory.frames - 1 - latest) + 0;
}

/**
 * Move keys in time by the `allowedShift`. They replace keys that they land on.
 *
 * @param {Trajectory} trajectory
 * @param {KeyRef[]} refs
 * @param {number} shift  in frames
 * @returns {Trajectory}
 */
export function moveKeys(trajectory, refs, shift) {
  const by = allowedShift(trajectory, refs, shift);
  if (by === 0) return trajectory;
  return changeChosen(trajectory, refs, (track, isChosen) => {
    const moved = track.keys.filter(isChosen).map((key) => ({ ...key, frame: key.frame + by }));
    return { ...track, keys: mergedKeys(track.keys.filter((key) => !isChosen(key)), moved) };
  });
}

/**
 * Set the easing from each of some keys to the next.
 *
 * @param {Trajectory} trajectory
 * @param {KeyRef[]} refs
 * @param {Ease} ease
 * @returns {Trajectory}
 */
export function setEase(trajectory, refs, ease) {
  const checked = readEase(ease, "ease");
  return changeChosen(trajectory, refs, (track, isChosen) => {
    const isOther = (key) => isChosen(key) && `${key.ease}` !== `${checked}`;
    return withKeys(track, track.keys.map((key) => (isOther(key) ? { ...key, ease: checked } : key)));
  });
}

/**
 * Show or hide objects from frame `first` to frame `last`, both included. The motion stays; keys are added at both
 * ends.
 *
 * @param {Trajectory} trajectory
 * @param {Iterable<string>} ids
 * @param {number} first
 * @param {number} last
 * @param {boolean} visible
 * @returns {Trajectory}
 */
export function setVisible(trajectory, ids, first, last, visible) {
  checkFrame(trajectory, first);
  checkFrame(trajectory, last);
  return changeTracks(trajectory, ids, (track) => {
    let result = track;
    if (visibleAt(track, first) !== visible) {
      // The first key also applies to all frames before it.
      if (first > 0 && first <= track.keys[0].frame) result = withKey(result, 0, trajectory);
      result = withKey(result, first, trajectory);
    }
    const after = last + 1;
    const isShown = after < trajectory.frames ? visibleAt(track, after) : visible;
    if (isShown !== visible) result = withKey(result, after, trajectory);
    const keys = result.keys.map((key) => {
      const isInside = key.frame >= first && key.frame <= last;
      return isInside && key.visible !== visible ? { ...key, visible } : key;
    });
    return withKeys(track, keys);
  });
}

/**
 * Merge keys of one track, in order. At the same frame the one in `over` wins.
 *
 * @param {Key[]} under
 * @param {Key[]} over
 * @returns {Key[]}
 */
export function mergedKeys(under, over) {
  const taken = new Set(over.map((key) => key.frame));
  return [...under.filter((key) => !taken.has(key.frame)), ...over].sort((a, b) => a.frame - b.frame);
}

/**
 * Change the tracks that have chosen keys. `change` gets the track and a test for its chosen keys.
 *
 * @param {Trajectory} trajectory
 * @param {KeyRef[]} refs
 * @param {(track: Track, isChosen: (key: Key) => boolean) => Track} change
 * @returns {Trajectory}
 */
export function changeChosen(trajectory, refs, change) {
  const chosen = framesById(refs);
  return changeTracks(trajectory, chosen.keys(), (track) => {
    const isChosen = (key) => chosen.get(track.id).has(key.frame);
    return track.keys.some(isChosen) ? change(track, isChosen) : track;
  });
}

/** @type {WeakMap<KeyRef[], Map<string, Set<number>>>} */
const chosenFrames = new WeakMap();

/**
 * The frames of keys by object. Cached per list, because a gesture asks for it on every move.
 *
 * @param {KeyRef[]} refs
 * @returns {Map<string, Set<number>>}
 */
export function framesById(refs) {
  let chosen = chosenFrames.get(refs);
  if (!chosen) {
    chosen = new Map();
    for (const { id, frame } of refs) {
      if (!chosen.has(id)) chosen.set(id, new Set());
      chosen.get(id).add(frame);
    }
    chosenFrames.set(refs, chosen);
  }
  return chosen;
}

function withBox(track, frame, box, size) {
  const tidy = tidyBox(box);
  const found = track.keys.find((key) => key.frame === frame);
  if (found && sameBox(found.box, tidy)) return track;
  const keyed = withKey(track, frame, size);
  return { ...keyed, keys: keyed.keys.map((key) => (key.frame === frame ? { ...key, box: tidy } : key)) };
}

function mapBoxes(track, change) {
  return { ...track, keys: track.keys.map((key) => ({ ...key, box: tidyBox(change(key.box)) })) };
}

function withKeys(track, keys) {
  return keys.some((key, n) => key !== track.keys[n]) || keys.length !== track.keys.length ? { ...track, keys } : track;
}

function checkFrame(trajectory, frame) {
  whole(frame, "frame", 0, trajectory.frames - 1);
}

/**
 * Replace a stretch of a track by a box per frame.
 *
 * @typedef {import("./document.js").Box} Box
 * @typedef {import("./document.js").Track} Track
 * @typedef {import("./document.js").Trajectory} Trajectory
 */

import { tidyBox } from "./box.js";
import { boxOf, denseBoxes, visibleAt } from "./curve.js";
import { TrajectoryError, whole } from "./document.js";
import { withKey } from "./keys.js";
import { DEFAULT_TOLERANCE, runs, simplified } from "./simplify.js";
import { changeTracks } from "./tracks.js";

/**
 * The track with other boxes from frame `from` on, one per frame, as few keys. It is visible where it was, and its keys
 * outside of them stay.
 *
 * @param {Track} track
 * @param {number} from
 * @param {Box[]} boxes
 * @param {number} tolerance
 * @returns {Track}
 */
export function withSpan(track, from, boxes, tolerance) {
  const to = from + boxes.length - 1;
  const keyed = withKey(withKey(track, from), to);
  const tidy = boxes.map(tidyBox);
  const visible = tidy.map((_, n) => visibleAt(track, from + n));
  const inside = runs(visible).flatMap(([start, end]) =>
    simplified(tidy, start, end, tolerance).map((n) => ({
      frame: from + n,
      box: tidy[n],
      ease: /** @type {const} */ ("linear"),
      visible: visible[n],
    })),
  );
  const { ease } = keyed.keys.find((key) => key.frame === to);
  return {
    ...track,
    keys: [
      ...keyed.keys.filter((key) => key.frame < from),
      ...inside.map((key) => (key.frame === to ? { ...key, ease } : key)),
      ...keyed.keys.filter((key) => key.frame > to),
    ],
  };
}

/**
 * Lay down a path that was recorded by hand: samples of the box at times in frames, in the order they came. Where a
 * frame has several the last one counts; frames between two samples are on the line between them.
 *
 * @param {Trajectory} document
 * @param {string} id
 * @param {{time: number, box: Box}[]} samples  at least one, times not falling
 * @param {number} [tolerance]
 * @returns {Trajectory}
 */
export function recordPath(document, id, samples, tolerance = DEFAULT_TOLERANCE) {
  const atFrame = new Map();
  for (const { time, box } of samples) atFrame.set(Math.min(Math.max(Math.round(time), 0), document.frames - 1), box);
  if (!atFrame.size) return document;
  const keys = [...atFrame].sort(([a], [b]) => a - b);
  const path = keys.map(([frame, box]) => ({ frame, box, ease: /** @type {const} */ ("linear"), visible: true }));
  const from = path[0].frame;
  const dense = denseBoxes({ keys: path }, document.frames);
  const boxes = Array.from({ length: path.at(-1).frame - from + 1 }, (_, n) => boxOf(dense, from + n));
  return changeTracks(document, [id], (track) => withSpan(track, from, boxes, tolerance));
}

/**
 * The keys of objects replaced by fewer that stay within `tolerance`, joined by straight lines.
 *
 * @param {Trajectory} document
 * @param {Iterable<string>} ids
 * @param {number} [tolerance]
 * @returns {Trajectory}
 */
export function simplifyTracks(document, ids, tolerance = DEFAULT_TOLERANCE) {
  return changeTracks(document, ids, (track) => {
    const dense = denseBoxes(track, document.frames);
    const boxes = Array.from({ length: document.frames }, (_, frame) => boxOf(dense, frame));
    const simple = withSpan(track, 0, boxes, tolerance);
    return simple.keys.length < track.keys.length ? simple : track;
  });
}

/**
 * Refuse a span that no motion fits into.
 *
 * @param {Trajectory} document
 * @param {number} from
 * @param {number} to
 */
export function checkSpan(document, from, to) {
  whole(from, "from", 0, document.frames - 1);
  whole(to, "to", 0, document.frames - 1);
  if (to <= from) throw new TrajectoryError(`frames ${from} to ${to} leave no time to move: give a later end`);
}

/**
 * @template T
 * @param {number} from
 * @param {number} to
 * @param {(frame: number) => T} make
 * @returns {T[]}
 */
export function spanOf(from, to, make) {
  return Array.from({ length: to - from + 1 }, (_, n) => make(from + n));
}

/**
 * Operations on the handles of keys, which bend paths. Each returns a new trajectory, or the old one if nothing changed.
 *
 * @import {Handles, Key, Point, Size, Trajectory} from "./document.js"
 * @import {KeyRef} from "./keys.js"
 * @typedef {0 | 1} Side  of a key: the handle before it or after it
 * @typedef {"free" | "turn" | "mirror"} Link  what the other handle does: stay, turn to the opposite direction, or
 *   become the mirror image
 */

import { centreOf } from "./box.js";
import { addKeys, changeChosen } from "./keys.js";
import { withHandles } from "./path.js";
import { say, TrajectoryError } from "./refusal.js";
import { changeTracks, trackOf } from "./tracks.js";

const ALIGNED = 0.01; // sine of the angle between handles that count as opposite

/**
 * The handles of a key, zero where it has none.
 *
 * @param {Key} key
 * @returns {Handles}
 */
export function handlesOf({ handles }) {
  return handles ?? [[0, 0], [0, 0]];
}

/**
 * Whether both handles of a key are there and point in opposite directions, so that the path has no corner there.
 *
 * @param {Key} key
 * @param {Size} size  of the frame
 */
export function isSmooth(key, { width, height }) {
  const [a, b] = handlesOf(key).map(([x, y]) => [x * width, y * height]);
  const lengths = Math.hypot(...a) * Math.hypot(...b);
  if (!lengths) return false;
  return a[0] * b[0] + a[1] * b[1] < 0 && Math.abs(a[0] * b[1] - a[1] * b[0]) <= ALIGNED * lengths;
}

/**
 * Move the end of a handle to a point from the centre of the key's box.
 *
 * @param {Trajectory} trajectory
 * @param {KeyRef} ref
 * @param {Side} side
 * @param {Point} point
 * @param {Link} link
 * @returns {Trajectory}
 */
export function setHandle(trajectory, ref, side, point, link) {
  return changeTracks(trajectory, [ref.id], (track) => {
    const keys = track.keys.map((key) => {
      if (key.frame !== ref.frame) return key;
      const other = linked(link, point, handlesOf(key)[1 - side], trajectory);
      const [arriving, leaving] = side === 0 ? [point, other] : [other, point];
      return withHandles(key, { arriving, leaving });
    });
    return { ...track, keys };
  });
}

/** Where the other handle goes. @returns {Point} */
function linked(link, point, other, size) {
  if (link === "mirror") return [-point[0], -point[1]];
  return link === "turn" ? turned(point, other, size) : other;
}

/** A handle of the length of `other`, in pixels, that points away from `point`. */
function turned([x, y], other, { width, height }) {
  const length = Math.hypot(x * width, y * height);
  const scale = length ? Math.hypot(other[0] * width, other[1] * height) / length : 0;
  return length ? [-x * scale, -y * scale] : other;
}

/**
 * Turn keys into corners if all of them have handles, else make them smooth: tangents along the line between the
 * neighbouring keys, a third of the way to each. Keys that are missing are added; on a curve they are smooth already.
 *
 * @param {Trajectory} trajectory
 * @param {KeyRef[]} refs
 * @returns {Trajectory}
 * @throws {TrajectoryError} if none of the objects moves there
 */
export function toggleSmooth(trajectory, refs) {
  const keyed = refs.reduce((result, { id, frame }) => addKeys(result, [id], frame), trajectory);
  const areCurved = refs.every(({ id, frame }) => trackOf(keyed, id).keys.find((key) => key.frame === frame).handles);
  if (areCurved && keyed !== trajectory) return keyed;
  const result = changeChosen(keyed, refs, (track, isChosen) => {
    const keys = track.keys.map((key, n) => {
      if (!isChosen(key)) return key;
      if (areCurved) return withHandles(key, { arriving: [0, 0], leaving: [0, 0] });
      return key.handles ? key : smoothed(track.keys[n - 1], key, track.keys[n + 1], trajectory);
    });
    return keys.some((key, n) => key !== track.keys[n]) ? { ...track, keys } : track;
  });
  if (result === keyed && refs.length) {
    throw new TrajectoryError(say`the object does not move there: a path bends between keyframes at two places`);
  }
  return result;
}

/** A key with handles for a path without a corner; an end of the path has one towards its neighbour. */
function smoothed(before, key, after, { width, height }) {
  const [x, y] = centreOf(key.box);
  const [bx, by] = centreOf((before ?? key).box);
  const [ax, ay] = centreOf((after ?? key).box);
  const back = Math.hypot((x - bx) * width, (y - by) * height);
  const on = Math.hypot((ax - x) * width, (ay - y) * height);
  if (!back && !on) return key;
  /** @type {(share: number) => Point} */
  const along = (share) => [((ax - bx) * share) / 3, ((ay - by) * share) / 3];
  return withHandles(key, { arriving: along(-back / (back + on)), leaving: along(on / (back + on)) });
}

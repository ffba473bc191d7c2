/**
 * Motion presets of one object over a span of frames, as a few keys, curved and eased. They start from the box at the first frame of
 * the span, replace the keys in the span, and make the object visible there.
 *
 * @import {Box, Key, Trajectory} from "./document.js"
 * @typedef {{from: number, to: number}} Span  first and last frame
 */

import { centreOf, movedBox, scaledBox, tidyBox } from "./box.js";
import { boxAt } from "./curve.js";
import { number, whole } from "./document.js";
import { setVisible } from "./keys.js";
import { fittedKeys } from "./motion.js";
import { say, TrajectoryError } from "./refusal.js";
import { checkSpan, spliced } from "./span.js";
import { withKey } from "./split.js";
import { changeTracks, trackOf } from "./tracks.js";

const PATH_TOLERANCE = 0.002; // of the frame: half a pixel of 256, so curves stay round

/**
 * Leave the frame in a straight line, from where the box is to just outside of one side.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {Span & {towards?: "left" | "right" | "up" | "down"}} options
 * @returns {Trajectory}
 */
export function leave(trajectory, id, { from, to, towards = "right" }) {
  return withMotion(trajectory, id, from, to, (box, progress) => {
    const axis = towards === "left" || towards === "right" ? 0 : 1;
    const isForward = towards === "right" || towards === "down";
    const by = (isForward ? 1 - box[axis] : -box[axis + 2]) * progress; // to just outside
    return axis === 0 ? movedBox(box, by, 0) : movedBox(box, 0, by);
  });
}

/**
 * Approach the camera: grow by `factor` about the middle of the lower side, where things stand. Below 1, move away. The
 * distance to the camera changes at constant speed, so growth is slow at first.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {Span & {factor?: number}} options
 * @returns {Trajectory}
 */
export function approach(trajectory, id, { from, to, factor = 2 }) {
  number(factor, "factor", 0.01, 100);
  return withMotion(trajectory, id, from, to, (box, progress) => {
    const distance = 1 + (1 / factor - 1) * progress;
    return scaledBox(box, 1 / distance, centreOf(box)[0], box[3]);
  });
}

/**
 * Orbit a point on an ellipse through the current position.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {Span & {x?: number, y?: number, turns?: number, flatness?: number}} options  x, y: the centre; turns:
 *   negative for anticlockwise; flatness: height / width of the ellipse, 1 for a circle
 * @returns {Trajectory}
 */
export function orbit(trajectory, id, { from, to, x = 0.5, y = 0.5, turns = 1, flatness = 1 }) {
  number(flatness, "flatness", 0.01, 100);
  const ratio = (flatness * trajectory.width) / trajectory.height; // as pixels are not square in these units
  return withMotion(trajectory, id, from, to, (box, progress) => {
    const [cx, cy] = centreOf(box);
    const radius = Math.hypot(cx - x, (cy - y) / ratio);
    const angle = Math.atan2((cy - y) / ratio, cx - x) + 2 * Math.PI * turns * progress;
    return movedBox(box, x + radius * Math.cos(angle) - cx, y + radius * ratio * Math.sin(angle) - cy);
  });
}

/**
 * Bounce a number of times on the way to a position dx further.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {Span & {height?: number, bounces?: number, dx?: number, decay?: number}} options  height: of the first jump,
 *   in units of the frame; decay: height of each jump relative to the one before, its duration follows from gravity
 * @returns {Trajectory}
 */
export function bounce(trajectory, id, { from, to, height = 0.3, bounces = 2, dx = 0, decay = 0.6 }) {
  whole(bounces, "bounces", 1, 100);
  checkSpan(trajectory, from, to);
  const heights = Array.from({ length: bounces }, (_, n) => height * decay ** n);
  const times = heights.map((h) => Math.sqrt(Math.abs(h)));
  const total = times.reduce((a, b) => a + b, 0);
  const landings = [from];
  const jumps = []; // those too short for a frame are left out
  let left = 0;
  times.forEach((time, n) => {
    left += time;
    const landing = total > 0 ? from + Math.round((left / total) * (to - from)) : to;
    if (landing === landings.at(-1)) return;
    landings.push(landing);
    jumps.push(heights[n]);
  });
  const tops = jumps.map((_, n) => (landings[n] + landings[n + 1]) >> 1);
  const move = (box, progress) => {
    const frame = from + progress * (to - from);
    const jump = Math.max(landings.findLastIndex((landing) => landing < frame), 0);
    const [start, top, landing] = [landings[jump], tops[jump], landings[jump + 1]];
    const apart = (frame - top) / (frame < top ? top - start : landing - top); // from the top, in time
    return movedBox(box, dx * progress, -jumps[jump] * (1 - apart ** 2));
  };
  const corners = landings.flatMap((landing, n) => (tops[n] > landing ? [landing, tops[n]] : [landing]));
  return withMotion(trajectory, id, from, to, move, corners);
}

/**
 * Follow another object at a given distance, or at the distance at the first frame. The size stays. The follower is
 * hidden where the leader is.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @param {string} leader  id of the object to follow
 * @param {Span & {dx?: number, dy?: number}} options  dx, dy: from the leader's centre to the follower's
 * @returns {Trajectory}
 */
export function follow(trajectory, id, leader, { from, to, dx, dy }) {
  checkSpan(trajectory, from, to);
  const ahead = trackOf(trajectory, leader);
  if (leader === id) throw new TrajectoryError(say`object ${id} cannot follow itself: choose another`);
  const [cx, cy] = centreOf(boxAt(trackOf(trajectory, id), from, trajectory));
  const [lx, ly] = centreOf(boxAt(ahead, from, trajectory));
  const [offsetX, offsetY] = [dx ?? cx - lx, dy ?? cy - ly];
  const way = withKey(withKey(ahead, from, trajectory), to, trajectory).keys.filter((key) => key.frame >= from && key.frame <= to);
  return changeTracks(trajectory, [id], (track) => {
    const keyed = withKey(withKey(track, from, trajectory), to, trajectory);
    const start = boxAt(track, from, trajectory);
    const copied = way.map((key) => {
      const [x, y] = centreOf(key.box);
      return { ...key, box: tidyBox(movedBox(start, x + offsetX - cx, y + offsetY - cy)) };
    });
    return spliced(keyed, copied);
  });
}

/**
 * Show the object over the span, with the box that `make` returns for each progress 0..1 from the first box, smooth
 * between the corners.
 */
function withMotion(trajectory, id, from, to, make, corners = [from, to]) {
  checkSpan(trajectory, from, to);
  return changeTracks(setVisible(trajectory, [id], from, to, true), [id], (track) => {
    const start = boxAt(track, from, trajectory);
    const keys = fittedKeys((frame) => make(start, (frame - from) / (to - from)), corners, PATH_TOLERANCE, trajectory);
    return spliced(withKey(withKey(track, from, trajectory), to, trajectory), keys);
  });
}

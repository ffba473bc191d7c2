/**
 * Point tracks for Wan-Move: a grid of points in each box, which keep their place in it. The rules are those of
 * smcd_core/guides/tracks.py.
 *
 * @import {Box, Trajectory} from "./document.js"
 * @typedef {{frames: number, count: number, path: number[], visible: boolean[]}} PointTracks  path: [frames, count, 2]
 *   in pixels; visible: [frames, count]
 */

import { boxesAt } from "./curve.js";
import { say, TrajectoryError } from "./refusal.js";

const CELL = 8; // pixels that Wan-Move copies as one
const SPACING = 16; // pixels; Wan's transformer takes 2 x 2 cells as one token
const MAX_PER_SIDE = 32;
const MAX_POSITIONS = 4_000_000; // points times frames

/**
 * Points in all enabled objects, as many as Wan-Move needs to move all of a box. One that is hidden, covered or outside
 * in the first frame is left out: Wan-Move would copy something else along its track.
 *
 * @param {Trajectory} trajectory
 * @returns {PointTracks}
 * @throws {TrajectoryError} for more points than a model can use
 */
export function pointTracks(trajectory) {
  const { width, height, frames } = trajectory;
  const { boxes, mask } = boxesAt(trajectory);
  const pixels = boxes.map((row) => row.map(([x1, y1, x2, y2]) => [x1 * width, y1 * height, x2 * width, y2 * height]));
  const shown = pixels.map((row, f) => row.map(([x1, y1, x2, y2], n) => mask[f][n] && x2 > x1 && y2 > y1));
  /** By point, those of objects in front first. */
  const points = [];
  for (let n = pixels[0].length - 1; n >= 0; n -= 1) {
    if (shown[0][n]) points.push(...pointsIn(n, pixels, shown).filter(({ places: [[x, y]], isSeen: [first] }) =>
      first && x >= 0 && y >= 0 && x < width && y < height));
  }
  for (let f = 1; f < frames; f += 1) hideBehind(points, f);
  points.sort((a, b) => a.n - b.n);
  const all = Array.from({ length: frames }, (_, f) => f);
  return {
    frames,
    count: points.length,
    path: all.flatMap((f) => points.flatMap(({ places }) => places[f])),
    visible: all.flatMap((f) => points.map(({ isSeen }) => isSeen[f])),
  };
}

/** The grid of one object. @returns {{n: number, places: [number, number][], isSeen: boolean[]}[]} */
function pointsIn(n, pixels, shown) {
  const seen = pixels.filter((_, f) => shown[f][n]).map((row) => row[n]);
  const [across, down] = [0, 1].map((axis) => {
    const largest = Math.max(...seen.map((box) => box[axis + 2] - box[axis]));
    return Math.min(MAX_PER_SIDE, Math.max(1, Math.ceil(largest / SPACING)));
  });
  const [frames, count] = [pixels.length, pixels[0].length];
  if (frames * across * down * count > MAX_POSITIONS) {
    throw new TrajectoryError(
      say`${across} x ${down} points in ${count} objects over ${frames} frames are too many: disable objects or shorten the video`,
    );
  }
  return Array.from({ length: across * down }, (_, p) => {
    const share = [((p % across) + 0.5) / across, (Math.floor(p / across) + 0.5) / down];
    const place = (box, axis) => hundredths(box[axis] + share[axis] * (box[axis + 2] - box[axis]));
    const places = pixels.map((row) => [place(row[n], 0), place(row[n], 1)]);
    const isCovered = ([x, y], f) =>
      pixels[f].some(([x1, y1, x2, y2], other) => other > n && shown[f][other] && x >= x1 && y >= y1 && x < x2 && y < y2);
    return { n, places, isSeen: places.map((at, f) => shown[f][n] && !isCovered(at, f)) };
  });
}

/** Of points that meet in one cell only the first stays visible: Wan-Move would choose by chance. */
function hideBehind(points, f) {
  const taken = new Set();
  for (const { places, isSeen } of points) {
    const [x, y] = places[f];
    const cell = `${Math.floor(x / CELL)},${Math.floor(y / CELL)}`;
    if (isSeen[f] && taken.has(cell)) isSeen[f] = false;
    if (isSeen[f]) taken.add(cell);
  }
}

/** To two digits, halves to the even one as numpy does. */
function hundredths(value) {
  const [whole, rest] = [Math.floor(value * 100), value * 100 - Math.floor(value * 100)];
  return (rest === 0.5 ? whole + (whole % 2 ? 1 : 0) : Math.round(value * 100)) / 100;
}

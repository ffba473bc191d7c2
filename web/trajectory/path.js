/**
 * Curved paths: a cubic Bezier between two keys, passed through at an even speed. Python does the same, number for
 * number, in smcd_core/trajectory/path.py; docs/trajectory.md has the rule.
 *
 * @import {Handles, Key, Point, Size} from "./document.js"
 * @typedef {{controls: [Point, Point, Point], lengths: Float64Array}} Curve  controls: the second to fourth control
 *   point from the first; lengths: from the start to the end of each chord, in pixels
 */

import { centreOf } from "./box.js";
import { LIMITS } from "./document.js";

const STEPS = 128; // chords that stand for a curve where its length is measured
const DECIMALS = 1e6;

/**
 * Whether the way from a key to the next one is curved.
 *
 * @param {Key} start
 * @param {Key} end
 */
export function isCurved({ handles: leaving }, { handles: arriving }) {
  return Boolean(leaving?.[1].some(Boolean) || arriving?.[0].some(Boolean));
}

/** @type {WeakMap<Key, {end: Key, width: number, height: number, curve: Curve}>} */
const cache = new WeakMap();

/**
 * The curve between two keys. Cached while both stay the same.
 *
 * @param {Key} start
 * @param {Key} end
 * @param {Size} size  in pixels, in which lengths are measured
 * @returns {Curve}
 */
export function curveOf(start, end, { width, height }) {
  const known = cache.get(start);
  if (known?.end === end && known.width === width && known.height === height) return known.curve;
  const [x0, y0] = centreOf(start.box);
  const [x3, y3] = centreOf(end.box);
  const [x1, y1] = start.handles?.[1] ?? [0, 0];
  const [x2, y2] = end.handles?.[0] ?? [0, 0];
  /** @type {Curve} */
  const curve = {
    controls: [[x1, y1], [x3 - x0 + x2, y3 - y0 + y2], [x3 - x0, y3 - y0]],
    lengths: new Float64Array(STEPS + 1),
  };
  let [beforeX, beforeY] = [0, 0];
  for (let n = 1; n <= STEPS; n += 1) {
    const [x, y] = pointAt(curve, n / STEPS);
    const [dx, dy] = [(x - beforeX) * width, (y - beforeY) * height];
    curve.lengths[n] = curve.lengths[n - 1] + Math.sqrt(dx * dx + dy * dy);
    [beforeX, beforeY] = [x, y];
  }
  cache.set(start, { end, width, height, curve });
  return curve;
}

/** A point of the curve, from its start. @returns {Point} */
function pointAt({ controls: [a, b, c] }, u) {
  return [coordinate(a[0], b[0], c[0], u), coordinate(a[1], b[1], c[1], u)];
}

function coordinate(a, b, c, u) {
  return ((c - 3 * b + 3 * a) * u + (3 * b - 6 * a)) * u * u + 3 * a * u;
}

/**
 * The parameter at a part of the length, 0 to 1.
 *
 * @param {Curve} curve
 * @param {number} progress
 */
function parameterAt({ lengths }, progress) {
  const behind = progress * lengths[STEPS];
  let low = 0;
  let high = STEPS;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (lengths[middle] <= behind) low = middle;
    else high = middle - 1;
  }
  if (low === STEPS) return 1;
  return (low + (behind - lengths[low]) / (lengths[low + 1] - lengths[low])) / STEPS;
}

/**
 * How far a curve lies from the straight line between its ends, in units of the frame.
 *
 * @param {Curve} curve
 * @param {number} progress  the part of its length that is behind; below 0 and above 1 on along the first and last
 *   chord
 * @returns {Point}
 */
export function bendAt(curve, progress) {
  const [wayX, wayY] = curve.controls[2];
  const [x, y] = progress < 0 || progress > 1 ? beyond(curve, progress) : pointAt(curve, parameterAt(curve, progress));
  return [x - wayX * progress, y - wayY * progress];
}

/** @returns {Point} */
function beyond(curve, progress) {
  const { lengths } = curve;
  const isAfter = progress > 1;
  const [from, to] = isAfter ? [STEPS - 1, STEPS] : [0, 1];
  const [start, end] = [pointAt(curve, from / STEPS), pointAt(curve, to / STEPS)];
  const length = lengths[to] - lengths[from];
  const share = length > 0 ? (progress * lengths[STEPS] - lengths[isAfter ? STEPS : 0]) / length : 0;
  const [x, y] = isAfter ? end : start;
  return [x + (end[0] - start[0]) * share, y + (end[1] - start[1]) * share];
}

/**
 * Split a curve so that both halves together are its shape (de Casteljau): the handle that leaves its start, both at
 * the split, and the one that arrives at its end. A split beyond an end leaves the shape as near as the end does.
 *
 * @param {Curve} curve
 * @param {number} progress
 * @returns {{leaving: Point, between: Handles, arriving: Point}}
 */
export function splitCurve(curve, progress) {
  const u = parameterAt(curve, Math.min(Math.max(progress, 0), 1));
  const [p1, p2, p3] = curve.controls;
  /** @type {(a: Point, b: Point) => Point} */
  const mix = (a, b) => [a[0] + (b[0] - a[0]) * u, a[1] + (b[1] - a[1]) * u];
  /** @type {(a: Point, b: Point) => Point} */
  const from = (a, b) => [b[0] - a[0], b[1] - a[1]];
  const [a, e, d] = [mix([0, 0], p1), mix(p1, p2), mix(p2, p3)];
  const [b, c] = [mix(a, e), mix(e, d)];
  const middle = mix(b, c);
  return { leaving: a, between: [from(middle, b), from(middle, c)], arriving: from(p3, d) };
}

/**
 * A key with other handles, within their limits and to six decimals. Those left out stay.
 *
 * @param {Key} key
 * @param {{arriving?: Point, leaving?: Point}} handles
 * @returns {Key}
 */
export function withHandles({ handles: before = [[0, 0], [0, 0]], ...key }, { arriving, leaving }) {
  /** @type {Handles} */
  const handles = [tidy(arriving ?? before[0]), tidy(leaving ?? before[1])];
  return handles.flat().some(Boolean) ? { ...key, handles } : key;
}

/** @param {Point} point @returns {Point} */
function tidy(point) {
  const [low, high] = LIMITS.handle;
  const [x, y] = point.map((v) => Math.round(Math.min(Math.max(v, low), high) * DECIMALS) / DECIMALS + 0);
  return [x, y];
}

/**
 * Few keys for a motion that is known at every time: curved and eased where that spares keys.
 *
 * @import {Box, Ease, Key, Point, Size} from "./document.js"
 */

import { centreOf, tidyBox } from "./box.js";
import { sampleKeys } from "./curve.js";
import { LIMITS, straightKey } from "./document.js";
import { curveOf, withHandles } from "./path.js";

const CLOSE = 1e-4; // of the time between two keys, for measuring speeds at its ends
const EVEN = 0.002; // relative speeds at both ends that differ less from the mean count as linear
const REACHES = [1, 0.7, 1.4, 0.4, 2]; // of an easing's control points, as parts of a third of the time
const PAIRS = REACHES.flatMap((first) => REACHES.map((last) => [first, last]));

/**
 * Keys of a motion, within `tolerance` of it at every frame, in units of the frame.
 *
 * @param {(frame: number) => Box} boxAt  for fractions of frames too
 * @param {number[]} corners  rising frames, the first and last among them: at each there is a key, and the motion is
 *   smooth between them
 * @param {number} tolerance
 * @param {Size} size  of the frame
 * @returns {Key[]}
 */
export function fittedKeys(boxAt, corners, tolerance, size) {
  const keys = [straightKey(corners[0], tidyBox(boxAt(corners[0])))];
  const spans = corners.slice(1).map((corner, n) => [corners[n], corner]).reverse();
  while (spans.length) {
    const [from, to] = spans.pop();
    const fitted = fittedPair(boxAt, keys.at(-1), to, tolerance, size);
    if (fitted) {
      keys.splice(-1, 1, ...fitted);
    } else {
      const middle = (from + to) >> 1;
      spans.push([middle, to], [from, middle]);
    }
  }
  return keys;
}

/**
 * Keys of a motion that is known at frames only, such as one recorded by hand, within `tolerance` of it at each. From
 * each key the next one is as far away as one curve reaches.
 *
 * @param {Box[]} boxes  one per frame
 * @param {number} from  frame of the first
 * @param {number} tolerance
 * @param {Size} size  of the frame
 * @returns {Key[]}
 */
export function curvedKeys(boxes, from, tolerance, size) {
  const boxAt = between(boxes, from);
  const last = from + boxes.length - 1;
  const keys = [straightKey(from, boxes[0])];
  while (keys.at(-1).frame < last) {
    const start = keys.at(-1);
    const reach = (to) => fittedPair(boxAt, start, to, tolerance, size);
    let fitted = reach(last);
    if (!fitted) {
      let [near, far] = [start.frame + 1, last]; // to the next frame any key reaches
      fitted = reach(near);
      while (far - near > 1) {
        const middle = (near + far) >> 1;
        const pair = reach(middle);
        if (pair) [near, fitted] = [middle, pair];
        else far = middle;
      }
    }
    keys.splice(-1, 1, ...fitted);
  }
  return keys;
}

/**
 * A motion through a box at each frame, smooth and as lively as they are: a cubic Hermite spline with the slopes of
 * Catmull and Rom (1974).
 *
 * @param {Box[]} boxes
 * @param {number} from  frame of the first
 * @returns {(frame: number) => Box}
 */
function between(boxes, from) {
  const last = boxes.length - 1;
  const at = (n) => boxes[Math.min(Math.max(n, 0), last)];
  return (frame) => {
    const n = Math.min(Math.max(Math.floor(frame - from), 0), Math.max(last - 1, 0));
    const t = frame - from - n;
    const [a, b, c, d] = [at(n - 1), at(n), at(n + 1), at(n + 2)];
    const place = (_, side) => {
      const [first, second] = [(c[side] - a[side]) / 2, (d[side] - b[side]) / 2];
      const way = c[side] - b[side];
      return b[side] + t * (first + t * (3 * way - 2 * first - second + t * (first + second - 2 * way)));
    };
    return /** @type {Box} */ (b.map(place));
  };
}

/** A key and the next one at a frame, if one curve between them is near enough. @returns {[Key, Key] | undefined} */
function fittedPair(boxAt, start, to, tolerance, size) {
  const end = straightKey(to, tidyBox(boxAt(to)));
  return candidates(boxAt, start, end, size).find((pair) => isNear(boxAt, pair, tolerance, size));
}

function isNear(boxAt, pair, tolerance, size) {
  for (let frame = pair[0].frame + 1; frame < pair[1].frame; frame += 1) {
    const wanted = boxAt(frame);
    if (sampleKeys(pair, frame, size).some((v, n) => Math.abs(v - wanted[n]) > tolerance)) return false;
  }
  return true;
}

/** Ways from a key to the next one, the simplest first. @returns {[Key, Key][]} */
function candidates(boxAt, start, end, size) {
  return [[start, end], curved(boxAt, start, end)].flatMap(([first, last]) => {
    return PAIRS.map((reaches) => /** @type {[Key, Key]} */ ([eased(boxAt, first, last, reaches, size), last]));
  });
}

/**
 * Both keys on a curve with the directions that the motion has at the keys, and through its middle as near as such a
 * curve can be.
 *
 * @returns {[Key, Key]}
 */
function curved(boxAt, start, end) {
  const speeds = speedsOf(boxAt, start.frame, end.frame);
  const [first, last] = speeds.map(([x, y]) => [x / 3, y / 3]);
  const [x0, y0] = centreOf(start.box);
  const [x3, y3] = centreOf(end.box);
  const [x, y] = centreOf(boxAt((start.frame + end.frame) / 2));
  // The middle of the curve is that of its ends, and 3/8 of what the handles add.
  const [missingX, missingY] = [x - (x0 + x3) / 2, y - (y0 + y3) / 2];
  const [addedX, addedY] = [(3 / 8) * (first[0] - last[0]), (3 / 8) * (first[1] - last[1])];
  const added = addedX ** 2 + addedY ** 2;
  const scale = added > 0 ? (missingX * addedX + missingY * addedY) / added : 1;
  const leaving = withHandles(start, { leaving: [first[0] * scale, first[1] * scale] });
  const arriving = withHandles(end, { arriving: [-last[0] * scale, -last[1] * scale] });
  return [leaving, arriving];
}

/** The first of two keys with an ease that has the speeds of the motion at both. @returns {Key} */
function eased(boxAt, start, end, reaches, size) {
  const length = curveOf(start, end, size).lengths.at(-1);
  if (!length) return start;
  const [first, last] = speedsOf(boxAt, start.frame, end.frame).map(([x, y]) => {
    return Math.hypot(x * size.width, y * size.height) / length;
  });
  if (Math.abs(first - 1) < EVEN && Math.abs(last - 1) < EVEN) return start;
  const [x1, x2] = reaches.map((reach) => reach / 3);
  const ease = [x1, first * x1, 1 - x2, 1 - last * x2].map((v) => Math.round(v * 1e6) / 1e6);
  const [low, high] = LIMITS.ease_y;
  return ease[1] <= high && ease[3] >= low ? { ...start, ease: /** @type {Ease} */ (ease) } : start;
}

/** The way of the centre in the whole time at the speeds of its start and its end. @returns {[Point, Point]} */
function speedsOf(boxAt, from, to) {
  const step = (to - from) * CLOSE;
  const speed = (at, by) => {
    const [a, b, c] = [0, 1, 2].map((n) => centreOf(boxAt(at + n * by)));
    const [x, y] = [0, 1].map((n) => ((4 * b[n] - 3 * a[n] - c[n]) / (2 * by)) * (to - from));
    return /** @type {Point} */ ([x, y]);
  };
  return [speed(from, step), speed(to, -step)];
}

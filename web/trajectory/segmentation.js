/**
 * Boxes of the objects in a picture: what a click proposes. No DOM, and light enough for a browser.
 *
 * A small picture is merged region by region, neighbours that are most alike first, until one is left. The regions that
 * a point was in on the way are nested; those whose outlines stand out are proposed.
 *
 * @import {Box, Point} from "./document.js"
 * @typedef {{data: ArrayLike<number>, width: number, height: number}} Pixels  data: RGBA, row by row, 0..255
 * @typedef {{width: number, height: number, parents: Int32Array, boxes: Int32Array, areas: Float64Array,
 *   outlines: Float64Array, edges: Float64Array, steps: Float64Array}} Regions  by region, pixels first. parents: the region that it became
 *   a part of, -1 for the last; boxes: left, top, right, bottom in pixels; areas: pixels; outlines: pixels of its
 *   outline inside the picture; edges: the differences of colour across these, summed up; steps: the difference of its
 *   mean colour from that of the region that it was merged with
 */

import { overlapOf } from "./box.js";

export const SIDE = 128; // pixels of the longer side that suffice; a larger picture takes longer than a click may

const AREA = [0.001, 0.7]; // of the picture, least and most for an object
const UNSEEN = 0.5; // squared difference of colours that is none; makes flat areas grow evenly, which is much faster
const STEP = 3; // in CIE L*a*b*, a difference of colour that is just seen
const ALIKE = 0.75; // overlap (IoU) of proposals that count as one

/**
 * Merge a picture region by region.
 *
 * The cost of merging two is that of Ward (1963), how much less their colours fit one mean, with the squared edge
 * between them added, for a pixel of the outline that they share. Colours are CIE L*a*b*.
 *
 * @param {Pixels} pixels
 * @returns {Regions}
 */
export function regionsOf({ data, width, height }) {
  const count = width * height;
  const total = 2 * count - 1;
  const parents = new Int32Array(total).fill(-1);
  const boxes = new Int32Array(total * 4);
  const areas = new Float64Array(total);
  const outlines = new Float64Array(total);
  const edges = new Float64Array(total);
  const steps = new Float64Array(total);
  const colors = new Float64Array(total * 3); // sums
  colors.set(labOf(data, count));
  /** Neighbours of each region, with the length and the sum of the edge between. @type {Map<number, Edge>[]} */
  const neighbours = Array.from({ length: count }, () => new Map());
  const queue = new Queue();

  const difference = (a, b) => {
    let sum = 0;
    for (let n = 0; n < 3; n += 1) sum += (colors[a * 3 + n] / areas[a] - colors[b * 3 + n] / areas[b]) ** 2;
    return sum;
  };
  const enqueue = (a, b, { length, sum }) => {
    const smaller = (areas[a] * areas[b]) / (areas[a] + areas[b]);
    queue.push(((difference(a, b) + (sum / length) ** 2 + UNSEEN) * smaller) / length, a, b);
  };
  const join = (a, b, edge) => {
    neighbours[a].set(b, edge);
    neighbours[b].set(a, edge);
    enqueue(a, b, edge);
  };

  areas.fill(1, 0, count);
  for (let n = 0; n < count; n += 1) {
    const [x, y] = [n % width, Math.floor(n / width)];
    boxes.set([x, y, x + 1, y + 1], n * 4);
    const touching = [...(x + 1 < width ? [n + 1] : []), ...(y + 1 < height ? [n + width] : [])];
    for (const other of touching) join(n, other, { length: 1, sum: Math.sqrt(difference(n, other)) });
  }
  const measure = (n) => {
    for (const { length, sum } of neighbours[n].values()) {
      outlines[n] += length;
      edges[n] += sum;
    }
  };
  for (let n = 0; n < count; n += 1) measure(n);

  for (let next = count; next < total; ) {
    const [a, b] = queue.pop();
    if (parents[a] >= 0 || parents[b] >= 0) continue; // merged with another one since
    parents[a] = parents[b] = next;
    steps[a] = steps[b] = Math.sqrt(difference(a, b));
    areas[next] = areas[a] + areas[b];
    for (let n = 0; n < 3; n += 1) colors[next * 3 + n] = colors[a * 3 + n] + colors[b * 3 + n];
    for (let side = 0; side < 4; side += 1) {
      boxes[next * 4 + side] = Math[side < 2 ? "min" : "max"](boxes[a * 4 + side], boxes[b * 4 + side]);
    }
    const [more, fewer] = neighbours[a].size > neighbours[b].size ? [a, b] : [b, a];
    const joined = neighbours[more];
    for (const [other, edge] of neighbours[fewer]) {
      const known = joined.get(other);
      joined.set(other, known ? { length: known.length + edge.length, sum: known.sum + edge.sum } : edge);
    }
    joined.delete(a);
    joined.delete(b);
    neighbours[next] = joined;
    neighbours[a] = neighbours[b] = null; // frees them
    for (const [other, edge] of joined) {
      neighbours[other].delete(a);
      neighbours[other].delete(b);
      neighbours[other].set(next, edge);
      enqueue(next, other, edge);
    }
    measure(next);
    next += 1;
  }
  return { width, height, parents, boxes, areas, outlines, edges, steps };
}

/**
 * The boxes of what may be meant by a point, the likeliest first.
 *
 * @param {Regions} regions
 * @param {Point} point  in units of the picture
 * @returns {Box[]}
 */
export function objectsAt(regions, [x, y]) {
  const { width, height, parents } = regions;
  const [column, row] = [Math.floor(x * width), Math.floor(y * height)];
  if (column < 0 || row < 0 || column >= width || row >= height) return [];
  const found = [];
  for (let n = row * width + column; n >= 0; n = parents[n]) {
    const score = standsOut(regions, n);
    if (score > 0) found.push({ score: score * isMeant(boxOf(regions, n), [x, y]), box: boxOf(regions, n) });
  }
  found.sort((a, b) => b.score - a.score);
  /** @type {Box[]} */
  const boxes = [];
  for (const { box } of found) if (boxes.every((other) => overlapOf(other, box) < ALIKE)) boxes.push(box);
  return boxes;
}

/**
 * How much the outline of a region stands out: the mean edge along it, less for a ragged one, and for one that goes
 * along the picture's border, as a background does. 0 if it is too small or too large, or a piece of what is beside it.
 *
 * @param {Regions} regions
 * @param {number} n
 */
function standsOut({ width, height, boxes, areas, outlines, edges, steps }, n) {
  const share = areas[n] / (width * height);
  const edge = edges[n] / outlines[n];
  if (share < AREA[0] || share > AREA[1] || steps[n] < STEP || edge < STEP) return 0;
  const [left, top, right, bottom] = boxes.subarray(n * 4, n * 4 + 4);
  const upright = Number(left === 0) + Number(right === width);
  const level = Number(top === 0) + Number(bottom === height);
  const border = upright * (bottom - top) + level * (right - left);
  const around = 2 * (right - left + bottom - top);
  const round = Math.min(1, (16 * areas[n]) / (outlines[n] + border) ** 2); // 1 for a square
  return edge * Math.sqrt(round) * (1 - border / around);
}

/**
 * How likely a point is meant for a box that it is in: people point at the middle of a thing, and at a thing rather than
 * at a small part of it. Both numbers were chosen on 14 objects of photographs.
 *
 * @param {Box} box
 * @param {Point} point
 */
function isMeant([x1, y1, x2, y2], [x, y]) {
  const [across, down] = [(x - x1) / (x2 - x1) - 0.5, (y - y1) / (y2 - y1) - 0.5];
  return Math.exp(-(across ** 2) - down ** 2) * ((x2 - x1) * (y2 - y1)) ** 0.1;
}

/** @param {Regions} regions @param {number} n @returns {Box} */
function boxOf({ width, height, boxes }, n) {
  const [left, top, right, bottom] = boxes.subarray(n * 4, n * 4 + 4);
  return [left / width, top / height, right / width, bottom / height];
}

/**
 * The box of the connected part of a mask that a point is in.
 *
 * @param {Pixels} pixels  the mask is where alpha is more than half
 * @param {Point} point  in units of the mask
 * @returns {Box | null} in the same units; null if the point is not in the mask
 */
export function maskedAt({ data, width, height }, [x, y]) {
  const start = Math.floor(y * height) * width + Math.floor(x * width);
  const isIn = (n) => data[n * 4 + 3] > 127;
  if (x < 0 || y < 0 || x >= 1 || y >= 1 || !isIn(start)) return null;
  const seen = new Uint8Array(width * height);
  seen[start] = 1;
  const box = [width, height, 0, 0];
  const open = [start];
  while (open.length) {
    const n = open.pop();
    const [column, row] = [n % width, Math.floor(n / width)];
    box[0] = Math.min(box[0], column);
    box[1] = Math.min(box[1], row);
    box[2] = Math.max(box[2], column + 1);
    box[3] = Math.max(box[3], row + 1);
    const beside = [
      ...(column > 0 ? [n - 1] : []),
      ...(column + 1 < width ? [n + 1] : []),
      ...(row > 0 ? [n - width] : []),
      ...(row + 1 < height ? [n + width] : []),
    ];
    for (const other of beside) {
      if (seen[other] || !isIn(other)) continue;
      seen[other] = 1;
      open.push(other);
    }
  }
  return [box[0] / width, box[1] / height, box[2] / width, box[3] / height];
}

/** @typedef {{length: number, sum: number}} Edge */

/** Pairs of regions, the cheapest first: a binary heap. */
class Queue {
  #costs = [];
  #pairs = [];

  push(cost, a, b) {
    let at = this.#costs.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#costs[above] <= cost) break;
      this.#put(at, this.#costs[above], this.#pairs[above]);
      at = above;
    }
    this.#put(at, cost, [a, b]);
  }

  pop() {
    const first = this.#pairs[0];
    const [cost, pair] = [this.#costs.pop(), this.#pairs.pop()];
    const { length } = this.#costs;
    if (!length) return first;
    let at = 0;
    for (let below = 1; below < length; below = 2 * at + 1) {
      if (below + 1 < length && this.#costs[below + 1] < this.#costs[below]) below += 1;
      if (this.#costs[below] >= cost) break;
      this.#put(at, this.#costs[below], this.#pairs[below]);
      at = below;
    }
    this.#put(at, cost, pair);
    return first;
  }

  #put(at, cost, pair) {
    this.#costs[at] = cost;
    this.#pairs[at] = pair;
  }
}

/** Colours of sRGB pixels in CIE L*a*b* (D65). @param {ArrayLike<number>} data @param {number} count */
function labOf(data, count) {
  const linear = Float64Array.from({ length: 256 }, (_, n) => {
    const value = n / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  const curve = (value) => (value > 216 / 24389 ? Math.cbrt(value) : (24389 / 27 * value + 16) / 116);
  const lab = new Float64Array(count * 3);
  for (let n = 0; n < count; n += 1) {
    const [r, g, b] = [linear[data[n * 4]], linear[data[n * 4 + 1]], linear[data[n * 4 + 2]]];
    const x = curve((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    const y = curve(0.2126 * r + 0.7152 * g + 0.0722 * b);
    const z = curve((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
    lab[n * 3] = 116 * y - 16;
    lab[n * 3 + 1] = 500 * (x - y);
    lab[n * 3 + 2] = 200 * (y - z);
  }
  return lab;
}

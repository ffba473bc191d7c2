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
const STEPS = 50; // pixels or merges at a time
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
export function regionsOf(pixels) {
  return finished(regionsBySteps(pixels));
}

/** Do what is left of a merging. @param {Generator<undefined, Regions>} steps */
export function finished(steps) {
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/**
 * The same as `regionsOf`, a few milliseconds at a time.
 *
 * @param {Pixels} pixels
 * @returns {Generator<undefined, Regions>}
 */
export function* regionsBySteps({ data, width, height }) {
  const count = width * height;
  const total = 2 * count - 1;
  const parents = new Int32Array(total).fill(-1);
  const boxes = new Int32Array(total * 4);
  const areas = new Float64Array(total);
  const outlines = new Float64Array(total);
  const edges = new Float64Array(total);
  const steps = new Float64Array(total);
  const colors = new Float64Array(total * 3); // sums
  const borders = new Borders(total, 2 * count - width - height);
  const { lengths, sums } = borders;
  const queue = new Queue();

  const difference = (a, b) => {
    let sum = 0;
    for (let n = 0; n < 3; n += 1) sum += (colors[a * 3 + n] / areas[a] - colors[b * 3 + n] / areas[b]) ** 2;
    return sum;
  };
  const enqueue = (a, b, border) => {
    const smaller = (areas[a] * areas[b]) / (areas[a] + areas[b]);
    const [length, sum] = [lengths[border], sums[border]];
    queue.push(((difference(a, b) + (sum / length) ** 2 + UNSEEN) * smaller) / length, a, b);
  };
  const joinPixels = (a, b) => enqueue(a, b, borders.add(a, b, Math.sqrt(difference(a, b))));
  const measure = (n, border) => {
    outlines[n] += lengths[border];
    edges[n] += sums[border];
  };
  const merge = (a, b, made) => {
    parents[a] = parents[b] = made;
    steps[a] = steps[b] = Math.sqrt(difference(a, b));
    areas[made] = areas[a] + areas[b];
    for (let n = 0; n < 3; n += 1) colors[made * 3 + n] = colors[a * 3 + n] + colors[b * 3 + n];
    for (let side = 0; side < 4; side += 1) {
      boxes[made * 4 + side] = Math[side < 2 ? "min" : "max"](boxes[a * 4 + side], boxes[b * 4 + side]);
    }
    borders.merge(a, b, made);
    borders.forEach(made, (border, other) => {
      enqueue(made, other, border);
      measure(made, border);
    });
  };

  areas.fill(1, 0, count);
  colors.set(labOf(data, count));
  for (let n = 0; n < count; n += 1) {
    const [x, y] = [n % width, Math.floor(n / width)];
    boxes.set([x, y, x + 1, y + 1], n * 4);
    if (x + 1 < width) joinPixels(n, n + 1);
    if (y + 1 < height) joinPixels(n, n + width);
    if (n % STEPS === 0) yield;
  }
  for (let n = 0; n < count; n += 1) borders.forEach(n, (border) => measure(n, border));
  for (let next = count; next < total; ) {
    const [a, b] = queue.pop();
    if (parents[a] >= 0 || parents[b] >= 0) continue; // merged with another one since
    merge(a, b, next);
    next += 1;
    if (next % STEPS === 0) yield;
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

/**
 * The borders between regions. Each is in a list of the one region and of the other, as two halves, 2n and 2n + 1. A
 * Map for each region takes more than twice as long.
 */
class Borders {
  /** Pixels, and the differences of colour across these, by border. */
  lengths;
  sums;
  #count = 0;
  #owners; // by half: the region that has it in its list
  #before; // by half: its neighbours in the list, -1 for none
  #after;
  #firsts; // by region: the ends of its list
  #lasts;
  #sizes;
  #marks; // by region: its border with the region that is being made, if `#made` says so
  #made;

  /** @param {number} regions @param {number} most  borders at a time */
  constructor(regions, most) {
    this.lengths = new Float64Array(most);
    this.sums = new Float64Array(most);
    [this.#owners, this.#before, this.#after] = [0, 1, 2].map(() => new Int32Array(2 * most));
    [this.#firsts, this.#lasts] = [0, 1].map(() => new Int32Array(regions).fill(-1));
    [this.#sizes, this.#marks, this.#made] = [0, 1, 2].map(() => new Int32Array(regions));
  }

  /** Add one of a pixel. @returns {number} */
  add(a, b, sum) {
    const border = this.#count;
    this.#count += 1;
    this.lengths[border] = 1;
    this.sums[border] = sum;
    this.#append(2 * border, a);
    this.#append(2 * border + 1, b);
    return border;
  }

  /** @param {number} region @param {(border: number, other: number) => void} visit */
  forEach(region, visit) {
    for (let half = this.#firsts[region]; half >= 0; half = this.#after[half]) visit(half >> 1, this.#owners[half ^ 1]);
  }

  /** Give those of two regions to another one. What both have with a third becomes one. */
  merge(a, b, made) {
    const [more, fewer] = this.#sizes[a] > this.#sizes[b] ? [a, b] : [b, a];
    for (const from of [more, fewer]) {
      for (let half = this.#firsts[from]; half >= 0; ) {
        const next = this.#after[half];
        const other = this.#owners[half ^ 1];
        const known = this.#marks[other];
        if (other === fewer) this.#remove(half ^ 1, other);
        else if (this.#made[other] === made) {
          this.lengths[known] += this.lengths[half >> 1];
          this.sums[known] += this.sums[half >> 1];
          this.#remove(half ^ 1, other);
        } else {
          [this.#made[other], this.#marks[other]] = [made, half >> 1];
          this.#append(half, made);
        }
        half = next;
      }
    }
    for (let half = this.#firsts[made]; half >= 0; half = this.#after[half]) {
      const other = this.#owners[half ^ 1];
      this.#remove(half ^ 1, other);
      this.#append(half ^ 1, other);
    }
  }

  #append(half, region) {
    const last = this.#lasts[region];
    this.#owners[half] = region;
    this.#before[half] = last;
    this.#after[half] = -1;
    if (last < 0) this.#firsts[region] = half;
    else this.#after[last] = half;
    this.#lasts[region] = half;
    this.#sizes[region] += 1;
  }

  #remove(half, region) {
    const [before, after] = [this.#before[half], this.#after[half]];
    if (before < 0) this.#firsts[region] = after;
    else this.#after[before] = after;
    if (after < 0) this.#lasts[region] = before;
    else this.#before[after] = before;
    this.#sizes[region] -= 1;
  }
}

/** Pairs of regions, the cheapest first: a binary heap. */
class Queue {
  #costs = [];
  #firsts = [];
  #seconds = [];

  push(cost, a, b) {
    let at = this.#costs.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#costs[above] <= cost) break;
      this.#move(above, at);
      at = above;
    }
    this.#put(at, cost, a, b);
  }

  /** @returns {[number, number]} */
  pop() {
    /** @type {[number, number]} */
    const first = [this.#firsts[0], this.#seconds[0]];
    const [cost, a, b] = [this.#costs.pop(), this.#firsts.pop(), this.#seconds.pop()];
    const { length } = this.#costs;
    if (!length) return first;
    let at = 0;
    for (let below = 1; below < length; below = 2 * at + 1) {
      if (below + 1 < length && this.#costs[below + 1] < this.#costs[below]) below += 1;
      if (this.#costs[below] >= cost) break;
      this.#move(below, at);
      at = below;
    }
    this.#put(at, cost, a, b);
    return first;
  }

  #move(from, to) {
    this.#put(to, this.#costs[from], this.#firsts[from], this.#seconds[from]);
  }

  #put(at, cost, a, b) {
    this.#costs[at] = cost;
    this.#firsts[at] = a;
    this.#seconds[at] = b;
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

/**
 * Boxes and points as a numpy array in pixels: SG-I2V's traj.npy, Wan-Move's tracks.npy. The rules are those of
 * smcd_core/trajectory/formats/arrays.py.
 *
 * @import {Box, Trajectory} from "./document.js"
 * @typedef {{shape: number[], values: ArrayLike<number>}} Numbers  values: of the last axis first
 */

import { LIMITS } from "./document.js";
import { say, TrajectoryError } from "./refusal.js";
import { MAX_PIXELS } from "./rows.js";

const MAGIC = "\x93NUMPY";
const POINT_SIZE = 0.2; // of the shorter side: a square around a tracked point
const MIDDLE = 1; // pixels that a written middle may be off that of its box: SG-I2V's own files round it down

/** Readers of one value, by kind and bytes. @type {Record<string, (view: DataView, at: number) => number>} */
const READERS = {
  f2: (view, at) => halfOf(view.getUint16(at, true)),
  f4: (view, at) => view.getFloat32(at, true),
  f8: (view, at) => view.getFloat64(at, true),
  i1: (view, at) => view.getInt8(at),
  i2: (view, at) => view.getInt16(at, true),
  i4: (view, at) => view.getInt32(at, true),
  i8: (view, at) => Number(view.getBigInt64(at, true)),
  u1: (view, at) => view.getUint8(at),
  u2: (view, at) => view.getUint16(at, true),
  u4: (view, at) => view.getUint32(at, true),
  u8: (view, at) => Number(view.getBigUint64(at, true)),
  b1: (view, at) => view.getUint8(at),
};

/** A number of half precision from its bits. @param {number} bits */
function halfOf(bits) {
  const [sign, exponent, rest] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
  if (exponent === 31) return rest ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + rest) : 2 ** -14 * rest);
}

/** Whether a file starts as numpy's .npy does. @param {Uint8Array} bytes */
export function isArray(bytes) {
  return String.fromCharCode(...bytes.subarray(0, MAGIC.length)) === MAGIC;
}

/**
 * The boxes of an array in pixels.
 *
 * @param {Uint8Array} bytes
 * @param {{width: number, height: number, format?: string | null, visibility?: Uint8Array}} options  of the frame in
 *   pixels, the format if it is told, and the file [1, F, N] of Wan-Move that says when each point is visible
 * @returns {{format: "sg_i2v" | "wan_move", boxes: Box[][], mask: boolean[][]}} boxes, mask: [F][N]
 */
export function readArray(bytes, { format = null, visibility, ...size }) {
  const array = numbersOf(bytes);
  const { shape, values } = array;
  const isPoints = shape.length === 4 && shape[0] === 1 && shape[3] === 2;
  if (!isPoints && !(shape.length === 3 && shape[2] === 2)) {
    const expected = "[1, frames, points, 2] of Wan-Move or [objects, 2 + frames, 2] of SG-I2V";
    throw new TrajectoryError(say`the file is an array [${shape.join(", ")}]; expected ${expected}`);
  }
  if (!Array.from(values).every((value) => Math.abs(value) <= MAX_PIXELS)) {
    throw new TrajectoryError(say`the file holds a number that is no finite one of up to ${MAX_PIXELS} pixels`);
  }
  if (format && !["sg_i2v", "wan_move"].includes(format)) {
    throw new TrajectoryError(say`the file does not look like ${format}: it is ${"numpy"}`);
  }
  if (format === "sg_i2v" && (isPoints || shape[1] < 3 || !isUpright(array))) {
    const expected = "[objects, 2 + frames, 2] of SG-I2V";
    throw new TrajectoryError(say`the file is an array [${shape.join(", ")}]; expected ${expected}`);
  }
  if (format ? format === "sg_i2v" : !isPoints && hasCorners(array)) {
    const boxes = boxesOfMiddles(array);
    return { format: "sg_i2v", boxes, mask: boxes.map((row) => row.map(() => true)) };
  }
  const boxes = boxesOfPoints({ shape: shape.slice(-3), values }, size);
  return { format: "wan_move", boxes, mask: visibleIn(boxes, visibility) };
}

/** @param {Box[][]} boxes @param {Uint8Array} [bytes]  of a file [1, F, N]; without it all are @returns {boolean[][]} */
function visibleIn(boxes, bytes) {
  if (!bytes) return boxes.map((row) => row.map(() => true));
  const [frames, count] = [boxes.length, boxes[0].length];
  const { shape, values } = numbersOf(bytes, true);
  if (![`${frames},${count}`, `1,${frames},${count}`].includes(shape.join())) {
    throw new TrajectoryError(
      say`the visibility is an array [${shape.join(", ")}]; expected [${[1, frames, count].join(", ")}] as the tracks`,
    );
  }
  return boxes.map((row, frame) => row.map((_, n) => values[frame * count + n] !== 0));
}

/** Whether no second corner lies before the first. @param {Numbers} array  [N, 2 + F, 2] */
function isUpright({ shape: [count, rows], values }) {
  return indices(count).every((n) => [0, 1].every((axis) => values[n * rows * 2 + 2 + axis] >= values[n * rows * 2 + axis]));
}

/** @param {Numbers} array  [N, 2 + F, 2] */
function hasCorners({ shape, values }) {
  const [count, rows] = shape;
  const all = Array.from(values);
  const isOne = (n) => {
    const [x1, y1, x2, y2, x, y] = all.slice(n * rows * 2, n * rows * 2 + 6);
    return x2 > x1 && y2 > y1 && Math.abs((x1 + x2) / 2 - x) <= MIDDLE && Math.abs((y1 + y2) / 2 - y) <= MIDDLE;
  };
  return rows >= 3 && indices(count).every(isOne);
}

/** As SG-I2V reads them, boxes keep their size and move as the middle does. @param {Numbers} array @returns {Box[][]} */
function boxesOfMiddles({ shape, values }) {
  const [count, rows] = shape;
  return indices(rows - 2).map((frame) =>
    indices(count).map((n) => {
      const at = n * rows * 2;
      const [dx, dy] = [0, 1].map((axis) => values[at + (frame + 2) * 2 + axis] - values[at + 4 + axis]);
      return [values[at] + dx, values[at + 1] + dy, values[at + 2] + dx, values[at + 3] + dy];
    }),
  );
}

/** @param {Numbers} array  [F, N, 2] @param {{width: number, height: number}} size @returns {Box[][]} */
function boxesOfPoints({ shape, values }, { width, height }) {
  const [frames, count] = shape;
  const all = Array.from(values);
  if (all.every((v) => v >= 0 && v <= 1) && all.some((v) => v !== Math.round(v))) {
    throw new TrajectoryError(say`all points of the file are 0 to 1, which are shares of the picture, not pixels`);
  }
  const half = (POINT_SIZE * Math.min(width, height)) / 2;
  return indices(frames).map((frame) =>
    indices(count).map((n) => {
      const [x, y] = [all[(frame * count + n) * 2], all[(frame * count + n) * 2 + 1]];
      return [x - half, y - half, x + half, y + half];
    }),
  );
}

/** @param {number} count */
function indices(count) {
  return Array.from({ length: count }, (_, n) => n);
}

/**
 * @param {Uint8Array} bytes
 * @param {boolean} [isMask]  whether truth values will do, which say when points are visible
 * @returns {Numbers}
 */
function numbersOf(bytes, isMask = false) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLong = bytes[6] > 1; // versions 2 and 3
  const start = isLong ? 12 : 10;
  const noNumbers = new TrajectoryError(say`the file is not an array of numbers: save it again with numpy.save`);
  if (bytes.length < start) throw noNumbers;
  const data = start + (isLong ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = Array.from(bytes.subarray(start, data), (byte) => String.fromCharCode(byte)).join("");
  const type = /'descr': *'([<>|=]?)(\w)(\d*)'/.exec(header);
  const inside = /'shape': *\(([^)]*)\)/.exec(header)?.[1];
  if (!type || inside === undefined || type[2] === "O" || type[1] === ">") throw noNumbers;
  const shape = inside.split(",").filter((part) => part.trim()).map(Number);
  const count = shape.reduce((product, length) => product * length, 1);
  const [, , kind, width] = type;
  const bytesEach = Number(width) * (kind === "U" ? 4 : 1);
  if (!shape.every(Number.isSafeInteger) || data + count * bytesEach !== bytes.length) throw noNumbers;
  const read = kind === "b" && !isMask ? null : READERS[kind + width];
  const most = 2 * (LIMITS.frames + 2) * LIMITS.objects;
  if (!read || shape.length < 2 || !(count > 0 && count <= most)) {
    const found = `[${shape.join(", ")}] of ${kind}${width}`;
    const limits = say`numbers for up to ${LIMITS.frames} frames and ${LIMITS.objects} objects`;
    throw new TrajectoryError(say`the file is an array ${found}; expected ${limits}`);
  }
  const inFile = Array.from({ length: count }, (_, n) => read(view, data + n * bytesEach));
  return { shape, values: /'fortran_order': *True/.test(header) ? reordered(inFile, shape) : inFile };
}

/** Values of which the first axis runs fastest, so that the last one does. */
function reordered(values, shape) {
  return values.map((_, n) => {
    let [rest, at] = [n, 0];
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      at += (rest % shape[axis]) * shape.slice(0, axis).reduce((product, length) => product * length, 1);
      rest = Math.floor(rest / shape[axis]);
    }
    return values[at];
  });
}

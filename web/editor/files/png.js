/**
 * Text in PNG files, as iTXt chunks. Source: PNG specification (third edition), sections 5 and 11.3.3.
 */

import { say, TrajectoryError } from "../../trajectory/model.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const FRAME_BYTES = 12; // of a chunk without its data: length, type and CRC
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let rest = n;
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

/** @param {Uint8Array} bytes */
export function isPng(bytes) {
  return SIGNATURE.every((byte, n) => bytes[n] === byte);
}

/**
 * Append a text to a PNG file.
 *
 * @param {Uint8Array} bytes
 * @param {string} keyword  Latin-1, up to 79 characters
 * @param {string} text
 * @returns {Uint8Array}
 */
export function withPngText(bytes, keyword, text) {
  const end = chunksOf(bytes).at(-1).start;
  const encoder = new TextEncoder();
  // keyword, 0; 0 = not compressed, 0 = method; empty language and translated keyword, each terminated by 0
  const data = [...encoder.encode(keyword), 0, 0, 0, 0, 0];
  const chunk = makeChunk("iTXt", concatenated([Uint8Array.from(data), encoder.encode(text)]));
  return concatenated([bytes.subarray(0, end), chunk, bytes.subarray(end)]);
}

/**
 * The text with a keyword, or null.
 *
 * @param {Uint8Array} bytes
 * @param {string} keyword
 * @returns {string | null}
 * @throws {TrajectoryError} for a damaged file
 */
export function readPngText(bytes, keyword) {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (const { kind, data } of chunksOf(bytes)) {
    if (kind !== "iTXt") continue;
    const ends = [data.indexOf(0)];
    if (ends[0] !== keyword.length || latin1(data.subarray(0, ends[0])) !== keyword) continue;
    if (data[ends[0] + 1] > 0) {
      throw new TrajectoryError(say`the trajectory in the image is compressed: use the original file`);
    }
    ends.push(data.indexOf(0, ends[0] + 3));
    ends.push(data.indexOf(0, ends[1] + 1));
    if (ends.includes(-1)) {
      throw new TrajectoryError(say`the trajectory in the image is cut off: download the file again`);
    }
    try {
      return decoder.decode(data.subarray(ends[2] + 1));
    } catch {
      throw new TrajectoryError(say`the trajectory in the image is not UTF-8: download the file again`);
    }
  }
  return null;
}

/** Read and check all chunks. @returns {{kind: string, data: Uint8Array, start: number}[]} start: offset in the file */
function chunksOf(bytes) {
  if (!isPng(bytes)) throw new TrajectoryError(say`the file is not a PNG image`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks = [];
  let start = SIGNATURE.length;
  while (chunks.at(-1)?.kind !== "IEND") {
    const length = start + FRAME_BYTES <= bytes.length ? view.getUint32(start) : Infinity;
    const end = start + FRAME_BYTES + length;
    if (end > bytes.length) {
      throw new TrajectoryError(say`the image ends after ${bytes.length} bytes: download the file again`);
    }
    const kind = latin1(bytes.subarray(start + 4, start + 8));
    if (crc32(bytes.subarray(start + 4, end - 4)) !== view.getUint32(end - 4)) {
      throw new TrajectoryError(say`the image is damaged at byte ${start} (${kind}): download the file again`);
    }
    chunks.push({ kind, data: bytes.subarray(start + 8, end - 4), start });
    start = end;
  }
  return chunks;
}

function makeChunk(kind, data) {
  const chunk = new Uint8Array(FRAME_BYTES + data.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length);
  chunk.set([...kind].map((letter) => letter.charCodeAt(0)), 4);
  chunk.set(data, 8);
  view.setUint32(8 + data.length, crc32(chunk.subarray(4, 8 + data.length)));
  return chunk;
}

/**
 * The CRC of PNG (ISO 3309).
 *
 * @param {Uint8Array} bytes
 * @returns {number} 32 bits
 */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function concatenated(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function latin1(bytes) {
  return String.fromCharCode(...bytes);
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { crc32, isPng, readPngText, withPngText } from "../../web/editor/files/png.js";
import { TrajectoryError } from "../../web/trajectory/model.js";

/** A picture of one grey pixel. */
function smallPng(...more) {
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind, "latin1"), Buffer.from(data)]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, crc]);
  };
  const header = [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0];
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [chunk("IHDR", header), ...more.map(([kind, data]) => chunk(kind, data)), chunk("IDAT", deflateSync(Buffer.from([0, 127]))), chunk("IEND", [])];
  return new Uint8Array(Buffer.concat([signature, ...parts]));
}

test("the check sum is that of the standard's example", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926); // ISO 3309, as every table of CRCs has it
});

test("a text comes back as it went in, with every sign", () => {
  const text = '{"phrase": "红色汽车 <b> \\u0000 🚗"}\n';
  const bytes = withPngText(smallPng(), "smcd_trajectory", text);
  assert.ok(isPng(bytes));
  assert.equal(readPngText(bytes, "smcd_trajectory"), text);
  assert.equal(readPngText(bytes, "smcd"), null);
});

test("empty chunks, and many of them, are read over", () => {
  const empty = Array.from({ length: 20_000 }, (_, n) => [["tEXt", "iTXt", "zTXt"][n % 3], []]);
  assert.equal(readPngText(withPngText(smallPng(...empty), "k", ""), "k"), "");
  assert.equal(readPngText(smallPng(...empty), "k"), null);
  for (const data of [[107], [107, 0], [107, 0, 0], [107, 0, 0, 0, 0]]) {
    const read = () => readPngText(smallPng(["iTXt", data]), "k");
    if (data.length === 1) assert.equal(read(), null); // a keyword without an end is none
    else assert.throws(read, /cut off/);
  }
});

test("a picture without the text has none", () => {
  assert.equal(readPngText(smallPng(), "smcd_trajectory"), null);
});

test("any byte that is damaged is found", () => {
  const bytes = withPngText(smallPng(), "k", "some text");
  for (let at = 0; at < bytes.length; at += 1) {
    const damaged = bytes.slice();
    damaged[at] ^= 0x10;
    assert.throws(() => readPngText(damaged, "k"), TrajectoryError, `byte ${at}`);
  }
});

test("a picture that is cut off anywhere is refused", () => {
  const bytes = withPngText(smallPng(), "k", "some text");
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(() => readPngText(bytes.subarray(0, length), "k"), TrajectoryError, `${length} bytes`);
  }
});

test("a text that is compressed or not UTF-8 is refused with a message", () => {
  const make = (data) => {
    const bytes = withPngText(smallPng(), "k", "");
    const start = bytes.length - 12 - 12 - 6; // before IEND; its frame; k and five zeros
    const chunk = new Uint8Array(12 + data.length);
    const view = new DataView(chunk.buffer);
    view.setUint32(0, data.length);
    chunk.set(bytes.subarray(start + 4, start + 8), 4);
    chunk.set(data, 8);
    view.setUint32(8 + data.length, crc32(chunk.subarray(4, 8 + data.length)));
    return Uint8Array.from([...bytes.subarray(0, start), ...chunk, ...bytes.subarray(bytes.length - 12)]);
  };
  assert.throws(() => readPngText(make([107, 0, 1, 0, 0, 0]), "k"), /compressed/);
  assert.throws(() => readPngText(make([107, 0, 0, 0, 0, 0, 0xff]), "k"), /not UTF-8/);
  assert.throws(() => readPngText(make([107, 0, 0, 0, 65]), "k"), /cut off/);
});

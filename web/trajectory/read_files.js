/**
 * Reading the box files of other programs. A format is detected from the content, never from the name, by the same
 * rules as in Python. Files that lie beside it are not available here, so more questions are needed.
 *
 * | format | one entry                                                  |
 * |--------|------------------------------------------------------------|
 * | json   | our trajectory                                             |
 * | xyxy   | a line per frame: x1,y1,x2,y2 (released SMCD: bbox.txt)    |
 * | xywh   | a line per frame: x,y,w,h (GOT-10k: groundtruth.txt)       |
 * | mot    | frame,id,left,top,width,height,conf,... frames from 1      |
 * | csv    | frame,object,x1,y1,x2,y2 under that header, frames from 0  |
 * | bbox_animator | a project of BBox-Animator (JSON), in pixels        |
 * | trailblazer   | YAML: keyframe: [{bbox_ratios, frame, prompt}]      |
 * | freetraj      | frame,top,bottom,left,right in shares of the frame  |
 * | wan_move      | .npy, points [1, F, N, 2] in pixels                 |
 * | sg_i2v        | .npy [N, 2 + F, 2], corners in frame 0 and middles  |
 *
 * @import {Said} from "./refusal.js"
 * @import {Box, Trajectory} from "./document.js"
 * @typedef {"json" | "xyxy" | "xywh" | "mot" | "csv" | "bbox_animator" | "trailblazer" | "freetraj" | "wan_move" |
 *   "sg_i2v"} Format
 * @typedef {{width: number, height: number, fps?: number, frames?: number | null, format?: Format | null,
 *   tolerance?: number}} Options  width, height: of the frame in pixels, for formats without them; frames: expected
 *   number; format: the answer to a FormatQuestion; tolerance: of the simplification to keys
 * @typedef {{format: Format, objects: number, frames: number, width: number, height: number, leftOut: number}} Reading
 *   leftOut: ignored rows of MOT ground truth
 * @typedef {{where: Said, fields: string[]}} Row
 */

import { readArray } from "./arrays.js";
import { DEFAULT_FPS, LIMITS, readJson, readTrajectory } from "./document.js";
import { isBboxAnimator, isTrailBlazer, readBboxAnimator, readFreeTraj, readTrailBlazer } from "./read_models.js";
import { say, TrajectoryError } from "./refusal.js";
import { trajectoryFromBoxes } from "./simplify.js";

export const CSV_HEADER = ["frame", "object", "x1", "y1", "x2", "y2"];
/** A name after which a spreadsheet calculates, behind the sign that it is text. */
const GUARDED = /^'([=+@-])/;
const MAX_FILE = 64 * 2 ** 20; // characters
const MAX_ROWS = LIMITS.frames * LIMITS.objects + 1; // with the CSV header
const MAX_LINE = 5000; // characters
const READ_TOLERANCE = 1e-6; // of the frame: practically exact

// Milan et al., MOT16 (2016): the classes that can be animated.
const MOT_CLASSES = {
  1: "pedestrian",
  2: "person on vehicle",
  3: "car",
  4: "bicycle",
  5: "motorbike",
  7: "static person",
};

/** The text fits several formats: ask for one of `choices`, and read it again with that `format`. */
export class FormatQuestion extends TrajectoryError {
  name = "FormatQuestion";

  /**
   * @param {Said} message
   * @param {Format[]} choices
   */
  constructor(message, choices) {
    super(message);
    this.choices = choices;
  }
}

/**
 * Read a trajectory from the text of a file.
 *
 * @param {string} text
 * @param {Options} options
 * @returns {{trajectory: Trajectory, reading: Reading}}
 * @throws {FormatQuestion} if the content is ambiguous
 * @throws {TrajectoryError} with line, what was found and what was expected
 */
export function readFile(text, options) {
  if (text.length > MAX_FILE) {
    throw new TrajectoryError(say`the file has ${text.length} characters, the limit is ${MAX_FILE}`);
  }
  const plain = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n").trimEnd();
  if (!plain) throw new TrajectoryError(say`the file is empty: expected boxes`);
  if (/^\s*[[{]/.test(plain)) return readJsonFile(plain, options);
  if (isTrailBlazer(plain)) return whole("trailblazer", readTrailBlazer(plain, options), options);
  const lines = plain.split("\n", MAX_ROWS + 1);
  if (lines.length > MAX_ROWS) throw new TrajectoryError(say`the file has more than ${MAX_ROWS} lines, the limit`);
  const rows = lines.map((line, n) => readRow(line, say`line ${n + 1}`));
  const format = options.format ?? recogniseLines(rows[0].fields, lines[0]);
  if (format === "freetraj") return whole(format, readFreeTraj(rows.map(freeTrajRow), options), options);
  const read = { xyxy: readXyxy, xywh: readXywh, mot: readMot, csv: readCsv }[format];
  if (!read) throw new TrajectoryError(say`the file does not look like ${format}: it could be xyxy, xywh, mot or csv`);
  return fromPixels(format, read(rows, options.frames ?? 0), options);
}

/**
 * Read a trajectory from a file of numpy.
 *
 * @param {Uint8Array} bytes
 * @param {Options} options
 * @returns {ReturnType<typeof readFile>}
 * @throws {TrajectoryError}
 */
export function readArrayFile(bytes, options) {
  const { format, boxes } = readArray(bytes, options);
  const [frames, count] = [boxes.length, boxes[0].length];
  if (frames > LIMITS.frames || count > LIMITS.objects) {
    const limits = say`1 to ${LIMITS.frames} frames and up to ${LIMITS.objects} objects`;
    throw new TrajectoryError(say`the file has ${frames} frames and ${count} objects; expected ${limits}`);
  }
  const mask = boxes.map((row) => row.map(() => true));
  return fromPixels(format, { boxes, mask, phrases: boxes[0].map(() => "") }, options);
}

/** Boxes in pixels, one per frame. */
function fromPixels(format, { boxes, mask, phrases, leftOut = 0 }, options) {
  checkFrames(boxes.length, options);
  const { width, height, fps = DEFAULT_FPS, tolerance = READ_TOLERANCE } = options;
  const scaled = boxes.map((row) => row.map(([x1, y1, x2, y2]) => [x1 / width, y1 / height, x2 / width, y2 / height]));
  const trajectory = trajectoryFromBoxes(scaled, mask, { width, height, fps, phrases, tolerance });
  return { trajectory, reading: readingOf(format, trajectory, leftOut) };
}

/** Keyframes, which stay as they are. */
function whole(format, trajectory, options) {
  if (options.format && options.format !== format) {
    throw new TrajectoryError(say`the file does not look like ${options.format}: it is ${format}`);
  }
  checkFrames(trajectory.frames, options);
  return { trajectory, reading: readingOf(format, trajectory, 0) };
}

function readJsonFile(text, options) {
  const { format = null } = options;
  if (format && !["json", "bbox_animator"].includes(format)) throw new TrajectoryError(say`the file does not look like ${format}: it is ${"JSON"}`);
  const content = readJson(text, say`the file`);
  if (Array.isArray(content)) {
    throw new TrajectoryError(say`the file is a JSON list: expected 'objects' (a trajectory)`);
  }
  if (!Object.hasOwn(content, "objects")) {
    const isVideos = Object.hasOwn(content, "videos") && Object.hasOwn(content, "annotations");
    const names = Object.keys(content).slice(0, 8).join(", ").slice(0, 80) || "none";
    const found = isVideos
      ? say`the file is YouTube-VIS, which holds many videos: read it with the import node`
      : say`the file is JSON with keys ${names}: expected 'objects' (a trajectory)`;
    throw new TrajectoryError(found);
  }
  if (isBboxAnimator(content)) return whole("bbox_animator", readBboxAnimator(content, options), options);
  return whole("json", readTrajectory(content), options);
}

function readingOf(format, { width, height, frames, objects }, leftOut) {
  return { format, objects: objects.length, frames, width, height, leftOut };
}

function recogniseLines(first, line) {
  if (first.map((field) => field.toLowerCase()).join() === CSV_HEADER.join()) return "csv";
  if (first.length === 4) {
    throw new FormatQuestion(say`4 numbers per line may be x1,y1,x2,y2 or x,y,w,h: choose one`, ["xyxy", "xywh"]);
  }
  if (first.length === 6) {
    const message = say`6 numbers per line may be MOT or corners: choose MOT, or add the header ${CSV_HEADER.join()}`;
    throw new FormatQuestion(message, ["mot"]);
  }
  if (first.length === 5 && line.includes(",")) return "freetraj";
  if (first.length >= 7 && first.length <= 10) return "mot";
  const expected = say`4 numbers, 7 to 10 numbers (MOT), JSON, or the header ${CSV_HEADER.join()}`;
  const found = quoted(first[0]);
  throw new TrajectoryError(say`line 1: found ${first.length} fields, first is ${found}; expected ${expected}`);
}

/** @returns {Row} */
function readRow(line, where) {
  if (!line.trim()) throw new TrajectoryError(say`${where}: is empty: expected boxes`);
  if (line.length > MAX_LINE) {
    throw new TrajectoryError(say`${where}: has ${line.length} characters, the limit is ${MAX_LINE}: expected boxes`);
  }
  if (line.includes(",")) return { where, fields: commaFields(line) };
  const fields = line.includes("\t") ? line.split("\t") : line.trim().split(/\s+/);
  return { where, fields: fields.map((field) => field.trim()) };
}

/** Split at commas. A field in double quotes may hold commas, and "" for a quote. An open quote ends with the line. */
function commaFields(line) {
  const fields = /(?:^|,)(?: *"((?:[^"]|"")*)(?:"([^,]*)|$)|([^,]*))/g;
  return [...line.matchAll(fields)].map(([, inner, after = "", bare]) =>
    (inner === undefined ? bare : inner.replaceAll('""', '"') + after).trim(),
  );
}

/** Parse the fields as finite numbers, one for each of the comma-separated names. */
function numbersOf(fields, names, where) {
  if (fields.length !== names.split(",").length) {
    throw new TrajectoryError(say`${where}: found ${fields.length} fields, expected ${names}`);
  }
  return fields.map((field) => {
    const value = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(field) ? Number(field) : NaN;
    if (Number.isFinite(value)) return value;
    throw new TrajectoryError(say`${where}: found ${quoted(field)}, expected a number in each of ${names}`);
  });
}

/** An xyxy box from x1,y1,x2,y2 or x,y,w,h. @returns {Box} */
function cornersOf([x, y, a, b], isXywh, where) {
  const box = isXywh ? [x, y, x + a, y + b] : [x, y, a, b];
  if (box[2] >= x && box[3] >= y) return /** @type {Box} */ (box);
  const rule = isXywh ? say`width and height of 0 or more` : "x1 <= x2 and y1 <= y2";
  throw new TrajectoryError(say`${where}: found box [${[x, y, a, b].join(", ")}], expected ${rule}`);
}

function readXyxy(rows) {
  const boxes = rows.map(({ where, fields }) => [cornersOf(numbersOf(fields, "x1,y1,x2,y2", where), false, where)]);
  return { boxes, mask: boxes.map(() => [true]), phrases: [""] };
}

function readXywh(rows) {
  const boxes = rows.map(({ where, fields }) => [cornersOf(numbersOf(fields, "x,y,w,h", where), true, where)]);
  return { boxes, mask: boxes.map(() => [true]), phrases: [""] };
}

/** Pixel coordinates are read as 0-based, as trackers write them, although the challenge defines them as 1-based. */
function readMot(rows, frames) {
  const columns = rows[0].fields.length;
  const names = "frame,id,left,top,width,height,conf,x,y,z".split(",").slice(0, Math.max(columns, 6)).join();
  const kinds = new Map();
  const entries = [];
  for (const { where, fields } of rows) {
    const values = numbersOf(fields, names, where);
    const [frame, id] = values;
    if (frame < 1 || !Number.isInteger(frame) || id < 0 || !Number.isInteger(id)) {
      throw new TrajectoryError(say`${where}: found frame ${frame}, id ${id}; expected whole numbers, frames from 1`);
    }
    if (columns >= 7 && values[6] === 0) continue; // marks ignored entries of ground truth
    kinds.set(id, columns === 9 ? (MOT_CLASSES[Math.trunc(values[7])] ?? "") : "");
    entries.push({ where, frame: frame - 1, name: id, box: cornersOf(values.slice(2, 6), true, where) });
  }
  const ids = [...kinds.keys()].sort((a, b) => a - b);
  const phrases = ids.map((id) => kinds.get(id));
  return { ...denseOf(entries, ids, frames), phrases, leftOut: rows.length - entries.length };
}

/** A keyframe of FreeTraj. */
function freeTrajRow({ where, fields }) {
  const [frame, top, bottom, left, right] = numbersOf(fields, "frame,top,bottom,left,right", where);
  if (frame < 0 || frame >= LIMITS.frames || !Number.isInteger(frame)) {
    throw new TrajectoryError(say`${where}: found frame ${frame}, expected a whole number from 0`);
  }
  return { where, frame, box: cornersOf([left, top, right, bottom], false, where) };
}

/** Objects are numbers or names. A name is also the phrase. */
function readCsv(rows, frames) {
  const objects = new Map();
  const entries = rows.slice(1).map(({ where, fields }) => {
    if (fields.length !== CSV_HEADER.length) {
      throw new TrajectoryError(say`${where}: found ${fields.length} fields, expected ${CSV_HEADER.join()}`);
    }
    const [first, written, ...box] = fields;
    const name = written.replace(GUARDED, "$1");
    const [frame, ...corners] = numbersOf([first, ...box], "frame,x1,y1,x2,y2", where);
    if (frame < 0 || !Number.isInteger(frame)) {
      throw new TrajectoryError(say`${where}: found frame ${first}, expected a whole number from 0`);
    }
    objects.set(name, /^-?[\d.]*$/.test(name) ? "" : name);
    return { where, frame, name, box: cornersOf(corners, false, where) };
  });
  return { ...denseOf(entries, [...objects.keys()], frames), phrases: [...objects.values()] };
}

/** Boxes [F][N] and mask [F][N] of entries by frame and name; `frames` is 0 if unknown. */
function denseOf(entries, names, frames) {
  const last = entries.reduce((late, { frame }) => Math.max(late, frame + 1), 0);
  const total = frames || last;
  if (total < 1 || total > LIMITS.frames || names.length > LIMITS.objects) {
    const limits = say`1 to ${LIMITS.frames} frames and up to ${LIMITS.objects} objects`;
    throw new TrajectoryError(say`the file has ${total} frames and ${names.length} objects; expected ${limits}`);
  }
  if (last > total) {
    const missing = last - total === 1 ? say`1 frame` : say`${last - total} frames`;
    throw new TrajectoryError(say`the file has boxes up to frame ${last} of ${total}: add ${missing} or cut the file`);
  }
  const boxes = Array.from({ length: total }, () => names.map(() => /** @type {Box} */ ([0, 0, 0, 0])));
  const mask = Array.from({ length: total }, () => names.map(() => false));
  const columns = new Map(names.map((name, n) => [name, n]));
  for (const { where, frame, name, box } of entries) {
    const n = columns.get(name);
    if (mask[frame][n]) {
      throw new TrajectoryError(say`${where}: found a second box for object ${quoted(name)} in the same frame`);
    }
    boxes[frame][n] = box;
    mask[frame][n] = true;
  }
  return { boxes, mask };
}

function checkFrames(found, { frames = null }) {
  if (frames === null || frames === found) return;
  throw new TrajectoryError(say`the file has ${found} frames, expected ${frames}: change one of the two`);
}

function quoted(value) {
  return JSON.stringify(String(value).slice(0, 40));
}

/**
 * Reading the box files of other programs. A format is detected from the content, by the same rules as in Python: the
 * name of a file never decides. Files that lie beside it are not available here, so more questions are needed.
 *
 * | format | one entry                                                  |
 * |--------|------------------------------------------------------------|
 * | json   | our trajectory                                             |
 * | xyxy   | a line per frame: x1,y1,x2,y2 (released SMCD: bbox.txt)    |
 * | xywh   | a line per frame: x,y,w,h (GOT-10k: groundtruth.txt)       |
 * | mot    | frame,id,left,top,width,height,conf,... frames from 1      |
 * | csv    | frame,object,x1,y1,x2,y2 under that header, frames from 0  |
 * | vatic  | track xmin ymin xmax ymax frame lost ... "label"           |
 * | vot    | a line per frame: x1,y1,...,x4,y4, a turned rectangle      |
 * | bbox_animator | a project of BBox-Animator (JSON), in pixels        |
 * | trailblazer   | YAML: keyframe: [{bbox_ratios, frame, prompt}]      |
 * | freetraj      | frame,top,bottom,left,right in shares of the frame  |
 * | wan_move      | .npy, points [1, F, N, 2] in pixels                 |
 * | sg_i2v        | .npy [N, 2 + F, 2], corners in frame 0 and middles  |
 *
 * @import {Said} from "./refusal.js"
 * @import {Box, Trajectory} from "./document.js"
 * @import {Row} from "./read_lines.js"
 * @import {BoxRows} from "./rows.js"
 * @typedef {"json" | "xyxy" | "xywh" | "mot" | "csv" | "vot" | "bbox_animator" | "trailblazer" | "freetraj" | "wan_move" |
 *   "sg_i2v" | "vatic"} Format
 * @typedef {{width: number, height: number, fps?: number, frames?: number | null, format?: Format | null, name?: string,
 *   tolerance?: number, visibility?: Uint8Array}} Options  width, height: of the frame in pixels, for formats without
 *   them; frames: expected number; format: the answer to a FormatQuestion; name: of the file, which
 *   puts the choices in order; tolerance: of the simplification to keys;
 *   visibility: the file that lies beside points of Wan-Move
 * @typedef {{format: Format, objects: number, frames: number, width: number, height: number, leftOut: number,
 *   hasSize?: boolean, remarks?: Said[]}} Reading  leftOut: ignored rows of MOT ground truth; hasSize: the file tells the
 *   size of its image; remarks: what users may not expect
 */

import { readArray } from "./arrays.js";
import { DEFAULT_FPS, LIMITS, readJson, readTrajectory } from "./document.js";
import { areWords, columnsOf, CSV_HEADER, knownColumns, LINE_HEADERS, plainName } from "./headers.js";
import { noHeader, readCsv, readVatic } from "./read_csv.js";
import * as lines from "./read_lines.js";
import { isBboxAnimator, isShare, isTrailBlazer, readBboxAnimator, readFreeTraj, readTrailBlazer } from "./read_models.js";
import { say, TrajectoryError } from "./refusal.js";
import { denseOf, reallyCorners, refuseOtherSize, refuseShares } from "./rows.js";
import { trajectoryFromBoxes } from "./simplify.js";

export { SizeQuestion } from "./rows.js";

const MAX_FILE = 64 * 2 ** 20; // characters
const TABLE_HEADER = "frame,x1,y1,x2,y2"; // of as many columns as FreeTraj has
const RESTING_FRAMES = 8; // of points in one frame, as in Python
const READ_TOLERANCE = 1e-6; // of the frame: practically exact
const { readMot, readVot, readXywh, readXyxy } = lines;
/** By rows, and the text that they are from. @type {Record<string, (rows: Row[], text: string) => BoxRows>} */
const READERS = { xyxy: readXyxy, xywh: readXywh, mot: readMot, csv: readCsv, vot: readVot, vatic: readVatic };

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
  if (plain.startsWith("<")) throw new TrajectoryError(readByNode("XML"));
  if (isTrailBlazer(plain)) return whole("trailblazer", readTrailBlazer(plain, options), options);
  const rows = lines.rowsOf(plain);
  const format = options.format ?? recogniseLines(rows, plain.slice(plain.lastIndexOf("\n") + 1), options.name ?? "");
  if (format === "freetraj") return whole(format, readFreeTraj(rows.flatMap(freeTrajRow), options), options);
  const read = READERS[format];
  if (!read) throw new TrajectoryError(say`the file does not look like ${format}: it could be xyxy, xywh, mot or csv`);
  const found = read(format === "csv" ? rows : withoutHeader(rows), plain);
  if (found.length) checkFrames(found.length, options);
  return fromBoxes(format, denseOf(found, options.frames ?? 0), options);
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
  const found = readArray(bytes, options);
  const rests = found.format === "wan_move" && found.boxes.length === 1;
  const [boxes, mask] = [found.boxes, found.mask].map((rows) => (rests ? Array(options.frames ?? RESTING_FRAMES).fill(rows[0]) : rows));
  const [frames, count] = [boxes.length, boxes[0].length];
  if (frames > LIMITS.frames || count > LIMITS.objects) {
    const limits = say`1 to ${LIMITS.frames} frames and up to ${LIMITS.objects} objects`;
    throw new TrajectoryError(say`the file has ${frames} frames and ${count} objects; expected ${limits}`);
  }
  if (found.format === "sg_i2v") refuseShares(boxes.flat(), "SG-I2V");
  return fromBoxes(found.format, { boxes, mask, phrases: boxes[0].map(() => "") }, options);
}

/** @param {Format} format @param {import("./rows.js").DenseBoxes} found @param {Options} options */
function fromBoxes(format, { boxes, mask, phrases, inPixels = true, leftOut = 0, size = null, fromSides = false, remarks = [] }, options) {
  checkFrames(boxes.length, options);
  const { fps = DEFAULT_FPS, tolerance = READ_TOLERANCE } = options;
  const { width, height } = size ?? options;
  const sides = inPixels ? [width, height, width, height] : [1, 1, 1, 1];
  const shareOf = (box) => /** @type {Box} */ (box.map((value, axis) => value / sides[axis]));
  const shares = boxes.map((row) => row.map(shareOf));
  // A square around a point may lie anywhere.
  if (inPixels && format !== "wan_move") refuseOtherSize({ boxes: shares, mask }, { width, height });
  const trajectory = trajectoryFromBoxes(shares, mask, { width, height, fps, phrases, tolerance });
  const said = [...remarks, ...(fromSides ? reallyCorners({ boxes: shares, mask }) : [])];
  return { trajectory, reading: { ...readingOf(format, trajectory, leftOut), ...(said.length && { remarks: said }), ...(size && { hasSize: true }) } };
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
      ? readByNode("YouTube-VIS")
      : say`the file is JSON with keys ${names}: expected 'objects' (a trajectory)`;
    throw new TrajectoryError(found);
  }
  if (isBboxAnimator(content)) return whole("bbox_animator", readBboxAnimator(content, options), options);
  return whole("json", readTrajectory(content), options);
}

/** @param {string} kind */
function readByNode(kind) {
  return say`the file is ${kind}, which the node SMCD Load Boxes reads: copy it to ComfyUI’s input folder and choose it there`;
}

function readingOf(format, { width, height, frames, objects }, leftOut) {
  return { format, objects: objects.length, frames, width, height, leftOut };
}

/** @param {lines.Row[]} rows @param {string} line  the last one, as the first ones may be comments @param {string} name */
function recogniseLines(rows, line, name) {
  const { fields: first, where } = rows[0];
  const count = first.length;
  const isShort = count > 1 && areWords(first) && knownColumns(first).size > 0; // a header of which most is missing
  if (isShort || (count > 3 && !first.some(lines.isNumber))) return formatOfHeader(first, where);
  if (count === 4) {
    const layouts = lines.layoutsOfFour(rows, name);
    if (layouts.length === 1) return layouts[0];
    throw new FormatQuestion(say`4 numbers per line may be x1,y1,x2,y2 or x,y,w,h: choose one`, layouts);
  }
  const header = CSV_HEADER.join();
  if (count === 6 && first.every(lines.isNumber)) {
    throw new FormatQuestion(say`6 numbers per line may be MOT or corners: choose MOT, or add the header ${header}`, ["mot"]);
  }
  if (count === 8) {
    const boxes = rows.filter(({ fields }) => !lines.isEmpty(fields));
    if (boxes.every(lines.isMotLike)) {
      throw new FormatQuestion(say`8 numbers per line may be MOT or the corners of a polygon: choose one`, ["mot", "vot"]);
    }
    if (!boxes.every(lines.isVisDroneDetection)) return "vot";
    throw new TrajectoryError(
      say`8 numbers per line that end in a score and small whole numbers are detections of VisDrone: expected boxes with frame and object`,
    );
  }
  if (count === 5 && line.includes(",")) return "freetraj";
  if (count >= 10 && first.slice(0, 9).every(lines.isNumber) && first[9] && !lines.isNumber(first[9])) return "vatic";
  if ([7, 9, 10].includes(count)) {
    if (lines.mayBeMot(rows)) return "mot";
    throw new FormatQuestion(
      say`${count} numbers per line that are no MOT lines (whole numbers of frame and object first): choose MOT, or add the header ${header}`,
      ["mot"],
    );
  }
  const expected = say`4 numbers, 7 to 10 numbers (MOT), JSON, or the header ${header}`;
  const found = lines.quoted(first[0]);
  throw new TrajectoryError(say`${where}: found ${count} fields, first is ${found}; expected ${expected}`);
}

/** @param {string[]} header @param {Said} where @returns {Format} */
function formatOfHeader(header, where) {
  const format = LINE_HEADERS[header.map(plainName).join("")];
  if (format) return format;
  if (columnsOf(header)) return "csv";
  throw noHeader(header, where);
}

function withoutHeader(rows) {
  return rows.length > 1 && areWords(rows[0].fields) ? rows.slice(1) : rows;
}

/** A keyframe of FreeTraj. Empty lines are skipped. */
function freeTrajRow(row) {
  if (lines.isEmpty(row.fields)) return [];
  const [frame, top, bottom, left, right] = lines.numbersOf(row, "frame,top,bottom,left,right");
  if (frame < 0 || frame >= LIMITS.frames || !Number.isInteger(frame)) {
    throw new TrajectoryError(say`${row.where}: found frame ${frame}, expected a whole number from 0`);
  }
  if (![top, bottom, left, right].every(isShare)) {
    const line = row.fields.join().slice(0, 60);
    throw new TrajectoryError(
      say`${row.where}: found ${line}, read as FreeTraj’s frame, top, bottom, left, right in shares of the frame: a table of other boxes needs a header, such as ${TABLE_HEADER}`,
    );
  }
  return [{ frame, box: lines.cornersOf([left, top, right, bottom], false, row.where) }];
}

function checkFrames(found, { frames = null }) {
  if (frames === null || frames === found) return;
  throw new TrajectoryError(say`the file has ${found} frames, expected ${frames}: change one of the two`);
}

/**
 * One object as a line of numbers for each frame, and MOTChallenge. The rules are those of
 * smcd_core/trajectory/formats/lines.py and mot.py.
 *
 * @import {Said} from "./refusal.js"
 * @import {Box} from "./document.js"
 * @import {BoxRows, Entry} from "./rows.js"
 * @typedef {{where: Said, fields: string[]}} Row
 */

import { overlapOf } from "./box.js";
import { LIMITS } from "./document.js";
import { isHeader } from "./headers.js";
import { say, TrajectoryError } from "./refusal.js";
import { allAreShares, isFrame, isId, joined, MAX_PIXELS, ObjectNames, refuseRepeated, refuseShares, untracked } from "./rows.js";

const MAX_ROWS = LIMITS.frames * LIMITS.objects + 1; // with a header
const MAX_LINE = 5000; // characters
const POLYGON = "x1,y1,x2,y2,x3,y3,x4,y4";
const MOT_COLUMNS = "frame,id,left,top,width,height,conf,x,y,z".split(",");

// Milan et al., MOT16 (2016): the classes that can be animated, of 13.
const MOT_CLASSES = new Map([
  [1, "pedestrian"],
  [2, "person on vehicle"],
  [3, "car"],
  [4, "bicycle"],
  [5, "motorbike"],
  [7, "static person"],
]);
const NUM_CLASSES = 13;

// An object overlaps itself one frame later; others with ids side by side do not.
const [OVERLAP, LEAST_FRAMES] = [0.5, 5];

/**
 * The fields of each line, separated by commas, semicolons, tabs or spaces; without comments above them.
 *
 * @param {string} text
 * @returns {Row[]}
 */
export function rowsOf(text) {
  const lines = text.split("\n", MAX_ROWS + 1);
  if (lines.length > MAX_ROWS) throw new TrajectoryError(say`the file has more than ${MAX_ROWS} lines, the limit`);
  const { above, told } = linesAbove(lines);
  if (above === lines.length) throw new TrajectoryError(say`the file holds comments only: expected boxes`);
  const sign = told ?? separatorOf(lines.slice(above).find((line) => line.trim())?.slice(0, MAX_LINE) ?? "");
  const rows = lines.slice(above).map((line, n) => {
    const where = say`line ${above + n + 1}`;
    // A header of words need not be separated as the numbers are.
    if (line.length <= MAX_LINE) return { where, fields: fieldsOf(line, sign === " " ? separatorOf(line) : sign) };
    throw new TrajectoryError(say`${where}: has ${line.length} characters, the limit is ${MAX_LINE}: expected boxes`);
  });
  const header = above ? headerIn(lines[above - 1]) : null;
  return header ? [{ where: say`line ${above}`, fields: header }, ...rows] : rows;
}

/** How many lines stand above the boxes: comments, and Excel's sep=; and the separator that it names. */
function linesAbove(lines) {
  const told = lines[0].match(/^"?sep=([\t -~])"?$/i)?.[1];
  // A column of row numbers may be called #.
  const isAbove = (line, n) => (n === 0 && told) || /^\s*#(?! *[,;\t])/.test(line) || (n > 0 && !line.trim());
  const above = lines.findIndex((line, n) => !isAbove(line, n));
  return { above: above < 0 ? lines.length : above, told };
}

/** The names of columns in a comment, as numpy writes them; null if it is something else. */
function headerIn(comment) {
  const text = comment.trim().replace(/^[# ]+/, "").slice(0, MAX_LINE);
  const fields = text.includes('"') ? [] : fieldsOf(text, separatorOf(text));
  return isHeader(fields) ? fields : null;
}

/** The sign between the fields of a line. Decimal commas are found between semicolons or tabs. @param {string} line */
function separatorOf(line) {
  const bare = line.trim().replace(/"[^"]*("|$)/g, "");
  const isOne = (sign) => bare.includes(sign) && bare.split(sign).every((part) => !part.includes(",") || /^ *-?\d+,\d+ *$/.test(part));
  return [";", "\t"].find(isOne) ?? [",", "\t"].find((sign) => bare.includes(sign)) ?? " ";
}

function fieldsOf(line, sign) {
  if (sign === " ") return (line.match(/"[^"]*"|\S+/g) ?? [""]).map((field) => field.replace(/^"+|"+$/g, ""));
  const fields = split(sign + line.trimEnd(), sign);
  return sign === "," ? fields : fields.map((field) => field.replace(/^(-?\d+),(\d+)$/, "$1.$2"));
}

const fieldPatterns = {}; // by sign

/** A field in double quotes may hold the sign, and "" for a quote. An open quote ends with the line. */
function split(line, sign) {
  const code = `\\x${sign.charCodeAt(0).toString(16).padStart(2, "0")}`;
  fieldPatterns[sign] ??= new RegExp('S(?: *"((?:[^"]|"")*)(?:"([^S]*)|$)|([^S]*))'.replaceAll("S", code), "g");
  return [...line.matchAll(fieldPatterns[sign])].map(([, inner, after = "", bare]) =>
    (inner === undefined ? bare : inner.replaceAll('""', '"') + after).trim(),
  );
}

/** Whether a field is a number or stands for none. @param {string} field */
export function isNumber(field) {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^[+-]?nan$/i.test(field);
}

/** Whether the fields of a box stand for a frame without the object. @param {string[]} fields */
export function isAbsent(fields) {
  const marks = new Set(fields.map((field) => field.toLowerCase().replace(/\.0*$/, "")));
  return marks.size === 1 && ["0", "-1", "nan", ""].some((mark) => marks.has(mark));
}

/** @param {string[]} fields */
export function isEmpty(fields) {
  return fields.every((field) => !field);
}

/** A finite number. @param {string} field @param {string} names  what is expected @param {Said} where */
export function numberOf(field, names, where) {
  const value = isNumber(field) ? Number(field) : NaN;
  if (Number.isFinite(value)) return value;
  throw new TrajectoryError(say`${where}: found ${quoted(field)}, expected a number in each of ${names}`);
}

/** The fields as finite numbers, one for each of the comma-separated names. @param {Row} row @param {string} names */
export function numbersOf({ fields, where }, names) {
  if (fields.length < 2 && isEmpty(fields)) throw new TrajectoryError(say`${where}: is empty: expected boxes`);
  if (fields.length !== names.split(",").length) {
    throw new TrajectoryError(say`${where}: found ${fields.length} fields, expected ${names}`);
  }
  return fields.map((field) => numberOf(field, names, where));
}

/**
 * An xyxy box from x1,y1,x2,y2 or x,y,w,h in pixels.
 *
 * @param {number[]} four
 * @param {boolean} isXywh
 * @param {Said} where
 * @param {Said | string} [ordered]  what corners are to be
 * @returns {Box}
 */
export function cornersOf(four, isXywh, where, ordered = "x1 <= x2 and y1 <= y2") {
  const [x, y, a, b] = four;
  const [found, box] = [[x, y, a, b], isXywh ? [x, y, x + a, y + b] : [x, y, a, b]];
  if (!found.every((value) => Math.abs(value) <= MAX_PIXELS)) {
    const limit = say`numbers of up to ${MAX_PIXELS} pixels`;
    throw new TrajectoryError(say`${where}: found box [${found.join(", ")}], expected ${limit}`);
  }
  if (box[2] >= x && box[3] >= y) return /** @type {Box} */ (box);
  const rule = isXywh ? say`width and height of 0 or more` : ordered;
  throw new TrajectoryError(say`${where}: found box [${found.join(", ")}], expected ${rule}`);
}

/**
 * Which of corners and sides lines of 4 numbers may be, the likelier first: sides alone if most would be corners in the
 * wrong order and have sides of more than 2 pixels (FreeTraj has shares in another order), and sides first if some
 * would, if the last two numbers rest while the first two change, or if the file has the name that GOT-10k and LaSOT
 * give.
 *
 * @param {Row[]} rows
 * @param {string} name  of the file
 * @returns {("xyxy" | "xywh")[]}
 */
export function layoutsOfFour(rows, name) {
  const values = rows.filter(({ fields }) => fields.length === 4 && fields.every(isNumber)).map(({ fields }) => fields.map(Number));
  const boxes = values.filter(([x, y, a, b]) => a >= 0 && b >= 0 && (x || y || a || b)); // the others are absent
  const inverted = boxes.filter(([x, y, a, b]) => a < x || b < y);
  if (2 * inverted.filter(([, , a, b]) => Math.min(a, b) > 2).length > boxes.length) return ["xywh"];
  const isChanging = (n) => boxes.some((box) => box[n] !== boxes[0][n]);
  const isDragged = (isChanging(0) || isChanging(1)) && !isChanging(2) && !isChanging(3);
  return inverted.length || isDragged || name === "groundtruth.txt" ? ["xywh", "xyxy"] : ["xyxy", "xywh"];
}

/** @param {Row[]} rows */
export function readXyxy(rows) {
  return boxPerLine(rows, false);
}

/** @param {Row[]} rows */
export function readXywh(rows) {
  return boxPerLine(rows, true);
}

/**
 * Frames without the object are written as 0,0,0,0, as -1,-1,-1,-1, as a box with negative width and height (of
 * corners: with a negative second one), or as NaN. In a file that has such lines a box with one side of no length is absent, too.
 */
function boxPerLine(rows, isXywh) {
  const lines = valuesOf(rows, isXywh ? "x,y,w,h" : "x1,y1,x2,y2").map((line) => {
    const [x, y, a, b] = line.values ?? [];
    return { ...line, sides: isXywh ? [a, b] : [a - x, b - y], ends: isXywh ? [-1, -1] : [a, b] };
  });
  // Two corners that are swapped are no mark.
  const isMarked = ({ values, sides, ends }) => isMark(values) || [...sides, ...ends].every((value) => value < 0);
  const hasMarks = lines.some(isMarked);
  const seen = lines.filter((line) => !isMarked(line) && !(hasMarks && line.sides.some((side) => side <= 0)));
  const ordered = say`x1 <= x2 and y1 <= y2, or the format xywh (x,y,w,h)`;
  const boxes = seen.map(({ values, frame, where }) => ({ frame, where, box: cornersOf(values, isXywh, where, ordered) }));
  return { ...oneObject(rows, boxes), fromSides: isXywh };
}

/** VOT: x1,y1,...,x4,y4, the corners of a turned rectangle; the box around them. @param {Row[]} rows */
export function readVot(rows) {
  const seen = valuesOf(rows, POLYGON).filter(({ values }) => !isMark(values));
  return oneObject(rows, seen.map(({ values, frame, where }) => {
    const [xs, ys] = [0, 1].map((axis) => values.filter((_, n) => n % 2 === axis));
    return { frame, where, box: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] };
  }));
}

/** Numbers of each line, null for one of NaN. */
function valuesOf(rows, names) {
  return rows.map((row, frame) => {
    const isMissing = row.fields.length > 0 && row.fields.every((field) => field.toLowerCase() === "nan");
    return { frame, where: row.where, values: isMissing ? null : numbersOf(row, names) };
  });
}

function isMark(values) {
  return values === null || values.every((value) => value === 0) || values.every((value) => value === -1);
}

/** @returns {BoxRows} */
function oneObject(rows, boxes) {
  const entries = boxes.map((entry) => ({ ...entry, name: "" }));
  const inPixels = !allAreShares(entries.map(({ box }) => box));
  return { entries, phrases: new Map([["", ""]]), length: rows.length, inPixels };
}

/**
 * All objects, in the order of their ids. Pixels are taken as they are, as trackers write them; the rules of the
 * challenge count them from 1. Empty lines are skipped.
 *
 * @param {Row[]} rows
 * @returns {BoxRows}
 */
export function readMot(rows) {
  const told = rows.filter(({ fields }) => !isEmpty(fields));
  const lines = told.filter(({ fields }) => !isAbsent(fields.slice(2, 6)));
  const columns = Math.max(lines[0]?.fields.length ?? 0, 6);
  const table = lines.map((row) => motRow(row, MOT_COLUMNS.slice(0, columns).join()));
  const classes = columns === 9 && areClasses(table.map(({ values }) => values)) ? MOT_CLASSES : null;
  const counts = ({ values }) => columns < 7 || values[6] !== 0; // as ground truth marks it
  const counted = table.filter(counts);
  const wanted = counted.filter(({ values }) => !classes || classes.has(values[7]));
  const entries = wanted.map(({ where, values, box }) => ({ where, frame: values[0] - 1, name: values[1], box }));
  refuseRepeated(entries);
  refuseSwapped(entries);
  refuseShares(entries.map(({ box }) => box), "MOT");
  const objects = new ObjectNames();
  for (const { values } of wanted) objects.add(values[1], classes?.get(values[7]) ?? "");
  const phrases = new Map([...objects.phrases].sort(([a], [b]) => Number(a) - Number(b)));
  const leftOut = table.length - wanted.length;
  const annotated = told.map(({ fields, where }) => numberOf(fields[0], "frame", where) - 1).filter((frame) => isFrame(frame));
  const absent = [
    ...told.filter(({ fields }) => isAbsent(fields.slice(2, 6))).map(({ fields }) => [fields[0], fields[1]].map(Number)),
    ...table.filter((row) => !counts(row)).map(({ values }) => values),
  ].map(([frame, name]) => ({ frame: frame - 1, name }));
  return joined({ entries, phrases, mayStartLate: true, leftOut, fromSides: true, remarks: objects.remarks() }, annotated, absent);
}

/** Refuse files whose ids must be the frames: each "object" lies where the one before it does. @param {Entry[]} entries */
function refuseSwapped(entries) {
  const [frames, names] = ["frame", "name"].map((part) => new Set(entries.map((entry) => entry[part])).size);
  if (names < Math.max(LEAST_FRAMES, frames + 1)) return;
  const sorted = [...entries].sort((a, b) => a.frame - b.frame || Number(a.name) - Number(b.name));
  const pairs = sorted.slice(1).map((after, n) => ({ here: sorted[n], after })).filter(({ here, after }) => here.frame === after.frame);
  const follow = ({ here, after }) => Number(after.name) - Number(here.name) === 1 && overlapOf(here.box, after.box) > OVERLAP;
  if (pairs.filter(follow).length < 0.9 * Math.max(pairs.length, 1)) return;
  throw new TrajectoryError(
    say`found ${names} objects in ${frames} frames, each where the one before it is: columns 1 and 2 must be object and frame. Write the frame first`,
  );
}

/** @param {Row} row @param {string} names */
function motRow(row, names) {
  const values = numbersOf(row, names);
  const [frame, id] = values;
  const { where } = row;
  if (isFrame(frame, 1) && id === -1) throw untracked(where);
  if (!isFrame(frame, 1) || !isId(id)) {
    throw new TrajectoryError(say`${where}: found frame ${frame}, id ${id}; expected whole numbers, frames from 1, ids from 0`);
  }
  return { where, values, box: cornersOf(values.slice(2, 6), true, where) };
}

/** Whether columns 8 and 9 are class and visibility of MOT16; other datasets have whole numbers in column 9. */
function areClasses(table) {
  const isClass = (value) => Number.isInteger(value) && value >= 1 && value <= NUM_CLASSES;
  const isShare = (value) => value >= 0 && value <= 1;
  return table.every((row) => isClass(row[7]) && isShare(row[8])) && table.some((row) => !Number.isInteger(row[8]));
}

/** Whether most lines start with a frame and an object, and have a box of some pixels and a score up to 1. */
export function mayBeMot(rows) {
  const lines = rows.filter(({ fields }) => !isEmpty(fields) && !isAbsent(fields.slice(2, 6)));
  return 2 * lines.filter(({ fields }) => isMotRow(fields)).length >= lines.length;
}

/** Whether a line of a polygon may be one of MOT: its last corner would lie at 0. @param {Row} row */
export function isMotLike({ fields }) {
  return isMotRow(fields) && isNumber(fields[7]) && Math.abs(Number(fields[7])) <= 1;
}

function isMotRow(fields) {
  if (fields.length < 7 || !fields.slice(0, 7).every(isNumber)) return false;
  const [frame, id, x, y, w, h, score] = fields.map(Number);
  // Shares are refused by the reader in better words.
  const isBox = Math.min(w, h) > 2 || Math.max(x, y, w, h) <= 1.05;
  return Number.isInteger(frame) && Number.isInteger(id) && id >= -1 && isBox && score >= -1 && score <= 1;
}

/** left,top,width,height,score,category,truncation,occlusion */
export function isVisDroneDetection({ fields }) {
  if (fields.length !== 8 || !fields.every(isNumber)) return false;
  const [score, ...flags] = fields.slice(4).map(Number);
  return score >= 0 && score <= 1 && flags.every((flag) => Number.isInteger(flag) && flag >= -1 && flag <= 12);
}

/** @param {unknown} value */
export function quoted(value) {
  return JSON.stringify(String(value).slice(0, 40));
}

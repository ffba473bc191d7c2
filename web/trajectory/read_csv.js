/**
 * Boxes as CSV with a header: ours, and those of pandas, supervision and VoTT. The rules are those of
 * smcd_core/trajectory/formats/tables.py.
 *
 * @import {BoxRows} from "./rows.js"
 * @import {Row} from "./read_lines.js"
 */

import { cornersOf, isAbsent, numberOf } from "./read_lines.js";
import { say, TrajectoryError } from "./refusal.js";
import { allAreShares, joined, refuseRepeated } from "./rows.js";

export const CSV_HEADER = ["frame", "object", "x1", "y1", "x2", "y2"];
/** A name after which a spreadsheet calculates, behind the sign that it is text. */
const GUARDED = /^'(?=[=+@-])/;

// Names of each column, in lower case and without spaces, dashes and underscores; the first one that is there counts.
const NAMES = {
  frame: "frame frameid frameindex frameidx framenumber framenum frameno image imageid filename imagepath path",
  object: "trackid trackerid objectid objid object track id",
  label: "classname categoryname labelname label name class category object",
  x1: "x1 xmin left bbleft boxleft bboxleft bboxx1 xtl",
  y1: "y1 ymin top bbtop boxtop bboxtop bboxy1 ytl",
  x2: "x2 xmax right bbright bboxright bboxx2 xbr",
  y2: "y2 ymax bottom bbbottom bboxbottom bboxy2 ybr",
  x: "x bboxx",
  y: "y bboxy",
  w: "w width bbwidth boxwidth bboxwidth bboxw",
  h: "h height bbheight boxheight bboxheight bboxh",
  cx: "cx xcenter xcentre centerx centrex",
  cy: "cy ycenter ycentre centery centrey",
};
const CORNERS = [["x1", "y1", "x2", "y2"], ["x1", "y1", "w", "h"], ["x", "y", "w", "h"], ["cx", "cy", "w", "h"]];

/** A name of a column as it is compared. @param {string} name */
export function plainName(name) {
  return name.toLowerCase().replace(/[\s_.-]/g, "");
}

/**
 * The place of each known column of a header, null if it does not tell boxes by frame.
 *
 * @param {string[]} header
 * @returns {Map<string, number> | null}
 */
export function columnsOf(header) {
  const plain = header.map(plainName);
  const places = new Map();
  for (const [column, names] of Object.entries(NAMES)) {
    const taken = [...places.values()];
    const name = names.split(" ").find((one) => plain.includes(one) && !taken.includes(plain.indexOf(one)));
    if (name) places.set(column, plain.indexOf(name));
  }
  return places.has("frame") && CORNERS.some((names) => names.every((name) => places.has(name))) ? places : null;
}

/** @param {string[]} header */
export function noHeader(header) {
  const columns = "frame, object, label, x1, y1, x2, y2";
  return new TrajectoryError(say`line 1: found the header ${header.join().slice(0, 80)}; expected columns such as ${columns}`);
}

/**
 * Frames from 0 under our header, where others may count from 1. Objects are numbers or names; a name without a label
 * is the phrase as well.
 *
 * @param {Row[]} rows
 * @returns {BoxRows}
 */
export function readCsv([{ fields: header }, ...rows]) {
  const columns = columnsOf(header);
  if (!columns) throw noHeader(header);
  const isOurs = header.join().toLowerCase() === CSV_HEADER.join();
  const boxNames = CORNERS.find((names) => names.every((name) => columns.has(name)));
  const frames = frameNumbers(rows, columns.get("frame"), header);
  const first = !isOurs && frames.reduce((low, frame) => Math.min(low, frame), Infinity) === 1 ? 1 : 0;
  if (areRowNumbers(columns.get("object"), header, rows, frames)) columns.delete("object");
  const phrases = new Map();
  const entries = rows.flatMap(({ fields, where }, n) => {
    const box = boxNames.map((name) => fields[columns.get(name)]);
    if (isAbsent(box)) return [];
    const values = box.map((field) => numberOf(field, boxNames.join(), where));
    const label = columns.has("label") ? fields[columns.get("label")] : null;
    const name = columns.has("object") ? sameId(fields[columns.get("object")]) : label;
    if (!phrases.has(name)) phrases.set(name, phraseOf(label ?? name ?? ""));
    return [{ where, frame: frames[n] - first, name, box: boxOf(values, boxNames, where) }];
  });
  refuseRepeated(entries, columns.has("object"));
  // Rows at the end that say that nothing is there tell how long the video is.
  const [total, last] = [frames, entries.map(({ frame }) => frame + first)].map(latest);
  const inPixels = !allAreShares(entries.map(({ box }) => box));
  const length = total > last ? total - first + 1 : null;
  const size = sizeOfImage(columns, header, rows, boxNames, entries);
  return joined({ entries, phrases, length, inPixels, mayStartLate: !isOurs, size });
}

/** Whether a column named id counts the rows of several frames, as tables of pandas have it. */
function areRowNumbers(column, header, rows, frames) {
  if (column === undefined || header[column].trim().toLowerCase() !== "id" || rows.length < 3 || new Set(frames).size < 2) return false;
  const ids = rows.map(({ fields }) => sameId(fields[column]));
  return [0, 1].some((first) => ids.every((id, n) => id === String(n + first)));
}

/** The size that tables of corners tell of the image, as those of Roboflow; null if it is the box's. */
function sizeOfImage(columns, header, rows, boxNames, entries) {
  if (boxNames[2] !== "x2" || !columns.has("w") || !columns.has("h") || !entries.length) return null;
  const places = [columns.get("w"), columns.get("h")];
  const sizes = new Set(rows.map(({ fields }) => places.map((place) => fields[place]).join()));
  const names = places.map((place) => header[place].trim().toLowerCase()).join();
  if (names !== "width,height" || sizes.size !== 1) return null;
  const sides = [...sizes][0].split(",");
  if (!sides.every((side) => /^[1-9]\d{0,5}$/.test(side))) return null;
  const [width, height] = sides.map(Number);
  return entries.every(({ box }) => box[2] <= width && box[3] <= height) ? { width, height } : null;
}

function latest(frames) {
  return frames.reduce((late, frame) => Math.max(late, frame), -1);
}

function frameNumbers(rows, column, header) {
  for (const { fields, where } of rows) {
    if (fields.length === header.length) continue;
    throw new TrajectoryError(say`${where}: found ${fields.length} fields, expected ${header.join()}`);
  }
  const names = rows.map(({ fields }) => fields[column]);
  const areNames = names.length > 0 && !names.some((name) => /^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(name));
  if (areNames && !["frame", "frameid"].includes(plainName(header[column]))) {
    const sorted = [...new Set(names)].sort(byNumbers); // names of image files
    const order = new Map(sorted.map((name, n) => [name, n]));
    return names.map((name) => order.get(name));
  }
  return rows.map(({ where }, n) => {
    const frame = numberOf(names[n], header.join(), where);
    if (frame >= 0 && Number.isInteger(frame)) return frame;
    throw new TrajectoryError(say`${where}: found frame ${names[n]}, expected a whole number from 0`);
  });
}

/** The order in which frame2 comes before frame10. @param {string} a @param {string} b */
function byNumbers(a, b) {
  const [left, right] = [a, b].map((name) => name.split(/(\d{1,18})/));
  for (let n = 0; n < Math.min(left.length, right.length); n += 1) {
    const [mine, other] = n % 2 ? [Number(left[n]), Number(right[n])] : [left[n], right[n]];
    if (mine !== other) return mine < other ? -1 : 1;
  }
  return left.length - right.length;
}

/** 1, 1.0 and 01 are one id. @param {string} name */
function sameId(name) {
  return /^-?\d{1,15}(\.0*)?$/.test(name) ? String(Math.trunc(Number(name))) : name;
}

/** @param {string} text */
function phraseOf(text) {
  const plain = text.replace(GUARDED, "");
  return /^-?[\d.]*$/.test(plain) ? "" : plain;
}

function boxOf(values, names, where) {
  const [x, y, w, h] = values;
  return cornersOf(names[0] === "cx" ? [x - w / 2, y - h / 2, w, h] : values, names[2] === "w", where);
}

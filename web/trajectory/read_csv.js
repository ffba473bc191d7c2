/**
 * Boxes as CSV with a header: ours, and those of pandas, supervision and VoTT. Tracks of VATIC, which have none. The
 * rules are those of smcd_core/trajectory/formats/tables.py.
 *
 * @import {BoxRows} from "./rows.js"
 * @import {Row} from "./read_lines.js"
 * @import {Said} from "./refusal.js"
 */

import { columnsOf, CORNERS, CSV_HEADER, lacking, plainName, repeated, VIDEO_COLUMNS } from "./headers.js";
import { cornersOf, isAbsent, isNumber, numberOf, quoted } from "./read_lines.js";
import { say, TrajectoryError } from "./refusal.js";
import { allAreShares, isFrame, joined, ObjectNames, refuseRepeated, refuseShares, untracked } from "./rows.js";

const VATIC = "track_id,xmin,ymin,xmax,ymax,frame,lost,occluded,generated,label".split(",");
/** A name after which a spreadsheet calculates, behind the sign that it is text. */
const GUARDED = /^'(?=[=+@-])/;

/** @param {string[]} header @param {Said} where */
export function noHeader(header, where) {
  const columns = "frame, object, label, x1, y1, x2, y2";
  const absent = lacking(header);
  if (absent) {
    return new TrajectoryError(say`${where}: the header ${header.join().slice(0, 80)} lacks ${absent}; expected columns such as ${columns}`);
  }
  return new TrajectoryError(say`${where}: found the header ${header.join().slice(0, 80)}; expected columns such as ${columns}`);
}

/**
 * Frames from 0 under our header, where others may count from 1. Objects are numbers or names; a name without a label
 * is the phrase as well.
 *
 * @param {Row[]} rows
 * @returns {BoxRows}
 */
export function readCsv([{ fields: header, where }, ...rows]) {
  if (!columnsOf(header)) throw noHeader(header, where);
  const twice = repeated(header);
  if (twice !== undefined) throw new TrajectoryError(say`${where}: found the column ${twice} twice: keep one of them`);
  return readTable(header, rows);
}

/**
 * track_id xmin ymin xmax ymax frame lost occluded generated "label", frames from 0, and attributes after that. Rows that
 * are lost have no object.
 *
 * @param {Row[]} rows
 * @param {string} text  that the rows are from: without quotes, words after the first still belong to the label
 * @returns {BoxRows}
 */
export function readVatic(rows, text) {
  const isQuoted = text.includes('"');
  const table = rows.map(({ fields, where }) => {
    if (fields.length < VATIC.length) throw new TrajectoryError(say`${where}: found ${fields.length} fields, expected ${VATIC.join()}`);
    const label = isQuoted ? fields[9] : fields.slice(9).join(" ");
    const [track, ...others] = [...fields.slice(0, 9), label];
    const lost = others[5];
    if (!["0", "1"].includes(lost)) throw new TrajectoryError(say`${where}: found lost ${quoted(lost)}, expected 0 or 1`);
    if (isNumber(label)) throw new TrajectoryError(say`${where}: found label ${quoted(label)}, expected a name`);
    return { where, fields: [track, ...others] };
  });
  const found = readTable(VATIC, table, true);
  refuseShares(found.entries.map(({ box }) => box), "VATIC");
  return found;
}

/** @param {string[]} header @param {Row[]} rows @param {boolean} fromZero  whether frames always count from 0 */
function readTable(header, rows, fromZero = false) {
  const columns = columnsOf(header);
  const isOurs = header.join().toLowerCase() === CSV_HEADER.join();
  const boxNames = CORNERS.find((names) => names.every((name) => columns.has(name)));
  refuseSeveralVideos(rows, header);
  const frames = frameNumbers(rows, columns.get("frame"), header);
  const earliest = frames.reduce((low, frame) => Math.min(low, frame), Infinity);
  const first = !isOurs && !fromZero && earliest === 1 ? 1 : 0;
  if (areRowNumbers(columns.get("object"), header, rows, frames)) columns.delete("object");
  const objects = new ObjectNames();
  /** @type {{frame: number, name: string | null}[]} */
  const absent = [];
  let leftOut = 0;
  const entries = rows.flatMap(({ fields, where }, n) => {
    const box = boxNames.map((name) => fields[columns.get(name)]);
    const label = columns.has("label") ? fields[columns.get("label")] : null;
    const name = columns.has("object") ? sameId(fields[columns.get("object")]) : label;
    const isNoObject = isAbsent(box) || isGone(columns, fields, where);
    const isLeftOut = !isNoObject && columns.has("conf") && /^0(\.0*)?$/.test(fields[columns.get("conf")]); // as in MOT
    if (isLeftOut) leftOut += 1;
    if (isNoObject || isLeftOut) {
      absent.push({ frame: frames[n] - first, name });
      return [];
    }
    const values = box.map((field) => numberOf(field, boxNames.join(), where));
    if (name === "-1") throw untracked(where);
    objects.add(name, phraseOf(label ?? name ?? ""));
    return [{ where, frame: frames[n] - first, name, box: boxOf(values, boxNames, where) }];
  });
  refuseRepeated(entries, columns.has("object"));
  // Rows at the end that say that nothing is there tell how long the video is.
  const [total, last] = [frames, entries.map(({ frame }) => frame + first)].map(latest);
  const inPixels = !allAreShares(entries.map(({ box }) => box));
  const length = total > last ? total - first + 1 : null;
  const size = toldSize(columns, header, rows) ?? sizeOfImage(columns, header, rows, boxNames, entries);
  // Rows at the start that say that nothing is there tell that the video starts with them.
  const mayStartLate = !isOurs && entries.some(({ frame }) => frame + first === earliest);
  const fromSides = boxNames[2] === "w" && boxNames[0] !== "cx";
  const found = { entries, phrases: objects.phrases, length, inPixels, mayStartLate, leftOut, size, fromSides, remarks: [...objects.remarks(), ...asRoboflow(header)] };
  return joined(found, frames.map((frame) => frame - first), absent);
}

/** A sentence where columns have the names of Roboflow's predictions, in which x and y are the centre. @param {string[]} header @returns {Said[]} */
function asRoboflow(header) {
  const names = header.map((name) => name.trim().toLowerCase());
  if (!["x", "y", "width", "height", "class", "confidence"].every((name) => names.includes(name))) return [];
  return [say`x and y are read as the left top corner: if they are the centre, as in Roboflow’s JSON, call them cx and cy`];
}

/** Whether a column such as lost or visible says that the object is not there; an occluded one is. */
function isGone(columns, fields, where) {
  const words = { true: 1, yes: 1, false: 0, no: 0 };
  return ["gone", "seen"].some((column) => {
    const field = columns.has(column) ? fields[columns.get(column)].toLowerCase() : "";
    if (["", "nan"].includes(field)) return false;
    return Boolean(Object.hasOwn(words, field) ? words[field] : numberOf(field, column, where)) === (column === "gone");
  });
}

/** The size that columns such as image_width tell, null if there are none. */
function toldSize(columns, header, rows) {
  if (!columns.has("imageW") || !columns.has("imageH") || !rows.length) return null;
  const places = [columns.get("imageW"), columns.get("imageH")];
  const sizes = new Set(rows.map(({ fields }) => places.map((place) => fields[place]).join()));
  if (sizes.size > 1) throw new TrajectoryError(say`column ${header[places[0]]} tells of ${sizes.size} sizes: give the rows of one`);
  const [{ fields, where }] = rows;
  const [width, height] = places.map((place) => numberOf(/^[1-9]\d{0,5}(\.0*)?$/.test(fields[place]) ? fields[place] : "", "width,height", where));
  return { width, height };
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
  if (areNames && !["frame", "frameid"].includes(plainName(header[column]))) return numbersIn(names, header[column]);
  return rows.map(({ where }, n) => {
    const frame = numberOf(names[n], header.join(), where);
    if (isFrame(frame)) return frame;
    throw new TrajectoryError(say`${where}: found frame ${names[n]}, expected a whole number from 0`);
  });
}

/**
 * The frames that names of images tell, in the one number in which they differ. VoTT's end with a time, #t=0.066667: the
 * smallest step between two is a frame.
 *
 * @param {string[]} names
 * @param {string} column
 */
function numbersIn(names, column) {
  const different = new Set(names);
  if (different.size === 1) return names.map(() => 0);
  const timed = names.map((name) => name.match(/^(.*?)#t=(\d*\.?\d+)$/s));
  if (timed.every(Boolean) && new Set(timed.map(([, video]) => video)).size === 1) {
    const times = timed.map(([, , time]) => Number(time));
    const sorted = [...new Set(times)].sort((a, b) => a - b);
    const step = sorted.reduce((least, time, n) => (n ? Math.min(least, time - sorted[n - 1]) : least), Infinity);
    const frames = times.map((time) => time / step);
    if (frames.every((frame) => Math.abs(frame - Math.round(frame)) <= 0.1)) return frames.map(Math.round);
  } else {
    // Roboflow adds the hash of an image to its name.
    const parts = names.map((name) => name.replace(/\.rf\.[0-9a-f]+/, "").split(/(\d{1,15})/));
    const value = (part, n) => (n % 2 ? Number(part) : part);
    const differ = new Set();
    for (const one of parts) {
      one.forEach((part, n) => (one.length !== parts[0].length || value(part, n) !== value(parts[0][n], n)) && differ.add(n));
    }
    const [place] = differ;
    if (differ.size === 1 && place % 2) return parts.map((one) => Number(one[place]));
  }
  throw new TrajectoryError(
    say`the names in column ${column} do not tell the frame, as they differ in more than one number: add a column “frame”`,
  );
}

function refuseSeveralVideos(rows, header) {
  header.forEach((name, place) => {
    const videos = VIDEO_COLUMNS.includes(plainName(name)) ? new Set(rows.map(({ fields }) => fields[place])) : new Set();
    if (videos.size > 1) throw new TrajectoryError(say`column ${name} tells of ${videos.size} videos: give the rows of one`);
  });
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

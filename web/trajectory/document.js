/**
 * The trajectory as a document: types, limits, reading and writing. Python has the same rules;
 * tests/golden/trajectory.json holds both to them.
 *
 * A box is [x1, y1, x2, y2] in units of the frame (x / width, y / height) and may leave 0..1.
 *
 * @import {Said} from "./refusal.js"
 * @typedef {[number, number, number, number]} Box
 * @typedef {"linear" | "in" | "out" | "in_out" | "hold"} NamedEase
 * @typedef {NamedEase | [number, number, number, number]} Ease  CSS cubic-bezier
 * @typedef {[number, number]} Point
 * @typedef {[Point, Point]} Handles  from the centre of the box to the control point of the path before it and after it
 * @typedef {{frame: number, box: Box, ease: Ease, visible: boolean, handles?: Handles}} Key  ease, visible: until the
 *   next key; handles: none where both are 0
 * @typedef {{id: string, phrase: string, color: string, strength: number, enabled: boolean, keys: Key[]}} Track
 * @typedef {{width: number, height: number}} Size  in pixels
 * @typedef {{version: 2, width: number, height: number, frames: number, fps: number, source?: string,
 *   objects: Track[]}} Trajectory  version: the newest, whichever was read; source: identifies the boxes that it was
 *   made from and edited since
 */

import { say, TrajectoryError } from "./refusal.js";

export const VERSION = 2;
/** @type {Record<"fps" | "coordinate" | "ease_y" | "handle" | "strength", [number, number]> &
 *   Record<"frames" | "objects" | "side" | "phrase" | "id", number>} */
export const LIMITS = {
  frames: 4096,
  objects: 256,
  side: 16384, // pixels
  fps: [0.01, 1000],
  coordinate: [-16, 17], // 16 frames beyond each side
  ease_y: [-16, 17],
  handle: [-16, 16],
  strength: [0, 2],
  phrase: 1000, // characters
  id: 64, // characters
};
const MAX_TEXT = 32 * 2 ** 20; // characters of JSON
export const DEFAULT_FPS = 8;

// Okabe and Ito (2008): distinguishable for colour-blind people. Grey replaces their black.
export const PALETTE = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999"];

export const NAMED_EASES = ["linear", "in", "out", "in_out", "hold"];

/**
 * An empty trajectory.
 *
 * @param {{width?: number, height?: number, frames?: number, fps?: number}} [size] pixels, frames, frames per second
 * @returns {Trajectory}
 */
export function emptyTrajectory({ width = 512, height = 512, frames = 8, fps = DEFAULT_FPS } = {}) {
  return { version: VERSION, width, height, frames, fps, objects: [] };
}

/**
 * Change or remove the source.
 *
 * @param {Trajectory} trajectory
 * @param {string | undefined} source
 * @returns {Trajectory}
 */
export function withSource({ source: _, ...trajectory }, source) {
  return source ? { ...trajectory, source } : trajectory;
}

/**
 * A key with linear motion to the next one.
 *
 * @param {number} frame
 * @param {Box} box
 * @param {boolean} [visible]
 * @returns {Key}
 */
export function straightKey(frame, box, visible = true) {
  return { frame, box, ease: "linear", visible };
}

/**
 * Parse the JSON text of a trajectory and fill in all defaults.
 *
 * @param {string} text
 * @returns {Trajectory}
 * @throws {TrajectoryError} for anything but a valid trajectory of a known version
 */
export function parseTrajectory(text) {
  if (typeof text !== "string") throw new TrajectoryError(say`a trajectory is JSON text, not ${typeof text}`);
  if (text.length > MAX_TEXT) {
    throw new TrajectoryError(say`the trajectory has ${text.length} characters, the limit is ${MAX_TEXT}`);
  }
  return readTrajectory(readJson(text, say`the trajectory`));
}

/**
 * Parse JSON text.
 *
 * @param {string} text
 * @param {Said} what  name of the text in the message
 * @returns {any}
 * @throws {TrajectoryError}
 */
export function readJson(text, what) {
  const plain = text.replace(/^\ufeff/, "");
  let content;
  try {
    content = JSON.parse(plain);
  } catch (error) {
    if (error instanceof RangeError) throw new TrajectoryError(say`${what} is nested too deeply to be one`);
    throw new TrajectoryError(say`${what} is not JSON: ${error.message}`);
  }
  const twice = repeatedKey(plain);
  if (twice !== null) throw new TrajectoryError(say`${what}: the key ${twice.slice(0, 40)} stands twice in one object: keep one of them`);
  return content;
}

/** A key that stands twice in an object of valid JSON, of which JSON.parse keeps the last; null if none does. */
function repeatedKey(json) {
  const open = []; // the keys of each object that is not closed yet, null for a list
  let text = "";
  // By hand: a regular expression runs out of stack in a string of some megabytes.
  for (let at = 0; at < json.length; at += 1) {
    const token = json[at];
    if (token === "{" || token === "[") open.push(token === "{" ? new Set() : null);
    else if (token === "}" || token === "]") open.pop();
    else if (token === '"') {
      const start = at;
      for (at += 1; json[at] !== '"'; at += 1) if (json[at] === "\\") at += 1;
      text = json.slice(start, at + 1);
    } else if (token === ":") {
      const keys = open.at(-1);
      const key = JSON.parse(text);
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return null;
}

/**
 * Check a parsed trajectory and fill in its defaults.
 *
 * @param {any} value
 * @returns {Trajectory}
 */
export function readTrajectory(value) {
  const trajectory = migrate(value);
  checkKeys(trajectory, say`the trajectory`, ["version", "width", "height", "frames", "objects"], ["fps", "source"]);
  const frames = whole(trajectory.frames, "frames", 1, LIMITS.frames);
  const objects = list(trajectory.objects, "objects", 0, LIMITS.objects);
  const isFirst = value.version === 1;
  const tracks = objects.map((object, index) => readTrack(object, `objects[${index}]`, frames, isFirst));
  return {
    version: VERSION,
    width: whole(trajectory.width, "width", 1, LIMITS.side),
    height: whole(trajectory.height, "height", 1, LIMITS.side),
    frames,
    fps: number(given(trajectory, "fps", DEFAULT_FPS), "fps", ...LIMITS.fps),
    ...(Object.hasOwn(trajectory, "source") ? { source: readName(trajectory, "source", "source") } : {}),
    objects: completeTracks(tracks),
  };
}

// Migrations from version n to n + 1, by n. Version 2 only adds the handles of keys.
/** @type {Record<number, (document: any) => object>} */
const MIGRATIONS = { 1: (first) => first };

/**
 * Migrate a trajectory of an older version to the newest, one version at a time.
 *
 * @param {any} value
 * @param {number} [newest]
 * @param {Record<number, (document: any) => object>} [migrations]
 * @returns {any}
 */
export function migrate(value, newest = VERSION, migrations = MIGRATIONS) {
  if (!isRecord(value)) throw new TrajectoryError(say`the trajectory is ${show(value)}: it must be a JSON object`);
  if (!Object.hasOwn(value, "version")) {
    throw new TrajectoryError(say`the trajectory lacks version: this editor reads up to version ${newest}`);
  }
  let trajectory = value;
  while (trajectory.version !== newest) {
    const { version } = trajectory;
    if (!Number.isInteger(version) || !Object.hasOwn(migrations, version)) {
      throw new TrajectoryError(say`version is ${show(version)}: this editor reads up to version ${newest}`);
    }
    trajectory = { ...migrations[version](trajectory), version: version + 1 };
  }
  return trajectory;
}

/**
 * Write a trajectory as JSON with one line per key, so that diffs show which key changed. Python writes the same text.
 * The version is the oldest that can hold it.
 *
 * @param {Trajectory} trajectory
 * @returns {string}
 */
export function serialiseTrajectory(trajectory) {
  const { width, height, frames, fps, source, objects } = trajectory;
  const version = objects.some(({ keys }) => keys.some((key) => key.handles)) ? VERSION : 1;
  const head = { version, width, height, frames, fps, ...(source ? { source } : {}) };
  const body = objects.map((track) => {
    const { id, phrase, color, strength, enabled } = track;
    const keys = track.keys.map(({ frame, box, ease, visible, handles }) => {
      return `    ${toText({ frame, box, ease, visible, ...(handles && { handles }) })}`;
    });
    return `  ${toText({ id, phrase, color, strength, enabled }).slice(0, -1)},\n   "keys": [\n${keys.join(",\n")}]}`;
  });
  const entries = body.length ? `[\n${body.join(",\n")}]` : "[]";
  return `${toText(head).slice(0, -1)},\n "objects": ${entries}}\n`;
}

/** JSON with spaces and small numbers written as Python writes them. */
function toText(value) {
  if (Array.isArray(value)) return `[${value.map(toText).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, entry]) => `"${name}": ${toText(entry)}`).join(", ")}}`;
  }
  if (typeof value !== "number" || value === 0 || Math.abs(value) >= 1e-4) return JSON.stringify(value);
  return value.toExponential().replace(/e-(\d)$/, "e-0$1");
}

/**
 * The first unused id of o1, o2, ..., counting from `n`.
 *
 * @param {Set<string>} used
 * @param {number} [n]
 */
export function freeId(used, n = 1) {
  while (used.has(`o${n}`)) n += 1;
  return `o${n}`;
}

/** Read a track. `id` and `color` stay empty if absent; `completeTracks` fills them in. */
function readTrack(value, place, frames, isFirst) {
  checkKeys(value, place, ["phrase", "keys"], ["id", "color", "strength", "enabled"]);
  const phrase = readPhrase(value.phrase, `${place}.phrase`);
  const where = phrase ? `${place} (${shorten(phrase)})` : place;
  const id = readName(value, "id", `${where}.id`);
  const values = list(value.keys, `${where}.keys`, 1, frames);
  const keys = values.map((key, n) => readKey(key, where, n, frames, isFirst));
  keys.slice(1).forEach((key, n) => {
    if (key.frame > keys[n].frame) return;
    throw new TrajectoryError(
      say`${where} has a key at frame ${key.frame} after one at frame ${keys[n].frame}: sort them, one per frame`,
    );
  });
  return {
    id,
    phrase,
    color: Object.hasOwn(value, "color") ? readColor(value.color, `${where}.color`) : "",
    strength: readStrength(given(value, "strength", 1), `${where}.strength`),
    enabled: bool(given(value, "enabled", true), `${where}.enabled`),
    keys,
  };
}

/**
 * @param {any} value
 * @param {string | Said} where  path of the value, for the message
 * @returns {string}
 */
export function readPhrase(value, where) {
  return readText(value, where, LIMITS.phrase);
}

/**
 * @param {any} value
 * @param {string | Said} where
 * @returns {string}
 */
export function readColor(value, where) {
  if (typeof value === "string" && /^#[0-9a-f]{6}$/i.test(value)) return value.toLowerCase();
  throw new TrajectoryError(say`${where} is ${show(value)}: write it like #e69f00`);
}

/**
 * @param {any} value
 * @param {string | Said} where
 * @returns {number}
 */
export function readStrength(value, where) {
  return number(value, where, ...LIMITS.strength);
}

function readKey(value, where, index, frames, isFirst) {
  const optional = ["ease", "visible", ...(isFirst ? [] : ["handles"])];
  checkKeys(value, `${where}.keys[${index}]`, ["frame", "box"], optional);
  const frame = whole(value.frame, `${where}.keys[${index}].frame`, 0, frames - 1);
  const place = say`${where}, frame ${frame}`;
  return {
    frame,
    box: readBox(value.box, place),
    ease: readEase(given(value, "ease", "linear"), say`${place}: ease`),
    visible: bool(given(value, "visible", true), say`${place}: visible`),
    ...(Object.hasOwn(value, "handles") ? readHandles(value.handles, say`${place}: handles`) : {}),
  };
}

/**
 * @param {any} value
 * @param {string | Said} where
 * @returns {Box}
 */
export function readBox(value, where) {
  const box = list(value, say`${where}: box`, 4, 4).map((v) => coordinate(v, say`${where}: box`));
  if (box[2] < box[0] || box[3] < box[1]) {
    const axis = box[2] < box[0] ? "x" : "y";
    throw new TrajectoryError(say`${where}: box ${show(box)} is inverted, ${axis}2 < ${axis}1: swap the two`);
  }
  return /** @type {Box} */ (box);
}

/**
 * @param {any} value
 * @param {string | Said} where
 * @returns {Ease}
 */
export function readEase(value, where) {
  if (Array.isArray(value)) {
    const values = list(value, where, 4, 4).map((v, n) => {
      const [low, high] = n % 2 ? LIMITS.ease_y : [0, 1];
      return number(v, `${where}[${n}]`, low, high);
    });
    return /** @type {Ease} */ (values);
  }
  if (!NAMED_EASES.includes(value)) {
    const names = NAMED_EASES.join(", ");
    throw new TrajectoryError(say`${where} is ${show(value)}: use ${names}, or four numbers x1, y1, x2, y2`);
  }
  return value;
}

/** @returns {{handles?: Handles}} */
function readHandles(value, where) {
  const handles = list(value, where, 2, 2).map((handle) => {
    return list(handle, where, 2, 2).map((v) => number(v, where, ...LIMITS.handle));
  });
  return handles.flat().some(Boolean) ? { handles: /** @type {Handles} */ (handles) } : {};
}

/** Give tracks without an id or color an unused id (o1, o2, ... by position) and a color from the palette. */
function completeTracks(tracks) {
  const used = new Set();
  for (const { id } of tracks) {
    if (id && used.has(id)) throw new TrajectoryError(say`two objects have the id ${show(id)}: ids must differ`);
    if (id) used.add(id);
  }
  return tracks.map((track, index) => {
    const id = track.id || freeId(used, index + 1);
    used.add(id);
    return { ...track, id, color: track.color || PALETTE[index % PALETTE.length] };
  });
}

function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkKeys(value, where, needed, optional) {
  if (!isRecord(value)) throw new TrajectoryError(say`${where} is ${show(value)}: it must be a JSON object`);
  const missing = needed.filter((name) => !Object.hasOwn(value, name));
  const unknown = Object.keys(value).filter((name) => !needed.includes(name) && !optional.includes(name));
  if (missing.length || unknown.length) {
    const known = [...needed, ...optional].join(", ");
    throw new TrajectoryError(
      missing.length
        ? say`${where} lacks ${missing.join(", ")}: it takes ${known}`
        : say`${where} has an unknown key ${show(unknown[0])}: it takes ${known}`,
    );
  }
}

/** The value or its default if it is absent. An explicit null is an error. */
function given(record, name, otherwise) {
  return Object.hasOwn(record, name) ? record[name] : otherwise;
}

function list(value, where, low, high) {
  if (!Array.isArray(value)) throw new TrajectoryError(say`${where} is ${show(value)}: it must be a list`);
  if (value.length < low || value.length > high) {
    const wanted = low === high ? low : say`${low} to ${high}`;
    throw new TrajectoryError(say`${where} has ${value.length} entries: it takes ${wanted}`);
  }
  return value;
}

function coordinate(value, where) {
  const [low, high] = LIMITS.coordinate;
  if (typeof value !== "number" || !(value >= low && value <= high)) {
    throw new TrajectoryError(
      say`${where} is ${show(value)}: give a number from ${low} to ${high}: boxes are in shares of the frame, 0 to 1, so divide pixels by its width and height`,
    );
  }
  return value + 0; // -0 becomes 0, as JSON writes it
}

/**
 * @param {any} value
 * @param {string | Said} where
 * @param {number} low
 * @param {number} high
 * @returns {number}
 */
export function number(value, where, low, high) {
  // Comparisons with NaN are false, so NaN is refused here too.
  if (typeof value !== "number" || !(value >= low && value <= high)) {
    throw new TrajectoryError(say`${where} is ${show(value)}: give a number from ${low} to ${high}`);
  }
  return value + 0; // -0 becomes 0, as JSON writes it
}

/**
 * @param {any} value
 * @param {string | Said} where
 * @param {number} low
 * @param {number} high
 * @returns {number}
 */
export function whole(value, where, low, high) {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new TrajectoryError(say`${where} is ${show(value)}: give a whole number from ${low} to ${high}`);
  }
  return value;
}

function bool(value, where) {
  if (typeof value !== "boolean") throw new TrajectoryError(say`${where} is ${show(value)}: it must be true or false`);
  return value;
}

function readText(value, where, limit) {
  if (typeof value !== "string") throw new TrajectoryError(say`${where} is ${show(value)}: it must be text`);
  const length = value.length > limit ? [...value].length : value.length; // characters, as Python counts them
  if (length > limit) throw new TrajectoryError(say`${where} has ${length} characters, the limit is ${limit}`);
  if (/[\ud800-\udfff]/u.test(value)) {
    throw new TrajectoryError(say`${where} is ${show(value)}: half of a surrogate pair is not text`);
  }
  return value;
}

/** Optional name; "" if absent. */
function readName(record, key, where) {
  if (!Object.hasOwn(record, key)) return "";
  const name = readText(record[key], where, LIMITS.id);
  if (!name) throw new TrajectoryError(say`${where} is empty: leave it out or give it a name`);
  return name;
}

/** A value as short text for a message. */
function show(value) {
  const inner = (v) => (typeof v === "object" ? "..." : show(v));
  if (Array.isArray(value)) return `[${value.slice(0, 4).map(inner).join(", ")}${value.length > 4 ? ", ..." : ""}]`;
  if (typeof value === "object" && value !== null) return `{${Object.keys(value).slice(0, 3).map(shorten).join(", ")}}`;
  return typeof value === "string" ? JSON.stringify(shorten(value)) : String(value);
}

function shorten(text) {
  return text.length > 30 ? `${text.slice(0, 27)}...` : text;
}

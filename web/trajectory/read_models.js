/**
 * Keyframes in the files of other video models: BBox-Animator (JSON), TrailBlazer (YAML), FreeTraj (lines). The rules
 * are those of smcd_core/trajectory/formats.
 *
 * @import {Box, Trajectory} from "./document.js"
 * @import {Said} from "./refusal.js"
 */

import { boxesAt } from "./curve.js";
import { DEFAULT_FPS, LIMITS, readTrajectory, VERSION } from "./document.js";
import { cornersOf } from "./read_lines.js";
import { say, TrajectoryError } from "./refusal.js";
import { refuseOtherSize, refuseShares } from "./rows.js";
import { readYaml } from "./yaml.js";

export const FREETRAJ_FRAMES = 16; // which its paths are drawn out to

/** Whether JSON is a project of BBox-Animator: objects with keyframes, where a trajectory of ours has keys. */
export function isBboxAnimator({ objects }) {
  return Array.isArray(objects) && objects.some((entry) => isRecord(entry) && Object.hasOwn(entry, "keyframes"));
}

/**
 * The objects of a project, in pixels. Without `frames` the video ends where the last object does.
 *
 * @param {{objects: any[]}} content
 * @param {{width: number, height: number, frames?: number | null}} options
 * @returns {Trajectory}
 */
export function readBboxAnimator({ objects: entries }, { width, height, frames = null }) {
  const found = entries.map((entry, n) => spanOf(entry, say`object ${n + 1}`));
  const length = frames ?? Math.max(...found.map(({ last }) => last)) + 1;
  const objects = found.map(({ where, first, last: end, keyframes }, n) => {
    const last = Math.min(end, length - 1);
    if (last < first) throw new TrajectoryError(say`${where}: starts at frame ${first} of ${length}: ask for more frames`);
    const inner = keyframes.map(({ frame }) => frame).filter((frame) => frame > first && frame < last);
    const boxAt = (frame) => straightBox(keyframes, frame).map((v, axis) => v / (axis % 2 ? height : width));
    const keys = [...new Set([first, ...inner, last])].map((frame) => ({ frame, box: boxAt(frame), visible: true }));
    if (first > 0) keys.unshift({ ...keys[0], frame: 0, visible: false });
    if (last < length - 1) keys.push({ ...keys.at(-1), frame: last + 1, visible: false });
    const { prompt = "" } = entries[n];
    return { phrase: prompt, keys, ...lookOf(entries[n], where) };
  });
  const trajectory = readTrajectory({ version: VERSION, width, height, frames: length, fps: DEFAULT_FPS, objects });
  const { boxes, mask } = boxesAt(trajectory);
  const seen = boxes.flatMap((row, frame) => row.filter((_, n) => mask[frame][n]));
  refuseShares(seen.map(([x1, y1, x2, y2]) => [x1 * width, y1 * height, x2 * width, y2 * height]), "BBox-Animator");
  refuseOtherSize({ boxes, mask }, { width, height });
  return trajectory;
}

function spanOf(entry, where) {
  const keyframes = keyframesOf(entry, where);
  const first = frameOf(entry.start_frame === undefined ? 0 : entry.start_frame, where);
  const last = frameOf(entry.end_frame === undefined ? keyframes.at(-1).frame : entry.end_frame, where);
  if (last < first) throw new TrajectoryError(say`${where}: found end_frame ${last} before start_frame ${first}`);
  return { where, first, last, keyframes };
}

/** Sorted keyframes; corners may come in any order. @returns {{frame: number, box: Box}[]} */
function keyframesOf(entry, where) {
  const list = isRecord(entry) ? entry.keyframes : null;
  if (!Array.isArray(list) || !list.length || !list.every(isRecord)) {
    throw new TrajectoryError(say`${where}: has no keyframes; expected a list of frame and box`);
  }
  const found = new Map();
  for (const key of list) {
    const frame = frameOf(key.frame, where);
    const { box } = key;
    if (!Array.isArray(box) || box.length !== 4 || !box.every((v) => typeof v === "number")) {
      const [place, shown] = [say`${where}, frame ${frame}`, JSON.stringify(box)?.slice(0, 60)];
      throw new TrajectoryError(say`${place}: found box ${shown}, expected [x1, y1, x2, y2] in pixels`);
    }
    const [x1, y1, x2, y2] = box;
    const corners = [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
    found.set(frame, cornersOf(corners, false, say`${where}, frame ${frame}`));
  }
  return [...found].sort(([a], [b]) => a - b).map(([frame, box]) => ({ frame, box }));
}

function frameOf(value, where) {
  if (Number.isInteger(value) && value >= 0 && value < LIMITS.frames) return value;
  throw new TrajectoryError(say`${where}: found frame ${String(value).slice(0, 20)}, expected a whole number from 0`);
}

/** The box on straight lines between keyframes, the first and last of which hold beyond them. @returns {Box} */
function straightBox(keyframes, frame) {
  const next = keyframes.find((key) => key.frame >= frame);
  const before = keyframes.findLast((key) => key.frame <= frame);
  if (!next || !before || next === before) return (before ?? next).box;
  const share = (frame - before.frame) / (next.frame - before.frame);
  return /** @type {Box} */ (before.box.map((v, axis) => v + (next.box[axis] - v) * share));
}

/** The strength and colour of an object, and whether it is enabled. Strengths reach from 0 to 5 there. */
function lookOf({ strength = 1, color, enabled }, where) {
  if (typeof strength !== "number" || !(strength >= 0)) {
    throw new TrajectoryError(say`${where}: found strength ${String(strength).slice(0, 20)}, expected a number from 0`);
  }
  const look = { strength: Math.min(strength, LIMITS.strength[1]), enabled: enabled !== false };
  return /^#[0-9a-f]{6}$/i.test(color) ? { ...look, color } : look;
}

/** Whether a text is TrailBlazer's. @param {string} text */
export function isTrailBlazer(text) {
  return /^keyframe:/m.test(text);
}

/**
 * `keyframe: [{bbox_ratios: [left, top, right, bottom], frame, prompt}]`, the last one in the last frame. The phrase is
 * the prompt of the first keyframe.
 *
 * @param {string} text
 * @param {{width: number, height: number}} size  where the file has none
 * @returns {Trajectory}
 */
export function readTrailBlazer(text, size) {
  const content = readYaml(text);
  const keyframes = isRecord(content) ? content.keyframe : null;
  if (!Array.isArray(keyframes) || !keyframes.length || !keyframes.every(isRecord)) {
    throw new TrajectoryError(say`the file has no list under keyframe; expected bbox_ratios, frame and prompt in each`);
  }
  const keys = keyframes.map(({ frame, bbox_ratios: box, prompt = "" }, n) => {
    const where = say`keyframe ${n + 1}`;
    if (!Number.isInteger(frame) || frame < 0 || frame >= LIMITS.frames) {
      throw new TrajectoryError(say`${where}: frame is no whole number from 0 to ${LIMITS.frames - 1}`);
    }
    if (!Array.isArray(box) || box.length !== 4 || !box.every(isShare)) {
      const expected = say`left, top, right, bottom in shares of the frame`;
      throw new TrajectoryError(say`${where}: bbox_ratios are no four numbers: ${expected}`);
    }
    if (typeof prompt !== "string") throw new TrajectoryError(say`${where}: prompt is no text`);
    return { frame, box };
  });
  const [width, height] = ["width", "height"].map((side) => (Number.isInteger(content[side]) ? content[side] : size[side]));
  return documentOf(keys, keyframes[0].prompt ?? "", { width, height });
}

/**
 * Keyframes of one object for videos of 16 frames or more: before the first and after the last one the path goes on as
 * it did there, without a change of size, as far as frames 0 and 15.
 *
 * @param {{frame: number, box: Box}[]} rows  in shares of the frame
 * @param {{width: number, height: number}} size
 * @returns {Trajectory}
 */
export function readFreeTraj(rows, size) {
  const keys = [...rows];
  if (keys.length > 1) {
    if (keys[0].frame > 0) keys.unshift(goneOn(keys[1], keys[0], 0));
    if (keys.at(-1).frame < FREETRAJ_FRAMES - 1) keys.push(goneOn(keys.at(-2), keys.at(-1), FREETRAJ_FRAMES - 1));
  }
  return documentOf(keys, "", size);
}

/** A key at `frame`, where the box of `last` is if its corner moves on as it did from `before`. */
function goneOn(before, last, frame) {
  const share = last.frame === before.frame ? 0 : (frame - last.frame) / (last.frame - before.frame);
  const by = [0, 1].map((axis) => (last.box[axis] - before.box[axis]) * share);
  return { frame, box: /** @type {Box} */ (last.box.map((v, axis) => v + by[axis % 2])) };
}

function documentOf(keys, phrase, { width, height }) {
  const frames = Math.max(...keys.map(({ frame }) => frame)) + 1;
  return readTrajectory({ version: VERSION, width, height, frames, fps: DEFAULT_FPS, objects: [{ phrase, keys }] });
}

export function isShare(value) {
  const [low, high] = LIMITS.coordinate;
  return typeof value === "number" && value >= low && value <= high;
}

/** @returns {value is Record<string, any>} */
function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Writing the input files of other video models, as smcd_core/trajectory/write_models.py does. Eases become straight
 * lines.
 *
 * @import {Key, Track, Trajectory} from "./document.js"
 */

import { boxesAt } from "./curve.js";
import { pointTracks } from "./point_tracks.js";
import { FREETRAJ_FRAMES } from "./read_models.js";
import { say, TrajectoryError } from "./refusal.js";
import { DEFAULT_TOLERANCE, trajectoryFromBoxes } from "./simplify.js";

const EXACT = 1e-6; // of the frame: as far as decimals are

/**
 * A project of BBox-Animator, version 2, in pixels. The format has one stay in the video for each object: one that
 * hides in between becomes several.
 *
 * @param {Trajectory} trajectory
 * @returns {string}
 */
export function writeBboxAnimator(trajectory) {
  const { width, height, frames } = trajectory;
  const pixels = (box) => box.map((v, axis) => Math.round(v * (axis % 2 ? height : width) * 1e4) / 1e4);
  const objects = linear(trajectory, EXACT).flatMap(({ track, keys }) =>
    staysOf(keys, frames).map((stay, n) => ({
      id: n ? `${track.id}-${n + 1}` : track.id,
      name: track.phrase || track.id,
      prompt: track.phrase,
      strength: track.strength,
      enabled: true,
      start_frame: stay[0].frame,
      end_frame: stay.at(-1).frame,
      color: track.color,
      keyframes: stay.map(({ frame, box }) => ({ frame, box: pixels(box) })),
    })),
  );
  return JSON.stringify({ version: 2, style_prompt: "", scene_prompt: "", objects }, null, 1);
}

/**
 * The keyframes of one object for TrailBlazer, to 0.4 % of the frame.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @returns {string}
 * @throws {TrajectoryError} where it is hidden, and for keyframes in frames side by side after the first one, which
 *   TrailBlazer divides by zero at
 */
export function writeTrailBlazer(trajectory, id) {
  const { track, keys } = only(trajectory, id, "TrailBlazer", DEFAULT_TOLERANCE);
  keys.slice(2).forEach(({ frame }, n) => {
    const { frame: before } = keys[n + 1];
    if (frame - before === 1) throw sideBySide(track, before, frame);
  });
  const words = track.phrase.split(/\s+/).filter(Boolean);
  const lines = keys.map(
    ({ frame, box }) =>
      `- bbox_ratios: [${box.map(short).join(", ")}]\n  frame: ${frame}\n  prompt: ${JSON.stringify(words.join(" "))}\n`,
  );
  const indices = words.map((_, n) => n + 1).join(", ");
  const size = `width: ${trajectory.width}\nheight: ${trajectory.height}\n`;
  return `keyframe:\n${lines.join("")}token_inds: [${indices}]\n${size}`;
}

/** @param {Track} track @param {number} before @param {number} after */
function sideBySide({ id, phrase, keys }, before, after) {
  const name = phrase || id;
  const own = keys.map(({ frame }) => frame);
  // It rests from its last key up to the last frame, which is a key as well.
  if ((own.includes(before) && own.includes(after)) || before >= own[own.length - 1]) {
    const found = say`${name} has keyframes in frames ${before} and ${after}`;
    return new TrajectoryError(say`${found}; TrailBlazer needs a frame between: move one of them`);
  }
  const end = keys.findIndex(({ frame }) => frame > before);
  const found = say`${name} moves eased or bent from frame ${keys[end - 1].frame} to ${keys[end].frame}, which takes keyframes in frames ${before} and ${after} as straight lines`;
  return new TrajectoryError(say`${found}; TrailBlazer needs a frame between: make it linear and straight there, or move its two keys apart`);
}

/**
 * The keyframes of one object for FreeTraj: frame, top, bottom, left, right in shares of the frame. FreeTraj makes 16
 * frames or more and moves on after the last line, so a shorter video ends with a line for a box that rests.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @returns {string}
 * @throws {TrajectoryError} where it is hidden
 */
export function writeFreeTraj(trajectory, id) {
  const { keys } = only(trajectory, id, "FreeTraj", EXACT);
  const end = Math.max(trajectory.frames, FREETRAJ_FRAMES) - 1;
  const rest = keys.at(-1).frame < end ? [{ ...keys.at(-1), frame: end }] : [];
  return [...keys, ...rest]
    .map(({ frame, box: [x1, y1, x2, y2] }) => `${[frame, ...[y1, y2, x1, x2].map(short)].join(", ")}\n`)
    .join("");
}

/**
 * All enabled objects for SG-I2V, a .npy file of float32 [N, 2 + F, 2] in pixels: corners in frame 0, then middles. Its
 * boxes keep their size.
 *
 * @param {Trajectory} trajectory
 * @returns {Uint8Array}
 * @throws {TrajectoryError} for an object that is hidden in any frame, or if there is none
 */
export function writeSgI2v(trajectory) {
  const { width, height, frames } = trajectory;
  const { boxes, mask } = shownIn(trajectory);
  const tracks = trajectory.objects.filter((track) => track.enabled);
  if (!tracks.length) throw new TrajectoryError(say`there is no enabled object: SG-I2V needs one or more`);
  const frame = mask.findIndex((row) => row.includes(false));
  if (frame >= 0) throw hidden(tracks[mask[frame].indexOf(false)].id, frame, "SG-I2V");
  const values = tracks.flatMap((_, n) => [
    ...boxes[0][n],
    ...boxes.flatMap((row) => [(row[n][0] + row[n][2]) / 2, (row[n][1] + row[n][3]) / 2]),
  ]);
  return floatsFile(values.map((v, at) => v * (at % 2 ? height : width)), [tracks.length, 2 + frames, 2]);
}

/**
 * Points in all enabled objects for Wan-Move: float32 [1, F, P, 2] in pixels, and in which frames each is visible, bool
 * [1, F, P].
 *
 * @param {Trajectory} trajectory
 * @returns {Record<"tracks.npy" | "visibility.npy", Uint8Array>} by name
 * @throws {TrajectoryError} if the first frame shows no object
 */
export function writeWanMove(trajectory) {
  const { frames, count, path, visible } = pointTracks(trajectory);
  if (!count) {
    throw new TrajectoryError(
      say`no object is visible and inside the frame in frame 0: Wan-Move moves what is there`,
    );
  }
  return {
    "tracks.npy": floatsFile(path, [1, frames, count, 2]),
    "visibility.npy": arrayFile("|b1", [1, frames, count], Uint8Array.from(visible, Number)),
  };
}

function floatsFile(values, shape) {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, n) => view.setFloat32(4 * n, value, true));
  return arrayFile("<f4", shape, bytes);
}

/** A .npy file. Source: numpy.lib.format, version 1.0. @param {string} type @param {number[]} shape @param {Uint8Array} data */
function arrayFile(type, shape, data) {
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const length = Math.ceil((10 + header.length + 1) / 64) * 64;
  const bytes = new Uint8Array(length + data.length);
  const head = `\x93NUMPY\x01\0\0\0${header}`.padEnd(length - 1) + "\n";
  bytes.set(Array.from(head, (letter) => letter.charCodeAt(0)));
  new DataView(bytes.buffer).setUint16(8, length - 10, true);
  bytes.set(data, length);
  return bytes;
}

/**
 * Each enabled object with keys that straight lines join.
 *
 * @param {Trajectory} trajectory
 * @param {number} tolerance
 * @returns {{track: Track, keys: Key[]}[]}
 */
function linear(trajectory, tolerance) {
  const { width, height, fps } = trajectory;
  const tracks = trajectory.objects.filter((track) => track.enabled);
  const { boxes, mask } = shownIn(trajectory);
  const phrases = tracks.map(({ phrase }) => phrase);
  const drawn = trajectoryFromBoxes(boxes, mask, { width, height, fps, phrases, tolerance });
  return tracks.map((track, n) => ({ track, keys: drawn.objects[n].keys }));
}

/** Boxes, and where they are visible: not where an overshooting ease has turned one inside out. @param {Trajectory} trajectory */
function shownIn(trajectory) {
  const { boxes, mask } = boxesAt(trajectory);
  const isUpright = ([x1, y1, x2, y2]) => x2 >= x1 && y2 >= y1;
  return { boxes, mask: mask.map((row, frame) => row.map((isVisible, n) => isVisible && isUpright(boxes[frame][n]))) };
}

/** The keys of each time in which an object is visible, its first and last frame among them. @param {Key[]} keys */
function staysOf(keys, frames) {
  const stays = [];
  let stay = [];
  for (const key of [...keys, { ...keys[0], frame: frames, visible: false }]) {
    if (key.visible) stay.push(key);
    else if (stay.length) {
      const last = stay.at(-1);
      if (last.frame < key.frame - 1) stay.push({ ...last, frame: key.frame - 1 });
      stays.push(stay);
      stay = [];
    }
  }
  return stays;
}

function only(trajectory, id, program, tolerance) {
  const found = linear(trajectory, tolerance).find(({ track }) => track.id === id);
  if (!found) throw new TrajectoryError(say`object ${id} is disabled: enable it, or select another`);
  const gone = found.keys.find(({ visible }) => !visible);
  if (gone) throw hidden(id, gone.frame, program);
  return found;
}

function hidden(id, frame, program) {
  return new TrajectoryError(
    say`object ${id} is hidden in frame ${frame}; ${program} cannot say so: show it, or disable the object`,
  );
}

/** Six digits. */
function short(value) {
  return String(Number(value.toPrecision(6)));
}

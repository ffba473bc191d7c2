/**
 * The clip as a whole: its length, size and frame rate.
 *
 * @import {Key, Size, Trajectory} from "./document.js"
 */

import { allowedBox } from "./box.js";
import { sampleKeys } from "./curve.js";
import { LIMITS, readTrajectory, straightKey, whole } from "./document.js";
import { isCurved, withHandles } from "./path.js";
import { say, TrajectoryError } from "./refusal.js";
import { withKey } from "./split.js";

/**
 * Change the number of frames.
 *
 * keep     keys keep their frame numbers
 * stretch  keys move in proportion; if two meet at one frame, the later one wins
 * crop     boxes of the remaining frames do not change; keys past the new end are deleted
 *
 * @param {Trajectory} trajectory
 * @param {number} frames
 * @param {"keep" | "stretch" | "crop"} [mode]
 * @returns {Trajectory}
 * @throws {TrajectoryError} if "keep" would leave a key past the new end
 */
export function withFrames(trajectory, frames, mode = "keep") {
  whole(frames, "frames", 1, LIMITS.frames);
  if (frames === trajectory.frames) return trajectory;
  const changes = {
    keep: (keys) => keys,
    stretch: (keys) => stretchedKeys(keys, frames, trajectory.frames),
    crop: (keys) => croppedKeys(keys, frames, trajectory),
  };
  const change = Object.hasOwn(changes, mode) ? changes[mode] : null;
  if (!change) throw new TrajectoryError(say`mode is ${mode}: use keep, stretch or crop`);
  const late = lastKeyFrame(trajectory);
  if (mode === "keep" && late >= frames) {
    throw new TrajectoryError(say`a key at frame ${late} lies past the end of ${frames} frames: use stretch or crop`);
  }
  const objects = trajectory.objects.map((track) => {
    const keys = change(track.keys);
    return keys === track.keys ? track : { ...track, keys };
  });
  return { ...trajectory, frames, objects };
}

/**
 * The last frame with a key, or -1. Any longer clip can keep all keys.
 *
 * @param {Trajectory} trajectory
 */
export function lastKeyFrame(trajectory) {
  return trajectory.objects.reduce((late, track) => Math.max(late, track.keys.at(-1).frame), -1);
}

/**
 * Change the size of the image or the frame rate. Boxes are in units of the frame, so they stay.
 *
 * @param {Trajectory} trajectory
 * @param {{width?: number, height?: number, fps?: number}} changes  pixels, frames per second
 * @returns {Trajectory}
 */
export function setClip(trajectory, { width = trajectory.width, height = trajectory.height, fps = trajectory.fps }) {
  if (width === trajectory.width && height === trajectory.height && fps === trajectory.fps) return trajectory;
  const { objects, ...head } = readTrajectory({ ...trajectory, width, height, fps, objects: [] });
  return { ...head, objects: trajectory.objects };
}

function stretchedKeys(keys, frames, framesBefore) {
  const scale = (frames - 1) / Math.max(framesBefore - 1, 1);
  const moved = new Map();
  for (const key of keys) {
    const frame = Math.floor(key.frame * scale + 0.5);
    moved.set(frame, { ...key, frame });
  }
  return [...moved.values()];
}

/**
 * Keys up to a cut. An eased segment that is cut becomes one key per frame, because half of it would need another
 * easing curve.
 *
 * @param {Key[]} keys
 * @param {number} frames
 * @param {Size} size  of the frame
 * @returns {Key[]}
 */
export function croppedKeys(keys, frames, size) {
  const inside = keys.filter((key) => key.frame < frames);
  if (inside.length === keys.length) return keys;
  if (!inside.length) return [{ ...keys[0], frame: 0 }];
  const cut = inside.at(-1);
  if (cut.frame === frames - 1 || cut.ease === "hold") return inside;
  const isStraight = !isCurved(cut, keys[inside.length]);
  if (cut.ease === "linear" && !isStraight) return withKey({ keys }, frames - 1, size).keys.slice(0, inside.length + 1);
  const baked = [];
  for (let frame = cut.ease === "linear" ? frames - 1 : cut.frame + 1; frame < frames; frame += 1) {
    baked.push(straightKey(frame, allowedBox(sampleKeys(keys, frame, size)), cut.visible));
  }
  const straight = withHandles(cut, { leaving: [0, 0] });
  return [...inside.slice(0, -1), { ...straight, ease: "linear" }, ...baked];
}

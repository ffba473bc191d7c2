/**
 * Any trajectory, from a seed, and the files that the editor writes of it.
 *
 * @import {Trajectory} from "../../web/trajectory/document.js"
 */

import * as model from "../../web/trajectory/model.js";
import { randomNumbers } from "../../web/trajectory/random.js";

const PHRASES = ["dog", "red  car", "=cat", 'a "big", dog: {x} # [y]', "熊 Bär", "'so", ""];

/** One to three objects with eases, some of them hidden for a while or disabled, in frames of two sizes. @returns {Trajectory} */
export function anyTrajectory(seed) {
  const random = randomNumbers(seed);
  const whole = (n) => Math.floor(random() * n);
  const pick = (list) => list[whole(list.length)];
  const frames = 1 + whole(20);
  const box = () => {
    const [x, y, w, h] = [whole(110) - 20, whole(110) - 20, 5 + whole(35), 5 + whole(35)];
    return [x, y, x + w, y + h].map((value) => value / 100);
  };
  const objects = Array.from({ length: 1 + whole(3) }, () => {
    const at = [...new Set(Array.from({ length: 1 + whole(4) }, () => whole(frames)))].sort((a, b) => a - b);
    const keys = at.map((frame) => ({
      frame,
      box: box(),
      visible: random() < 0.8,
      ease: pick(["linear", "in_out", "hold", [0.3, -1.5, 0.6, 2.5]]),
    }));
    return { phrase: pick(PHRASES), strength: pick([0, 0.5, 1, 2]), enabled: random() < 0.7, keys };
  });
  objects[whole(objects.length)].enabled = true;
  const [width, height] = pick([[640, 360], [101, 53]]);
  return model.readTrajectory({ version: 1, width, height, frames, fps: pick([8, 12.5]), objects });
}

/**
 * What is written in each format: the text or bytes of each file by name, or why there is none. Of formats that hold one
 * object it is that of the first one.
 *
 * @param {Trajectory} trajectory
 * @returns {Record<string, Record<string, string | Uint8Array> | Error>}
 */
export function filesOf(trajectory) {
  const [{ id }] = trajectory.objects.filter((track) => track.enabled);
  return {
    json: attempt(() => ({ "a.json": model.serialiseTrajectory(trajectory) })),
    mot: attempt(() => ({ "gt.txt": model.writeMot(trajectory) })),
    csv: attempt(() => ({ "boxes.csv": model.writeCsv(trajectory) })),
    xyxy: attempt(() => ({ "bbox.txt": model.writeBboxTxt(trajectory, id) })),
    got10k: attempt(() => model.writeGot10k(trajectory, id)),
    bbox_animator: attempt(() => ({ "a.json": model.writeBboxAnimator(trajectory) })),
    trailblazer: attempt(() => ({ "a.yaml": model.writeTrailBlazer(trajectory, id) })),
    freetraj: attempt(() => ({ "a.txt": model.writeFreeTraj(trajectory, id) })),
    sg_i2v: attempt(() => ({ "traj.npy": model.writeSgI2v(trajectory) })),
    wan_move: attempt(() => model.writeWanMove(trajectory)),
  };
}

function attempt(write) {
  try {
    return write();
  } catch (error) {
    if (error instanceof model.TrajectoryError) return error;
    throw error;
  }
}

/** Some trajectories and their files, bytes as hexadecimal digits. */
export function recorded() {
  const plain = (content) => (typeof content === "string" ? content : { hex: Buffer.from(content).toString("hex") });
  return Array.from({ length: 24 }, (_, seed) => {
    const trajectory = anyTrajectory(1000 + seed);
    const isLong = (format) => format === "wan_move" && trajectory.width > 101; // points by the hundred
    const written = Object.entries(filesOf(trajectory)).filter(([format, files]) => !(files instanceof Error || isLong(format)));
    const files = written.map(([format, byName]) => {
      return [format, Object.fromEntries(Object.entries(byName).map(([name, content]) => [name, plain(content)]))];
    });
    return { trajectory: JSON.parse(model.serialiseTrajectory(trajectory)), files: Object.fromEntries(files) };
  });
}

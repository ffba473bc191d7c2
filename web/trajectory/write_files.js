/**
 * Writing the box files of other programs. They hold a box per frame, in pixels of the trajectory's size and not
 * clipped. Only our own format (serialiseTrajectory) keeps keys, easing and strengths.
 *
 * @import {Box, Trajectory} from "./document.js"
 */

import { boxAt, boxesAt, visibleAt } from "./curve.js";
import { CSV_HEADER } from "./headers.js";
import { say, TrajectoryError } from "./refusal.js";
import { trackOf } from "./tracks.js";

/**
 * MOTChallenge lines of all enabled objects: frame,id,left,top,width,height,1,-1,-1,-1. Frames and ids start at 1,
 * pixels at 0. The format holds neither phrases nor the size of the frame.
 *
 * @param {Trajectory} trajectory
 * @returns {string}
 */
export function writeMot(trajectory) {
  return visibleRows(trajectory, ({ frame, n, box: [x1, y1, x2, y2] }) => {
    return `${frame + 1},${n + 1},${[x1, y1, x2 - x1, y2 - y1].map(fixed).join()},1,-1,-1,-1`;
  });
}

/**
 * CSV of all enabled objects with the header frame,object,x1,y1,x2,y2. The object is named by its phrase, numbered if
 * another has the same, or by its position if it has none. A name that a spreadsheet would calculate is marked as text.
 *
 * @param {Trajectory} trajectory
 * @returns {string}
 */
export function writeCsv(trajectory) {
  const names = csvNames(trajectory.objects.filter((track) => track.enabled));
  const rows = visibleRows(trajectory, ({ frame, n, box }) => `${frame},${names[n]},${box.map(fixed).join()}`);
  return `${CSV_HEADER.join()}\n${rows}`;
}

/**
 * One object as the bbox.txt of the released program: x1,y1,x2,y2 per line, with a box in every frame.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @returns {string}
 */
export function writeBboxTxt(trajectory, id) {
  const { boxes, mask } = pixelsOf(trajectory, id);
  const hidden = mask.indexOf(false);
  if (hidden >= 0) {
    throw new TrajectoryError(
      say`object ${id} is invisible at frame ${hidden}, bbox.txt needs a box per frame: show it or use another format`,
    );
  }
  return boxes.map((box) => `${box.map(fixed).join()}\n`).join("");
}

/**
 * One object as the files of a GOT-10k sequence, by name. Frames without the object keep the box where it would be.
 *
 * @param {Trajectory} trajectory
 * @param {string} id
 * @returns {Record<"groundtruth.txt" | "absence.label" | "meta_info.ini", string>}
 */
export function writeGot10k(trajectory, id) {
  const { boxes, mask } = pixelsOf(trajectory, id);
  const phrase = trackOf(trajectory, id).phrase.split(/\s+/).filter(Boolean).join(" ");
  const lines = boxes.map(([x1, y1, x2, y2]) => `${[x1, y1, x2 - x1, y2 - y1].map(fixed).join()}\n`);
  return {
    "groundtruth.txt": lines.join(""),
    "absence.label": mask.map((visible) => `${visible ? 0 : 1}\n`).join(""),
    "meta_info.ini":
      `[METAINFO]\nobject_class: ${phrase}\nanno_fps: ${trajectory.fps}Hz\n` +
      `resolution: (${trajectory.width}, ${trajectory.height})\n`,
  };
}

/** Boxes in pixels and visibility of one object at every frame. */
function pixelsOf(trajectory, id) {
  const track = trackOf(trajectory, id);
  const frames = Array.from({ length: trajectory.frames }, (_, frame) => frame);
  const raw = frames.map((frame) => boxAt(track, frame, trajectory));
  return {
    boxes: raw.map((box) => inPixels(box, trajectory)),
    mask: raw.map((box, frame) => isUpright(box) && visibleAt(track, frame)),
  };
}

function visibleRows(trajectory, write) {
  const { boxes, mask } = boxesAt(trajectory);
  const lines = [];
  boxes.forEach((row, frame) => {
    row.forEach((box, n) => {
      if (mask[frame][n] && isUpright(box)) lines.push(`${write({ frame, n, box: inPixels(box, trajectory) })}\n`);
    });
  });
  return lines.join("");
}

/** A negative width, from sides that an overshooting ease has crossed, becomes 0. */
function inPixels([x1, y1, x2, y2], { width, height }) {
  return [x1 * width, y1 * height, Math.max(x1, x2) * width, Math.max(y1, y2) * height];
}

function isUpright([x1, y1, x2, y2]) {
  return x2 >= x1 && y2 >= y1;
}

function fixed(value) {
  return (value + 0).toFixed(4);
}

/** Unique names of tracks that are read back as their phrases. */
function csvNames(tracks) {
  const used = new Set();
  return tracks.map(({ phrase }, n) => {
    const base = phrase.split(/\s+/).filter(Boolean).join(" ") || `${n + 1}`;
    let name = base;
    for (let number = 2; used.has(name); number += 1) name = `${base} ${number}`;
    used.add(name);
    if (/^[=+@-]/.test(name)) name = `'${name}`;
    return /[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
  });
}

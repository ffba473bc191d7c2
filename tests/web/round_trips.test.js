import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { boxesAt, readArrayFile, readFile, TrajectoryError } from "../../web/trajectory/model.js";
import { distance } from "./helpers.js";
import { anyTrajectory, filesOf, recorded } from "./written_files.js";

const documents = Array.from({ length: 400 }, (_, seed) => anyTrajectory(seed));

/**
 * How the files of each format are read, and what it keeps: isOne: the first object alone; near: how close boxes are, in
 * shares of the frame; compare: the boxes in another way; hidesNone: objects are read in all frames; phrases: as read.
 */
const FORMATS = {
  mot: { read: ({ "gt.txt": text }, given) => readFile(text, { ...given, format: "mot" }) },
  csv: { read: ({ "boxes.csv": text }, given) => readFile(text, given), phrases: numbered },
  xyxy: { read: ({ "bbox.txt": text }, given) => readFile(text, { ...given, format: "xyxy" }), isOne: true },
  got10k: {
    read: ({ "groundtruth.txt": text }, given) => readFile(text, { ...given, format: "xywh" }),
    isOne: true,
    hidesNone: true, // absence.label is not read here
  },
  bbox_animator: { read: ({ "a.json": text }, given) => readFile(text, given), compare: sameSets },
  trailblazer: { read: ({ "a.yaml": text }) => readFile(text, { width: 9, height: 9 }), isOne: true, near: 0.005, phrases: plain },
  freetraj: { read: ({ "a.txt": text }, { width, height }) => readFile(text, { width, height }), isOne: true },
  sg_i2v: { read: ({ "traj.npy": bytes }, given) => readArrayFile(bytes, given), compare: sameMiddles },
  wan_move: {
    read: ({ "tracks.npy": bytes, "visibility.npy": visibility }, given) => readArrayFile(bytes, { ...given, visibility }),
    compare: (found) => assert.ok(found[0].some(Boolean)),
  },
};
const CANNOT = /is hidden in frame|is invisible at frame|needs a frame between|no object is visible/;

for (const [format, how] of Object.entries(FORMATS)) {
  test(`any trajectory comes back from ${format}, or is refused for what it cannot hold`, () => {
    let count = 0;
    for (const trajectory of documents) {
      const files = filesOf(trajectory)[format];
      const enabled = trajectory.objects.filter((track) => track.enabled);
      const tracks = how.isOne ? enabled.slice(0, 1) : enabled;
      const wanted = shownBoxes({ ...trajectory, objects: tracks });
      if (files instanceof Error) assert.match(files.message, CANNOT);
      else count += comesBack(files, { trajectory, tracks, wanted, how });
    }
    assert.ok(count > 50, `${count} of ${documents.length} trajectories were read`);
  });
}

/** Whether files were read, rightly; or else refused with good reason. */
function comesBack(files, { trajectory, tracks, wanted, how }) {
  const { width, height, frames } = trajectory;
  let again;
  try {
    again = how.read(files, { width, height, frames }).trajectory;
  } catch (error) {
    if (!(error instanceof TrajectoryError)) throw error;
    const boxes = how.hidesNone ? boxesAt({ ...trajectory, objects: tracks }).boxes.flat() : wanted.flat().filter(Boolean);
    const outside = boxes.filter((box) => middle(box).some((value) => value > 1 - 1e-9));
    const isOfAnotherSize = /boxes reach to/.test(error.message) && 2 * outside.length > boxes.length;
    assert.ok(isOfAnotherSize || !boxes.length || /and up to 256 objects/.test(error.message), error.message);
    return false;
  }
  const found = shownBoxes(again).slice(0, frames);
  if (how.compare) how.compare(found, wanted);
  else sameBoxes(found, wanted, how);
  if (how.phrases) {
    const named = how.isOne ? tracks : tracks.filter((_, n) => wanted.some((row) => row[n]));
    const names = how.phrases(tracks).filter((_, n) => named.includes(tracks[n]));
    assert.deepEqual(again.objects.map(({ phrase }) => phrase).sort(), names.sort());
  }
  return true;
}

/** The box of each object by frame, null where it is not visible or turned inside out. */
function shownBoxes(trajectory) {
  const { boxes, mask } = boxesAt(trajectory);
  const shown = (box, isVisible) => (isVisible && box[2] >= box[0] && box[3] >= box[1] ? box : null);
  return boxes.map((row, frame) => row.map((box, n) => shown(box, mask[frame][n])));
}

/** Objects come in the order in which they are first seen. */
function sameBoxes(found, wanted, { near = 1e-5, hidesNone = false, isOne = false }) {
  const frames = wanted.flatMap((row, frame) => (row.some(Boolean) ? [frame] : []));
  const areKeys = !frames.slice(1).some((frame, n) => frame - frames[n] === 1);
  const columns = (rows) => rows[0].map((_, n) => rows.map((row) => row[n]));
  const seen = columns(wanted).filter((column) => isOne || column.some(Boolean));
  const start = (column) => column.findIndex(Boolean);
  const ours = columns(found);
  assert.equal(ours.length, seen.length);
  for (const column of seen) {
    const isIt = (other) => column.every((box, frame) => (box ? other[frame] && distance(other[frame], box) < near : isFree(other[frame])));
    // Boxes of which no two are in adjacent frames are joined.
    const isFree = (box) => hidesNone || areKeys || !box;
    const at = ours.findIndex(isIt);
    assert.ok(at >= 0, `object that starts in frame ${start(column)}`);
    ours.splice(at, 1);
  }
}

/** The boxes in each frame, of whichever object: one that hides in between is several. */
function sameSets(found, wanted) {
  wanted.forEach((row, frame) => {
    const rest = found[frame].filter(Boolean);
    for (const box of row.filter(Boolean)) {
      const at = rest.findIndex((other) => distance(other, box) < 1e-5);
      assert.ok(at >= 0, `frame ${frame}`);
      rest.splice(at, 1);
    }
    assert.equal(rest.length, 0);
  });
}

/** Boxes keep their first size. */
function sameMiddles(found, wanted) {
  assert.ok(distance(found[0], wanted[0]) < 1e-5);
  assert.ok(distance(found.map((row) => row.map(middle)), wanted.map((row) => row.map(middle))) < 1e-5);
}

function middle([x1, y1, x2, y2]) {
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}

function plain(tracks) {
  return tracks.map(({ phrase }) => phrase.split(/\s+/).filter(Boolean).join(" "));
}

/** A second dog is called "dog 2", so that CSV keeps them apart. */
function numbered(tracks) {
  const names = plain(tracks);
  return names.map((name, n) => {
    const before = names.slice(0, n).filter((other) => other === name).length;
    return name && before ? `${name} ${before + 1}` : name;
  });
}

test("any trajectory comes back whole from our own format", () => {
  for (const trajectory of documents) {
    assert.deepEqual(readFile(filesOf(trajectory).json["a.json"], { width: 9, height: 9 }).trajectory, trajectory);
  }
});

test("the files that Python's tests read are those that are written today", () => {
  const golden = JSON.parse(readFileSync(new URL("../golden/editor_files.json", import.meta.url), "utf-8"));
  assert.deepEqual(recorded(), golden, "run node tests/web/record_editor_files.js, and see what has changed");
});

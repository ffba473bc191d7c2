/**
 * Time per operation of the editor's model at 64 objects x 512 frames, with 8 and with 128 keys per object, in
 * milliseconds: `node benchmarks/editor_model.mjs`. A frame at 60 Hz has 16.7, of which drawing needs most.
 */

import * as model from "../web/trajectory/model.js";
import { randomNumbers } from "../web/trajectory/random.js";

const OBJECTS = 64;
const FRAMES = 512;
const ROUNDS = 60;

function example(keysPerObject) {
  const random = randomNumbers(1);
  const eases = ["linear", "in_out", "hold", [0.2, 0.1, 0.3, 1.2]];
  const objects = Array.from({ length: OBJECTS }, (_, n) => ({
    phrase: `object ${n}`,
    keys: Array.from({ length: keysPerObject }, (_, k) => {
      const [x, y] = [random(), random()];
      const frame = Math.floor((k * (FRAMES - 1)) / (keysPerObject - 1));
      return { frame, box: [x, y, x + 0.2, y + 0.3], ease: eases[(n + k) % 4], visible: random() < 0.9 };
    }),
  }));
  return model.readTrajectory({ version: 1, width: 512, height: 320, frames: FRAMES, objects });
}

/** Median and 95th percentile of the time of `action`, which is given the round's number. */
function measure(name, action) {
  for (let round = 0; round < 10; round += 1) action(round);
  const times = Array.from({ length: ROUNDS }, (_, round) => {
    const start = performance.now();
    action(round + 10);
    return performance.now() - start;
  }).sort((a, b) => a - b);
  const [median, late] = [times[ROUNDS / 2], times[Math.floor(ROUNDS * 0.95)]];
  console.log(`${name.padEnd(58)} ${median.toFixed(3).padStart(9)} ${late.toFixed(3).padStart(9)}`);
}

for (const keysPerObject of [8, 128]) {
  const document = example(keysPerObject);
  const ids = document.objects.map((track) => track.id);
  const reach = [0.01, 0.01];
  const shapesAt = (doc, frame) => doc.objects.map((track) => ({ id: track.id, box: model.boxAt(track, frame) }));
  const uncached = (doc) => ({ ...doc, objects: doc.objects.map((track) => ({ ...track, keys: [...track.keys] })) });
  const title = `${OBJECTS} objects x ${FRAMES} frames, ${keysPerObject} keys each`;
  console.log(`\n${title.padEnd(58)} ${"median".padStart(9)} ${"95 %".padStart(9)}`);

  measure("boxesAt, all frames", () => model.boxesAt(document));
  measure("denseBoxes, all objects, nothing kept", () => {
    for (const track of uncached(document).objects) model.denseBoxes(track, FRAMES);
  });
  measure("denseBoxes, all objects, kept", () => {
    for (const track of document.objects) model.denseBoxes(track, FRAMES);
  });
  measure("boxes of one frame", (round) => shapesAt(document, round));

  const scene = { shapes: shapesAt(document, 100), selected: new Set(ids) };
  measure("hit test, all selected, 1000 points", (round) => {
    for (let n = 0; n < 1000; n += 1) model.hitTest(scene, (n % 37) / 37, ((n + round) % 41) / 41, reach);
  });
  const targets = { frame: true, boxes: scene.shapes, grid: [1 / 32, 1 / 32] };
  measure("snap to all boxes", (round) => model.snapMove([0.3, 0.3, 0.5 + round / 1000, 0.6], targets, reach));

  const drag = (chosen) => (round) => {
    const moved = model.moveBoxes(document, chosen, 100, round / 1000, 0.01);
    for (const track of moved.objects) model.denseBoxes(track, FRAMES);
    return shapesAt(moved, 100);
  };
  measure("drag step of 1 box: move, paths of all, boxes of the frame", drag(ids.slice(0, 1)));
  measure("drag step of all boxes", drag(ids));
  measure("drag step of whole tracks of all", (round) => {
    const moved = model.moveTracks(document, ids, round / 1000, 0.01);
    for (const track of moved.objects) model.denseBoxes(track, FRAMES);
  });
  const refs = document.objects.flatMap(({ id, keys }) => keys.slice(1, -1).map(({ frame }) => ({ id, frame })));
  measure("move all keys in time", (round) => model.moveKeys(document, refs, (round % 2) + 1));

  let history = model.newHistory(document);
  measure("one step of history", (round) => {
    history = model.record(history, model.moveBoxes(history.present, ids.slice(0, 1), 100, round / 1e5, 0), "move");
  });
  measure("checks of everything", () => model.checkTrajectory(uncached(document), { prompt: "object" }));
  const text = model.serialiseTrajectory(document);
  measure(`write the text, ${Math.round(text.length / 1024)} KiB`, () => model.serialiseTrajectory(document));
  measure("read the text", () => model.parseTrajectory(text));
  measure("camera over all frames", () => model.moveCamera(document, ids, { from: 0, to: FRAMES - 1, dx: 0.2 }));
  measure("simplify all", () => model.simplifyTracks(document, ids));
}

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boxAt,
  boxesAt,
  boxOf,
  clipBox,
  clipBoxes,
  denseBoxes,
  easeAt,
  readTrajectory,
  splitEase,
  visibleAt,
  visibleRanges,
} from "../../web/trajectory/model.js";
import { randomNumbers } from "../../web/trajectory/random.js";
import { A, B, distance, golden, trajectory, twin } from "./helpers.js";

for (const { name, trajectory: value, num_frames: numFrames, boxes, mask } of golden.cases) {
  test(`boxes equal the golden file: ${name}`, () => {
    const found = boxesAt(readTrajectory(value), numFrames);
    assert.deepEqual(found.mask, mask);
    assert.ok(distance(found.boxes, boxes) <= 1e-12);
  });
}

test("clipped boxes equal Python's", () => {
  for (const { name, trajectory: value } of golden.cases) {
    const { boxes, mask } = boxesAt(readTrajectory(value));
    const clipped = clipBoxes(boxes, mask);
    assert.deepEqual(clipped.mask, twin.cases[name].clipped.mask, name);
    assert.ok(distance(clipped.boxes, twin.cases[name].clipped.boxes) <= 1e-12, name);
  }
});

test("a box off the frame, without area or inside out is nothing to the model", () => {
  for (const box of [[1, 0, 1.5, 1], [-0.5, 0, 0, 1], [0.2, 0.4, 0.2, 0.8], [0.8, 0.2, 0.4, 0.6]]) {
    assert.equal(clipBox(box), null);
  }
  assert.deepEqual(clipBox([-0.5, 0.25, 0.5, 1.5]), [0, 0.25, 0.5, 1]);
  assert.throws(() => clipBox([0, 0, NaN, 1]), /NaN/);
});

test("an impossible number of frames is refused", () => {
  const document = trajectory({ a: [[0, A]] });
  for (const count of [0, -1, 4097, 2.5, "8"]) assert.throws(() => boxesAt(document, count), /numFrames/);
});

test("the boxes kept for drawing are those of each frame", () => {
  for (const { trajectory: value } of golden.cases) {
    const document = readTrajectory(value);
    for (const track of document.objects) {
      const dense = denseBoxes(track, document);
      for (let frame = 0; frame < document.frames; frame += 1) {
        assert.ok(distance(boxOf(dense, frame), boxAt(track, frame, document)) <= 1e-12);
      }
    }
  }
});

test("visible ranges hold exactly the frames at which the object is visible", () => {
  for (const { trajectory: value } of golden.cases) {
    const document = readTrajectory(value);
    for (const track of document.objects) {
      const ranges = visibleRanges(track, document.frames);
      for (let frame = 0; frame < document.frames; frame += 1) {
        const inside = ranges.some(([first, last]) => frame >= first && frame <= last);
        assert.equal(inside, visibleAt(track, frame));
      }
    }
  }
});

test("both halves of an ease do what it did", () => {
  const random = randomNumbers(2);
  const eases = ["linear", "in", "out", "in_out", [0.25, 0.1, 0.25, 1], [0.3, 1.6, 0.7, -0.5]];
  for (const ease of eases) {
    for (let round = 0; round < 50; round += 1) {
      const cut = 0.05 + 0.9 * random();
      const [before, after] = splitEase(ease, cut);
      const middle = easeAt(ease, cut);
      if (Math.abs(middle) < 0.05 || Math.abs(middle - 1) < 0.05) continue; // a half without a way has no ease
      for (let t = 0; t <= 1; t += 0.125) {
        const early = easeAt(before, t) * middle;
        const late = middle + easeAt(after, t) * (1 - middle);
        // Control points are rounded to 1e-6 and a steep curve multiplies that.
        assert.ok(Math.abs(early - easeAt(ease, t * cut)) < 1e-4, `${ease} cut at ${cut}`);
        if (t < 1) assert.ok(Math.abs(late - easeAt(ease, cut + t * (1 - cut))) < 1e-4, `${ease} cut at ${cut}`);
      }
    }
  }
});

test("a track is where its first and last key put it outside of them", () => {
  const [track] = trajectory({ a: [[2, A, "in"], [5, B, "out"]] }).objects;
  assert.deepEqual([boxAt(track, 0), boxAt(track, 2), boxAt(track, 5), boxAt(track, 7)], [A, A, B, B]);
});

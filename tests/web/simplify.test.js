import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boxAt,
  boxesAt,
  readTrajectory,
  recordPath,
  simplifyTracks,
  trajectoryFromBoxes,
  TrajectoryError,
  withFrames,
} from "../../web/trajectory/model.js";
import { randomNumbers } from "../../web/trajectory/random.js";
import { A, B, distance, framesOf, golden, keysOf, plainKeys, trajectory, twin } from "./helpers.js";

const details = (mask, tolerance) => ({
  width: 64,
  height: 48,
  fps: 8,
  phrases: mask[0].map((_, n) => String(n)),
  tolerance,
});

/** Keys of what `make` gives, or null where it refuses. */
function keysOrNull(make) {
  try {
    return plainKeys(make());
  } catch (error) {
    if (error instanceof TrajectoryError) return null;
    throw error;
  }
}

/** Equal in everything but the last bits of boxes, where both languages need not round alike. */
function assertSameKeys(ours, theirs, name) {
  const rest = (objects) => objects?.map((keys) => keys.map(([frame, , ...others]) => [frame, others]));
  const boxes = (objects) => objects?.map((keys) => keys.map(([, box]) => box)) ?? [];
  assert.deepEqual(rest(ours), rest(theirs), name);
  assert.ok(distance(boxes(ours), boxes(theirs)) <= 1e-12, name);
}

test("dense boxes of the golden documents become the keys that Python makes", () => {
  for (const { name, trajectory: value } of golden.cases) {
    const { boxes, mask } = boxesAt(readTrajectory(value));
    twin.tolerances.forEach((tolerance, n) => {
      const ours = keysOrNull(() => trajectoryFromBoxes(boxes, mask, details(mask, tolerance)));
      // Without tolerance a last bit decides which points are on the line.
      if (tolerance > 0) assertSameKeys(ours, twin.cases[name].simplified[n], `${name}, ${tolerance}`);
    });
  }
});

test("random walks with gaps become the keys that Python makes, bit for bit", () => {
  for (const { boxes, mask, simplified } of twin.walks) {
    twin.tolerances.forEach((tolerance, n) => {
      const ours = trajectoryFromBoxes(boxes, mask, details(mask, tolerance));
      assert.deepEqual(plainKeys(ours), simplified[n]);
    });
  }
});

test("simplified boxes stay within the tolerance and keep the mask", () => {
  for (const { boxes, mask } of twin.walks) {
    for (const tolerance of [0, 1e-6, 0.004, 0.1]) {
      const again = boxesAt(trajectoryFromBoxes(boxes, mask, details(mask, tolerance)));
      assert.deepEqual(again.mask, mask);
      boxes.forEach((row, f) => {
        row.forEach((box, n) => mask[f][n] && assert.ok(distance(box, again.boxes[f][n]) <= tolerance + 1e-15));
      });
    }
  }
});

test("an object that is never visible is kept, with one key without area", () => {
  const document = trajectoryFromBoxes([[B], [B]], [[false], [false]], details([[false]], 0));
  assert.deepEqual(plainKeys(document), [[[0, [0, 0, 0, 0], "linear", false]]]);
});

test("bad dense boxes are refused by object and frame", () => {
  const one = (box) => trajectoryFromBoxes([[box]], [[true]], details([[true]], 0));
  assert.throws(() => one([0.5, 0, 0.4, 1]), /object 0 \(0\), frame 0: box .* inverted/);
  assert.throws(() => one([NaN, 0, 1, 1]), /object 0 \(0\), frame 0: box is NaN/);
  const unnamed = { ...details([[true]], 0), phrases: [] };
  assert.throws(() => trajectoryFromBoxes([[A]], [[true]], unnamed), /1 objects but .* 0/);
  assert.throws(() => trajectoryFromBoxes([[A]], [[true]], details([[true]], NaN)), /tolerance is NaN/);
});

test("another length gives what Python gives for the golden documents", () => {
  for (const { name, trajectory: value } of golden.cases) {
    for (const [mode, expected] of Object.entries(twin.cases[name].lengths)) {
      twin.lengths.forEach((frames, n) => {
        const ours = keysOrNull(() => withFrames(readTrajectory(value), frames, mode));
        assertSameKeys(ours, expected[n], `${name}, ${mode} ${frames}`);
      });
    }
  }
});

test("a recorded straight drag becomes two keys, and what was before and after it stays", () => {
  const document = trajectory({ car: [[0, A], [20, A]] }, { frames: 21 });
  const samples = Array.from({ length: 41 }, (_, n) => {
    const x = 0.1 + 0.01 * n;
    return { time: 5 + n / 4, box: [x, 0.2, x + 0.2, 0.5] };
  });
  const after = recordPath(document, "car", samples);
  assert.deepEqual(framesOf(after, "car"), [0, 5, 15, 20]);
  assert.deepEqual(keysOf(after, "car")[2].box, [0.5, 0.2, 0.7, 0.5]);
  assert.deepEqual(boxAt(after.objects[0], 20), A);
});

test("a recording with frames left out is on the line between its samples", () => {
  const document = trajectory({ car: [[0, A]] });
  const samples = [{ time: 0, box: [0, 0, 0.2, 0.2] }, { time: 6, box: [0.6, 0, 0.8, 0.2] }];
  const after = recordPath(document, "car", samples);
  assert.ok(distance(boxAt(after.objects[0], 3), [0.3, 0, 0.5, 0.2]) < 1e-9);
  assert.equal(recordPath(document, "car", []), document);
});

test("a recording hides nothing and shows nothing", () => {
  const document = trajectory({ car: [[0, A], [3, A, "linear", false], [5, A]] });
  const after = recordPath(document, "car", [{ time: 0, box: A }, { time: 7, box: B }]);
  assert.deepEqual(boxesAt(after).mask, boxesAt(document).mask);
});

test("simplifying leaves the boxes where they are, with fewer keys", () => {
  const keys = Array.from({ length: 30 }, (_, n) => [n, [0.01 * n, 0.1, 0.01 * n + 0.2, 0.3]]);
  const document = trajectory({ car: keys }, { frames: 30 });
  const after = simplifyTracks(document, ["car"]);
  assert.deepEqual(framesOf(after, "car"), [0, 29]);
  assert.ok(distance(boxesAt(after).boxes, boxesAt(document).boxes) < 0.004);
  assert.equal(simplifyTracks(after, ["car"]), after);
});

/** A path as a hand records it: with a tremble of three pixels of 2000, at times between the frames. */
function recorded(pathAt, frames) {
  const random = randomNumbers(3);
  return Array.from({ length: frames * 2 - 1 }, (_, n) => {
    const [x, y] = pathAt(n / (frames * 2 - 2)).map((v) => v + (random() - 0.5) * 0.003);
    return { time: n / 2, box: [x - 0.1, y - 0.1, x + 0.1, y + 0.1] };
  });
}

const HAND = {
  circle: (t) => [0.5 + 0.3 * Math.cos(2 * Math.PI * t), 0.5 + 0.3 * Math.sin(2 * Math.PI * t)],
  wave: (t) => [0.1 + 0.8 * t, 0.5 + 0.2 * Math.sin(9 * t)],
  "start and stop": (t) => [0.1 + 0.7 * t * t * (3 - 2 * t), 0.6 - 0.4 * t * t],
};

for (const [name, pathAt] of Object.entries(HAND)) {
  test(`a recorded ${name} is a few curved keys, within two pixels of 256`, () => {
    const frames = 48;
    const document = trajectory({ car: [[0, A]] }, { frames, width: 640, height: 360 });
    const samples = recorded(pathAt, frames);
    const after = recordPath(document, "car", samples);
    assert.ok(keysOf(after, "car").length <= 7, `${keysOf(after, "car").length} keys`);
    for (let frame = 0; frame < frames; frame += 1) {
      assert.ok(distance(boxAt(after.objects[0], frame, after), samples[frame * 2].box) <= 0.008 + 1e-6);
    }
  });
}

test("a recording with a corner keeps it, with straight keys where these are fewer", () => {
  const document = trajectory({ car: [[0, A]] }, { frames: 24 });
  const samples = Array.from({ length: 24 }, (_, n) => {
    const [x, y] = n < 12 ? [0.1 + 0.04 * n, 0.3] : [0.54, 0.3 + 0.04 * (n - 11)];
    return { time: n, box: [x, y, x + 0.1, y + 0.1] };
  });
  const keys = keysOf(recordPath(document, "car", samples), "car");
  assert.deepEqual(keys.map(({ frame, ease, handles }) => [frame, ease, handles]), [
    [0, "linear", undefined],
    [11, "linear", undefined],
    [23, "linear", undefined],
  ]);
});

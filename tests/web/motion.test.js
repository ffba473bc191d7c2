import assert from "node:assert/strict";
import { test } from "node:test";
import {
  approach,
  bounce,
  boxAt,
  boxesAt,
  centreOf,
  clipBox,
  follow,
  leave,
  moveCamera,
  orbit,
  shakeCamera,
} from "../../web/trajectory/model.js";
import { A, B, distance, framesOf, keysOf, trajectory } from "./helpers.js";

const box = (document, id, frame) => boxAt(document.objects.find((track) => track.id === id), frame, document);
const SPAN = { from: 0, to: 15 };
const still = () => trajectory({ a: [[0, A]], b: [[0, B]] }, { frames: 16 });

// ---- camera

test("a camera that pans to the right moves boxes to the left, and then stays", () => {
  const after = moveCamera(still(), ["a", "b"], { from: 4, to: 8, dx: 0.2 });
  for (const [id, start] of [["a", A], ["b", B]]) {
    assert.ok(distance(box(after, id, 4), start) < 1e-6);
    for (const frame of [8, 15]) {
      assert.ok(distance(box(after, id, frame), [start[0] - 0.2, start[1], start[2] - 0.2, start[3]]) < 1e-6);
    }
  }
});

test("a zoom grows boxes about the middle of the frame", () => {
  const document = still();
  const after = moveCamera(document, ["a"], { ...SPAN, zoom: 2 });
  assert.ok(distance(box(after, "a", 15), A.map((v) => 0.5 + (v - 0.5) * 2)) < 1e-6);
  assert.equal(after.objects[1], document.objects[1]);
});

test("what the camera does to moving boxes stays within the tolerance at every frame", () => {
  const document = trajectory({ a: [[0, A, "in_out"], [10, B, "out"], [15, A]] }, { frames: 16 });
  const after = moveCamera(document, ["a"], { from: 2, to: 12, dx: 0.3, dy: -0.1, zoom: 1.7, ease: "in" });
  const progress = (frame) => boxAt({ keys: [
    { frame: 2, box: [0, 0, 0, 0], ease: "in" },
    { frame: 12, box: [1, 1, 1, 1], ease: "linear" },
  ] }, frame)[0];
  for (let frame = 0; frame < 16; frame += 1) {
    const p = progress(frame);
    const expected = box(document, "a", frame).map((v, n) => {
      return 0.5 + (v - (n % 2 ? -0.1 : 0.3) * p - 0.5) * 1.7 ** p;
    });
    assert.ok(distance(box(after, "a", frame), expected) <= 0.004 + 1e-4, `frame ${frame}`);
  }
});

test("a camera does not show what is hidden", () => {
  const document = trajectory({ a: [[0, A], [4, A, "linear", false], [9, A]] }, { frames: 16 });
  for (const after of [moveCamera(document, ["a"], { ...SPAN, dx: 0.1 }), shakeCamera(document, ["a"], SPAN)]) {
    assert.deepEqual(boxesAt(after).mask, boxesAt(document).mask);
  }
});

test("a shake moves all boxes alike, ends where it began and comes again with its seed", () => {
  const shake = (seed) => shakeCamera(still(), ["a", "b"], { from: 3, to: 12, amount: 0.05, seed });
  const after = shake(1);
  assert.deepEqual(after, shake(1));
  assert.notDeepEqual(after, shake(2));
  for (let frame = 0; frame < 16; frame += 1) {
    const offsets = [["a", A], ["b", B]].map(([id, start]) => box(after, id, frame).map((v, n) => v - start[n]));
    assert.ok(distance(offsets[0], offsets[1]) < 3e-6);
    assert.ok(Math.max(...offsets[0].map(Math.abs)) <= 0.05 + 1e-6);
    if (frame <= 3 || frame >= 12) assert.ok(distance(offsets[0], [0, 0, 0, 0]) < 1e-6);
  }
});

test("a span without time is refused", () => {
  const refused = { "frame 3 leaves": { from: 3, to: 3 }, "frames 5 to 3 leave": { from: 5, to: 3 } };
  for (const [said, span] of Object.entries(refused)) {
    const message = `${said} no time to move: choose a later end frame`;
    assert.throws(() => moveCamera(still(), ["a"], span), { message });
    assert.throws(() => leave(still(), "a", span), { message });
  }
  assert.throws(() => moveCamera(still(), ["a"], { from: 0, to: 16 }), /to is 16/);
  assert.throws(() => moveCamera(still(), ["a"], { ...SPAN, zoom: 0 }), /zoom is 0/);
});

// ---- presets

test("leaving goes from the drawn box to just outside of a side, with two keys", () => {
  const ends = { right: [1, 0.2, 1.2, 0.5], left: [-0.2, 0.2, 0, 0.5], up: [0.1, -0.3, 0.3, 0], down: [0.1, 1, 0.3, 1.3] };
  for (const [towards, last] of Object.entries(ends)) {
    const after = leave(still(), "a", { ...SPAN, towards });
    assert.deepEqual(framesOf(after, "a"), [0, 15]);
    assert.ok(distance([box(after, "a", 0), box(after, "a", 15)], [A, last]) < 1e-6);
    assert.ok(clipBox(box(after, "a", 14)) && !clipBox(box(after, "a", 15)));
  }
});

test("no preset takes the object away from where it was drawn", () => {
  const presets = { leave, approach, orbit, bounce, follow: (d, id, span) => follow(d, id, "b", span) };
  for (const [name, preset] of Object.entries(presets)) {
    assert.ok(distance([box(preset(still(), "a", SPAN), "a", 0)], [A]) < 1e-6, name);
  }
});

test("approaching grows by the factor on the same ground, faster and faster", () => {
  const after = approach(still(), "a", { ...SPAN, factor: 3 });
  const width = (frame) => box(after, "a", frame)[2] - box(after, "a", frame)[0];
  assert.ok(Math.abs(width(15) / width(0) - 3) < 1e-4);
  assert.ok(Math.abs(box(after, "a", 15)[3] - A[3]) < 1e-6);
  assert.ok(width(15) - width(14) > width(2) - width(1));
});

test("an orbit keeps its distance from the middle on the screen and comes back", () => {
  const after = orbit(still(), "a", { ...SPAN, x: 0.5, y: 0.5 });
  const radius = (frame) => {
    const [x, y] = centreOf(box(after, "a", frame));
    return Math.hypot((x - 0.5) * 64, (y - 0.5) * 48);
  };
  for (let frame = 0; frame < 16; frame += 1) assert.ok(Math.abs(radius(frame) - radius(0)) < 0.004 * 64);
  assert.ok(distance(box(after, "a", 15), A) < 1e-6);
  assert.ok(distance(box(after, "a", 7), A) > 0.1);
});

test("a bounce jumps as high as told, lands as often as told and never sinks", () => {
  const after = bounce(still(), "a", { ...SPAN, height: 0.4, bounces: 1, dx: 0.3 });
  const heights = Array.from({ length: 16 }, (_, frame) => A[3] - box(after, "a", frame)[3]);
  assert.ok(Math.max(...heights) > 0.35 && Math.max(...heights) <= 0.4 + 1e-6);
  assert.ok(Math.min(...heights) > -0.003 && Math.abs(heights[15]) < 1e-6);
  assert.ok(Math.abs(box(after, "a", 15)[0] - A[0] - 0.3) < 1e-6);
  assert.throws(() => bounce(still(), "a", { ...SPAN, bounces: 0 }), /bounces is 0/);
});

test("an orbit and a bounce are a few curved keys, near the motion that they stand for", () => {
  const long = { from: 0, to: 80 };
  const document = trajectory({ a: [[0, A]] }, { frames: 81, width: 832, height: 480 });
  const round = orbit(document, "a", { ...long, x: 0.5, y: 0.5 });
  assert.deepEqual(framesOf(round, "a"), [0, 20, 40, 60, 80]);
  const [x, y] = [(0.2 - 0.5) * 832, (0.35 - 0.5) * 480];
  for (let frame = 0; frame <= 80; frame += 1) {
    const turn = (2 * Math.PI * frame) / 80;
    const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
    const expected = [0.5 + (x * cos - y * sin) / 832, 0.5 + (x * sin + y * cos) / 480];
    assert.ok(distance(centreOf(box(round, "a", frame)), expected) < 0.002, `${frame}`);
  }
  assert.deepEqual(framesOf(bounce(document, "a", { ...long, dx: 0.5 }), "a"), [0, 22, 45, 62, 80]);
  assert.ok(framesOf(orbit(document, "a", { ...long, flatness: 0.3 }), "a").length <= 9);
});

test("a motion too short for its jumps or turns stays whole", () => {
  for (const to of [1, 2, 3]) {
    const after = bounce(still(), "a", { from: 0, to, bounces: 5, dx: 0.3 });
    assert.ok(distance(box(after, "a", to), [A[0] + 0.3, A[1], A[2] + 0.3, A[3]]) < 1e-6);
    assert.ok(distance(box(orbit(still(), "a", { from: 0, to }), "a", to), A) < 1e-6);
    assert.ok(distance(box(bounce(still(), "a", { from: 0, to, height: 0 }), "a", to), A) < 1e-6);
  }
});

test("each jump of a bounce is lower and shorter than the one before, on the spot unless told", () => {
  const document = trajectory({ a: [[0, A]] }, { frames: 101 });
  const after = bounce(document, "a", { from: 0, to: 100, height: 0.4, bounces: 3, decay: 0.5 });
  const boxes = Array.from({ length: 101 }, (_, frame) => box(after, "a", frame));
  assert.ok(boxes.every(([x1]) => Math.abs(x1 - A[0]) < 1e-6));
  const heights = boxes.map(([, , , y2]) => A[3] - y2);
  const landings = heights.flatMap((height, frame) => {
    return frame > 0 && frame < 100 && height < heights[frame - 1] && height <= heights[frame + 1] ? [frame] : [];
  });
  // Times of flight go with the root of the height: 1, 0.707, 0.5 of 2.207.
  assert.deepEqual(landings, [45, 77]);
  const tops = [[0, 45], [45, 77], [77, 101]].map(([from, to]) => Math.max(...heights.slice(from, to)));
  assert.ok(distance(tops, [0.4, 0.2, 0.1]) < 0.004);
});

test("a follower keeps the offset and its own size, with the leader's keys and eases", () => {
  const document = trajectory({ a: [[0, A]], b: [[2, B, "in"], [9, A, "out"], [14, B]] }, { frames: 16 });
  const after = follow(document, "a", "b", SPAN);
  const offset = (frame) => centreOf(box(after, "a", frame)).map((v, n) => v - centreOf(box(after, "b", frame))[n]);
  for (let frame = 0; frame < 16; frame += 1) assert.ok(distance(offset(frame), offset(0)) < 2e-6);
  assert.ok(Math.abs(box(after, "a", 9)[2] - box(after, "a", 9)[0] - 0.2) < 2e-6);
  assert.equal(keysOf(after, "a").find((key) => key.frame === 9).ease, "out");
  const given = follow(document, "a", "b", { ...SPAN, dx: 0, dy: 0 });
  assert.ok(distance(centreOf(box(given, "a", 5)), centreOf(box(given, "b", 5))) < 2e-6);
  assert.throws(() => follow(document, "a", "a", SPAN), /cannot follow itself/);
});

test("a preset shows a hidden object and leaves keys outside of its span", () => {
  const document = trajectory({ a: [[0, A], [2, B, "linear", false], [14, B]] }, { frames: 16 });
  const after = leave(document, "a", { from: 4, to: 10 });
  assert.deepEqual(boxesAt(after).mask.map(([visible]) => Number(visible)).join(""), "1100111111100011");
  for (const frame of [0, 1, 2, 14, 15]) assert.deepEqual(box(after, "a", frame), box(document, "a", frame));
});

import assert from "node:assert/strict";
import { test } from "node:test";
import * as model from "../../web/trajectory/model.js";
import { randomNumbers } from "../../web/trajectory/random.js";
import { A, B, distance, keysOf, trajectory } from "./helpers.js";

const NONE = [0, 0];
const centres = (document, n = 0) => {
  const dense = model.denseBoxes(document.objects[n], document);
  return Array.from({ length: document.frames }, (_, frame) => model.centreOf(model.boxOf(dense, frame)));
};
const boxes = (document) => model.boxesAt(document).boxes;

/** A curve from A to B over 64 frames, which an object at rest follows. */
const curved = (leaving = [0.1, -0.4], arriving = [-0.2, 0.3], ease = "linear") =>
  trajectory({ a: [[0, A, ease, true, [NONE, leaving]], [63, B, "linear", true, [arriving, NONE]]] }, { frames: 64 });

test("a curve is passed through at an even speed on the screen, whatever its shape and the frame's", () => {
  for (const size of [{ width: 640, height: 360 }, { width: 100, height: 900 }]) {
    const document = { ...curved(), ...size };
    const points = Array.from({ length: 63 * 40 + 1 }, (_, n) => {
      const [x, y] = model.centreOf(model.boxAt(document.objects[0], n / 40, document));
      return [x * size.width, y * size.height];
    });
    let length = 0;
    const behind = points.map(([x, y], n) => {
      const [lastX, lastY] = points[Math.max(n - 1, 0)];
      return (length += Math.hypot(x - lastX, y - lastY));
    });
    behind.forEach((way, n) => assert.ok(Math.abs(way / length - n / (63 * 40)) < 5e-4, `${n}: ${way / length}`));
  }
});

test("a document is written in version 1 until a handle bends something, and again after", () => {
  const straight = trajectory({ a: [[0, A], [7, B]] });
  const version = (document) => JSON.parse(model.serialiseTrajectory(document)).version;
  const bent = model.setHandle(straight, { id: "a", frame: 0 }, 1, [0.1, 0.1], "free");
  assert.deepEqual([straight, bent, model.toggleSmooth(bent, [{ id: "a", frame: 0 }])].map(version), [1, 2, 1]);
  assert.deepEqual(model.parseTrajectory(model.serialiseTrajectory(bent)), bent);
});

test("a key added on a curve keeps its shape and timing", () => {
  const random = randomNumbers(5);
  const way = () => random() - 0.5;
  for (let round = 0; round < 100; round += 1) {
    const document = curved([way(), way()], [way(), way()], round % 2 ? "linear" : "in_out");
    const after = model.addKeys(document, ["a"], 1 + Math.floor(62 * random()));
    assert.equal(keysOf(after, "a").length, 3);
    assert.ok(distance(boxes(after), boxes(document)) < 4e-4, `${round}`); // a quarter of a pixel of 640
  }
});

test("a curve moves and copies with its keys", () => {
  const document = curved();
  const moved = model.moveTracks(document, ["a"], 0.1, -0.2);
  const expected = centres(document).map(([x, y]) => [x + 0.1, y - 0.2]);
  assert.ok(distance(centres(moved), expected) < 3e-6);
  const [copy] = model.duplicateTracks(document, ["a"], 0.1, -0.2).objects.slice(1);
  assert.deepEqual(copy.keys, moved.objects[0].keys);
  const pasted = model.pasteKeys(document, model.copyKeys(document, [{ id: "a", frame: 63 }]), 30, ["a"]);
  assert.deepEqual(keysOf(pasted, "a")[1].handles, [[-0.2, 0.3], NONE]);
  const later = model.moveKeys(document, [{ id: "a", frame: 63 }], -20);
  assert.deepEqual(keysOf(later, "a")[1].handles, [[-0.2, 0.3], NONE]);
});

test("what is cut off a curve leaves the rest of it as it was", () => {
  for (const ease of ["linear", "in_out", "hold"]) {
    const document = curved(undefined, undefined, ease);
    const cropped = model.withFrames(document, 40, "crop");
    assert.ok(distance(boxes(cropped), boxes(document).slice(0, 40)) < 4e-4, ease);
    assert.equal(keysOf(cropped, "a").length, { linear: 2, in_out: 40, hold: 1 }[ease]);
  }
  const stretched = model.withFrames(curved(), 127, "stretch");
  assert.ok(distance(centres(stretched).filter((_, n) => n % 2 === 0), centres(curved())) < 1e-9);
});

test("a motion in a span leaves the curves before and after it as they were", () => {
  const document = curved();
  const changes = [
    model.moveCamera(document, ["a"], { from: 20, to: 40, dx: 0.1 }),
    model.shakeCamera(document, ["a"], { from: 20, to: 40 }),
    model.bounce(document, "a", { from: 20, to: 40 }),
  ];
  for (const after of changes) {
    const [before, end] = [centres(document), centres(after)];
    assert.ok(distance(end.slice(0, 20), before.slice(0, 20)) < 4e-4);
    const shift = end[63].map((v, n) => v - before[63][n]);
    const expected = before.slice(45).map(([x, y]) => [x + shift[0], y + shift[1]]);
    if (after === changes[0]) assert.ok(distance(end.slice(45), expected) < 4e-4);
  }
});

test("a zoom scales the curves after it", () => {
  const document = model.addKeys(curved(), ["a"], 20);
  const after = model.moveCamera(document, ["a"], { from: 0, to: 20, zoom: 2 });
  const expected = centres(document).slice(20).map((point) => point.map((v) => 0.5 + (v - 0.5) * 2));
  assert.ok(distance(centres(after).slice(20), expected) < 1e-3);
});

test("a follower takes the leader's curves", () => {
  const document = model.addTrack(curved(), [0, 0, 0.1, 0.1], 0);
  const after = model.follow(document, "o2", "a", { from: 0, to: 63 });
  const [leader, follower] = [centres(after), centres(after, 1)];
  const offset = follower[0].map((v, n) => v - leader[0][n]);
  assert.ok(distance(follower, leader.map(([x, y]) => [x + offset[0], y + offset[1]])) < 4e-4);
});

test("files without keys get the boxes along the curve", () => {
  const row = model.writeMot(curved()).split("\n")[31].split(",").map(Number);
  const [x1, y1] = boxes(curved())[31][0];
  assert.ok(distance(row.slice(2, 4), [x1 * 64, y1 * 48]) < 1e-4);
});

test("the speed is in widths of the image per second", () => {
  const document = trajectory({ a: [[0, [0, 0, 0.1, 0.1]], [4, [0.4, 0.4, 0.5, 0.5]]] }, { frames: 6, fps: 4, width: 640, height: 480 });
  const speeds = model.speedsOf(document.objects[0], document);
  assert.equal(speeds.length, 5);
  assert.ok(distance([...speeds], [0.5, 0.5, 0.5, 0.5, 0]) < 1e-9); // 0.4 across and 0.3 down, in one second
});

// ---- handles

test("smooth keys have no corner, and toggling again makes one", () => {
  const document = trajectory({ a: [[0, A], [4, B], [7, [0.1, 0.6, 0.3, 0.9]]] });
  const refs = keysOf(document, "a").map(({ frame }) => ({ id: "a", frame }));
  const smooth = model.toggleSmooth(document, refs);
  const [first, middle, last] = keysOf(smooth, "a");
  assert.ok(model.isSmooth(middle, document));
  assert.deepEqual([first.handles[0], last.handles[1]], [NONE, NONE]);
  assert.deepEqual(model.toggleSmooth(smooth, refs), document);
  const mixed = model.toggleSmooth(model.toggleSmooth(smooth, [refs[1]]), refs);
  assert.deepEqual(mixed, smooth, "those that are smooth already stay");
});

test("a smooth end of a straight way moves the object as before", () => {
  const document = trajectory({ a: [[0, A], [7, B]] });
  const after = model.toggleSmooth(document, [{ id: "a", frame: 0 }]);
  assert.ok(keysOf(after, "a")[0].handles[1].some(Boolean));
  assert.ok(distance(boxes(after), boxes(document)) < 1e-5);
});

test("a key without a neighbour elsewhere has no direction to be smooth in", () => {
  for (const keys of [[[0, A]], [[0, A], [7, A]]]) {
    const document = trajectory({ a: keys });
    assert.throws(() => model.toggleSmooth(document, [{ id: "a", frame: 0 }]), /does not move there/);
  }
});

test("a place without a key gets one, which a curve makes smooth by itself", () => {
  const at = [{ id: "a", frame: 30 }];
  assert.deepEqual(model.toggleSmooth(curved(), at), model.addKeys(curved(), ["a"], 30));
  const straight = model.toggleSmooth(trajectory({ a: [[0, A], [63, B]] }, { frames: 64 }), at);
  assert.ok(model.isSmooth(keysOf(straight, "a")[1], straight));
});

test("a handle takes the other along, turns it, or leaves it", () => {
  const document = trajectory({ a: [[0, A], [4, B, "linear", true, [[-0.3, 0], [0.1, 0]]], [7, A]] });
  const after = (link) => keysOf(model.setHandle(document, { id: "a", frame: 4 }, 1, [0, 0.4], link), "a")[1].handles;
  assert.deepEqual(after("free"), [[-0.3, 0], [0, 0.4]]);
  assert.deepEqual(after("mirror"), [[0, -0.4], [0, 0.4]]);
  assert.deepEqual(after("turn"), [[0, -0.4], [0, 0.4]]); // 0.3 of 64 pixels is 0.4 of 48
});

test("a handle stays within its limits, and finite", () => {
  const set = (point) => model.setHandle(curved(), { id: "a", frame: 0 }, 1, point, "free");
  assert.deepEqual(keysOf(set([99, -99]), "a")[0].handles[1], [16, -16]);
});

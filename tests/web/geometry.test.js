import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boxAround,
  boxesIn,
  boxesUnder,
  boxWithin,
  fitViewport,
  handlePoints,
  hitTest,
  movedBox,
  nextUnder,
  panBy,
  reachOf,
  resizedBox,
  snapMove,
  snapResize,
  tidyBox,
  toFrame,
  toPixels,
  zoomAt,
} from "../../web/trajectory/model.js";
import { randomNumbers } from "../../web/trajectory/random.js";
import { distance } from "./helpers.js";

const REACH = [0.02, 0.02];
const BACK = { id: "back", box: [0.1, 0.1, 0.6, 0.6] };
const FRONT = { id: "front", box: [0.4, 0.4, 0.9, 0.9] };
const scene = (...selected) => ({ shapes: [BACK, FRONT], selected: new Set(selected) });

// ---- hit tests

test("the box on top is hit first, and Alt-click goes down and around", () => {
  assert.deepEqual(hitTest(scene(), 0.5, 0.5, REACH), { kind: "box", id: "front" });
  const under = boxesUnder([BACK, FRONT], 0.5, 0.5, REACH);
  assert.deepEqual(under, ["front", "back"]);
  assert.deepEqual([null, "front", "back"].map((current) => nextUnder(under, current)), ["front", "back", "front"]);
  assert.equal(nextUnder([], "front"), null);
  assert.equal(hitTest(scene(), 0.95, 0.05, REACH), null);
});

test("a handle of a selected box wins over a box drawn over it", () => {
  assert.deepEqual(hitTest(scene("back"), 0.6, 0.6, REACH), { kind: "handle", id: "back", handle: "se" });
  assert.deepEqual(hitTest(scene("back"), 0.585, 0.615, REACH), { kind: "handle", id: "back", handle: "se" });
  assert.deepEqual(hitTest(scene(), 0.6, 0.6, REACH), { kind: "box", id: "front" });
});

test("each of the eight handles is hit where it is drawn", () => {
  for (const box of [BACK.box, [0.5, 0.5, 0.505, 0.505], [0.5, 0.5, 0.5, 0.5]]) {
    const points = handlePoints(box, REACH);
    assert.equal(points.length, 8);
    for (const { handle, x, y } of points) {
      const hit = hitTest({ shapes: [{ id: "a", box }], selected: new Set(["a"]) }, x, y, REACH);
      assert.deepEqual(hit, { kind: "handle", id: "a", handle });
    }
  }
});

test("a handle can be grabbed within its reach along each axis, and no further", () => {
  const at = (x, y) => hitTest(scene("back"), x, y, [0.01, 0.03])?.kind;
  assert.deepEqual([at(0.1, 0.071), at(0.1, 0.069)], ["handle", undefined]);
  assert.deepEqual([at(0.091, 0.1), at(0.089, 0.1)], ["handle", undefined]);
});

test("the middle of a tiny selected box can still be grabbed", () => {
  const shape = { id: "a", box: [0.5, 0.5, 0.502, 0.502] };
  const hit = hitTest({ shapes: [shape], selected: new Set(["a"]) }, 0.501, 0.501, REACH);
  assert.deepEqual(hit, { kind: "box", id: "a" });
});

test("a point of a path wins over boxes, and the nearest of several", () => {
  const points = [4, 5].map((frame) => ({ id: "back", frame, x: 0.45 + frame / 100, y: 0.5 }));
  const hit = hitTest({ ...scene(), points }, 0.499, 0.5, REACH);
  assert.deepEqual(hit, { kind: "point", id: "back", frame: 5 });
});

test("a marquee takes what it touches or what lies inside it", () => {
  const shapes = [BACK, FRONT];
  assert.deepEqual(boxesIn(shapes, [0, 0, 0.7, 0.7]), ["back", "front"]);
  assert.deepEqual(boxesIn(shapes, [0, 0, 0.7, 0.7], "inside"), ["back"]);
  assert.deepEqual(boxesIn(shapes, [0.95, 0, 1, 1]), []);
});

// ---- resizing

const BOX = [0.2, 0.2, 0.4, 0.6];
const resized = (...args) => {
  const { box, handle } = resizedBox(...args);
  return { box: tidyBox(box), handle };
};

test("a handle moves its sides only", () => {
  assert.deepEqual(resized(BOX, "se", 0.1, 0.1), { box: [0.2, 0.2, 0.5, 0.7], handle: "se" });
  assert.deepEqual(resized(BOX, "nw", 0.1, 0.1), { box: [0.3, 0.3, 0.4, 0.6], handle: "nw" });
  assert.deepEqual(resized(BOX, "n", 0.1, 0.1), { box: [0.2, 0.3, 0.4, 0.6], handle: "n" });
  assert.deepEqual(resized(BOX, "e", 0.1, 0.1), { box: [0.2, 0.2, 0.5, 0.6], handle: "e" });
});

test("a side dragged past its opposite swaps the handle and keeps the box upright", () => {
  assert.deepEqual(resized(BOX, "e", -0.3, 0), { box: [0.1, 0.2, 0.2, 0.6], handle: "w" });
  assert.deepEqual(resized(BOX, "nw", 0.3, 0.5), { box: [0.4, 0.6, 0.5, 0.7], handle: "se" });
  assert.deepEqual(resized(BOX, "sw", 0.3, 0), { box: [0.4, 0.2, 0.5, 0.6], handle: "se" });
});

test("the aspect is kept while resizing, about the opposite corner or the centre", () => {
  const ratio = ([x1, y1, x2, y2]) => (y2 - y1) / (x2 - x1);
  const random = randomNumbers(5);
  for (const handle of ["nw", "n", "ne", "e", "se", "s", "sw", "w"]) {
    for (let round = 0; round < 40; round += 1) {
      const [dx, dy] = [2 * random() - 1, 2 * random() - 1];
      const { box } = resizedBox(BOX, handle, dx, dy, { keepAspect: true });
      assert.ok(Math.abs(ratio(box) - 2) < 1e-6, `${handle} by ${dx}, ${dy}`);
      const centred = resizedBox(BOX, handle, dx, dy, { aboutCentre: true }).box;
      assert.ok(Math.abs(centred[0] + centred[2] - 0.6) < 1e-9 && Math.abs(centred[1] + centred[3] - 0.8) < 1e-9);
    }
  }
  const { box } = resizedBox(BOX, "se", 0.2, 0.1, { keepAspect: true });
  assert.ok(distance(box, [0.2, 0.2, 0.6, 1.0]) < 1e-9);
  const smaller = resizedBox(BOX, "se", -0.1, 0.04, { keepAspect: true }).box;
  assert.ok(distance(smaller, [0.2, 0.2, 0.3, 0.4]) < 1e-9, "the axis that changes most leads, also inwards");
});

test("whatever is dragged, the box stays upright and the handle is at the pointer", () => {
  const random = randomNumbers(6);
  for (let round = 0; round < 500; round += 1) {
    const handle = ["nw", "n", "ne", "e", "se", "s", "sw", "w"][Math.floor(random() * 8)];
    const [dx, dy] = [2 * random() - 1, 2 * random() - 1];
    const start = handlePoints(BOX, [0, 0]).find((point) => point.handle === handle);
    const after = resizedBox(BOX, handle, dx, dy);
    assert.ok(after.box[2] >= after.box[0] && after.box[3] >= after.box[1]);
    const end = handlePoints(after.box, [0, 0]).find((point) => point.handle === after.handle);
    if (/[ew]/.test(handle)) assert.ok(Math.abs(end.x - start.x - dx) < 1e-9);
    if (/[ns]/.test(handle)) assert.ok(Math.abs(end.y - start.y - dy) < 1e-9);
  }
});

test("a box without area can be resized, also with the aspect locked", () => {
  const { box } = resizedBox([0.5, 0.5, 0.5, 0.5], "se", 0.1, 0.2, { keepAspect: true });
  assert.deepEqual(box, [0.5, 0.5, 0.6, 0.7]);
});

test("boxes of a selection are resized with the box around it", () => {
  const before = boxAround([BACK.box, FRONT.box]);
  assert.deepEqual(before, [0.1, 0.1, 0.9, 0.9]);
  const after = [0.1, 0.1, 0.5, 0.9];
  assert.ok(distance(boxWithin(BACK.box, before, after), [0.1, 0.1, 0.35, 0.6]) < 1e-9);
  assert.ok(distance(boxWithin(FRONT.box, before, after), [0.25, 0.4, 0.5, 0.9]) < 1e-9);
});

// ---- snapping

test("a moved box snaps to the nearest side or middle, and says which lines it met", () => {
  const near = snapMove([0.01, 0.3, 0.21, 0.47], { frame: true }, REACH);
  assert.ok(Math.abs(near.dx + 0.01) < 1e-12 && near.dy === 0);
  assert.deepEqual(near.guides, [{ axis: "x", at: 0, kind: "frame" }]);
  const middle = snapMove([0.41, 0.1, 0.61, 0.2], { frame: true }, REACH);
  assert.ok(Math.abs(middle.dx + 0.01) < 1e-12);
});

test("a moved box snaps to other boxes, by name", () => {
  const { dx, dy, guides } = snapMove([0.61, 0.105, 0.7, 0.2], { boxes: [BACK] }, REACH);
  assert.ok(distance([dx, dy], [-0.01, -0.005]) < 1e-12);
  const expected = [{ axis: "x", at: 0.6, kind: "box", id: "back" }, { axis: "y", at: 0.1, kind: "box", id: "back" }];
  assert.deepEqual(guides, expected);
});

test("a moved box snaps with its middle to the middle of another", () => {
  const { dx, guides } = snapMove([0.26, 0.7, 0.46, 0.8], { boxes: [BACK] }, REACH);
  assert.ok(Math.abs(dx + 0.01) < 1e-12);
  assert.deepEqual(guides, [{ axis: "x", at: 0.35, kind: "box", id: "back" }]);
});

test("real lines win over the grid, and the grid serves where there are none", () => {
  const box = [0.128, 0.128, 0.33, 0.33];
  const onGrid = snapMove(box, { grid: [0.125, 0.125] }, REACH);
  assert.ok(Math.abs(onGrid.dx + 0.003) < 1e-12);
  assert.equal(onGrid.guides[0].kind, "grid");
  const both = snapMove(box, { grid: [0.125, 0.125], boxes: [{ id: "b", box: [0.138, 0.8, 0.9, 0.9] }] }, REACH);
  assert.ok(Math.abs(both.dx - 0.01) < 1e-12);
});

test("nothing in reach leaves the box alone", () => {
  assert.deepEqual(snapMove([0.3, 0.3, 0.37, 0.37], { frame: true }, REACH), { dx: 0, dy: 0, guides: [] });
});

test("resizing snaps the dragged sides only", () => {
  const box = [0.01, 0.3, 0.99, 0.49];
  const { dx, dy } = snapResize(box, "e", { frame: true }, REACH);
  assert.ok(Math.abs(dx - 0.01) < 1e-12 && dy === 0);
  const corner = snapResize(box, "sw", { frame: true }, REACH);
  assert.ok(Math.abs(corner.dx + 0.01) < 1e-12 && Math.abs(corner.dy - 0.01) < 1e-12);
});

// ---- pixels

test("pixels and units of the frame turn into each other under any zoom and pan", () => {
  let viewport = fitViewport(400, 300, 512, 320, 20);
  assert.deepEqual(toPixels(viewport, 0.5, 0.5), [200, 150]);
  assert.equal(viewport.width, 360);
  assert.deepEqual(toPixels(panBy(viewport, 3, -4), 0.5, 0.5), [203, 146]);
  const random = randomNumbers(7);
  for (let round = 0; round < 100; round += 1) {
    const [px, py] = [random() * 400, random() * 300];
    const before = toFrame(viewport, px, py);
    viewport = zoomAt(viewport, px, py, 0.5 + random() * 1.5);
    assert.ok(distance(toFrame(viewport, px, py), before) < 1e-6, "the point under the pointer stays");
    viewport = panBy(viewport, random() * 9 - 4.5, random() * 9 - 4.5);
    assert.ok(distance(toPixels(viewport, ...toFrame(viewport, px, py)), [px, py]) < 1e-6);
  }
  assert.ok(Math.abs(viewport.width / viewport.height - 1.6) < 1e-6);
});

test("zoom has an end in both directions and comes back from it", () => {
  const start = fitViewport(400, 300, 512, 320);
  const near = zoomAt(zoomAt(start, 0, 0, 1e9), 0, 0, 1e9);
  const far = zoomAt(zoomAt(start, 0, 0, 1e-9), 0, 0, 1e-9);
  assert.ok(near.width <= 65536 + 1e-6 && far.height >= 16 - 1e-6);
  assert.ok(zoomAt(near, 0, 0, 0.5).width < near.width && zoomAt(far, 0, 0, 2).width > far.width);
});

test("a reach in pixels is the same on the screen along both axes", () => {
  const viewport = fitViewport(400, 300, 512, 320);
  const [rx, ry] = reachOf(viewport, 8);
  assert.ok(Math.abs(rx * viewport.width - 8) < 1e-9 && Math.abs(ry * viewport.height - 8) < 1e-9);
});

test("numbers that are none are refused before they get into a document", () => {
  assert.throws(() => tidyBox([0, 0, NaN, 1]), { name: "TrajectoryError" });
  assert.throws(() => tidyBox(movedBox([0, 0, 1, 1], NaN, 0)), { name: "TrajectoryError" });
});

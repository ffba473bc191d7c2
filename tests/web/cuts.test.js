import assert from "node:assert/strict";
import { test } from "node:test";
import { cutsOf, firstBox, MASK_FOR_ALL, movedPart, overlap, readTrajectory } from "../../web/trajectory/model.js";

const CLIP = { width: 100, height: 50, frames: 10 };
const A = [0.1, 0.2, 0.3, 0.6];
const B = [0.5, 0.2, 0.9, 0.4];

/** Tracks from lists of [frame, box] or [frame, box, visible]. */
function tracksOf(...lists) {
  const objects = lists.map((keys) => ({
    phrase: "",
    keys: keys.map(([frame, box, visible = true]) => ({ frame, box, visible })),
  }));
  return readTrajectory({ version: 1, ...CLIP, objects }).objects;
}
const firstOf = (...keys) => firstBox(tracksOf(keys)[0], CLIP);
const near = (found, wanted) =>
  assert.ok(found.every((v, n) => Math.abs(v - wanted[n]) < 1e-12), `${found} is not ${wanted}`);

test("an object is cut out of the first frame in which it is visible", () => {
  assert.deepEqual(firstOf([0, A], [9, B]), A);
  assert.deepEqual(firstOf([4, A], [9, B]), A); // a track holds its first box before its first key
  assert.deepEqual(firstOf([0, A, false], [4, B]), B);
  assert.deepEqual(firstOf([0, A, false], [4, B, false], [6, A], [8, B]), A);
  assert.equal(firstOf([0, A, false], [4, B, false]), null);
});

test("an object that grows from nothing is cut out where it first has an inside", () => {
  near(firstOf([0, [0.2, 0.2, 0.2, 0.2]], [4, [0.2, 0.2, 0.6, 0.6]]), [0.2, 0.2, 0.3, 0.3]);
  assert.equal(firstOf([0, [0.2, 0.2, 0.2, 0.6]]), null);
  assert.deepEqual(firstOf([0, [0.2, 0.2, 0.2, 0.2]], [1, A, false], [5, B]), B);
});

test("only what is inside the picture is cut out, and nothing of less than a pixel", () => {
  const [cut, ...others] = cutsOf(
    tracksOf([[0, [-0.1, 0.5, 0.1, 1.5]]], [[0, [1, 0.2, 1.4, 0.6]]], [[0, [0.5, 0.5, 0.505, 0.53]]]),
    CLIP,
  );
  assert.deepEqual(cut.part, [0, 0.5, 0.1, 1]);
  assert.deepEqual(cut.source, [-0.1, 0.5, 0.1, 1.5]);
  assert.deepEqual(others, []);
});

test("a later object covers an earlier one", () => {
  const [below, middle, above] = cutsOf(tracksOf([[0, [0, 0, 0.4, 0.4]]], [[0, B]], [[0, A]]), CLIP);
  assert.deepEqual(below.covered, [{ by: above, part: [0.1, 0.2, 0.3, 0.4] }]);
  assert.deepEqual([middle.covered, above.covered], [[], []]);
});

test("boxes that only touch have nothing in common", () => {
  assert.equal(overlap([0, 0, 0.5, 1], [0.5, 0, 1, 1]), null);
});

test("a part keeps its place in the box that moves and scales", () => {
  near(movedPart(A, A, B), B);
  near(movedPart([0.2, 0.2, 0.3, 0.4], A, B), [0.7, 0.2, 0.9, 0.3]);
  near(movedPart([0, 0.5, 0.1, 1], [-0.1, 0.5, 0.1, 1.5], [0.3, 0, 0.5, 1]), [0.4, 0, 0.5, 0.5]);
});

test("a mask of an object's own is cut out whole, one for all within each box", () => {
  const tracks = tracksOf([[0, [0.2, 0.2, 0.6, 0.6]]], [[0, [0.5, 0.5, 0.9, 0.9]]]);
  const mask = { box: /** @type {const} */ ([0.1, 0.3, 0.55, 0.55]), image: null };
  const [own, none] = cutsOf(tracks, CLIP, new Map([[tracks[0].id, mask]]));
  assert.deepEqual([own.part, own.mask, none.part, none.mask], [mask.box, mask, [0.5, 0.5, 0.9, 0.9], undefined]);
  assert.deepEqual(own.covered, [{ by: none, part: [0.5, 0.5, 0.55, 0.55] }]);
  const shared = cutsOf(tracks, CLIP, new Map([[MASK_FOR_ALL, mask]]));
  assert.deepEqual(shared.map(({ part }) => part), [[0.2, 0.3, 0.55, 0.55], [0.5, 0.5, 0.55, 0.55]]);
  const beside = { ...mask, box: /** @type {const} */ ([0, 0, 0.1, 0.1]) };
  assert.deepEqual(cutsOf(tracks, CLIP, new Map([[MASK_FOR_ALL, beside]])), []);
});

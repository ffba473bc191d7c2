import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addKeys,
  addTrack,
  alignBoxes,
  allowedShift,
  boxAt,
  boxesAt,
  copyKeys,
  copyTracks,
  deleteKeys,
  distributeBoxes,
  duplicateTracks,
  emptyTrajectory,
  lastKeyFrame,
  moveBoxes,
  moveKeys,
  movePathPoint,
  moveTracks,
  PALETTE,
  parseTrajectory,
  pasteKeys,
  pasteTracks,
  shorterThan,
  removeTracks,
  reorderTracks,
  resizeTrack,
  serialiseTrajectory,
  setBox,
  setClip,
  setColor,
  setEase,
  setEnabled,
  setPhrase,
  setStrength,
  setVisible,
  trackOf,
  TrajectoryError,
  withFrames,
} from "../../web/trajectory/model.js";
import { randomNumbers } from "../../web/trajectory/random.js";
import { A, B, distance, framesOf, frozen, keysOf, trajectory } from "./helpers.js";

const ids = (document) => document.objects.map((track) => track.id);
const ref = (id, ...frames) => frames.map((frame) => ({ id, frame }));

// ---- objects

test("a drawn object stands still and gets a free id and the least used color", () => {
  let document = trajectory({ o2: [[0, A]] });
  document = addTrack(document, [0.3, 0.4, 0.5, 0.6], 3, { phrase: "dog" });
  document = addTrack(document, B, 3);
  assert.deepEqual(ids(document), ["o2", "o3", "o4"]);
  assert.deepEqual(document.objects.map((track) => track.color), PALETTE.slice(0, 3));
  for (const frame of [0, 7]) assert.deepEqual(boxAt(document.objects[1], frame), [0.3, 0.4, 0.5, 0.6]);
  assert.equal(document.objects[1].phrase, "dog");
});

test("more objects than a document may hold are refused with both numbers", () => {
  let document = emptyTrajectory();
  for (let n = 0; n < 256; n += 1) document = addTrack(document, A, 0);
  assert.throws(() => addTrack(document, A, 0), /257 objects, the limit is 256/);
});

test("removed objects are gone and the others are shared", () => {
  const document = trajectory({ a: [[0, A]], b: [[0, B]], c: [[0, A]] });
  const after = removeTracks(document, ["b", "unknown"]);
  assert.deepEqual(ids(after), ["a", "c"]);
  assert.equal(after.objects[0], document.objects[0]);
  assert.equal(removeTracks(document, []), document);
});

test("a duplicate has the same motion, moved, under its own id and color", () => {
  const document = trajectory({ a: [[0, A, "in"], [5, B, "hold", false]] });
  const copy = duplicateTracks(document, ["a"], 0.1, 0).objects[1];
  const others = copy.keys.map(({ frame, ease, visible }) => [frame, ease, visible]);
  assert.deepEqual(others, [[0, "in", true], [5, "hold", false]]);
  assert.ok(distance(copy.keys[0].box, [0.2, 0.2, 0.4, 0.5]) < 1e-6);
  assert.notEqual(copy.id, "a");
  assert.notEqual(copy.color, document.objects[0].color);
});

test("objects are put in front of the one at an index, in the order they have", () => {
  const document = trajectory({ a: [[0, A]], b: [[0, A]], c: [[0, A]], d: [[0, A]] });
  assert.deepEqual(ids(reorderTracks(document, ["c", "a"], 2)), ["b", "a", "c", "d"]);
  assert.deepEqual(ids(reorderTracks(document, ["a"], 4)), ["b", "c", "d", "a"]);
  assert.deepEqual(ids(reorderTracks(document, ["d", "b"], 0)), ["b", "d", "a", "c"]);
  assert.equal(reorderTracks(document, ["b"], 1), document);
});

test("phrase, color, strength and enabled are set after the rules of the document", () => {
  const document = trajectory({ a: [[0, A]], b: [[0, B]] });
  assert.equal(setPhrase(document, "a", "ein Bär").objects[0].phrase, "ein Bär");
  assert.equal(setColor(document, ["a"], "#ABCDEF").objects[0].color, "#abcdef");
  assert.deepEqual(setStrength(document, ["a", "b"], 0.5).objects.map((track) => track.strength), [0.5, 0.5]);
  assert.equal(setEnabled(document, ["b"], false).objects[1].enabled, false);
  assert.equal(setEnabled(document, ["b"], true), document);
  assert.throws(() => setPhrase(document, "a", "x".repeat(1001)), /has 1001 characters/);
  assert.throws(() => setPhrase(document, "a", "\ud800"), /surrogate/);
  assert.throws(() => setColor(document, ["a"], "red"), /write it like #e69f00/);
  assert.throws(() => setStrength(document, ["a"], 3), /from 0 to 2/);
  assert.throws(() => setPhrase(document, "zz", "x"), /there is no object zz/);
});

// ---- boxes and keys

test("moving a box between keys makes a key there; on a key it changes that one", () => {
  const document = trajectory({ a: [[0, A], [7, B]], b: [[0, A]] });
  const between = moveBoxes(document, ["a"], 3, 0.05, -0.05);
  assert.deepEqual(framesOf(between, "a"), [0, 3, 7]);
  const expected = boxAt(document.objects[0], 3).map((v, n) => v + (n % 2 ? -0.05 : 0.05));
  assert.ok(distance(boxAt(between.objects[0], 3), expected) < 1e-6);
  assert.deepEqual(framesOf(moveBoxes(document, ["a"], 7, 0.05, 0), "a"), [0, 7]);
  assert.equal(between.objects[1], document.objects[1]);
});

test("dragging back to the start gives the very same document", () => {
  const document = trajectory({ a: [[0, A], [7, B]] });
  assert.equal(moveBoxes(document, ["a"], 3, 0, 0), document);
  assert.equal(moveTracks(document, ["a"], 0, 0), document);
  assert.notEqual(moveTracks(document, ["a"], 0, 0.1), document);
  assert.equal(setBox(document, "a", 0, [...A]), document);
});

test("a box keeps its size where the range of coordinates stops it", () => {
  const document = moveBoxes(trajectory({ a: [[0, A]] }), ["a"], 0, -99, 99);
  assert.deepEqual(keysOf(document, "a")[0].box, [-16, 16.7, -15.8, 17]);
});

test("a new key moves nothing, whatever the ease", () => {
  for (const ease of ["linear", "in", "out", "in_out", "hold", [0.25, 0.1, 0.25, 1]]) {
    const document = trajectory({ a: [[0, A, ease], [9, B]] }, { frames: 12 });
    for (const frame of [1, 4, 8, 10]) {
      const after = addKeys(document, ["a"], frame);
      assert.equal(keysOf(after, "a").length, 3);
      // Boxes are rounded to 1e-6, and so are the two halves of the curve, which a steep one multiplies.
      assert.ok(distance(boxesAt(after).boxes, boxesAt(document).boxes) < 1e-4, `${ease} at ${frame}`);
    }
  }
});

test("a key before the first one leaves the object where and as visible as it was", () => {
  const document = trajectory({ a: [[4, A, "linear", false], [6, B]] });
  assert.deepEqual(boxesAt(addKeys(document, ["a"], 1)), boxesAt(document));
});

test("moving a track moves every key, and a point of its path only one", () => {
  const document = trajectory({ a: [[0, A], [7, B]] });
  const moved = moveTracks(document, ["a"], 0.1, 0.1);
  const expected = boxesAt(document).boxes.map((row) => row.map((box) => box.map((v) => v + 0.1)));
  assert.ok(distance(boxesAt(moved).boxes, expected) < 1e-6);
  const pulled = movePathPoint(document, "a", 7, 0.5, 0.5);
  assert.deepEqual(keysOf(pulled, "a")[1].box, [0.35, 0.25, 0.65, 0.75]);
  assert.deepEqual(keysOf(pulled, "a")[0].box, A);
});

test("resizing a track gives every box its share", () => {
  const document = trajectory({ a: [[0, [0.2, 0.2, 0.4, 0.4]], [7, [0.4, 0.4, 0.8, 0.8]]] });
  const after = resizeTrack(document, "a", 0, [0.1, 0.2, 0.4, 0.5]);
  assert.ok(distance(keysOf(after, "a").map((key) => key.box), [[0.1, 0.2, 0.4, 0.5], [0.2, 0.4, 0.8, 1.0]]) < 1e-6);
});

test("deleting all keys of an object leaves the first", () => {
  const document = trajectory({ a: [[1, A], [4, B], [7, A]] });
  assert.deepEqual(framesOf(deleteKeys(document, ref("a", 4)), "a"), [1, 7]);
  assert.deepEqual(framesOf(deleteKeys(document, ref("a", 1, 4, 7)), "a"), [1]);
  assert.equal(deleteKeys(document, ref("a", 2)), document);
});

test("moved keys stop at the ends together and replace the keys they land on", () => {
  const document = trajectory({ a: [[0, A], [2, B], [5, A]], b: [[1, A], [6, B]] });
  const refs = [...ref("a", 2), ...ref("b", 1)];
  assert.equal(allowedShift(document, refs, 99), 5);
  assert.equal(allowedShift(document, refs, -99), -1);
  const after = moveKeys(document, refs, 3);
  assert.deepEqual([framesOf(after, "a"), framesOf(after, "b")], [[0, 5], [4, 6]]);
  assert.deepEqual(keysOf(after, "a")[1].box, B);
  assert.equal(moveKeys(document, refs, 0), document);
  assert.deepEqual(framesOf(moveKeys(document, ref("b", 1), 7), "b"), [6, 7]);
});

test("copied keys are pasted at a frame, into another object, and cut off at the end", () => {
  const document = trajectory({ a: [[1, A, "in"], [4, B]], b: [[0, [0, 0, 1, 1]], [3, [0, 0, 1, 1]]] });
  const copied = parseTrajectory(serialiseTrajectory(copyKeys(document, ref("a", 1, 4))));
  assert.deepEqual(framesOf(pasteKeys(document, copied, 3, ["b"]), "b"), [0, 3, 6]);
  const pasted = pasteKeys(document, copied, 6, ["b"]);
  assert.deepEqual(framesOf(pasted, "b"), [0, 3, 6]);
  assert.deepEqual(keysOf(pasted, "b")[2], { frame: 6, box: A, ease: "in", visible: true });
  assert.equal(copyKeys(document, ref("a", 2)), null);
});

test("keys copied from several objects go into as many, in order", () => {
  const document = trajectory({ a: [[0, A]], b: [[2, B]], c: [[7, A]], d: [[7, A]] });
  const after = pasteKeys(document, copyKeys(document, [...ref("a", 0), ...ref("b", 2)]), 4, ["c", "d"]);
  assert.deepEqual([framesOf(after, "c"), framesOf(after, "d")], [[4, 7], [6, 7]]);
});

test("objects of a shorter clip keep their frames, which is said", () => {
  const short = trajectory({ a: [[0, A], [7, B]] }, { frames: 8 });
  const long = trajectory({ a: [[0, A]] }, { frames: 16 });
  assert.match(String(shorterThan(long, short)), /^the boxes have 8 frames, the clip 16: they move up to frame 7 and rest/);
  assert.deepEqual(shorterThan(short, long), []);
  assert.deepEqual(shorterThan(long, trajectory({ a: [[0, A]] }, { frames: 8 })), []); // they rest in any clip
});

test("objects are pasted through text, also from a longer clip, and keep their motion", () => {
  const long = trajectory({ a: [[0, A, "in_out"], [15, B]] }, { frames: 16 });
  const document = trajectory({ a: [[0, A]] });
  const after = pasteTracks(document, parseTrajectory(serialiseTrajectory(copyTracks(long, ["a"]))));
  assert.deepEqual(ids(after), ["a", "o2"]);
  const wanted = boxesAt(long).boxes.slice(0, 8).map((row) => row[0]);
  assert.ok(distance(boxesAt(after).boxes.map((row) => row[1]), wanted) < 1e-6);
});

test("an ease is set on chosen keys and checked", () => {
  const document = trajectory({ a: [[0, A], [4, B], [7, A]] });
  const after = setEase(document, ref("a", 0, 4), [0.1, 0.2, 0.3, 0.4]);
  assert.deepEqual(keysOf(after, "a").map((key) => key.ease), [[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4], "linear"]);
  assert.equal(setEase(after, ref("a", 0), [0.1, 0.2, 0.3, 0.4]), after);
  assert.throws(() => setEase(document, ref("a", 0), [2, 0, 0, 0]), /ease\[0\] is 2/);
});

// ---- visibility

test("hiding some frames hides exactly those and moves nothing", () => {
  const random = randomNumbers(3);
  const whole = (n) => Math.floor(random() * n);
  for (let round = 0; round < 500; round += 1) {
    const frames = 1 + whole(12);
    const places = Array.from({ length: frames }, (_, n) => n).filter((n) => n === whole(frames) || random() < 0.4);
    if (!places.length) continue;
    const keys = places.map((frame) => [frame, [random() / 2, 0, 1, 1], "linear", random() < 0.5]);
    const document = trajectory({ a: keys }, { frames });
    const first = whole(frames);
    const last = first + whole(frames - first);
    const visible = random() < 0.5;
    const after = frozen(setVisible(document, ["a"], first, last, visible));
    const expected = boxesAt(document).mask.map(([was], frame) => [frame >= first && frame <= last ? visible : was]);
    assert.deepEqual(boxesAt(after).mask, expected);
    assert.ok(distance(boxesAt(after).boxes, boxesAt(document).boxes) < 2e-6);
    assert.equal(setVisible(after, ["a"], first, last, visible), after);
  }
});

// ---- the clip

test("keys can be kept, stretched or cropped to another length", () => {
  const document = trajectory({ a: [[0, A], [5, B]] });
  assert.equal(lastKeyFrame(document), 5);
  assert.equal(withFrames(document, 20).objects[0], document.objects[0]);
  assert.throws(() => withFrames(document, 5), /a key at frame 5 lies past the end of 5 frames: use stretch or crop/);
  assert.deepEqual(framesOf(withFrames(document, 15, "stretch"), "a"), [0, 10]);
  assert.deepEqual(framesOf(withFrames(document, 3, "crop"), "a"), [0, 2]);
  assert.throws(() => withFrames(document, 9, "squeeze"), TrajectoryError);
  assert.throws(() => withFrames(document, 0, "crop"), /from 1 to 4096/);
});

test("another size or rate of the picture leaves the objects as they are", () => {
  const document = trajectory({ a: [[0, A]] });
  const after = setClip(document, { width: 100, fps: 24 });
  assert.deepEqual([after.width, after.height, after.fps], [100, 48, 24]);
  assert.equal(after.objects, document.objects);
  assert.throws(() => setClip(document, { fps: 0 }), /fps is 0/);
});

// ---- alignment

test("several boxes are aligned with each other, one with the frame", () => {
  const document = trajectory({ a: [[0, A]], b: [[0, B]] });
  const lefts = (edge, n) => alignBoxes(document, ["a", "b"], 0, edge).objects.map((track) => track.keys[0].box[n]);
  assert.deepEqual(lefts("left", 0), [0.1, 0.1]);
  assert.deepEqual(lefts("right", 2), [0.9, 0.9]);
  assert.deepEqual(lefts("bottom", 3), [0.75, 0.75]);
  assert.deepEqual(keysOf(alignBoxes(document, ["a"], 0, "center"), "a")[0].box, [0.4, 0.2, 0.6, 0.5]);
  assert.deepEqual(keysOf(alignBoxes(document, ["a"], 0, "middle"), "a")[0].box, [0.1, 0.35, 0.3, 0.65]);
});

test("boxes are spaced with equal gaps, whatever their sizes", () => {
  const document = trajectory({ a: [[0, [0, 0, 0.1, 1]]], b: [[0, [0.15, 0, 0.35, 1]]], c: [[0, [0.9, 0, 1, 1]]] });
  const after = distributeBoxes(document, ["c", "a", "b"], 0, "x");
  assert.ok(distance(keysOf(after, "b")[0].box, [0.4, 0, 0.6, 1]) < 1e-6);
  assert.equal(distributeBoxes(document, ["a", "b"], 0, "x"), document);
});

test("asking for an unknown object is an error that names it", () => {
  assert.throws(() => trackOf(emptyTrajectory(), "x"), /there is no object x/);
});

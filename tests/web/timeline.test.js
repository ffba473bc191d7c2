import assert from "node:assert/strict";
import test from "node:test";
import { EditorState } from "../../web/editor/state/state.js";
import { gestureOf } from "../../web/editor/timeline/gestures.js";
import { sampledTimes, visibleRanges } from "../../web/trajectory/model.js";
import { dragMark, markAt } from "../../web/editor/timeline/marks.js";
import { moveRangeEnd } from "../../web/trajectory/range_end.js";
import {
  frameAt,
  hitAt,
  keysIn,
  keysOfRow,
  keyY,
  layoutOf,
  rangeEdges,
  rowAt,
  rowsInView,
  rulerSteps,
  scrollOfThumb,
  scrollToShow,
  secondsStep,
  startToShow,
  thumbs,
  timeAt,
  xOf,
  yOf,
  zoomedAt,
} from "../../web/editor/timeline/layout.js";
import { A, B, framesOf, keysOf, trajectory } from "./helpers.js";

const SIZE = { width: 600, height: 150 };
const WHOLE = { zoom: 1, start: 0, scroll: 0 };

function layout(frames = 8, objects = 3, view = WHOLE, hasScores = false) {
  return layoutOf(SIZE, { frames, objects, hasScores }, view);
}

/** "car" moves and is not visible from frame 4 to 5; "dog" stands still. */
const document = trajectory({
  car: [[0, A, "in"], [4, B, "linear", false], [6, A]],
  dog: [[2, B]],
});

function hit(x, y, view) {
  return hitAt(layout(8, 2, view), document, x, y);
}

test("frames and places on the axis are inverse, at any zoom and length", () => {
  for (const frames of [1, 2, 8, 512, 4096]) {
    for (const view of [WHOLE, { zoom: 5, start: frames / 3, scroll: 0 }]) {
      const at = layout(frames, 3, view);
      for (const frame of [0, Math.floor(frames / 2), frames - 1]) {
        assert.equal(frameAt(at, xOf(at, frame)), frame);
        assert.ok(Math.abs(timeAt(at, xOf(at, frame)) - frame) < 1e-9);
      }
    }
  }
});

test("without zoom the whole clip is seen; places beyond it are its first and last frame", () => {
  const at = layout(512);
  assert.ok(xOf(at, 0) > at.label && xOf(at, 511) < at.width);
  assert.equal(frameAt(at, -1000), 0);
  assert.equal(frameAt(at, 5000), 511);
});

test("a view is brought to what there is", () => {
  const at = layout(8, 1, { zoom: 1000, start: 99, scroll: 99 });
  assert.ok(at.scale >= at.fit && at.start + at.span / at.scale <= 7 + 1e-9);
  assert.equal(at.scroll, 0, "two rows need no scrolling");
  assert.equal(layout(8, 64, { zoom: 1, start: -3, scroll: 1e9 }).scroll, 65 * at.row - at.body);
});

test("zooming keeps the time under the pointer, and ends where the whole clip is seen", () => {
  const before = layout(512);
  const view = zoomedAt(before, 300, 3);
  const after = layout(512, 3, view);
  assert.ok(Math.abs(timeAt(after, 300) - timeAt(before, 300)) < 1e-6);
  assert.ok(Math.abs(after.scale / before.scale - 3) < 1e-9);
  assert.equal(zoomedAt(after, 300, 1e-6).zoom, 1);
});

test("rows are found again at their places, and only those in view are drawn", () => {
  const at = layout(8, 64, { zoom: 1, start: 0, scroll: 500 });
  const [first, last] = rowsInView(at);
  assert.ok(last - first < 10);
  for (let row = first + 1; row < last; row += 1) assert.equal(rowAt(at, keyY(at, row)), row);
  assert.equal(rowAt(at, 3), -1, "the ruler is no row");
  assert.equal(rowAt(layout(8, 1), 140), -1, "nor is the room below the last one");
});

test("numbers of the ruler are 1, 2, 5 times ten and never closer than they are wide", () => {
  for (const scale of [0.1, 0.7, 3, 11, 60]) {
    const { label, tick } = rulerSteps(scale);
    assert.ok(label * scale >= 40 && tick * scale >= 6 && label >= 1 && tick >= 1);
    assert.ok([1, 2, 5].includes(Number(String(label)[0])));
    assert.equal(label % tick, 0);
  }
  assert.equal(secondsStep(12.5, 8), 1);
  assert.equal(secondsStep(2.5, 8), 5);
  assert.equal(secondsStep(116, 8), 0.5); // two frames at least
});

test("the playhead and a selected row are brought into view, which else stays", () => {
  const at = layout(512, 64, { zoom: 10, start: 100, scroll: 200 });
  assert.equal(startToShow(at, 110), at.start);
  assert.equal(startToShow(at, 40), 40);
  assert.ok(startToShow(at, 300) < 300);
  assert.equal(scrollToShow(at, 10), at.scroll);
  assert.equal(scrollToShow(at, 2), 2 * at.row);
  assert.equal(scrollToShow(at, 40), 41 * at.row - at.body);
});

test("dragging a thumb over its bar scrolls over everything", () => {
  const at = layout(512, 64, { zoom: 4, start: 0, scroll: 0 });
  const { x, y } = thumbs(at);
  const room = at.width - at.label - 8 - x[1];
  assert.ok(Math.abs(scrollOfThumb(at, "x", room) - (511 - at.span / at.scale)) < 1e-6);
  assert.ok(Math.abs(scrollOfThumb(at, "y", at.body - y[1]) - (at.content - at.body)) < 1e-6);
  assert.deepEqual(thumbs(layout(8, 1)), { x: null, y: null });
});

test("keys win over ends of ranges, ends over segments, segments over the row", () => {
  const at = layout(8, 2);
  const y = keyY(at, 1);
  assert.deepEqual(hit(xOf(at, 4) + 3, y), { kind: "key", row: 1, frame: 4 });
  const [[left, right]] = rangeEdges(at, visibleRanges(document.objects[0], 8));
  assert.equal(hit(left - 1, y).end, "first");
  assert.deepEqual(hit(right + 2, y), { kind: "end", row: 1, frame: 3, range: [0, 3], end: "last" });
  assert.deepEqual(hit(xOf(at, 2), y), { kind: "segment", row: 1, frame: 0 });
  assert.equal(hit(xOf(at, 5), keyY(at, 2)).kind, "row");
  assert.equal(hit(10, y).kind, "label");
  assert.equal(hit(300, 5).kind, "ruler");
  assert.equal(hit(300, 140).kind, "empty");
});

test("of keys that are close to each other the nearest is hit", () => {
  const close = trajectory({ car: [[100, A], [101, B], [102, A]] }, { frames: 512 });
  const at = layout(512, 1);
  for (const frame of [100, 101, 102]) assert.equal(hitAt(at, close, xOf(at, frame), keyY(at, 1)).frame, frame);
});

test("the ends of neighbouring ranges never overlap", () => {
  const at = layout(512, 1);
  const [before, after] = rangeEdges(at, [[0, 100], [102, 511]]);
  assert.ok(before[1] < after[0]);
});

test("the camera's row has a key wherever an object has one", () => {
  assert.deepEqual(keysOfRow(document, 0).map(({ frame }) => frame), [0, 2, 4, 6]);
  assert.equal(hit(xOf(layout(8, 2), 2), keyY(layout(8, 2), 0)).kind, "key");
});

test("a finger that trembles on a key clicks it, as a mouse does that moves less", () => {
  const layout = layoutOf({ width: 400, height: 200 }, { frames: 8, objects: 1, hasScores: false }, { zoom: 1, start: 0, scroll: 0 });
  const surface = { layout: () => layout, scrollBy() {}, setMarquee() {}, reveal() {} };
  for (const [isTouch, moved] of [[true, 0], [false, 1]]) {
    const editor = new EditorState({ trajectory: trajectory({ car: [[0, A], [4, B]] }) });
    const where = (px) => ({ px, py: 40, shift: false, alt: false, ctrl: false, isTouch });
    const press = where(xOf(layout, 4) + 20);
    const gesture = gestureOf(editor, surface, { kind: "key", row: 1, frame: 4 }, press);
    gesture.move(where(press.px + 6));
    gesture.end(where(press.px + 6));
    assert.equal(framesOf(editor.trajectory, "car").at(-1), 4 + moved);
  }
});

test("a rectangle holds the keys whose middle is in it, in rows out of view too", () => {
  const at = layout(8, 2);
  assert.deepEqual(keysIn(at, document, [5, 1], [0, 1000]), [{ id: "car", frame: 4 }, { id: "dog", frame: 2 }]);
  assert.deepEqual(keysIn(at, document, [0, 7], [2 * at.row, 1000]), [{ id: "dog", frame: 2 }]);
});

test("rows with scores are higher, and their keys stay above the scores", () => {
  const at = layout(8, 2, WHOLE, true);
  assert.ok(at.row > layout(8, 2).row);
  assert.ok(keyY(at, 1) < yOf(at, 1) + at.row - at.strip);
});

test("what the model makes is sampled evenly, ends included", () => {
  assert.deepEqual(sampledTimes(8, 8), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(sampledTimes(25, 3), [0, 12, 24]);
  assert.deepEqual(sampledTimes(8, 1), [0]);
});

test("an object enters and leaves at the frames that the ends of its range are dragged to", () => {
  const later = moveRangeEnd(document, "dog", [0, 7], "first", 3);
  assert.deepEqual(visibleRanges(later.objects[1], 8), [[3, 7]]);
  const sooner = moveRangeEnd(later, "dog", [3, 7], "last", 5);
  assert.deepEqual(visibleRanges(sooner.objects[1], 8), [[3, 5]]);
  assert.deepEqual(visibleRanges(moveRangeEnd(document, "car", [6, 7], "first", 2).objects[0], 8), [[0, 7]]);
  assert.deepEqual(visibleRanges(moveRangeEnd(document, "car", [0, 3], "last", -5).objects[0], 8), [[0, 0], [6, 7]]);
  assert.equal(moveRangeEnd(document, "car", [6, 7], "first", 6), document);
});

test("dragging an end about leaves no keys behind, but never takes one that the motion needs", () => {
  let moved = moveRangeEnd(document, "dog", [0, 7], "last", 5);
  moved = moveRangeEnd(moved, "dog", [0, 5], "last", 4);
  moved = moveRangeEnd(moved, "dog", [0, 4], "last", 6);
  assert.deepEqual(framesOf(moved, "dog"), [2, 7]);
  const kept = moveRangeEnd(document, "car", [0, 3], "last", 4);
  assert.deepEqual(framesOf(kept, "car"), [0, 4, 5, 6]);
  assert.deepEqual(keysOf(kept, "car")[1].box, B);
});

test("the ends of the work area and markers are dragged on the ruler, and a cancelled drag leaves them", () => {
  const editor = new EditorState({ trajectory: document });
  const at = layout();
  const press = (frame, py) => ({ px: xOf(at, frame), py, shift: false, alt: false, ctrl: false, isTouch: false });
  assert.equal(markAt(at, editor, press(7, 3), 5), null); // the whole clip has no ends to drag
  editor.setWorkArea([2, 5]);
  editor.setMarkers([{ frame: 4, name: "turn" }]);
  const drag = (from, py, to, how = "end") => {
    const gesture = dragMark(editor, () => at, markAt(at, editor, press(from, py), 5), press(from, py));
    gesture.move(press(to, py));
    gesture[how](press(to, py));
  };
  drag(5, 3, 6);
  drag(2, 3, 1);
  assert.deepEqual(editor.workArea, [1, 6]);
  drag(1, 3, 7); // past the other end
  assert.deepEqual(editor.workArea, [7, 7]);
  drag(4, 25, 3);
  assert.deepEqual(editor.markers, [{ frame: 3, name: "turn" }]);
  drag(3, 25, 6, "cancel");
  assert.deepEqual(editor.markers, [{ frame: 3, name: "turn" }]);
  const click = dragMark(editor, () => at, markAt(at, editor, press(3, 25), 5), press(3, 25));
  click.end(press(3, 25));
  assert.equal(editor.time, 3);
});

test("a work area ends with a clip that gets shorter, and is back with one that gets longer", () => {
  const editor = new EditorState({ trajectory: document });
  editor.setWorkArea([3, 6]);
  editor.replace("step.clip", { ...document, frames: 5 });
  assert.deepEqual(editor.played, [3, 4]);
  editor.undo();
  assert.deepEqual(editor.played, [3, 6]);
});

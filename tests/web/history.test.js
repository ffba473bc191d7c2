import assert from "node:assert/strict";
import { test } from "node:test";
import { EditorState } from "../../web/editor/state/state.js";
import {
  begin,
  cancel,
  commit,
  moveBoxes,
  newHistory,
  preview,
  record,
  redo,
  setClip,
  undo,
} from "../../web/trajectory/model.js";
import { MAX_KEYS, MAX_STEPS } from "../../web/trajectory/history.js";
import { A, trajectory } from "./helpers.js";

const START = trajectory({ a: [[0, A]] });
const moved = (document, dx = 0.01) => moveBoxes(document, ["a"], 0, dx, 0);

test("a gesture with many previews is one step", () => {
  let history = begin(newHistory(START), "move");
  for (let n = 1; n <= 20; n += 1) history = preview(history, moved(START, n / 100));
  history = commit(history);
  assert.equal(history.past.length, 1);
  assert.equal(history.past[0].label, "move");
  assert.equal(undo(history).present, START);
  assert.equal(redo(undo(history)).present, history.present);
});

test("a cancelled gesture leaves everything as it was", () => {
  const history = record(newHistory(START), moved(START), "move");
  const after = cancel(preview(begin(history, "move"), moved(history.present)));
  assert.deepEqual([after.present, after.past, after.future], [history.present, history.past, history.future]);
  assert.equal(cancel(history), history);
});

test("a change of something else alone is a step", () => {
  const changed = record(newHistory(START), START, "image", { file: "a.png" });
  assert.deepEqual(changed.past.map(({ label, change }) => [label, change]), [["image", { file: "a.png" }]]);
  assert.equal(redo(undo(changed)).past.length, 1);
});

test("a gesture that changes nothing is no step and keeps what can be redone", () => {
  const undone = undo(record(newHistory(START), moved(START), "move"));
  const after = commit(preview(preview(begin(undone, "move"), moved(START)), START));
  assert.equal(after.past.length, 0);
  assert.equal(after.future.length, 1);
});

test("a gesture that was never ended is a step of its own when the next one begins", () => {
  const left = preview(begin(newHistory(START), "move"), moved(START));
  const history = commit(preview(begin(left, "resize"), moved(left.present)));
  assert.deepEqual(history.past.map((step) => step.label), ["move", "resize"]);
  assert.equal(undo(history).present, left.present);
});

test("undo while a gesture is under way gives the gesture up", () => {
  const history = preview(begin(record(newHistory(START), moved(START), "one"), "two"), START);
  const after = undo(history);
  assert.equal(after.gesture, null);
  assert.equal(after.past.length, 1);
  assert.equal(redo(history), history);
});

test("a new step after undo forgets what could be redone", () => {
  const history = undo(record(newHistory(START), moved(START), "one"));
  assert.equal(record(history, moved(START, 0.5), "two").future.length, 0);
});

test("nothing to undo or redo leaves the history as it is", () => {
  const history = newHistory(START);
  assert.equal(undo(history), history);
  assert.equal(redo(history), history);
});

test("a preview outside of a gesture is an error of the program", () => {
  assert.throws(() => preview(newHistory(START), START), /no gesture is under way/);
});

test("the number of steps is bounded, and the latest are kept", () => {
  let history = newHistory(START);
  for (let n = 0; n < MAX_STEPS + 50; n += 1) history = record(history, moved(history.present, 1e-4), `${n}`);
  assert.equal(history.past.length, MAX_STEPS);
  assert.equal(history.past.at(-1).label, `${MAX_STEPS + 49}`);
});

test("what undo holds in memory is bounded by keys, but one step can always be undone", () => {
  const big = (dx) => ({ ...START, objects: [{ ...START.objects[0], keys: Array(MAX_KEYS / 4).fill({ frame: dx }) }] });
  let history = newHistory(big(0));
  for (let n = 1; n < 10; n += 1) history = record(history, big(n), "big");
  assert.equal(history.past.length, 3);
  const huge = (n) => ({ ...START, objects: [{ ...START.objects[0], keys: Array(MAX_KEYS * 2).fill(n) }] });
  history = record(record(newHistory(huge(1)), huge(2), "huge"), huge(3), "huge");
  assert.equal(history.past.length, 1);
});

test("steps that share their tracks cost little", () => {
  const crowd = trajectory(Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`o${n}`, [[0, A], [7, A]]])));
  const history = record(newHistory(crowd), moveBoxes(crowd, ["o3"], 0, 0.1, 0), "move");
  assert.equal(history.past[0].cost, 1 + 2);
});

test("a gesture that another one interrupted is a step, and can do no more", () => {
  const editor = new EditorState({ trajectory: trajectory({ cat: [[0, A]] }) });
  const first = editor.begin("step.clip");
  first.preview((before) => setClip(before, { fps: 9 }));
  const second = editor.begin("step.clip");
  assert.deepEqual([first.isOpen, second.isOpen, editor.undoLabel], [false, true, "step.clip"]);
  assert.equal(first.preview((before) => setClip(before, { fps: 10 })), false);
  first.cancel();
  first.commit();
  assert.equal(second.isOpen, true);
  second.cancel();
  assert.equal(editor.trajectory.fps, 9);
});

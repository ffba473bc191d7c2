import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { EditorState } from "../../web/editor/state/state.js";
import { keepWithNode, noteSession, restoreFromNode, takeSession } from "../../web/host/kept.js";
import { moveBoxes, removeTracks, serialiseTrajectory, setClip, setPhrase } from "../../web/trajectory/model.js";
import { A, B, trajectory } from "./helpers.js";

const newEditor = () => new EditorState({ trajectory: trajectory({ cat: [[0, A], [4, B]], dog: [[0, B]] }) });

beforeEach(() => {
  const stored = new Map();
  const sessionStorage = {
    getItem: (name) => stored.get(name) ?? null,
    setItem: (name, value) => stored.set(name, value),
    removeItem: (name) => stored.delete(name),
  };
  globalThis.window = /** @type {any} */ ({ sessionStorage });
});

test("locks and solo are saved with the node, and leave no trace when there are none", () => {
  const [node, editor] = [{}, newEditor()];
  keepWithNode(node, editor);
  editor.set({ locked: new Set(["cat"]), solo: new Set(["dog"]) });
  const loaded = newEditor();
  restoreFromNode(JSON.parse(JSON.stringify(node)), loaded);
  assert.deepEqual([[...loaded.locked], [...loaded.solo]], [["cat"], ["dog"]]);
  editor.set({ locked: new Set(), solo: new Set() });
  assert.deepEqual(node, { properties: {} });
});

test("a node tells of objects that it has, whatever its properties hold", () => {
  const editor = newEditor();
  restoreFromNode({ properties: { smcd_view: { locked: ["cat", "cow", 7], solo: "dog" } } }, editor);
  assert.deepEqual([[...editor.locked], [...editor.solo]], [["cat"], []]);
});

test("work area and markers are saved with the node, and what means nothing is left out", () => {
  const [node, editor] = [{}, newEditor()];
  keepWithNode(node, editor);
  editor.setWorkArea([2, 5]);
  editor.setMarkers([{ frame: 6, name: "turn" }, { frame: 1, name: "" }]);
  const loaded = newEditor();
  restoreFromNode(JSON.parse(JSON.stringify(node)), loaded);
  assert.deepEqual([loaded.workArea, loaded.markers], [[2, 5], [{ frame: 1, name: "" }, { frame: 6, name: "turn" }]]);
  editor.setWorkArea([0, 7]); // all of the clip
  editor.setMarkers([]);
  assert.deepEqual(node, { properties: {} });
  const broken = { workArea: [5, 2], markers: [null, 3, { frame: -1, name: "a" }, { frame: 2 }, { frame: 4, name: "b" }] };
  restoreFromNode({ properties: { smcd_view: broken } }, loaded);
  assert.deepEqual([loaded.workArea, loaded.markers], [null, [{ frame: 4, name: "b" }]]);
});

test("selection, playhead and masks stay when the page is loaded again, once", () => {
  const editor = newEditor();
  editor.select(["dog"]);
  editor.seek(3);
  const masks = { picture: "a.png", files: [{ id: "dog", box: B, file: { filename: "mask.png" } }] };
  noteSession("graph/1", editor, masks);
  const [same, later] = [newEditor(), newEditor()];
  assert.deepEqual(takeSession("graph/1", same), masks);
  assert.equal(takeSession("graph/1", later), null);
  assert.deepEqual([[...same.selected], same.time], [["dog"], 3]);
  assert.deepEqual([[...later.selected], later.time], [[], 0]);
});

test("a phrase that is being typed as the page goes is there when it is loaded again, as a step", () => {
  for (const isSaved of [false, true]) {
    const editor = newEditor();
    editor.apply("step.move", (before) => moveBoxes(before, ["dog"], 0, 0.05, 0));
    const moved = serialiseTrajectory(editor.trajectory);
    editor.begin("step.phrase").preview((before) => setPhrase(before, "dog", "red fox"));
    noteSession("graph/1", editor, null);
    const named = serialiseTrajectory(editor.trajectory);
    const written = [];
    const next = new EditorState({ onCommit: (text) => written.push(text) });
    next.load(isSaved ? named : moved); // the host's copy of the graph may be from before the phrase
    takeSession("graph/1", next);
    assert.equal(next.trajectory.objects[1].phrase, "red fox");
    assert.deepEqual(written, isSaved ? [] : [named]);
    next.undo();
    assert.deepEqual([serialiseTrajectory(next.trajectory), next.undoLabel], [moved, "step.move"]);
    noteSession("graph/1", editor, null); // nothing is being typed now
    const other = new EditorState();
    other.load(moved);
    takeSession("graph/1", other);
    assert.equal(serialiseTrajectory(other.trajectory), moved);
  }
});

/** An editor in which dog was moved and then cat deleted, noted, and a new one with the same text. */
function loadedAgain() {
  const editor = newEditor();
  editor.apply("step.move", (before) => moveBoxes(before, ["dog"], 0, 0.05, 0));
  const moved = editor.trajectory;
  editor.apply("step.delete", (before) => removeTracks(before, ["cat"]));
  const deleted = editor.trajectory;
  editor.undo();
  editor.selectKeys([{ id: "dog", frame: 0 }]);
  editor.zoom(2);
  editor.setMarkers([{ frame: 3, name: "turn" }]);
  noteSession("graph/1", editor, null);
  const next = new EditorState();
  next.load(serialiseTrajectory(moved));
  return { editor, next, moved, deleted };
}

test("undo, redo, keys and view stay when the page is loaded again", () => {
  const { editor, next, moved, deleted } = loadedAgain();
  takeSession("graph/1", next);
  assert.deepEqual(next.selectedKeys, [{ id: "dog", frame: 0 }]);
  assert.deepEqual(next.viewport, editor.viewport);
  assert.deepEqual(next.markers, [{ frame: 3, name: "turn" }]);
  assert.deepEqual([next.undoLabel, next.redoLabel], ["step.move", "step.delete"]);
  next.redo();
  assert.deepEqual(next.trajectory, deleted);
  next.undo();
  next.undo();
  assert.deepEqual(next.trajectory, newEditor().trajectory);
  assert.ok(!next.canUndo);
  next.redo();
  assert.deepEqual(next.trajectory, moved);
});

test("undo steps of another text, or that mean nothing, are left", () => {
  const { next } = loadedAgain();
  next.apply("step.move", (before) => moveBoxes(before, ["cat"], 0, 0.1, 0));
  const other = new EditorState({ trajectory: next.trajectory });
  takeSession("graph/1", other);
  assert.ok(!other.canUndo && !other.canRedo);
  const steps = { here: serialiseTrajectory(other.trajectory), past: [["step.move", "{broken"]], future: [] };
  const noted = { selected: ["dog"], selectedKeys: [], time: 2, viewport: { left: "far" }, masks: { picture: "a", files: [] }, steps };
  globalThis.window.sessionStorage.setItem("smcd.editor/graph/1", JSON.stringify(noted));
  assert.deepEqual(takeSession("graph/1", other), { picture: "a", files: [] });
  assert.deepEqual([[...other.selected], other.time, other.viewport, other.canUndo], [["dog"], 2, null, false]);
});

test("as many of the nearest undo steps are noted as fit", () => {
  const editor = newEditor();
  for (let n = 0; n < 5; n += 1) editor.apply(`step.${n}`, (before) => moveBoxes(before, ["dog"], 0, 0.01, 0));
  const { length } = serialiseTrajectory(editor.trajectory);
  const { past } = editor.noteSteps(length * 3.5);
  assert.deepEqual(past.map(([label]) => label), ["step.3", "step.4"]);
});

test("a change of the graph is taken back and repeated with its step, also after the page is loaded again", () => {
  const document = trajectory({ cat: [[0, A], [4, B]], dog: [[0, B]] });
  const heard = [];
  const listening = (name) => {
    const onChange = (change, isUndo) => heard.push([name, change, isUndo]);
    return new EditorState({ trajectory: document, onChange, onCommit: () => heard.push("text") });
  };
  const editor = listening("old");
  const change = { links: [{ id: 4, slot: 1, before: null, after: [7, 0] }] };
  editor.apply("step.image", (before) => setClip(before, { width: 96, height: 48 }), change);
  editor.apply("step.move", (before) => moveBoxes(before, ["cat"], 0, 0.1, 0));
  assert.deepEqual(heard.splice(0), ["text", "text"]);
  editor.undo();
  assert.deepEqual(heard.splice(0), ["text"]); // of the move alone
  editor.undo();
  assert.deepEqual(heard.splice(0), [["old", change, true], "text"]); // so that the graph has one step for both
  editor.redo();
  assert.deepEqual(heard.splice(0), [["old", change, false], "text"]);
  noteSession("1", editor, { picture: null, files: [] });
  const [again, text] = [listening("new"), serialiseTrajectory(editor.trajectory)];
  again.load(text);
  takeSession("1", again);
  again.undo();
  again.undo(); // there is no step left
  again.redo();
  assert.deepEqual(heard.splice(0), [["new", change, true], "text", ["new", change, false], "text"]);
  again.begin("step.move");
  again.undo();
  again.redo();
  assert.deepEqual(heard.splice(0), ["text"]); // the gesture is cancelled, the move repeated
});

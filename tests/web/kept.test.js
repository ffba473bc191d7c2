import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { EditorState } from "../../web/editor/state/state.js";
import { keepWithNode, noteSession, restoreFromNode, takeSession } from "../../web/host/kept.js";
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

import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMANDS, commandFor, commandOf } from "../../web/editor/actions/commands.js";
import { combinationOf, keyText } from "../../web/editor/actions/keys.js";
import { phrasesOf } from "../../web/editor/state/prompt_phrases.js";
import { EditorState } from "../../web/editor/state/state.js";
import { MENUS } from "../../web/editor/panels/toolbar.js";
import * as model from "../../web/trajectory/model.js";
import { CONTEXT_MENUS } from "../../web/editor/actions/context_menu.js";
import { A, B, framesOf, trajectory } from "./helpers.js";

const event = (key, { code = "", ctrl = false, meta = false, alt = false, shift = false, altGraph = false } = {}) => {
  const getModifierState = (name) => name === "AltGraph" && altGraph;
  return { key, code, ctrlKey: ctrl, metaKey: meta, altKey: alt, shiftKey: shift, getModifierState };
};

/** An editor with two objects, the first one selected. */
function newEditor(objects = { car: [[0, A], [4, B]], dog: [[0, B]] }) {
  const editor = new EditorState({ trajectory: trajectory(objects) });
  editor.select(["car"]);
  return editor;
}

function run(editor, id) {
  assert.ok(commandOf(id).isEnabled(editor), `${id} is enabled`);
  commandOf(id).run({ editor });
}

test("ids and keys are used once", () => {
  const ids = COMMANDS.map(({ id }) => id);
  const keys = COMMANDS.flatMap((command) => command.keys);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(new Set(keys).size, keys.length);
});

test("menus name every command but the steps of the arrow keys and Escape", () => {
  const listed = Object.values(MENUS).flat().filter((id) => id !== null);
  const expected = COMMANDS.filter(({ id, step }) => !step && id !== "escape").map(({ id }) => id);
  assert.deepEqual([...listed].sort(), expected.sort());
});

test("menus under the pointer name commands", () => {
  for (const id of Object.values(CONTEXT_MENUS).flat().filter((one) => one !== null)) assert.ok(commandOf(id), id);
});

test("a single key is chosen and moved to the playhead without a pointer", () => {
  const editor = newEditor();
  editor.seek(4);
  run(editor, "selectKey");
  assert.deepEqual(editor.selectedKeys, [{ id: "car", frame: 4 }]);
  editor.seek(2);
  run(editor, "keysToPlayhead");
  assert.deepEqual(framesOf(editor.trajectory, "car"), [0, 2]);
  assert.deepEqual(editor.selectedKeys, [{ id: "car", frame: 2 }]);
});

test("chosen keys are stretched about the first, squeezed, and reversed with their easing", () => {
  const editor = newEditor({ car: [[0, A], [2, B], [4, A]] });
  run(editor, "ease.in");
  run(editor, "selectKeys");
  run(editor, "keysStretch");
  assert.deepEqual(framesOf(editor.trajectory, "car"), [0, 3, 5]);
  assert.equal(editor.selectedKeys.length, 3);
  run(editor, "keysReverse");
  assert.deepEqual(framesOf(editor.trajectory, "car"), [0, 2, 5]);
  assert.deepEqual(editor.trajectory.objects[0].keys.map(({ ease }) => ease), ["linear", "out", "linear"]);
  run(editor, "keysSqueeze");
  assert.deepEqual(framesOf(editor.trajectory, "car"), [0, 2, 4]);
  run(editor, "keysReverse");
  assert.deepEqual(editor.trajectory.objects[0].keys.map(({ ease }) => ease), ["in", "linear", "linear"]);
});

test("a key event finds its command, whatever the layout", () => {
  assert.equal(commandFor(combinationOf(event("z", { ctrl: true }))).id, "undo");
  assert.equal(commandFor(combinationOf(event("Z", { meta: true, shift: true }))).id, "redo");
  assert.equal(commandFor(combinationOf(event("я", { ctrl: true, code: "KeyZ" }))).id, "undo");
  assert.equal(commandFor(combinationOf(event("?", { shift: true }))).id, "help");
  assert.equal(commandFor(combinationOf(event(" "))).id, "play");
  assert.equal(commandFor(combinationOf(event("ArrowLeft", { shift: true }))).id, "nudge.farLeft");
  assert.equal(commandFor(combinationOf(event("q"))), undefined);
  // On a German keyboard ] is AltGr+9, which Windows reports with Ctrl and Alt.
  assert.equal(commandFor(combinationOf(event("]", { ctrl: true, alt: true, altGraph: true }))).id, "raise");
  assert.equal(commandFor(combinationOf(event("k", { code: "KeyK", alt: true }))).id, "selectKeys");
  assert.equal(commandFor(combinationOf(event("ż", { code: "KeyZ", ctrl: true, alt: true, altGraph: true }))), undefined);
});

test("keys are shown as each system writes them", () => {
  const german = (key) => ({ "key.Ctrl": "Strg", "key.Shift": "Umschalt", "key.Home": "Pos1" })[key];
  const english = (key) => key.replace("key.", "");
  assert.equal(keyText("Mod+Shift+Z", false, english), "Ctrl+Shift+Z");
  assert.equal(keyText("Mod+Shift+Home", false, german), "Strg+Umschalt+Pos1");
  assert.equal(keyText("Mod+Shift+Z", true, english), "⌘⇧Z");
  assert.equal(keyText("+", false, english), "+");
});

test("every command that is enabled runs without the view on an empty and on a full document", () => {
  const withView = /^(copy|cut|paste|editPhrase|motion|objectBox|fitBox|nameMarker|fullScreen|help|import|export\..*|escape)$/;
  for (const { id, isEnabled, isOn } of COMMANDS.filter(({ id }) => !withView.test(id))) {
    for (const editor of [new EditorState(), newEditor()]) {
      isOn?.(editor);
      if (isEnabled(editor)) commandOf(id).run({ editor });
      assert.equal(editor.notice, null, id);
    }
  }
});

test("Z shows the selected box in the middle of the stage, half as large as it", () => {
  const editor = newEditor();
  editor.set({ stageSize: { width: 400, height: 300 } });
  const [{ id, keys }] = editor.trajectory.objects;
  editor.select([id]);
  run(editor, "zoomSelection");
  const [x1, y1, x2, y2] = keys[0].box;
  const { left, top, width, height } = editor.shownViewport;
  assert.ok(Math.abs(left + ((x1 + x2) / 2) * width - 200) < 1e-6);
  assert.ok(Math.abs(top + ((y1 + y2) / 2) * height - 150) < 1e-6);
  const share = Math.max(((x2 - x1) * width) / 400, ((y2 - y1) * height) / 300);
  assert.ok(Math.abs(share - 0.5) < 1e-6, String(share));
});

test("a field that the state does not have cannot be set", () => {
  const editor = newEditor();
  assert.throws(() => editor.set({ isPlaying: true, isPlayin: false }), /no field isPlayin to set/);
  assert.equal(editor.isPlaying, false);
});

test("arrow keys move by a pixel of the document, with Shift by ten", () => {
  const editor = newEditor(); // 64 x 48 pixels
  run(editor, "nudge.right");
  run(editor, "nudge.farDown");
  const [{ box }] = editor.trajectory.objects[0].keys;
  assert.deepEqual(box, [0.115625, 0.408333, 0.315625, 0.708333]);
});

test("with the camera chosen a step moves all objects that are not locked", () => {
  const editor = newEditor();
  editor.set({ locked: new Set(["dog"]) });
  editor.selectCamera();
  run(editor, "nudge.right");
  assert.deepEqual(editor.trajectory.objects.map(({ keys }) => keys[0].box[0]), [0.115625, 0.6]);
});

test("a box does not get narrower than nothing", () => {
  const editor = newEditor();
  for (let n = 0; n < 4; n += 1) run(editor, "grow.farNarrower");
  const [{ box }] = editor.trajectory.objects[0].keys;
  assert.deepEqual(box, [0.1, 0.2, 0.1, 0.5]);
});

test("delete takes the selected keys, and objects where there are none", () => {
  const editor = newEditor();
  editor.selectKeys([{ id: "car", frame: 4 }]);
  run(editor, "delete");
  assert.deepEqual(framesOf(editor.trajectory, "car"), [0]);
  run(editor, "delete");
  assert.deepEqual(editor.trajectory.objects.map(({ id }) => id), ["dog"]);
  run(editor, "undo");
  run(editor, "undo");
  assert.deepEqual(framesOf(editor.trajectory, "car"), [0, 4]);
});

test("a locked object is not deleted", () => {
  const editor = newEditor();
  run(editor, "toggleLock");
  assert.equal(commandOf("delete").isEnabled(editor), false);
});

test("a copy is selected, beside its original", () => {
  const editor = newEditor();
  run(editor, "duplicate");
  assert.equal(editor.trajectory.objects.length, 3);
  assert.deepEqual([...editor.selected], [editor.trajectory.objects[2].id]);
});

test("hiding lasts to the next key, and again shows", () => {
  const editor = newEditor();
  editor.seek(2);
  run(editor, "toggleVisible");
  const visible = () => editor.trajectory.objects[0].keys.map((key) => [key.frame, key.visible]);
  assert.deepEqual(visible(), [[0, true], [2, false], [4, true]]);
  run(editor, "toggleVisible");
  assert.deepEqual(visible(), [[0, true], [2, true], [4, true]]);
});

test("an ease goes to the key before the playhead, or to all selected keys", () => {
  const editor = newEditor();
  editor.seek(2);
  run(editor, "ease.hold");
  assert.deepEqual(editor.trajectory.objects[0].keys.map(({ ease }) => ease), ["hold", "linear"]);
  editor.selectKeys([{ id: "car", frame: 0 }, { id: "car", frame: 4 }]);
  run(editor, "ease.in_out");
  assert.deepEqual(editor.trajectory.objects[0].keys.map(({ ease }) => ease), ["in_out", "in_out"]);
});

test("the playhead goes from key to key and stops at the ends", () => {
  const editor = newEditor();
  run(editor, "nextKey");
  assert.equal(editor.frame, 4);
  run(editor, "nextKey");
  assert.equal(editor.frame, 4);
  run(editor, "lastFrame");
  run(editor, "nextFrame");
  assert.equal(editor.frame, 7);
  run(editor, "previousKey");
  assert.equal(editor.frame, 4);
});

test("a text from outside keeps selection, locks and playhead where they still mean something", () => {
  const editor = newEditor();
  editor.set({ locked: new Set(["dog"]), time: 3 });
  editor.selectKeys([{ id: "car", frame: 0 }, { id: "car", frame: 4 }]);
  editor.load(model.serialiseTrajectory(model.setBox(model.removeTracks(editor.trajectory, ["dog"]), "car", 4, A)));
  assert.deepEqual([[...editor.selected], [...editor.locked], editor.time], [["car"], [], 3]);
  assert.deepEqual(editor.selectedKeys, [{ id: "car", frame: 0 }, { id: "car", frame: 4 }]);
});

test("a node made anew goes on where it was, and a change from outside is one more step", () => {
  const before = newEditor();
  before.set({ locked: new Set(["dog"]), time: 3 });
  run(before, "nudge.right");
  const nudged = before.trajectory;
  const outside = model.setBox(nudged, "car", 4, A);
  before.begin("step.move"); // the node went away in the middle of a gesture
  for (const text of [nudged, outside].map(model.serialiseTrajectory)) {
    const editor = new EditorState();
    editor.resume(before, text);
    assert.deepEqual([[...editor.selected], [...editor.locked], editor.time], [["car"], ["dog"], 3]);
    assert.equal(editor.isInGesture, false);
    assert.equal(model.serialiseTrajectory(editor.trajectory), text);
    if (text !== model.serialiseTrajectory(nudged)) run(editor, "undo");
    assert.deepEqual(editor.trajectory, nudged);
    run(editor, "undo");
    assert.notDeepEqual(editor.trajectory, nudged);
  }
  const editor = new EditorState();
  editor.resume(before, "{broken");
  assert.equal(editor.problem.text, "{broken");
});

test("a gesture that was never ended is in the text when the next one is cancelled", () => {
  const texts = [];
  const editor = new EditorState({ trajectory: trajectory({ car: [[0, A]] }), onCommit: (text) => texts.push(text) });
  editor.begin("step.move");
  editor.preview((before) => model.moveBoxes(before, ["car"], 0, 0.1, 0));
  editor.begin("step.resize");
  editor.cancel();
  assert.equal(texts.at(-1), model.serialiseTrajectory(editor.trajectory));
});

test("a text that is here already is not written out to see that", (t) => {
  const editor = newEditor();
  const text = model.serialiseTrajectory(editor.trajectory).replace("{", "{  ");
  editor.load(text);
  const { trajectory: here } = editor;
  const stringify = t.mock.method(JSON, "stringify");
  for (let n = 0; n < 5; n += 1) editor.load(text);
  assert.equal(stringify.mock.callCount(), 0);
  assert.equal(editor.trajectory, here);
});

test("a clip without objects plays too: a video may be behind it", () => {
  const editor = new EditorState();
  run(editor, "play");
  assert.ok(editor.isPlaying);
});

test("objects change places one by one", () => {
  const editor = newEditor({ car: [[0, A]], dog: [[0, B]], cat: [[0, A]] });
  const order = () => editor.trajectory.objects.map(({ id }) => id).join();
  run(editor, "raise");
  assert.equal(order(), "dog,car,cat");
  run(editor, "raise");
  run(editor, "raise");
  assert.equal(order(), "dog,cat,car");
  run(editor, "lower");
  assert.equal(order(), "dog,car,cat");
});

test("moved keys stay selected", () => {
  const editor = newEditor();
  run(editor, "selectKeys");
  assert.equal(editor.selectedKeys.length, 2);
  run(editor, "keysLater");
  assert.deepEqual(editor.selectedKeys, [{ id: "car", frame: 1 }, { id: "car", frame: 5 }]);
  assert.deepEqual(framesOf(editor.trajectory, "car"), [1, 5]);
});

test("phrases are what the prompt names: no verbs, no bare adjectives, nothing about the camera", () => {
  const cases = {
    "A (red car:1.2) driving on a wet street, a small brown dog and the red car": ["red car", "wet street", "small brown dog"],
    "A rocket lifts off from its launch pad and rises into the evening sky. The camera does not move.": [
      ...["rocket", "launch pad", "evening sky"],
    ],
    "a man waves to a girl, a bus passes a house covered in snow": ["man", "girl", "bus", "house", "snow"],
    "two dogs, an old, rusty car, traffic light, it doesn't stay": ["two dogs", "rusty car", "traffic light"],
    "a cat, masterpiece, best quality, cinematic lighting, 4k": ["cat"],
    "一只棕色的狗，红色汽车和猫": ["棕色的狗", "红色汽车", "猫"],
    "the of and a X": [],
  };
  for (const [prompt, expected] of Object.entries(cases)) assert.deepEqual(phrasesOf(prompt), expected);
  assert.deepEqual(phrasesOf(null), []);
});

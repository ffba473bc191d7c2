import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf } from "../../web/editor/actions/commands.js";
import { cursorAt, gestureAt, pan, pinch } from "../../web/editor/stage/gestures.js";
import { changeable, pathHandles, pathPoints, tickFrames, touchedAt } from "../../web/editor/stage/scene.js";
import { snappedResize } from "../../web/trajectory/snapped_resize.js";
import { EditorState } from "../../web/editor/state/state.js";
import { boxAt, centreOf, isSmooth, toFrame } from "../../web/trajectory/model.js";
import { distance, framesOf, keysOf, trajectory } from "./helpers.js";

// The frame is 1000 x 750 pixels of the stage, at 100, 100: one pixel is 0.001 of its width.
const VIEWPORT = { left: 100, top: 100, width: 1000, height: 750 };
const CENTS = 1e-6; // of the frame: what tidyBox rounds to

const left = [0.1, 0.2, 0.3, 0.4];
const right = [0.6, 0.2, 0.9, 0.6];

function start(objects, settings = {}) {
  const editor = new EditorState({ trajectory: trajectory(objects), onCommit: (text) => editor.commits.push(text) });
  editor.commits = [];
  editor.set({ viewport: VIEWPORT });
  editor.setSettings({ snapToFrame: false, snapToBoxes: false, ...settings });
  return editor;
}

/** A pointer at a place of the frame, in its units. */
function at(x, y, modifiers = {}) {
  const [px, py] = [VIEWPORT.left + x * VIEWPORT.width, VIEWPORT.top + y * VIEWPORT.height];
  return { px, py, shift: false, alt: false, ctrl: false, isTouch: false, ...modifiers };
}

function drag(editor, from, ...to) {
  const gesture = gestureAt(editor, from);
  for (const where of to) gesture.move(where);
  gesture.end(to.at(-1) ?? from);
  return gesture;
}

const click = (editor, where) => drag(editor, where);
const boxOf = (editor, id, frame = editor.frame) => {
  return boxAt(editor.trajectory.objects.find((o) => o.id === id), frame, editor.trajectory);
};
const isNear = (box, wanted) => assert.ok(distance(box, wanted) <= CENTS, `${box} is not ${wanted}`);

// ---- drawing

test("a drag on empty space draws a box, selects it and is one step of undo", () => {
  const editor = start({ a: [[0, left]] });
  drag(editor, at(0.5, 0.5), at(0.55, 0.6), at(0.7, 0.8));
  const [added] = editor.selected;
  assert.equal(editor.trajectory.objects.length, 2);
  isNear(boxOf(editor, added), [0.5, 0.5, 0.7, 0.8]);
  assert.equal(editor.commits.length, 1);
  editor.undo();
  assert.equal(editor.trajectory.objects.length, 1);
});

test("a drawn box may be drawn upwards, as a square of pixels with Shift, and about its middle with Alt", () => {
  const editor = start({ a: [[0, left]] }); // a document of 64 x 48 pixels
  drag(editor, at(0.7, 0.8), at(0.5, 0.6));
  isNear(boxOf(editor, [...editor.selected][0]), [0.5, 0.6, 0.7, 0.8]);
  editor.undo();
  // Alone, Shift on empty space is the marquee: it is pressed once the drag has started.
  drag(editor, at(0.5, 0.5), at(0.6, 0.5), at(0.6, 0.52, { shift: true }));
  isNear(boxOf(editor, [...editor.selected][0]), [0.5, 0.5, 0.6, 0.5 + (0.1 * 64) / 48]);
  editor.undo();
  drag(editor, at(0.5, 0.5, { alt: true }), at(0.6, 0.6, { alt: true }));
  isNear(boxOf(editor, [...editor.selected][0]), [0.4, 0.4, 0.6, 0.6]);
});

test("with Ctrl a box is drawn over another one", () => {
  const editor = start({ a: [[0, left]] });
  drag(editor, at(0.15, 0.25, { ctrl: true }), at(0.25, 0.35, { ctrl: true }));
  assert.equal(editor.trajectory.objects.length, 2);
  isNear(boxOf(editor, "a"), left);
});

test("a box that is too small to be meant is not kept, and the selection is back", () => {
  const editor = start({ a: [[0, left]] });
  editor.select(["a"]);
  drag(editor, at(0.5, 0.5), at(0.6, 0.501));
  assert.equal(editor.trajectory.objects.length, 1);
  assert.deepEqual([...editor.selected], ["a"]);
  assert.equal(editor.canUndo, false);
});

test("a box drawn while others are solo is shown too", () => {
  const editor = start({ a: [[0, left]] });
  editor.set({ solo: new Set(["a"]) });
  drag(editor, at(0.5, 0.5), at(0.7, 0.8));
  assert.ok(editor.isShown([...editor.selected][0]));
});

test("more objects than a document takes are refused with a message", () => {
  const editor = start(Object.fromEntries(Array.from({ length: 256 }, (_, n) => [`o${n}`, [[0, left]]])));
  drag(editor, at(0.5, 0.5), at(0.7, 0.8));
  assert.equal(editor.trajectory.objects.length, 256);
  assert.match(String(editor.notice.text), /limit is 256/);
});

// ---- selecting

test("a click selects the box on top, a click on nothing selects nothing, Shift-click adds and takes away", () => {
  const editor = start({ a: [[0, left]], b: [[0, right]] });
  click(editor, at(0.2, 0.3));
  assert.deepEqual([...editor.selected], ["a"]);
  click(editor, at(0.7, 0.4, { shift: true }));
  assert.deepEqual([...editor.selected], ["a", "b"]);
  click(editor, at(0.2, 0.3, { shift: true }));
  assert.deepEqual([...editor.selected], ["b"]);
  click(editor, at(0.5, 0.9));
  assert.deepEqual([...editor.selected], []);
  assert.equal(editor.commits.length, 0);
});

test("Alt-click goes through the boxes below each other and around", () => {
  const boxes = { a: [0.1, 0.1, 0.6, 0.6], b: [0.2, 0.2, 0.7, 0.7], c: [0.3, 0.3, 0.8, 0.8] };
  const editor = start(Object.fromEntries(Object.entries(boxes).map(([id, box]) => [id, [[0, box]]])));
  const found = Array.from({ length: 4 }, () => {
    click(editor, at(0.42, 0.48, { alt: true }));
    return [...editor.selected].join();
  });
  assert.deepEqual(found, ["c", "b", "a", "c"]);
});

test("a drag moves the selected box although another one is on top of it", () => {
  const editor = start({ a: [[0, [0.1, 0.1, 0.6, 0.6]]], b: [[0, [0.2, 0.2, 0.7, 0.7]]] });
  editor.select(["a"]);
  drag(editor, at(0.4, 0.3), at(0.5, 0.3));
  isNear(boxOf(editor, "a"), [0.2, 0.1, 0.7, 0.6]);
  isNear(boxOf(editor, "b"), [0.2, 0.2, 0.7, 0.7]);
});

test("with the setting, drags, handles and arrow keys change whole paths", () => {
  const objects = { a: [[0, left], [4, right]] };
  const editor = start(objects, { wholePath: true });
  drag(editor, at(0.2, 0.3), at(0.25, 0.3));
  isNear(boxOf(editor, "a", 0), [0.15, 0.2, 0.35, 0.4]);
  isNear(boxOf(editor, "a", 4), [0.65, 0.2, 0.95, 0.6]);
  drag(editor, at(0.35, 0.4), at(0.45, 0.4)); // half as wide again
  isNear(boxOf(editor, "a", 0), [0.15, 0.2, 0.45, 0.4]);
  isNear(boxOf(editor, "a", 4), [0.65, 0.2, 1.1, 0.6]);
  commandOf("nudge.farDown").run(/** @type {any} */ ({ editor }));
  assert.ok(boxOf(editor, "a", 4)[1] > 0.2 + 0.1);
});

test("fingers, which have no Shift, add to the selection if the view says so", () => {
  const editor = start({ a: [[0, left]], b: [[0, right]] }, { addByTouch: true });
  const finger = { isTouch: true };
  click(editor, at(0.2, 0.3, finger));
  click(editor, at(0.7, 0.3, finger));
  assert.deepEqual([...editor.selected], ["a", "b"]);
  click(editor, at(0.7, 0.3));
  assert.deepEqual([...editor.selected], ["b"]);
  drag(editor, at(0.05, 0.1, finger), at(0.95, 0.9, finger)); // from empty space: draws nothing
  assert.deepEqual([[...editor.selected].sort(), editor.trajectory.objects.length], [["a", "b"], 2]);
});

test("a marquee adds what it touches to the selection and a cancelled one gives it back", () => {
  const editor = start({ a: [[0, left]], b: [[0, right]], c: [[0, [0.4, 0.8, 0.5, 0.9]]] });
  editor.select(["c"]);
  const gesture = gestureAt(editor, at(0.05, 0.05, { shift: true }));
  gesture.move(at(0.65, 0.3, { shift: true }));
  assert.deepEqual([...editor.selected], ["c", "a", "b"]);
  assert.deepEqual(gesture.marquee.map((v) => Math.round(v * 100)), [5, 5, 65, 30]);
  gesture.cancel();
  assert.deepEqual([...editor.selected], ["c"]);
});

// ---- moving

test("moving a box makes a key at the playhead's frame and leaves the other keys", () => {
  const editor = start({ a: [[0, left], [7, right]] });
  editor.seek(3);
  const before = boxOf(editor, "a");
  const [x, y] = [before[0] + 0.05, before[1] + 0.05];
  drag(editor, at(x, y), at(x + 0.1, y + 0.1));
  assert.deepEqual(framesOf(editor.trajectory, "a"), [0, 3, 7]);
  isNear(boxOf(editor, "a"), before.map((v) => v + 0.1));
  isNear(boxOf(editor, "a", 0), left);
});

test("all selected boxes that are not locked move together, in one step", () => {
  const editor = start({ a: [[0, left]], b: [[0, right]], c: [[0, [0.4, 0.8, 0.5, 0.9]]] });
  editor.select(["a", "b", "c"]);
  editor.set({ locked: new Set(["c"]) });
  drag(editor, at(0.2, 0.35), at(0.25, 0.4), at(0.3, 0.45));
  isNear(boxOf(editor, "a"), [0.2, 0.3, 0.4, 0.5]);
  isNear(boxOf(editor, "b"), [0.7, 0.3, 1, 0.7]);
  isNear(boxOf(editor, "c"), [0.4, 0.8, 0.5, 0.9]);
  assert.equal(editor.commits.length, 1);
});

test("a box leaves the frame on any side and is taken back in", () => {
  for (const [x, y] of [[-0.5, 0], [0.9, 0], [0, -0.6], [0, 0.8]]) {
    const editor = start({ a: [[0, left]] });
    drag(editor, at(0.2, 0.25), at(0.2 + x, 0.25 + y));
    isNear(boxOf(editor, "a"), [left[0] + x, left[1] + y, left[2] + x, left[3] + y]);
    drag(editor, at(0.2 + x, 0.25 + y), at(0.2, 0.25));
    isNear(boxOf(editor, "a"), left);
  }
});

test("an Alt-drag moves all keys of a selected box", () => {
  const editor = start({ a: [[0, left], [7, right]] });
  editor.select(["a"]);
  drag(editor, at(0.15, 0.25, { alt: true }), at(0.25, 0.35, { alt: true }));
  isNear(boxOf(editor, "a", 0), left.map((v) => v + 0.1));
  isNear(boxOf(editor, "a", 7), right.map((v) => v + 0.1));
  assert.deepEqual(framesOf(editor.trajectory, "a"), [0, 7]);
});

test("a pointer that trembles by a pixel clicks: nothing moves", () => {
  const editor = start({ a: [[0, left]] });
  drag(editor, at(0.2, 0.3), at(0.201, 0.301));
  isNear(boxOf(editor, "a"), left);
  assert.equal(editor.canUndo, false);
  const touched = gestureAt(editor, at(0.2, 0.3, { isTouch: true }));
  touched.move(at(0.206, 0.3, { isTouch: true }));
  touched.end();
  assert.equal(editor.canUndo, false);
});

test("a cancelled drag leaves everything as it was", () => {
  const editor = start({ a: [[0, left]] });
  const before = editor.trajectory;
  const gesture = gestureAt(editor, at(0.2, 0.3));
  gesture.move(at(0.5, 0.5));
  assert.notEqual(editor.trajectory, before);
  gesture.cancel();
  assert.equal(editor.trajectory, before);
  assert.equal(editor.commits.length, 0);
});

test("a drag that was undone from the keyboard under way is over", () => {
  const editor = start({ a: [[0, left]] });
  const gesture = gestureAt(editor, at(0.5, 0.6));
  gesture.move(at(0.7, 0.8));
  editor.undo();
  assert.deepEqual([...editor.selected], []);
  gesture.move(at(0.8, 0.9));
  gesture.end();
  assert.deepEqual(editor.trajectory.objects.map(({ id }) => id), ["a"]);
});

test("a drag while playing from elsewhere than a box stops the playback at a whole frame", () => {
  const editor = start({ a: [[0, left]] });
  editor.set({ isPlaying: true, time: 2.4 });
  drag(editor, at(0.5, 0.6), at(0.7, 0.8));
  assert.equal(editor.isPlaying, false);
  assert.equal(editor.time, 2);
});

// ---- locked, off and hidden objects

test("a locked box is selected by a click, and a drag on it draws a new box", () => {
  const editor = start({ a: [[0, [0, 0, 1, 1]]], b: [[0, left]] });
  editor.set({ locked: new Set(["a"]) });
  click(editor, at(0.5, 0.6));
  assert.deepEqual([...editor.selected], ["a"]);
  drag(editor, at(0.5, 0.6), at(0.7, 0.8));
  assert.equal(editor.trajectory.objects.length, 3);
  isNear(boxOf(editor, "a"), [0, 0, 1, 1]);
});

test("a locked box on top lets the box below it be taken", () => {
  const editor = start({ a: [[0, left]], b: [[0, [0, 0, 1, 1]]] });
  editor.set({ locked: new Set(["b"]) });
  drag(editor, at(0.2, 0.3), at(0.3, 0.3));
  isNear(boxOf(editor, "a"), [0.2, 0.2, 0.4, 0.4]);
});

test("a locked box has no handles, nor has one that is off or not shown", () => {
  const editor = start({ a: [[0, left]], b: [[0, right]] });
  editor.select(["a"]);
  assert.equal(touchedAt(editor, at(0.3, 0.4)).kind, "handle");
  editor.set({ locked: new Set(["a"]) });
  assert.notEqual(touchedAt(editor, at(0.3, 0.4)).kind, "handle");
  editor.set({ locked: new Set(), solo: new Set(["b"]) });
  assert.equal(touchedAt(editor, at(0.3, 0.4)).kind, "empty");
  assert.deepEqual(changeable(editor), []);
});

test("an object that is not visible now is below those that are", () => {
  const editor = start({ a: [[0, left]], b: [[0, left, "linear", false]] });
  assert.deepEqual(touchedAt(editor, at(0.2, 0.3)).under, ["a", "b"]);
});

// ---- resizing

test("each handle moves its own sides and no other", () => {
  const sides = { nw: [0, 1], n: [1], ne: [1, 2], e: [2], se: [2, 3], s: [3], sw: [0, 3], w: [0] };
  const places = { nw: [0, 0], n: [0.5, 0], ne: [1, 0], e: [1, 0.5], se: [1, 1], s: [0.5, 1], sw: [0, 1], w: [0, 0.5] };
  for (const [handle, moved] of Object.entries(sides)) {
    const editor = start({ a: [[0, right]] });
    editor.select(["a"]);
    const [x, y] = [0.6 + 0.3 * places[handle][0], 0.2 + 0.4 * places[handle][1]];
    drag(editor, at(x, y), at(x + 0.05, y + 0.05));
    isNear(boxOf(editor, "a"), right.map((v, n) => (moved.includes(n) ? v + 0.05 : v)));
    assert.equal(editor.commits.length, 1);
  }
});

test("a handle wins over a box that is drawn over it", () => {
  const editor = start({ a: [[0, left]], b: [[0, [0.2, 0.3, 0.5, 0.6]]] });
  editor.select(["a"]);
  drag(editor, at(0.3, 0.4), at(0.35, 0.45));
  isNear(boxOf(editor, "a"), [0.1, 0.2, 0.35, 0.45]);
});

test("Shift or the setting keep the aspect ratio, both together do not; Alt is about the middle", () => {
  const resized = (settings, modifiers) => {
    const editor = start({ a: [[0, left]] }, settings);
    editor.select(["a"]);
    drag(editor, at(0.3, 0.4), at(0.4, 0.41, modifiers));
    return boxOf(editor, "a");
  };
  isNear(resized({}, {}), [0.1, 0.2, 0.4, 0.41]);
  isNear(resized({}, { shift: true }), [0.1, 0.2, 0.4, 0.5]);
  isNear(resized({ keepAspect: true }, {}), [0.1, 0.2, 0.4, 0.5]);
  isNear(resized({ keepAspect: true }, { shift: true }), [0.1, 0.2, 0.4, 0.41]);
  isNear(resized({}, { alt: true }), [0, 0.19, 0.4, 0.41]);
});

test("several selected boxes are resized together by the handles around them", () => {
  const editor = start({ a: [[0, left]], b: [[0, right]] }); // around them: 0.1, 0.2, 0.9, 0.6
  editor.select(["a", "b"]);
  drag(editor, at(0.9, 0.6), at(0.5, 0.4));
  isNear(boxOf(editor, "a"), [0.1, 0.2, 0.2, 0.3]);
  isNear(boxOf(editor, "b"), [0.35, 0.2, 0.5, 0.4]);
});

// ---- snapping

test("a moved box stops at the frame and at other boxes, shows the line, and not with Ctrl", () => {
  const settings = { snapToFrame: true, snapToBoxes: true };
  const editor = start({ a: [[0, left]], b: [[0, right]] }, settings);
  const gesture = gestureAt(editor, at(0.2, 0.3));
  gesture.move(at(0.104, 0.3));
  isNear(boxOf(editor, "a"), [0, 0.2, 0.2, 0.4]);
  assert.ok(gesture.guides.some(({ axis, at: x, kind }) => axis === "x" && x === 0 && kind === "frame"));
  gesture.move(at(0.104, 0.3, { ctrl: true }));
  isNear(boxOf(editor, "a"), [0.004, 0.2, 0.204, 0.4]);
  assert.deepEqual(gesture.guides, []);
  gesture.move(at(0.497, 0.7)); // its right side is 3 pixels from the left one of b
  isNear(boxOf(editor, "a"), [0.4, 0.6, 0.6, 0.8]);
  assert.ok(gesture.guides.some(({ kind, id }) => kind === "box" && id === "b"));
});

test("resizing with the aspect ratio kept still ends on a line", () => {
  const targets = { frame: true };
  const options = { keepAspect: true, aboutCentre: false };
  const snap = { targets, reach: [0.02, 0.02] };
  const corner = snappedResize([0.2, 0.2, 0.4, 0.3], "se", 0.59, 0.1, options, snap); // to 0.99, 0.595
  isNear(corner.box, [0.2, 0.2, 1, 0.6]);
  assert.deepEqual(corner.guides, [{ axis: "x", at: 1, kind: "frame" }]);
  const side = snappedResize([0.2, 0.2, 0.4, 0.3], "s", 0, 0.195, options, snap); // down to 0.495
  assert.ok(Math.abs(side.box[3] - 0.5) <= CENTS && Math.abs(side.box[2] - side.box[0] - 0.6) <= CENTS, `${side.box}`);
  const about = snappedResize([0.4, 0.4, 0.6, 0.6], "e", 0.39, 0, { ...options, aboutCentre: true }, snap);
  isNear(about.box, [0, 0, 1, 1]);
});

test("the grid is met where nothing else is near", () => {
  const editor = start({ a: [[0, left]] }, { grid: 10 });
  drag(editor, at(0.5, 0.5), at(0.5, 0.5), at(0.703, 0.797));
  isNear(boxOf(editor, [...editor.selected][0]), [0.5, 0.5, 0.7, 0.8]);
});

// ---- paths

test("a point of a path is dragged at its own frame, and a click on it goes there", () => {
  const editor = start({ a: [[0, left], [4, [0.5, 0.5, 0.7, 0.7]], [7, right]] });
  editor.select(["a"]);
  click(editor, at(0.6, 0.6));
  assert.equal(editor.frame, 4);
  editor.seek(0);
  drag(editor, at(0.6, 0.6), at(0.65, 0.55));
  isNear(boxOf(editor, "a", 4), [0.55, 0.45, 0.75, 0.65]);
  isNear(boxOf(editor, "a", 0), left);
  assert.equal(editor.commits.length, 1);
});

test("a tick between keys makes a key of its own when it is dragged", () => {
  const editor = start({ a: [[0, left], [7, right]] });
  editor.select(["a"]);
  const [x, y] = centreOf(boxOf(editor, "a", 3));
  drag(editor, at(x, y), at(x, y + 0.2));
  assert.deepEqual(framesOf(editor.trajectory, "a"), [0, 3, 7]);
});

test("ticks thin out where a path has no room for them, keys stay, and a box that stands still has none", () => {
  const track = trajectory({ a: [[0, left], [100, left.map((v) => v + 0.1)]] }, { frames: 512 }).objects[0];
  const ticks = tickFrames(track, { frames: 512, width: 64, height: 48 }, VIEWPORT);
  assert.ok(ticks.length < 40 && ticks.includes(0) && ticks.includes(100), `${ticks}`);
  const still = start({ a: [[0, left]] });
  still.select(["a"]);
  still.seek(5);
  assert.deepEqual(pathPoints(still, [0.01, 0.01]), []);
});

test("Alt-click on a point of a path makes it smooth, and a corner again, one step each", () => {
  const editor = start({ a: [[0, left], [4, [0.5, 0.5, 0.7, 0.7]], [7, right]] });
  editor.select(["a"]);
  const middle = () => keysOf(editor.trajectory, "a")[1];
  click(editor, at(0.6, 0.6, { alt: true }));
  assert.ok(isSmooth(middle(), editor.trajectory));
  assert.equal(editor.frame, 0, "the playhead stays");
  click(editor, at(0.6, 0.6, { alt: true }));
  assert.equal(middle().handles, undefined);
  assert.equal(editor.commits.length, 2);
});

test("Alt and a drag pull two equal handles out of a point, and Escape puts them back", () => {
  const editor = start({ a: [[0, left], [4, [0.5, 0.5, 0.7, 0.7]], [7, right]] });
  editor.select(["a"]);
  drag(editor, at(0.6, 0.6, { alt: true }), at(0.7, 0.5, { alt: true }));
  assert.ok(distance(keysOf(editor.trajectory, "a")[1].handles, [[-0.1, 0.1], [0.1, -0.1]]) < 2e-6);
  const before = editor.trajectory;
  const gesture = gestureAt(editor, at(0.7, 0.5));
  gesture.move(at(0.9, 0.9));
  assert.notEqual(editor.trajectory, before);
  gesture.cancel();
  assert.equal(editor.trajectory, before);
  assert.equal(editor.commits.length, 1);
});

test("a handle of a smooth point turns the other one, but not with Alt or by the setting, and Shift keeps to eight directions", () => {
  const handles = [[-0.1, 0], [0.2, 0]];
  const open = () => {
    const editor = start({ a: [[0, left], [4, [0.5, 0.5, 0.7, 0.7], "linear", true, handles], [7, right]] });
    editor.select(["a"]);
    return editor;
  };
  const after = (modifiers, settings = {}) => {
    const editor = open();
    editor.setSettings(settings);
    drag(editor, at(0.8, 0.6), at(0.6, 0.8, modifiers));
    assert.equal(editor.commits.length, 1);
    return keysOf(editor.trajectory, "a")[1].handles;
  };
  assert.ok(distance(after({}), [[0, -0.1 * (64 / 48)], [0, 0.2]]) < 2e-6);
  assert.ok(distance(after({ alt: true }), [[-0.1, 0], [0, 0.2]]) < 2e-6);
  assert.deepEqual(after({}, { bendFree: true }), after({ alt: true }));
  assert.deepEqual(after({ alt: true }, { bendFree: true }), after({}));
  const editor = open();
  drag(editor, at(0.8, 0.6), at(0.75, 0.61, { shift: true }));
  assert.ok(distance(keysOf(editor.trajectory, "a")[1].handles, [[-0.1, 0], [0.15, 0]]) < 2e-6);
  assert.equal(cursorAt(open(), at(0.8, 0.6), false), "grab");
});

test("handles are there for one selected object whose path is shown, and only where they bend something", () => {
  const bent = [[0.1, 0.1], [0.1, -0.1]];
  const editor = start({ a: [[0, left, "linear", true, bent], [7, right, "linear", true, bent]], b: [[0, right]] });
  assert.deepEqual(pathHandles(editor), []);
  editor.select(["a"]);
  assert.deepEqual(pathHandles(editor).map(({ frame, side }) => [frame, side]), [[0, 1], [7, 0]]);
  editor.setSettings({ paths: false });
  assert.deepEqual(pathHandles(editor), []);
  editor.setSettings({ paths: true });
  editor.select(["a", "b"]);
  assert.deepEqual(pathHandles(editor), []);
  editor.select(["a"]);
  editor.set({ locked: new Set(["a"]) });
  assert.deepEqual(pathHandles(editor), []);
});

// ---- camera

test("with the camera selected a drag pans it from the first frame to the playhead, except what is locked", () => {
  const editor = start({ a: [[0, left]], b: [[0, right]] });
  editor.set({ isCameraSelected: true, locked: new Set(["b"]), time: 4 });
  drag(editor, at(0.5, 0.9), at(0.6, 0.9));
  isNear(boxOf(editor, "a", 0), left);
  isNear(boxOf(editor, "a", 2), [0.15, 0.2, 0.35, 0.4]);
  isNear(boxOf(editor, "a", 4), [0.2, 0.2, 0.4, 0.4]);
  isNear(boxOf(editor, "a", 7), [0.2, 0.2, 0.4, 0.4]);
  isNear(boxOf(editor, "b", 4), right);
  assert.equal(editor.commits.length, 1);
});

// ---- recording

function play(editor, time) {
  editor.set({ time });
}

test("a box dragged while the clip plays records where it was, as one step", () => {
  const editor = start({ a: [[0, left]] });
  editor.set({ isPlaying: true });
  const gesture = gestureAt(editor, at(0.2, 0.3));
  gesture.move(at(0.25, 0.3));
  for (let frame = 1; frame <= 5; frame += 1) {
    play(editor, frame);
    gesture.move(at(0.25 + frame * 0.05, 0.3));
  }
  assert.equal(editor.commits.length, 0);
  gesture.end(at(0.5, 0.3));
  assert.equal(editor.recording, null);
  assert.equal(editor.commits.length, 1);
  isNear(boxOf(editor, "a", 0), [0.15, 0.2, 0.35, 0.4]);
  isNear(boxOf(editor, "a", 5), [0.4, 0.2, 0.6, 0.4]);
  assert.ok(keysOf(editor.trajectory, "a").length <= 3, "a straight motion needs few keys");
});

test("a hand that holds still records that the box stands still", () => {
  const editor = start({ a: [[0, left], [7, right]] });
  editor.set({ isPlaying: true });
  const gesture = gestureAt(editor, at(0.2, 0.3));
  gesture.move(at(0.3, 0.3));
  play(editor, 3);
  play(editor, 6);
  gesture.end();
  const centre = (frame) => centreOf(boxOf(editor, "a", frame))[0];
  for (const frame of [0, 3, 6]) assert.ok(Math.abs(centre(frame) - 0.3) < 0.005, `${frame}: ${centre(frame)}`);
});

test("a recording ends where the playback stops or starts again, and Escape drops it", () => {
  for (const end of [(editor) => editor.set({ isPlaying: false }), (editor) => play(editor, 0.5)]) {
    const editor = start({ a: [[0, left]] });
    editor.set({ isPlaying: true, time: 2 });
    const gesture = gestureAt(editor, at(0.2, 0.3));
    gesture.move(at(0.3, 0.3));
    play(editor, 4);
    end(editor);
    assert.equal(editor.commits.length, 1);
    gesture.move(at(0.5, 0.5));
    gesture.end(at(0.5, 0.5));
    assert.equal(editor.commits.length, 1);
  }
  const editor = start({ a: [[0, left]] });
  editor.set({ isPlaying: true });
  const gesture = gestureAt(editor, at(0.2, 0.3));
  gesture.move(at(0.3, 0.3));
  play(editor, 4);
  gesture.cancel();
  assert.equal(editor.recording, null);
  assert.equal(editor.canUndo, false);
});

// ---- view

test("panning and pinching change the view alone, and the point between the fingers stays below them", () => {
  const editor = start({ a: [[0, left]] });
  const gesture = pan(editor, at(0, 0));
  gesture.move(at(0.1, 0));
  assert.deepEqual(editor.viewport, { ...VIEWPORT, left: 200 });
  gesture.cancel();
  assert.deepEqual(editor.viewport, VIEWPORT);
  const fingers = pinch(editor, [at(0.4, 0.5), at(0.6, 0.5)]);
  fingers.move([at(0.35, 0.6), at(0.75, 0.6)]);
  assert.equal(editor.viewport.width, 2000);
  const middle = at(0.55, 0.6);
  assert.ok(distance(toFrame(editor.viewport, middle.px, middle.py), [0.5, 0.5]) < 1e-9);
  assert.equal(editor.canUndo, false);
});

test("the cursor says what a press would do", () => {
  const editor = start({ a: [[0, left]] });
  editor.select(["a"]);
  const cursor = (x, y, more = {}) => cursorAt(editor, at(x, y, more), false);
  assert.deepEqual(
    [cursor(0.3, 0.4), cursor(0.3, 0.3), cursor(0.15, 0.25), cursor(0.5, 0.5), cursor(0.15, 0.25, { ctrl: true })],
    ["nwse-resize", "ew-resize", "move", "crosshair", "crosshair"],
  );
  assert.equal(cursorAt(editor, at(0.15, 0.25), true), "grab");
});

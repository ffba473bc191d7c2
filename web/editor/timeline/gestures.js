/**
 * Pointer gestures on the timeline.
 *
 * @import {Trajectory} from "../../trajectory/document.js"
 * @import {KeyRef} from "../../trajectory/keys.js"
 * @import {EditorState, OpenGesture} from "../state/state.js"
 * @import {Followed, Where} from "../kit/pointer.js"
 * @import {Hit, Layout} from "./layout.js"
 * @typedef {{layout: () => Layout, scrollBy: (frames: number, pixels: number) => void,
 *   setMarquee: (rectangle: {left: number, top: number, right: number, bottom: number} | null) => void,
 *   reveal: (frame: number) => void}} Surface  the timeline, for gestures
 */

import * as model from "../../trajectory/model.js";
import { moveRangeEnd } from "../../trajectory/range_end.js";
import { frameAt, keysIn, RULER, scrollOfThumb, timeAt, xOf } from "./layout.js";

const THRESHOLD = { mouse: 3, touch: 8 }; // CSS pixels before a click becomes a drag
const DONE = { move() {}, end() {}, cancel() {} }; // for presses that need no more

/**
 * @param {EditorState} editor
 * @param {Surface} surface
 * @param {Hit} hit  under the pointer
 * @param {Where} press
 * @returns {Followed}
 */
export function gestureOf(editor, surface, hit, press) {
  const { trajectory } = editor;
  const id = hit.row > 0 ? trajectory.objects[hit.row - 1].id : null;
  switch (hit.kind) {
    case "ruler":
      return scrub(editor, surface, press);
    case "label":
      selectRow(editor, id, press);
      return DONE;
    case "key":
      return dragKeys(editor, surface, keysAt(editor, id, hit.frame), hit.frame, press);
    case "end":
      return dragEnd(editor, surface, hit, id, press);
    case "scrollX":
    case "scrollY":
      return dragThumb(surface, hit.kind === "scrollX" ? "x" : "y", press);
    default:
      return chooseKeys(editor, surface, press, () => clickRow(editor, hit, id, press));
  }
}

/** Pan the view with the middle button. @param {Surface} surface @param {Where} press @returns {Followed} */
export function pan(surface, press) {
  let before = press;
  const move = (point) => {
    surface.scrollBy((before.px - point.px) / surface.layout().scale, before.py - point.py);
    before = point;
  };
  return { ...DONE, move };
}

/**
 * Add a key at a double click, and select it.
 *
 * @param {EditorState} editor
 * @param {Hit} hit
 * @param {number} frame  nearest to the pointer
 */
export function addKeyAt(editor, { kind, row }, frame) {
  if (!["row", "segment"].includes(kind)) return;
  const ids = row > 0 ? [editor.trajectory.objects[row - 1].id] : editor.trajectory.objects.map(({ id }) => id);
  const free = ids.filter((id) => !editor.locked.has(id));
  if (!free.length) return;
  editor.apply("step.addKey", (trajectory) => model.addKeys(trajectory, free, frame));
  editor.selectKeys(free.map((id) => ({ id, frame })));
  editor.seek(frame);
}

/**
 * Select what a menu is to be about, unless it is selected already.
 *
 * @param {EditorState} editor
 * @param {Hit} hit
 * @returns {"key" | "segment" | "row" | "time" | "ruler"} the menu
 */
export function chooseFor(editor, { kind, row, frame }) {
  const id = row > 0 ? editor.trajectory.objects[row - 1].id : null;
  if (kind === "key") {
    const refs = keysAt(editor, id, frame);
    const isSelected = (ref) => editor.selectedKeys.some((key) => key.id === ref.id && key.frame === ref.frame);
    if (!refs.every(isSelected)) editor.selectKeys(refs);
    return "key";
  }
  if (kind === "segment") {
    editor.selectKeys([{ id, frame }]);
    return "segment";
  }
  if (kind === "ruler") return "ruler";
  if (id === null) return "time";
  if (!editor.selected.has(id)) editor.select([id]);
  return kind === "label" ? "row" : "time";
}

/** The key at a frame, or those of all objects for the camera. @returns {KeyRef[]} */
function keysAt(editor, id, frame) {
  if (id !== null) return [{ id, frame }];
  const has = ({ keys }) => keys[model.keyIndexAt(keys, frame)].frame === frame;
  return editor.trajectory.objects.filter(has).map((track) => ({ id: track.id, frame }));
}

function selectRow(editor, id, { shift, ctrl }) {
  if (id === null) editor.selectCamera();
  else editor.select([id], shift || ctrl ? "toggle" : "only");
}

/** Select the first key of a clicked segment, which defines its easing. */
function clickRow(editor, hit, id, press) {
  const mode = press.shift || press.ctrl ? "toggle" : "only";
  if (hit.kind === "segment") editor.selectKeys([{ id, frame: hit.frame }], mode);
  else if (hit.kind === "row") selectRow(editor, id, press);
  else if (mode === "only") editor.select([]);
}

function scrub(editor, surface, press) {
  const { time, selectedKeys, isPlaying } = editor;
  const move = ({ px }) => {
    editor.seek(frameAt(surface.layout(), px));
    // Keys at other times are not what the user looks at now, and must not take the next ease.
    if (!editor.selectedKeys.every(({ frame }) => frame === editor.frame)) editor.set({ selectedKeys: [] });
  };
  if (editor.isPlaying) editor.set({ isPlaying: false });
  move(press);
  return { ...DONE, move, cancel: () => editor.set({ time, selectedKeys, isPlaying }) };
}

/**
 * Edit the trajectory in a gesture that begins with the first change. It stops if something else ends the gesture, such
 * as loading another trajectory.
 */
function editing(editor, label) {
  /** @type {OpenGesture | null} */
  let open = null;
  return {
    preview(operation) {
      open ??= editor.begin(label);
      return open.preview(operation);
    },
    get hasBegun() {
      return open !== null;
    },
    end: () => void open?.commit(),
    cancel: () => open?.cancel(),
  };
}

/** Move keys in time, or copies of them with Ctrl or Alt. A click moves the playhead to the key. */
function dragKeys(editor, surface, pressed, frame, press) {
  const isSelected = (ref) => editor.selectedKeys.some(({ id, frame: at }) => id === ref.id && at === ref.frame);
  const wasSelected = pressed.every(isSelected);
  if (press.shift) {
    editor.selectKeys(pressed, wasSelected ? "toggle" : "add");
    return DONE;
  }
  if (!wasSelected) editor.selectKeys(pressed);
  const { trajectory, selectedKeys } = editor;
  const refs = selectedKeys.filter(({ id }) => !editor.locked.has(id));
  const isCopy = press.ctrl || press.alt;
  const change = isCopy ? copying(trajectory, refs) : (start, shift) => model.moveKeys(start, refs, shift);
  const edit = editing(editor, isCopy ? "step.copyKeys" : "step.moveKeys");
  let isDrag = false;
  let shift = 0;
  return {
    move(point) {
      isDrag ||= Math.abs(point.px - press.px) > thresholdOf(press);
      if (!isDrag || !refs.length) return;
      const to = frameAt(surface.layout(), point.px);
      surface.reveal(to);
      const allowed = model.allowedShift(trajectory, refs, to - frame);
      if (allowed === shift) return;
      shift = allowed;
      if (edit.preview((start) => change(start, shift))) editor.selectKeys(refs.map((ref) => ({ id: ref.id, frame: ref.frame + shift })));
    },
    end() {
      edit.end();
      if (isDrag) return;
      editor.selectKeys(pressed);
      if (editor.isPlaying) editor.set({ isPlaying: false });
      editor.seek(frame);
    },
    cancel() {
      edit.cancel();
      if (edit.hasBegun) editor.selectKeys(selectedKeys);
    },
  };
}

/** @param {Trajectory} trajectory @param {KeyRef[]} refs */
function copying(trajectory, refs) {
  const clipboard = model.copyKeys(trajectory, refs);
  const ids = clipboard?.objects.map(({ id }) => id) ?? [];
  const first = refs.reduce((least, { frame }) => Math.min(least, frame), Infinity);
  return (start, shift) => (shift && clipboard ? model.pasteKeys(start, clipboard, first + shift, ids) : start);
}

/** Drag an end of a visible range. */
function dragEnd(editor, surface, /** @type {Hit} */ { range, end }, id, press) {
  if (!editor.selected.has(id)) editor.select([id]);
  if (editor.locked.has(id)) return DONE;
  const edit = editing(editor, "step.range");
  let before = end === "first" ? range[0] : range[1];
  const offset = press.px - xOf(surface.layout(), before); // an end is drawn beside its frame
  return {
    move(point) {
      const frame = frameAt(surface.layout(), point.px - offset);
      if (frame === before) return;
      before = frame;
      surface.reveal(frame);
      edit.preview((start) => moveRangeEnd(start, id, range, end, frame));
    },
    end: edit.end,
    cancel: edit.cancel,
  };
}

/** Select the keys in a rectangle, or call `click` if there was no drag. */
function chooseKeys(editor, surface, press, click) {
  const { selected, selectedKeys, isCameraSelected } = editor;
  const heightOf = (point) => point.py - RULER + surface.layout().scroll;
  const from = { time: timeAt(surface.layout(), press.px), height: heightOf(press) };
  let isDrag = false;
  return {
    move(point) {
      isDrag ||= Math.hypot(point.px - press.px, point.py - press.py) > thresholdOf(press);
      if (!isDrag) return;
      const layout = surface.layout();
      /** @type {[number, number]} */
      const times = [from.time, timeAt(layout, point.px)];
      const refs = keysIn(layout, editor.trajectory, times, [from.height, heightOf(point)]);
      const startY = from.height + RULER - layout.scroll;
      surface.setMarquee({
        left: Math.min(press.px, point.px),
        right: Math.max(press.px, point.px),
        top: Math.min(startY, point.py),
        bottom: Math.max(startY, point.py),
      });
      editor.selectKeys(point.shift ? mergedRefs(selectedKeys, refs) : refs);
    },
    end() {
      surface.setMarquee(null);
      if (!isDrag) click();
    },
    cancel() {
      surface.setMarquee(null);
      if (isDrag) editor.set({ selected, selectedKeys, isCameraSelected });
    },
  };
}

/** @param {Where} press */
function thresholdOf({ isTouch }) {
  return isTouch ? THRESHOLD.touch : THRESHOLD.mouse;
}

function mergedRefs(refs, added) {
  const names = new Set(added.map(({ id, frame }) => `${frame}/${id}`));
  return [...refs.filter(({ id, frame }) => !names.has(`${frame}/${id}`)), ...added];
}

function dragThumb(surface, axis, press) {
  let before = press;
  const move = (point) => {
    const by = scrollOfThumb(surface.layout(), axis, axis === "x" ? point.px - before.px : point.py - before.py);
    before = point;
    surface.scrollBy(axis === "x" ? by : 0, axis === "y" ? by : 0);
  };
  return { ...DONE, move };
}

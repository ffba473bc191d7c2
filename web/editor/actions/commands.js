/**
 * All commands, for keyboard, menus, buttons and help.
 *
 * While a key is held, a command with a `step` repeats as one gesture. All others just run.
 *
 * @import {EditorState} from "../state/state.js"
 * @import {Trajectory} from "../../trajectory/document.js"
 * @import {Context, View} from "../view.js"
 * @typedef {"edit" | "object" | "move" | "time" | "view" | "file"} Group
 * @typedef {{id: string, group: Group, label: string, keys: string[], isEnabled: (editor: EditorState) => boolean,
 *   run: (context: Context) => void, isOn?: (editor: EditorState, view: View) => boolean, isNative?: boolean,
 *   refusal?: string, name?: (editor: EditorState, t: Context["t"]) => string,
 *   step?: {label: string, start: (editor: EditorState) => (times: number) => (trajectory: Trajectory) => Trajectory}}
 * } Command  label: message key; name: instead of the label where it depends on the state; keys: combinations as in keys.js; isOn: for toggles; refusal: message key of why its key does nothing; isNative: the browser fires an
 *   event for its keys (copy, cut, paste); step.start: returns the operation for a number of repeats
 */

import * as model from "../../trajectory/model.js";
import { copyByEvent, pasteFromClipboard } from "../files/clipboard.js";
import { exportTrajectory, importByDialog } from "../files/files.js";
import { applyAndSelectAdded, easedKeys, editableKeys, movedIds, toggled, toggleVisible } from "../state/selection.js";

const FAR = 10; // pixels per step with Shift
const ZOOM = 1.25;

function removeChosen({ editor }) {
  const keys = editableKeys(editor);
  if (keys.length) editor.apply("step.deleteKeys", (trajectory) => model.deleteKeys(trajectory, keys));
  else editor.apply("step.delete", (trajectory) => model.removeTracks(trajectory, editor.editable));
}

function selectNext(editor, by) {
  const ids = editor.trajectory.objects.map(({ id }) => id).filter((id) => editor.isShown(id));
  const here = ids.findIndex((id) => editor.selected.has(id));
  const next = here < 0 ? (by > 0 ? 0 : ids.length - 1) : (here + by + ids.length) % ids.length;
  editor.select([ids[next]]);
}

/** Frames with keys of the selected objects, or of all if none is selected. */
function keyFrames(editor) {
  const { objects } = editor.trajectory;
  const chosen = editor.selected.size ? objects.filter(({ id }) => editor.selected.has(id)) : objects;
  return chosen.flatMap(({ keys }) => keys.map(({ frame }) => frame));
}

function seekKey(editor, by) {
  const frames = keyFrames(editor).filter((frame) => (by > 0 ? frame > editor.frame : frame < editor.frame));
  if (frames.length) editor.seek(frames.reduce((a, b) => (by > 0 ? Math.min(a, b) : Math.max(a, b))));
}

/** Show the selected boxes at the playhead as large as they fit, with as much around them. */
function zoomToSelection(editor) {
  const { frame, selected, shownViewport, stageSize, trajectory } = editor;
  const tracks = trajectory.objects.filter(({ id }) => selected.has(id));
  const around = model.boxAround(tracks.map((track) => model.boxAt(track, frame, trajectory)));
  const [left, top] = model.toPixels(shownViewport, around[0], around[1]);
  const [right, bottom] = model.toPixels(shownViewport, around[2], around[3]);
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  const factor = Math.min(stageSize.width / Math.max(right - left, 1), stageSize.height / Math.max(bottom - top, 1)) / 2;
  const centred = model.panBy(shownViewport, stageSize.width / 2 - x, stageSize.height / 2 - y);
  editor.set({ viewport: model.zoomAt(centred, stageSize.width / 2, stageSize.height / 2, factor) });
}

function seekMarker(editor, by) {
  const frames = editor.markers.map(({ frame }) => frame).filter((frame) => frame < editor.trajectory.frames);
  const ahead = frames.filter((frame) => (by > 0 ? frame > editor.frame : frame < editor.frame));
  if (ahead.length) stopAndSeek(editor, by > 0 ? ahead[0] : ahead.at(-1));
}

/** Move the marker at the playhead, and the playhead with it, to the next frame on that side without a marker. */
function moveMarker(editor, by) {
  const { frame, markers, trajectory } = editor;
  const taken = new Set(markers.map((marker) => marker.frame));
  let to = frame + by;
  while (taken.has(to)) to += by;
  if (to < 0 || to >= trajectory.frames) return;
  editor.setMarkers(markers.map((marker) => (marker.frame === frame ? { ...marker, frame: to } : marker)));
  stopAndSeek(editor, to);
}

function stopAndSeek(editor, frame) {
  if (editor.isPlaying) editor.set({ isPlaying: false });
  editor.seek(frame);
}

function reorder(editor, by) {
  const { objects } = editor.trajectory;
  const places = objects.flatMap(({ id }, n) => (editor.selected.has(id) ? [n] : []));
  const index = by > 0 ? Math.min(places.at(-1) + 2, objects.length) : Math.max(places[0] - 1, 0);
  editor.apply("step.reorder", (trajectory) => model.reorderTracks(trajectory, editor.selected, index));
}

/** Cancel the gesture, else deselect keys, else deselect objects, else leave full screen. */
function cancelInnermost({ editor, view }) {
  if (editor.isInGesture) editor.cancel();
  else if (editor.isArmed) editor.set({ isArmed: false });
  else if (editor.selectedKeys.length) editor.set({ selectedKeys: [] });
  else if (editor.selected.size || editor.isCameraSelected) editor.select([]);
  else view.setPoppedOut(false);
}

const always = () => true;
const hasObjects = (editor) => editor.trajectory.objects.length > 0;
const hasSelection = (editor) => editor.selected.size > 0;
const hasEditable = (editor) => editor.editable.length > 0;
const hasMarkers = (editor) => editor.markers.length > 0;
const hasMarkerHere = ({ markers, frame }) => markers.some((marker) => marker.frame === frame);
const hasMoved = (editor) => movedIds(editor).length > 0;
const hasKeys = (editor) => editableKeys(editor).length > 0;

/** The keys of the selected objects at the playhead. @returns {{id: string, frame: number}[]} */
function keysHere({ editable, frame, trajectory }) {
  const has = (id) => model.trackOf(trajectory, id).keys.some((key) => key.frame === frame);
  return editable.filter(has).map((id) => ({ id, frame }));
}

const hasKeyHere = (editor) => keysHere(editor).length > 0;
const hasSeveralKeys = (editor) => new Set(editableKeys(editor).map(({ frame }) => frame)).size > 1;

/** A command that repeats while its key is held. @returns {Command} */
function stepCommand(id, keys, label, change) {
  const start = (editor) => {
    const ids = movedIds(editor);
    const { frame, settings } = editor;
    return (times) => (trajectory) => change(trajectory, ids, frame, times, settings.wholePath);
  };
  const run = ({ editor }) => editor.apply(label, start(editor)(1));
  return { id, group: "move", label: `command.${id}`, keys, isEnabled: hasMoved, run, step: { label, start } };
}

function nudge(id, keys, x, y) {
  return stepCommand(id, keys, "step.move", (trajectory, ids, frame, times, isWhole) => {
    const [dx, dy] = [(x * times) / trajectory.width, (y * times) / trajectory.height];
    return isWhole ? model.moveTracks(trajectory, ids, dx, dy) : model.moveBoxes(trajectory, ids, frame, dx, dy);
  });
}

/** Move the right and lower sides, at most to the opposite ones. */
function grow(id, keys, x, y) {
  return stepCommand(id, keys, "step.resize", (trajectory, ids, frame, times, isWhole) =>
    ids.reduce((result, object) => {
      const [x1, y1, x2, y2] = model.boxAt(model.trackOf(trajectory, object), frame, trajectory);
      const right = Math.max(x2 + (x * times) / trajectory.width, x1);
      const bottom = Math.max(y2 + (y * times) / trajectory.height, y1);
      return (isWhole ? model.resizeTrack : model.setBox)(result, object, frame, [x1, y1, right, bottom]);
    }, trajectory),
  );
}

function align(edge) {
  return command("object", `align.${edge}`, [], hasEditable, ({ editor }) =>
    editor.apply("step.align", (trajectory) => model.alignBoxes(trajectory, editor.editable, editor.frame, edge)),
  );
}

function distribute(axis) {
  return command("object", `distribute.${axis}`, [], (editor) => editor.editable.length > 2, ({ editor }) =>
    editor.apply("step.distribute", (before) => model.distributeBoxes(before, editor.editable, editor.frame, axis)),
  );
}

/** A toggle of the selected objects in a set of the state. @param {"locked" | "solo"} set */
function toggleIn(set, id, keys) {
  const run = ({ editor }) => editor.set({ [set]: toggled(editor[set], [...editor.selected]) });
  const isOn = (editor) => editor.selected.size > 0 && [...editor.selected].every((chosen) => editor[set].has(chosen));
  return command("object", id, keys, hasSelection, run, { isOn });
}

function ease(name, keys) {
  const run = ({ editor }) => {
    const refs = easedKeys(editor);
    editor.apply("step.ease", (trajectory) => model.setEase(trajectory, refs, name));
  };
  const isOn = (editor) => {
    const refs = easedKeys(editor);
    return refs.length > 0 && refs.every(({ id: object, frame }) => {
      const key = model.trackOf(editor.trajectory, object).keys.find((k) => k.frame === frame);
      return key.ease === name;
    });
  };
  return command("time", `ease.${name}`, keys, hasEditable, run, { isOn });
}

/** @param {"snapToFrame" | "snapToBoxes" | "keepAspect" | "wholePath" | "bendFree" | "addByTouch" | "onionSkin" | "paths" | "animatic" | "crop" |
 *   "loop"} name */
function setting(name, keys, group = "view") {
  const run = ({ editor }) => editor.setSettings({ [name]: !editor.settings[name] });
  return command(group, `setting.${name}`, keys, always, run, { isOn: (editor) => editor.settings[name] });
}

function command(group, id, keys, isEnabled, run, more = {}) {
  return { id, group, label: `command.${id}`, keys, isEnabled, run, ...more };
}

const GRID = 8; // columns and rows

/** @type {Command[]} */
export const COMMANDS = [
  command("edit", "undo", ["Mod+Z"], (editor) => editor.canUndo, ({ editor }) => editor.undo(), {
    name: ({ undoLabel }, t) => t(undoLabel ? "command.undoStep" : "command.undo", { step: undoLabel && t(undoLabel) }),
  }),
  command("edit", "redo", ["Mod+Shift+Z", "Mod+Y"], (editor) => editor.canRedo, ({ editor }) => editor.redo(), {
    name: ({ redoLabel }, t) => t(redoLabel ? "command.redoStep" : "command.redo", { step: redoLabel && t(redoLabel) }),
  }),
  command("edit", "cut", ["Mod+X"], hasEditable, (context) => copyByEvent(context, "cut"), { isNative: true }),
  command("edit", "copy", ["Mod+C"], hasSelection, (context) => copyByEvent(context, "copy"), { isNative: true }),
  command("edit", "paste", ["Mod+V"], always, pasteFromClipboard, { isNative: true }),
  command("edit", "duplicate", ["Mod+D"], hasSelection, ({ editor }) =>
    applyAndSelectAdded(editor, "step.duplicate", (trajectory) =>
      model.duplicateTracks(trajectory, [...editor.selected], FAR / trajectory.width, FAR / trajectory.height),
    ),
  ),
  command("edit", "delete", ["Delete", "Backspace"], hasEditable, removeChosen),
  command("edit", "selectAll", ["Mod+A"], hasObjects, ({ editor }) =>
    editor.select(editor.trajectory.objects.map(({ id }) => id).filter((id) => editor.isShown(id))),
  ),
  command("edit", "selectNone", ["Mod+Shift+A"], hasSelection, ({ editor }) => editor.select([])),
  command("edit", "selectNext", ["N"], hasObjects, ({ editor }) => selectNext(editor, 1)),
  command("edit", "selectPrevious", ["Shift+N"], hasObjects, ({ editor }) => selectNext(editor, -1)),
  command("edit", "selectCamera", ["C"], always, ({ editor }) => editor.selectCamera()),
  command("edit", "escape", ["Escape"], always, cancelInnermost),

  nudge("nudge.left", ["ArrowLeft"], -1, 0),
  nudge("nudge.right", ["ArrowRight"], 1, 0),
  nudge("nudge.up", ["ArrowUp"], 0, -1),
  nudge("nudge.down", ["ArrowDown"], 0, 1),
  nudge("nudge.farLeft", ["Shift+ArrowLeft"], -FAR, 0),
  nudge("nudge.farRight", ["Shift+ArrowRight"], FAR, 0),
  nudge("nudge.farUp", ["Shift+ArrowUp"], 0, -FAR),
  nudge("nudge.farDown", ["Shift+ArrowDown"], 0, FAR),
  grow("grow.narrower", ["Mod+ArrowLeft"], -1, 0),
  grow("grow.wider", ["Mod+ArrowRight"], 1, 0),
  grow("grow.lower", ["Mod+ArrowUp"], 0, -1),
  grow("grow.higher", ["Mod+ArrowDown"], 0, 1),
  grow("grow.farNarrower", ["Mod+Shift+ArrowLeft"], -FAR, 0),
  grow("grow.farWider", ["Mod+Shift+ArrowRight"], FAR, 0),
  grow("grow.farLower", ["Mod+Shift+ArrowUp"], 0, -FAR),
  grow("grow.farHigher", ["Mod+Shift+ArrowDown"], 0, FAR),

  command("object", "addBox", ["B"], always, ({ editor }) =>
    applyAndSelectAdded(editor, "step.draw", (trajectory) =>
      model.addTrack(trajectory, [0.375, 0.375, 0.625, 0.625], editor.frame),
    ),
  ),
  command("object", "objectBox", ["D"], always, ({ view }) => view.boxFromObject()),
  command("object", "fitBox", ["Shift+D"], hasEditable, ({ view }) => view.fitBox()),
  command("object", "editPhrase", ["F2", "Enter"], hasSelection, ({ view }) => view.editPhrase()),
  command(
    "object",
    "toggleEnabled",
    ["E"],
    hasSelection,
    ({ editor }) => {
      const ids = [...editor.selected];
      const isOn = ids.every((id) => model.trackOf(editor.trajectory, id).enabled);
      editor.apply(isOn ? "step.disable" : "step.enable", (trajectory) => model.setEnabled(trajectory, ids, !isOn));
    },
    { isOn: (e) => e.selected.size > 0 && e.trajectory.objects.every((o) => !e.selected.has(o.id) || o.enabled) },
  ),
  toggleIn("locked", "toggleLock", ["L"]),
  toggleIn("solo", "toggleSolo", ["S"]),
  command("object", "raise", ["]"], hasSelection, ({ editor }) => reorder(editor, 1)),
  command("object", "lower", ["["], hasSelection, ({ editor }) => reorder(editor, -1)),
  ...["left", "center", "right", "top", "middle", "bottom"].map(align),
  distribute("x"),
  distribute("y"),
  command("object", "simplify", [], hasEditable, ({ editor }) =>
    editor.apply("step.simplify", (trajectory) => model.simplifyTracks(trajectory, editor.editable)),
  ),
  command("object", "motion", ["M"], hasMoved, ({ view }) => view.focusMotion()),

  command("time", "play", ["Space"], always, ({ editor }) => editor.set({ isPlaying: !editor.isPlaying })),
  command("time", "previousFrame", [","], always, ({ editor }) => stopAndSeek(editor, editor.frame - 1)),
  command("time", "nextFrame", ["."], always, ({ editor }) => stopAndSeek(editor, editor.frame + 1)),
  command("time", "previousKey", ["<"], hasObjects, ({ editor }) => seekKey(editor, -1)),
  command("time", "nextKey", [">"], hasObjects, ({ editor }) => seekKey(editor, 1)),
  command("time", "firstFrame", ["Home"], always, ({ editor }) => stopAndSeek(editor, 0)),
  command("time", "lastFrame", ["End"], always, ({ editor }) => stopAndSeek(editor, editor.trajectory.frames - 1)),
  setting("loop", [], "time"),
  command("time", "workAreaStart", ["Shift+Home"], always, ({ editor }) => {
    editor.setWorkArea([editor.frame, Math.max(editor.frame, editor.played[1])]);
  }),
  command("time", "workAreaEnd", ["Shift+End"], always, ({ editor }) => {
    editor.setWorkArea([Math.min(editor.frame, editor.played[0]), editor.frame]);
  }),
  command("time", "workAreaClear", ["Alt+End"], (editor) => editor.workArea !== null, ({ editor }) => {
    editor.set({ workArea: null });
  }),
  command("time", "marker", ["Shift+M"], always, ({ editor }) => {
    const others = editor.markers.filter(({ frame }) => frame !== editor.frame);
    const isThere = others.length < editor.markers.length;
    editor.setMarkers(isThere ? others : [...others, { frame: editor.frame, name: "" }]);
  }, { isOn: hasMarkerHere }),
  command("time", "nameMarker", ["Alt+M"], always, ({ view }) => view.nameMarker()),
  command("time", "markerEarlier", ["Alt+Shift+PageUp"], hasMarkerHere, ({ editor }) => moveMarker(editor, -1)),
  command("time", "markerLater", ["Alt+Shift+PageDown"], hasMarkerHere, ({ editor }) => moveMarker(editor, 1)),
  command("time", "previousMarker", ["Alt+PageUp"], hasMarkers, ({ editor }) => seekMarker(editor, -1)),
  command("time", "nextMarker", ["Alt+PageDown"], hasMarkers, ({ editor }) => seekMarker(editor, 1)),
  command("time", "record", ["R"], hasObjects, ({ editor }) => editor.set({ isArmed: !editor.isArmed, isPlaying: false }), {
    isOn: (editor) => editor.isArmed,
  }),
  command("time", "addKey", ["K"], hasEditable, ({ editor }) =>
    editor.apply("step.addKey", (trajectory) => model.addKeys(trajectory, editor.editable, editor.frame)),
  ),
  command("time", "selectKeys", ["Alt+K"], hasEditable, ({ editor }) =>
    editor.selectKeys(
      editor.editable.flatMap((id) => model.trackOf(editor.trajectory, id).keys.map(({ frame }) => ({ id, frame }))),
    ),
  ),
  command("time", "selectKey", ["Shift+K"], hasKeyHere, ({ editor }) => editor.selectKeys(keysHere(editor))),
  command("time", "keysToPlayhead", ["Alt+Home"], hasKeys, ({ editor }) => {
    const first = editableKeys(editor).reduce((least, { frame }) => Math.min(least, frame), Infinity);
    shiftKeys(editor, editor.frame - first);
  }),
  command("time", "keysStretch", ["Alt+Shift+ArrowRight"], hasSeveralKeys, ({ editor }) => stretch(editor, 1)),
  command("time", "keysSqueeze", ["Alt+Shift+ArrowLeft"], hasSeveralKeys, ({ editor }) => stretch(editor, -1)),
  command("time", "keysReverse", [], hasSeveralKeys, ({ editor }) => {
    const refs = editableKeys(editor);
    if (!editor.apply("step.reverseKeys", (trajectory) => model.reverseKeys(trajectory, refs))) return;
    editor.selectKeys(model.reversedRefs(refs));
  }),
  command("time", "keysEarlier", ["Alt+ArrowLeft"], hasKeys, ({ editor }) => shiftKeys(editor, -1)),
  command("time", "keysLater", ["Alt+ArrowRight"], hasKeys, ({ editor }) => shiftKeys(editor, 1)),
  command("time", "smooth", ["H"], hasEditable, ({ editor }) => {
    const chosen = editableKeys(editor);
    const refs = chosen.length ? chosen : editor.editable.map((id) => ({ id, frame: editor.frame }));
    editor.apply("step.bend", (trajectory) => model.toggleSmooth(trajectory, refs));
  }),
  command("time", "toggleVisible", ["V"], hasEditable, ({ editor }) => toggleVisible(editor, editor.editable), {
    isOn: (e) => hasEditable(e) && e.editable.every((id) => model.visibleAt(model.trackOf(e.trajectory, id), e.frame)),
  }),
  ease("linear", ["1"]),
  ease("in", ["2"]),
  ease("out", ["3"]),
  ease("in_out", ["4"]),
  ease("hold", ["5"]),

  command("view", "zoomIn", ["+", "="], always, ({ editor }) => editor.zoom(ZOOM)),
  command("view", "zoomOut", ["-"], always, ({ editor }) => editor.zoom(1 / ZOOM)),
  command("view", "zoomSelection", ["Z"], hasSelection, ({ editor }) => zoomToSelection(editor)),
  command("view", "zoomFit", ["0"], always, ({ editor }) => editor.set({ viewport: null })),
  command(
    "view",
    "toggleGrid",
    ["G"],
    always,
    ({ editor }) => editor.setSettings({ grid: editor.settings.grid ? 0 : GRID }),
    { isOn: (editor) => editor.settings.grid > 0 },
  ),
  setting("snapToFrame", ["Shift+F"]),
  setting("snapToBoxes", ["Shift+B"]),
  setting("keepAspect", ["A"]),
  setting("wholePath", ["W"]),
  setting("bendFree", ["Shift+H"]),
  setting("addByTouch", []),
  setting("onionSkin", ["O"]),
  setting("paths", ["P"]),
  setting("animatic", ["I"]),
  setting("crop", ["Shift+C"]),
  command("view", "toggleResult", ["T"], (editor) => editor.result !== null, ({ editor }) =>
    editor.set({ isResultShown: !editor.isResultShown }), { isOn: (editor) => editor.isResultShown, refusal: "run.none" },
  ),
  command("view", "fullScreen", ["F"], always, ({ view }) => view.setPoppedOut(!view.isPoppedOut), {
    isOn: (_, view) => view.isPoppedOut,
  }),
  command("view", "help", ["?", "F1"], always, ({ view }) => view.openHelp()),

  command("file", "run", [], ({ onRun, run, waiting }) => onRun !== null && !run && !waiting, ({ editor }) => editor.onRun()),
  command("file", "import", ["Mod+O"], always, importByDialog),
  command("file", "export.json", [], always, (context) => exportTrajectory(context, "json")),
  command("file", "export.csv", [], hasObjects, (context) => exportTrajectory(context, "csv")),
  command("file", "export.mot", [], hasObjects, (context) => exportTrajectory(context, "mot")),
  command("file", "export.got10k", [], hasObjects, (context) => exportTrajectory(context, "got10k")),
  command("file", "export.bbox", [], hasObjects, (context) => exportTrajectory(context, "bbox")),
  command("file", "export.bboxAnimator", [], hasObjects, (context) => exportTrajectory(context, "bboxAnimator")),
  command("file", "export.trailblazer", [], hasObjects, (context) => exportTrajectory(context, "trailblazer")),
  command("file", "export.freetraj", [], hasObjects, (context) => exportTrajectory(context, "freetraj")),
  command("file", "export.sgI2v", [], hasObjects, (context) => exportTrajectory(context, "sgI2v")),
  command("file", "export.wanMove", [], hasObjects, (context) => exportTrajectory(context, "wanMove")),
  command("file", "export.card", [], hasObjects, (context) => exportTrajectory(context, "card")),
];

function stretch(editor, by) {
  const refs = editableKeys(editor);
  if (!editor.apply("step.stretchKeys", (trajectory) => model.stretchKeys(trajectory, refs, by))) return;
  editor.selectKeys(model.stretchedRefs(refs, by));
}

function shiftKeys(editor, by) {
  const refs = editableKeys(editor);
  const shift = model.allowedShift(editor.trajectory, refs, by);
  if (!editor.apply("step.moveKeys", (trajectory) => model.moveKeys(trajectory, refs, shift))) return;
  editor.selectKeys(refs.map(({ id, frame }) => ({ id, frame: frame + shift })));
}

// Available while the text is invalid: only what does not overwrite it.
const WITH_PROBLEM = ["help", "fullScreen", "escape", "import"];

/** @param {EditorState} editor @param {Command} command */
export function canRun(editor, { id, isEnabled }) {
  return (!editor.problem || WITH_PROBLEM.includes(id)) && isEnabled(editor);
}

/** @param {string} id @returns {Command} */
export function commandOf(id) {
  const found = COMMANDS.find((candidate) => candidate.id === id);
  if (!found) throw new Error(`there is no command ${id}`);
  return found;
}

/** @param {string} combination  as in keys.js @returns {Command | undefined} */
export function commandFor(combination) {
  return COMMANDS.find(({ keys }) => keys.includes(combination));
}

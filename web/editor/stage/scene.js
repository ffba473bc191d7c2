/**
 * The contents of the stage at the playhead: what is shown, and what the pointer hits. No DOM, no drawing.
 *
 * @import {EditorState} from "../state/state.js"
 * @import {Box, Point, Track, Trajectory} from "../../trajectory/document.js"
 * @import {Side} from "../../trajectory/handles.js"
 * @import {Handle, Shape} from "../../trajectory/hit.js"
 * @import {Targets} from "../../trajectory/snap.js"
 * @import {Viewport} from "../../trajectory/viewport.js"
 * @import {Where} from "../kit/pointer.js"
 * @typedef {{id: string, frame: number, x: number, y: number}} PathPoint  in units of the frame
 * @typedef {{id: string, frame: number, side: Side, x: number, y: number, key: Point}} Bend  the end of a handle of a
 *   path, and the centre of its key, in units of the frame
 * @typedef {{kind: "bend", bend: Bend} | {kind: "handle", handle: Handle} | {kind: "point", point: PathPoint} | {kind: "box", under: string[]} |
 *   {kind: "locked", id: string} | {kind: "empty"}} Touched  under: editable boxes, topmost first
 */

import * as model from "../../trajectory/model.js";

const REACH = { mouse: 7, touch: 16 }; // CSS pixels
const POINT_SPACING = 7; // CSS pixels between ticks of a path, on average
const MOST_BENT = 16; // keys whose handles are shown, those nearest to the playhead
const POINT_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]; // frames

/** The reach of handles, in units of the frame. @param {EditorState} editor @param {Where} where */
function reachAt(editor, { isTouch }) {
  return model.reachOf(editor.shownViewport, isTouch ? REACH.touch : REACH.mouse);
}

/**
 * The box of a track at the playhead, or under the pointer while it is being recorded.
 *
 * @param {EditorState} editor
 * @param {Track} track
 * @returns {Box}
 */
export function shownBox(editor, track) {
  const recorded = editor.recording?.id === track.id ? editor.recording.samples.at(-1) : undefined;
  const [x1, y1, x2, y2] = recorded ? recorded.box : model.boxAt(track, editor.time, editor.trajectory);
  return model.boxBetween(x1, y1, x2, y2); // an overshooting ease may have turned it inside out
}

/**
 * A box in CSS pixels: left, top, width, height.
 *
 * @param {Box} box
 * @param {Viewport} viewport
 * @returns {[number, number, number, number]}
 */
export function rectangle([x1, y1, x2, y2], { left, top, width, height }) {
  return [left + x1 * width, top + y1 * height, (x2 - x1) * width, (y2 - y1) * height];
}

/**
 * All shown tracks in drawing order. Those invisible at the playhead come first, below the others.
 *
 * @param {EditorState} editor
 * @returns {Track[]}
 */
export function shownTracks(editor) {
  const shown = editor.trajectory.objects.filter(({ id }) => editor.isShown(id));
  const isVisible = (track) => model.visibleAt(track, editor.time);
  return [...shown.filter((track) => !isVisible(track)), ...shown.filter(isVisible)];
}

/** @param {EditorState} editor @returns {Shape[]} clickable boxes, in drawing order */
export function touchableShapes(editor) {
  const enabled = shownTracks(editor).filter((track) => track.enabled);
  return enabled.map((track) => ({ id: track.id, box: shownBox(editor, track) }));
}

/**
 * The selected objects that a gesture changes: shown, enabled and not locked.
 *
 * @param {EditorState} editor
 * @returns {string[]}
 */
export function changeable(editor) {
  const enabled = new Set(editor.trajectory.objects.filter((track) => track.enabled).map((track) => track.id));
  return editor.editable.filter((id) => enabled.has(id) && editor.isShown(id));
}

/**
 * The box with the handles: the bounding box of all changeable objects.
 *
 * @param {EditorState} editor
 * @returns {Box | null}
 */
export function handleBox(editor) {
  if (editor.isCameraSelected || editor.recording) return null;
  const chosen = new Set(changeable(editor));
  if (!chosen.size) return null;
  const tracks = editor.trajectory.objects.filter(({ id }) => chosen.has(id));
  return model.boxAround(tracks.map((track) => shownBox(editor, track)));
}

/** @type {WeakMap<Track["keys"], {name: string, frames: number[]}>} */
const tickCache = new WeakMap();

/**
 * The frames with a tick on the path of a track: all keys, and as many between them as there is room for.
 *
 * @param {Track} track
 * @param {Trajectory} trajectory
 * @param {Viewport} viewport
 * @returns {number[]}
 */
export function tickFrames(track, trajectory, { width, height }) {
  const { frames } = trajectory;
  const name = `${frames} ${width} ${height} ${trajectory.width} ${trajectory.height}`;
  const cached = tickCache.get(track.keys);
  if (cached?.name === name) return cached.frames;
  const dense = model.denseBoxes(track, trajectory);
  const centre = (frame, axis) => (dense[frame * 4 + axis] + dense[frame * 4 + axis + 2]) / 2;
  let length = 0;
  for (let frame = 1; frame < frames; frame += 1) {
    const dx = (centre(frame, 0) - centre(frame - 1, 0)) * width;
    length += Math.hypot(dx, (centre(frame, 1) - centre(frame - 1, 1)) * height);
  }
  const step = POINT_STEPS.find((by) => (length * by) / frames >= POINT_SPACING) ?? frames;
  const ticks = new Set(track.keys.map((key) => key.frame));
  if (length > 0) for (let frame = 0; frame < frames; frame += step) ticks.add(frame);
  const sorted = [...ticks].sort((a, b) => a - b);
  tickCache.set(track.keys, { name, frames: sorted });
  return sorted;
}

/**
 * The draggable points of selected paths. Points at the centre of the current box are left out, so that the box can be
 * dragged there.
 *
 * @param {EditorState} editor
 * @param {[number, number]} reach
 * @returns {PathPoint[]}
 */
export function pathPoints(editor, [reachX, reachY]) {
  if (!editor.settings.paths || editor.isPlaying) return [];
  const { trajectory } = editor;
  const viewport = editor.shownViewport;
  return changeable(editor).flatMap((id) => {
    const track = model.trackOf(trajectory, id);
    const [nowX, nowY] = model.centreOf(model.boxAt(track, editor.frame, trajectory));
    const dense = model.denseBoxes(track, trajectory);
    return tickFrames(track, trajectory, viewport).flatMap((frame) => {
      const [x, y] = model.centreOf(model.boxOf(dense, frame));
      const isBox = Math.abs(x - nowX) <= reachX && Math.abs(y - nowY) <= reachY;
      return isBox ? [] : [{ id, frame, x, y }];
    });
  });
}

/**
 * The handles of the path of the selected object, if it is the only one. Those that bend nothing are left out.
 *
 * @param {EditorState} editor
 * @returns {Bend[]}
 */
export function pathHandles(editor) {
  const ids = changeable(editor);
  if (!editor.settings.paths || editor.isPlaying || editor.recording || ids.length !== 1) return [];
  const { id, keys } = model.trackOf(editor.trajectory, ids[0]);
  const curved = keys.flatMap((key, n) => (key.handles ? [n] : []));
  const distance = (n) => Math.abs(keys[n].frame - editor.frame);
  const near = curved.sort((a, b) => distance(a) - distance(b)).slice(0, MOST_BENT);
  return near.flatMap((n) => {
    const [x, y] = model.centreOf(keys[n].box);
    return keys[n].handles.flatMap(([dx, dy], side) => {
      const hasWay = side === 0 ? n > 0 : n < keys.length - 1;
      if (!hasWay || (!dx && !dy)) return [];
      return [{ id, frame: keys[n].frame, side: /** @type {Side} */ (side), x: x + dx, y: y + dy, key: [x, y] }];
    });
  });
}

/**
 * Hit test: a handle of the path, else one of the box, else a path point, else a box. Locked boxes do not block those below them.
 *
 * @param {EditorState} editor
 * @param {Where} where
 * @returns {Touched}
 */
export function touchedAt(editor, where) {
  const [x, y] = model.toFrame(editor.shownViewport, where.px, where.py);
  const reach = reachAt(editor, where);
  const near = pathHandles(editor).filter((bend) => Math.abs(bend.x - x) <= reach[0] && Math.abs(bend.y - y) <= reach[1]);
  if (near.length) return { kind: "bend", bend: near[0] };
  const around = handleBox(editor);
  const handles = around ? [{ id: "", box: around }] : [];
  const grip = model.hitTest({ shapes: handles, selected: new Set([""]) }, x, y, reach);
  if (grip?.kind === "handle") return { kind: "handle", handle: grip.handle };
  const points = pathPoints(editor, reach);
  const point = model.hitTest({ shapes: [], selected: new Set(), points }, x, y, reach);
  if (point?.kind === "point") {
    return { kind: "point", point: points.find(({ id, frame }) => id === point.id && frame === point.frame) };
  }
  const all = model.boxesUnder(touchableShapes(editor), x, y, reach);
  const under = all.filter((id) => !editor.locked.has(id));
  if (under.length) return { kind: "box", under };
  return all.length ? { kind: "locked", id: all[0] } : { kind: "empty" };
}

/**
 * Snap targets at the playhead, according to the settings.
 *
 * @param {EditorState} editor
 * @param {Iterable<string>} moving  objects that are being moved, which are no targets
 * @returns {Targets}
 */
export function snapTargets(editor, moving) {
  const { snapToFrame, snapToBoxes, grid } = editor.settings;
  const excluded = new Set(moving);
  const tracks = new Map(editor.trajectory.objects.map((track) => [track.id, track]));
  const isTarget = ({ id }) => !excluded.has(id) && model.visibleAt(tracks.get(id), editor.time);
  return {
    frame: snapToFrame,
    boxes: snapToBoxes ? touchableShapes(editor).filter(isTarget) : [],
    grid: grid > 0 ? [1 / grid, 1 / grid] : null,
  };
}

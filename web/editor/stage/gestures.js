/**
 * Pointer gestures on the stage. Each gets `move` until `end` or `cancel`, and is one undo step. No DOM.
 *
 * @import {EditorState, OpenGesture} from "../state/state.js"
 * @import {Box, Point, Trajectory} from "../../trajectory/document.js"
 * @import {KeyRef} from "../../trajectory/keys.js"
 * @import {Guide} from "../../trajectory/snap.js"
 * @import {Where} from "../kit/pointer.js"
 * @import {PathPoint} from "./scene.js"
 * @typedef {object} Gesture
 * @property {(where: Where) => void} move
 * @property {(where: Where) => void} end
 * @property {() => void} cancel
 * @property {string} cursor  CSS value
 * @property {Guide[]} [guides]  to be drawn
 * @property {Box} [marquee]  to be drawn
 * @property {PathPoint} [point]  of a path, being dragged
 */

import * as model from "../../trajectory/model.js";
import { snappedResize } from "../../trajectory/snapped_resize.js";
import { isDrag } from "../kit/pointer.js";
import { movedIds } from "../state/selection.js";
import { countInGesture, recordGesture } from "./record.js";
import { changeable, handleBox, shownBox, snapTargets, touchableShapes, touchedAt } from "./scene.js";

const SNAP = 6; // CSS pixels
const MIN_DRAWN = 4; // CSS pixels, for both sides of a drawn box

const CURSORS = { nw: "nwse", se: "nwse", ne: "nesw", sw: "nesw", n: "ns", s: "ns", e: "ew", w: "ew" };

/**
 * The cursor for what a press would do.
 *
 * @param {EditorState} editor
 * @param {Where} where
 * @param {boolean} isPanning  whether Space is held
 */
export function cursorAt(editor, where, isPanning) {
  if (isPanning) return "grab";
  if (editor.isCameraSelected) return "move";
  if (where.ctrl) return "crosshair";
  const touched = touchedAt(editor, where);
  if (touched.kind === "handle") return `${CURSORS[touched.handle]}-resize`;
  if (touched.kind === "bend") return "grab";
  return { point: "grab", box: "move", locked: "crosshair", empty: "crosshair" }[touched.kind];
}

/**
 * @param {EditorState} editor
 * @param {Where} where  of the press
 * @returns {Gesture}
 */
export function gestureAt(editor, where) {
  const press = where.isTouch && editor.settings.addByTouch ? { ...where, shift: true } : where;
  if (editor.isCameraSelected) return panCamera(editor, press);
  const touched = touchedAt(editor, press);
  if (press.ctrl) return draw(editor, press, touched);
  if (touched.kind === "box") return takeBox(editor, press, touched.under);
  if (touched.kind === "handle") return resize(editor, press, touched.handle);
  if (touched.kind === "bend") return dragBend(editor, press, touched.bend);
  if (touched.kind === "point" && press.alt) return pullBends(editor, press, touched.point);
  if (touched.kind === "point") return dragPoint(editor, press, touched.point);
  return press.shift ? marquee(editor, press) : draw(editor, press, touched);
}

/** Pan the view. @param {EditorState} editor @param {Where} press @returns {Gesture} */
export function pan(editor, press) {
  const before = editor.viewport;
  const start = editor.shownViewport;
  const move = ({ px, py }) => editor.set({ viewport: model.panBy(start, px - press.px, py - press.py) });
  return { cursor: "grabbing", move, end: () => {}, cancel: () => editor.set({ viewport: before }) };
}

/** Zoom and pan the view with two fingers. @param {EditorState} editor @param {[Where, Where]} points */
export function pinch(editor, points) {
  let before = points;
  const middle = ([a, b]) => [(a.px + b.px) / 2, (a.py + b.py) / 2];
  const distance = ([a, b]) => Math.max(Math.hypot(a.px - b.px, a.py - b.py), 1);
  return {
    /** @param {[Where, Where]} next */
    move(next) {
      const [x, y] = middle(before);
      const [toX, toY] = middle(next);
      const zoomed = model.zoomAt(editor.shownViewport, x, y, distance(next) / distance(before));
      editor.set({ viewport: model.panBy(zoomed, toX - x, toY - y) });
      before = next;
    },
  };
}

/** A press on editable boxes: a click selects, a drag moves. */
function takeBox(editor, press, under) {
  const grabbed = under.find((id) => editor.selected.has(id));
  if (press.shift) {
    const click = () => editor.select([under[0]], "toggle");
    const begun = () => !grabbed && editor.select([under[0]], "add");
    return moveSelected(editor, press, { click, begun });
  }
  if (press.alt) {
    const click = () => editor.select([model.nextUnder(under, grabbed ?? null)]);
    const begun = () => !grabbed && editor.select([under[0]]);
    return moveSelected(editor, press, { click, begun, isWhole: true });
  }
  if (!grabbed) editor.select([under[0]]);
  if (editor.isArmed) return countInGesture(editor, press, grabbed ?? under[0]);
  if (editor.isPlaying) return recordGesture(editor, press, grabbed ?? under[0], isDrag(press));
  return moveSelected(editor, press, { click: () => editor.select([under[0]]) });
}

/** Move the selection at the playhead, or its whole tracks. */
function moveSelected(editor, press, { click, begun = () => {}, isWhole = editor.settings.wholePath }) {
  const from = atFrame(editor, press);
  let ids, around, targets;
  return step(editor, press, {
    label: isWhole ? "step.moveTracks" : "step.move",
    cursor: "move",
    click,
    begun() {
      begun();
      ids = changeable(editor);
      around = model.boxAround(ids.map((id) => shownBox(editor, model.trackOf(editor.trajectory, id))));
      targets = snapTargets(editor, ids);
    },
    change(where, gesture) {
      const [x, y] = atFrame(editor, where);
      let [dx, dy] = [x - from[0], y - from[1]];
      gesture.guides = [];
      if (!where.ctrl) {
        const snap = model.snapMove(model.movedBox(around, dx, dy), targets, snapReach(editor));
        [dx, dy] = [dx + snap.dx, dy + snap.dy];
        gesture.guides = snap.guides;
      }
      const { frame } = editor;
      return (trajectory) =>
        isWhole ? model.moveTracks(trajectory, ids, dx, dy) : model.moveBoxes(trajectory, ids, frame, dx, dy);
    },
  });
}

/** Resize the selected box, or several in proportion. */
function resize(editor, press, handle) {
  const from = atFrame(editor, press);
  const ids = changeable(editor);
  const before = handleBox(editor);
  const boxes = ids.map((id) => shownBox(editor, model.trackOf(editor.trajectory, id)));
  const targets = snapTargets(editor, ids);
  return step(editor, press, {
    label: "step.resize",
    cursor: `${CURSORS[handle]}-resize`,
    change(where, gesture) {
      const [x, y] = atFrame(editor, where);
      const options = { keepAspect: where.shift !== editor.settings.keepAspect, aboutCentre: where.alt };
      const snap = where.ctrl ? null : { targets, reach: snapReach(editor) };
      const result = snappedResize(before, handle, x - from[0], y - from[1], options, snap);
      gesture.guides = result.guides;
      gesture.cursor = `${CURSORS[result.handle]}-resize`;
      const { frame } = editor;
      return (trajectory) =>
        ids.reduce((next, id, n) => {
          const box = ids.length === 1 ? result.box : model.boxWithin(boxes[n], before, result.box);
          return (editor.settings.wholePath ? model.resizeTrack : model.setBox)(next, id, frame, box);
        }, trajectory);
    },
  });
}

/** Draw a new box. A click selects the locked box there, or deselects all. */
function draw(editor, press, touched) {
  const { selected, selectedKeys, solo } = editor;
  let targets, anchor;
  const snapped = (where) => {
    const [x, y] = atFrame(editor, where);
    if (where.ctrl && !press.ctrl) return { x, y, guides: [] };
    const { dx, dy, guides } = model.snapMove([x, y, x, y], targets, snapReach(editor));
    return { x: x + dx, y: y + dy, guides };
  };
  const restore = () => editor.set({ selected, selectedKeys, solo });
  return step(editor, press, {
    label: "step.draw",
    cursor: "crosshair",
    click: () => editor.select(touched.kind === "locked" ? [touched.id] : []),
    begun() {
      targets = snapTargets(editor, []);
      anchor = snapped(press);
    },
    change(where, gesture) {
      const corner = snapped(where);
      gesture.guides = where.shift ? [] : corner.guides;
      const box = drawnBox(editor.trajectory, anchor, corner, where);
      const { frame } = editor;
      return (trajectory) => model.addTrack(trajectory, box, frame);
    },
    changed(before) {
      const added = editor.trajectory.objects.slice(before.objects.length).map(({ id }) => id);
      if (!added.length || editor.selected.has(added[0])) return;
      editor.select(added);
      if (editor.solo.size) editor.set({ solo: new Set([...editor.solo, ...added]) });
    },
    kept: () => editor.set({ naming: [...editor.selected][0] ?? null }),
    isKept() {
      const around = handleBox(editor);
      const { width, height } = editor.shownViewport;
      if (!around) return false;
      return (around[2] - around[0]) * width >= MIN_DRAWN && (around[3] - around[1]) * height >= MIN_DRAWN;
    },
    restore,
  });
}

/** The box from the anchor to a corner. Shift makes it square, Alt centres it on the anchor. */
function drawnBox({ width, height }, anchor, corner, { shift, alt }) {
  let [dx, dy] = [corner.x - anchor.x, corner.y - anchor.y];
  if (shift) {
    const side = Math.max(Math.abs(dx) * width, Math.abs(dy) * height); // pixels
    [dx, dy] = [((Math.sign(dx) || 1) * side) / width, ((Math.sign(dy) || 1) * side) / height];
  }
  const [x, y] = alt ? [anchor.x - dx, anchor.y - dy] : [anchor.x, anchor.y];
  return model.boxBetween(x, y, anchor.x + dx, anchor.y + dy);
}

/** Drag a path point. A click moves the playhead to its frame. */
function dragPoint(editor, press, point) {
  const from = atFrame(editor, press);
  return step(editor, press, {
    label: "step.path",
    cursor: "grabbing",
    click: () => editor.seek(point.frame),
    change(where, gesture) {
      const [x, y] = atFrame(editor, where);
      const to = { ...point, x: point.x + x - from[0], y: point.y + y - from[1] };
      gesture.point = to;
      return (trajectory) => model.movePathPoint(trajectory, point.id, point.frame, to.x, to.y);
    },
  });
}

/** Make a point of a path smooth, or a corner. @param {EditorState} editor @param {KeyRef} point */
export function toggleSmooth(editor, { id, frame }) {
  return editor.apply("step.bend", (trajectory) => model.toggleSmooth(trajectory, [{ id, frame }]));
}

/** Drag a handle of a path. The other one of a smooth key turns with it, except with Alt, or as the setting says. */
function dragBend(editor, press, { id, frame, side, x, y, key }) {
  const from = atFrame(editor, press);
  const { trajectory: before } = editor;
  const isSmooth = model.isSmooth(model.trackOf(before, id).keys.find((k) => k.frame === frame), before);
  return step(editor, press, {
    label: "step.bend",
    cursor: "grabbing",
    change(where) {
      const [toX, toY] = atFrame(editor, where);
      const point = bent(editor, where, [x + toX - from[0] - key[0], y + toY - from[1] - key[1]]);
      const link = isSmooth && where.alt === editor.settings.bendFree ? "turn" : "free";
      return (trajectory) => model.setHandle(trajectory, { id, frame }, side, point, link);
    },
  });
}

/** Pull two equal handles out of a point of a path. A click makes it smooth, or a corner. */
function pullBends(editor, press, { id, frame, x, y }) {
  return step(editor, press, {
    label: "step.bend",
    cursor: "grabbing",
    click: () => toggleSmooth(editor, { id, frame }),
    change(where) {
      const [toX, toY] = atFrame(editor, where);
      const point = bent(editor, where, [toX - x, toY - y]);
      const ref = { id, frame };
      return (trajectory) => model.setHandle(model.addKeys(trajectory, [id], frame), ref, 1, point, "mirror");
    },
  });
}

/** A handle at the pointer; with Shift in one of eight directions on the screen. @returns {Point} */
function bent({ trajectory: { width, height } }, { shift }, [x, y]) {
  if (!shift) return [x, y];
  const turn = (Math.round(Math.atan2(y * height, x * width) / (Math.PI / 4)) * Math.PI) / 4;
  const length = x * width * Math.cos(turn) + y * height * Math.sin(turn);
  return [(length * Math.cos(turn)) / width, (length * Math.sin(turn)) / height];
}

/** Pan the camera from the first frame to the playhead, so that the boxes at the playhead follow the pointer. */
function panCamera(editor, press) {
  const from = atFrame(editor, press);
  const ids = movedIds(editor);
  return step(editor, press, {
    label: "step.camera",
    cursor: "move",
    change(where) {
      const [x, y] = atFrame(editor, where);
      const to = editor.frame || editor.trajectory.frames - 1;
      return (trajectory) => model.moveCamera(trajectory, ids, { from: 0, to, dx: from[0] - x, dy: from[1] - y });
    },
  });
}

/** Add all boxes that a rectangle touches to the selection. */
function marquee(editor, press) {
  const { selected, selectedKeys } = editor;
  const [fromX, fromY] = atFrame(editor, press);
  const isDragged = isDrag(press);
  const restore = () => editor.set({ selected, selectedKeys });
  /** @type {Gesture} */
  const gesture = {
    cursor: "crosshair",
    move(where) {
      if (!isDragged(where)) return;
      gesture.marquee = model.boxBetween(fromX, fromY, ...atFrame(editor, where));
      const free = touchableShapes(editor).filter(({ id }) => !editor.locked.has(id));
      editor.select([...selected, ...model.boxesIn(free, gesture.marquee)]);
    },
    end: () => {},
    cancel: restore,
  };
  return gesture;
}

/**
 * A gesture that is one undo step. Once the pointer has moved, it previews `change` on the trajectory from its start.
 *
 * @param {EditorState} editor
 * @param {Where} press
 * @param {{label: string, cursor: string, change: (where: Where, gesture: Gesture) => (trajectory: Trajectory) =>
 *   Trajectory, click?: () => void, begun?: () => void, changed?: (before: Trajectory) => void, isKept?: () => boolean,
 *   kept?: () => void, restore?: () => void}} options  click: if the pointer did not move; begun: on the first move; changed: after each
 *   change; isKept: whether to keep the result; kept: after that; restore: reverts other state if not
 * @returns {Gesture}
 */
function step(editor, press, options) {
  const { label, cursor, change, click = () => {}, begun = () => {}, changed = () => {} } = options;
  const { isKept = () => true, kept = () => {}, restore = () => {} } = options;
  const isDragged = isDrag(press);
  let before = null;
  /** @type {OpenGesture | null} */
  let open = null;
  const cancel = () => {
    if (!before) return;
    open?.cancel();
    restore();
  };
  /** @type {Gesture} */
  const gesture = {
    cursor,
    guides: [],
    move(where) {
      if (!before) {
        if (!isDragged(where)) return;
        if (editor.isPlaying) editor.set({ isPlaying: false, time: editor.frame });
        begun();
        before = editor.trajectory;
        open = editor.begin(label);
      }
      if (!open.isOpen) return; // ended meanwhile, such as by undo
      open.preview(change(where, gesture));
      changed(before);
    },
    end() {
      if (!before) click();
      else if (!isKept()) cancel();
      else if (open?.commit()) kept();
    },
    cancel,
  };
  return gesture;
}

/** @returns {[number, number]} units of the frame */
function atFrame(editor, { px, py }) {
  return model.toFrame(editor.shownViewport, px, py);
}

function snapReach(editor) {
  return model.reachOf(editor.shownViewport, SNAP);
}

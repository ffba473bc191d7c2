/**
 * The timeline: the transport bar, and a canvas with the rows of all objects.
 *
 * @import {Context, Part} from "../view.js"
 * @import {Where} from "../kit/pointer.js"
 * @import {Theme} from "../kit/theme.js"
 * @import {Hit, Layout, TimelineView} from "./layout.js"
 */

import { framesById, sampledTimes } from "../../trajectory/model.js";
import { isAtPointer, openContextMenu } from "../actions/context_menu.js";
import { followSize, h, listen, sharpen, take, watch } from "../kit/dom.js";
import { followPointers, whereOf } from "../kit/pointer.js";
import { themeOf } from "../kit/theme.js";
import { drawTimeline, iouOf, scoreColor, secondsText } from "./draw.js";
import { addKeyAt, chooseFor, gestureOf, pan } from "./gestures.js";
import {
  frameAt,
  hitAt,
  layoutOf,
  RULER,
  scrollToShow,
  startToShow,
  timeAt,
  xOf,
  yOf,
  zoomedAt,
} from "./layout.js";
import { dragMark, markAt } from "./marks.js";
import { createObjects } from "./objects.js";
import { createPlayback } from "./playback.js";
import { createTransport } from "./transport.js";

const MIN_HEIGHT = 60;
const MAX_PART = 0.6; // of the editor's height
const STEP = 16; // pixels of height per press of an arrow key
const FINGER = 13; // pixels, the reach of touch around keys and ends
const ZOOM = 1.5; // per key
const FAR = 10; // frames of Page Up and Page Down
const NEAR = 5; // pixels around the ends of the work area and markers
const CURSORS = { areaEnd: "ew-resize", marker: "pointer", ruler: "col-resize", label: "pointer", key: "grab", end: "ew-resize", segment: "pointer" };

/**
 * @param {Context} context
 * @returns {Part & {editPhrase: () => void}}
 */
export function createTimeline(context) {
  const { editor, t, run } = context;
  /** @type {TimelineView} */
  let view = { zoom: 1, start: 0, scroll: 0 };
  let size = { width: 0, height: 0 };
  let marquee = null;
  let unpress = () => {}; // gives back the selection from before the last press
  let drawn = [];
  /** @type {Theme | null} null until it is read again, which is slower than drawing */
  let theme = null;
  let wasAt = { time: 0, selected: editor.selected, isCameraSelected: false };

  const playback = createPlayback(editor);
  const transport = createTransport(context);
  const objects = createObjects(context);
  const canvas = h("canvas", {
    class: "smcd-timeline-canvas",
    role: "slider",
    tabindex: "0",
    "aria-label": t("timeline.name"),
    "aria-valuemin": 0,
  });
  const playhead = h("div", { class: "smcd-timeline-playhead" });
  const track = h("div", { class: "smcd-timeline-over" }, playhead);
  const tip = h("div", { class: "smcd-timeline-tip", hidden: true });
  const score = h("div", { class: "smcd-timeline-score", title: t("timeline.meanIouHint"), hidden: true });
  const area = h("div", { class: "smcd-timeline-area" }, canvas, objects.element, track, score, tip);
  const border = h("div", {
    class: "smcd-timeline-border",
    role: "separator",
    tabindex: "0",
    "aria-orientation": "horizontal",
    "aria-label": t("timeline.resize"),
    title: t("timeline.resize"),
  });
  const element = h("div", { class: "smcd-timeline" }, border, transport.element, area);

  const layout = () =>
    layoutOf(
      size,
      {
        frames: editor.trajectory.frames,
        objects: editor.trajectory.objects.length,
        hasScores: editor.scores !== null,
      },
      view,
    );

  /** @param {Partial<TimelineView>} changes */
  function setView(changes) {
    view = { ...view, ...changes };
    const { start, scroll } = layout();
    view = { ...view, start, scroll };
    context.view.invalidate();
  }

  const surface = {
    layout,
    scrollBy: (frames, pixels) => setView({ start: view.start + frames, scroll: view.scroll + pixels }),
    setMarquee(rectangle) {
      marquee = rectangle;
      context.view.invalidate();
    },
    reveal: (frame) => setView({ start: startToShow(layout(), frame) }),
  };

  /** @param {Where} where @returns {Hit} */
  function hit({ px, py, isTouch }) {
    return hitAt(layout(), editor.trajectory, px, py, isTouch ? FINGER : undefined);
  }

  /** @param {Where} where */
  const mark = (where) => markAt(layout(), editor, where, where.isTouch ? FINGER : NEAR);

  const pointers = followPointers(canvas, {
    press(where, button) {
      tip.hidden = true;
      if (editor.isInGesture) editor.commit(); // of a key
      unpress = editor.keepSelection();
      if (button === 1) return pan(surface, where);
      const marked = mark(where);
      return marked ? dragMark(editor, layout, marked, where) : gestureOf(editor, surface, hit(where), where);
    },
    pinch(points) {
      unpress();
      let [before, distance] = [middleOf(points), distanceOf(points)];
      const move = (next) => {
        setView(zoomedAt(layout(), before.px, distanceOf(next) / distance));
        const middle = middleOf(next);
        surface.scrollBy((before.px - middle.px) / layout().scale, before.py - middle.py);
        [before, distance] = [middle, distanceOf(next)];
      };
      return { move };
    },
    hover,
  });
  const stopCanvas = listen(canvas, {
    pointerdown: (event) => event.stopPropagation(), // keeps the host from dragging the node
    pointerenter: redraw,
    contextmenu(event) {
      take(event); // the host's menu is about the node, not about a key
      const where = whereOf(event, canvas);
      const found = isAtPointer(event) ? hit(where) : null;
      if (found?.kind === "ruler") editor.seek((mark(where) ?? found).frame);
      openContextMenu(context, found ? chooseFor(editor, found) : "time", event);
    },
    dblclick(event) {
      event.stopPropagation();
      const where = whereOf(event, canvas);
      if (mark(where)?.kind === "marker") return run("nameMarker");
      addKeyAt(editor, hit(where), frameAt(layout(), where.px));
    },
    keydown(event) {
      const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : keyAction(event);
      if (!action) return;
      action();
      take(event);
    },
  });

  /** Arrow and page keys on the timeline, and those that zoom. All others are commands as elsewhere. */
  function keyAction({ key, shiftKey }) {
    const far = (by) => () => editor.seek(editor.frame + by);
    const zoom = (factor) => () => setView(zoomedAt(layout(), xOf(layout(), editor.time), factor));
    const actions = {
      "+": zoom(ZOOM),
      "=": zoom(ZOOM),
      "-": zoom(1 / ZOOM),
      0: () => setView({ zoom: 1, start: 0 }),
      ArrowLeft: () => run(shiftKey ? "previousKey" : "previousFrame"),
      ArrowRight: () => run(shiftKey ? "nextKey" : "nextFrame"),
      ArrowUp: () => run("selectPrevious"),
      ArrowDown: () => run("selectNext"),
      PageUp: far(-FAR),
      PageDown: far(FAR),
    };
    return Object.hasOwn(actions, key) ? actions[key] : undefined;
  }

  // Without focus the wheel belongs to the host, which zooms the graph.
  const stopWheel = listen(
    area,
    {
      wheel(event) {
        if (!element.closest(".smcd-editor")?.matches(":focus-within")) return;
        take(event);
        const now = layout();
        const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
        if (event.ctrlKey || event.metaKey) {
          setView(zoomedAt(now, whereOf(event, canvas).px, Math.exp((-event.deltaY * lines) / 300)));
          return;
        }
        const isAcross = event.shiftKey || now.content <= now.body;
        const [x, y] = isAcross ? [event.deltaX + event.deltaY, 0] : [event.deltaX, event.deltaY];
        surface.scrollBy((x * lines) / now.scale, y * lines);
      },
    },
    { passive: false },
  );

  /** @param {Where | null} where */
  function hover(where) {
    const marked = where && mark(where);
    const found = marked ?? (where && hit(where));
    const text = marked ? markText(marked) : found && tipText(/** @type {Hit} */ (found), where);
    canvas.style.cursor = (found && CURSORS[found.kind]) ?? "default";
    tip.hidden = text === null;
    if (text === null) return;
    tip.textContent = text;
    const left = Math.max(Math.min(where.px + 12, size.width - tip.offsetWidth - 4), 0);
    tip.style.transform = `translate(${left}px, ${tipTop(where.py)}px)`;
  }

  /** @param {import("./marks.js").Mark} marked */
  function markText({ kind, frame }) {
    const values = { frame, seconds: secondsText(frame / editor.trajectory.fps) };
    if (kind === "areaEnd") return t("timeline.areaEnd", values);
    const name = editor.markers.find((marker) => marker.frame === frame)?.name;
    return name ? t("timeline.marker", { ...values, name }) : t("timeline.at", values);
  }

  /** Above the pointer if there is room, else below. */
  function tipTop(y) {
    const above = y - tip.offsetHeight - 8;
    return above >= 0 ? above : Math.min(y + 16, size.height - tip.offsetHeight);
  }

  /** @param {Hit} found @param {Where} where @returns {string | null} */
  function tipText(found, { px, py }) {
    const { trajectory, scores } = editor;
    const now = layout();
    const object = found.row > 0 ? trajectory.objects[found.row - 1] : null;
    const iou = object ? iouOf(scores, object.id) : undefined;
    if (iou?.length && px >= now.label && py >= yOf(now, found.row) + now.row - now.strip) {
      const times = sampledTimes(trajectory.frames, iou.length);
      const time = timeAt(now, px);
      const n = times.reduce((best, at, i) => (Math.abs(at - time) < Math.abs(times[best] - time) ? i : best), 0);
      const frame = Math.round(times[n] * 100) / 100;
      if (iou[n] === null) return t("timeline.noScore", { frame });
      return t("timeline.score", { frame, iou: iou[n].toFixed(2) });
    }
    const { frame } = found;
    const values = { frame, seconds: secondsText(frame / trajectory.fps) };
    if (found.kind === "key" && !object) return t("timeline.allKeys", values);
    if (found.kind === "key" || found.kind === "segment") {
      const { ease } = object.keys.find((key) => key.frame === frame);
      const name = Array.isArray(ease) ? t("motion.ease.bezier") : t(`motion.ease.${ease}`);
      return t(`timeline.${found.kind}`, { ...values, ease: name });
    }
    if (found.kind === "end") return t(`timeline.${found.end}`, { frame: found.range[found.end === "first" ? 0 : 1] });
    return found.kind === "ruler" ? t("timeline.at", values) : null;
  }

  function resize(next) {
    const most = (element.closest(".smcd-editor")?.clientHeight ?? Infinity) * MAX_PART;
    const height = Math.round(Math.min(Math.max(next, MIN_HEIGHT), Math.max(most, MIN_HEIGHT)));
    editor.setSettings({ timelineHeight: height });
  }

  function showHeight() {
    const { timelineHeight } = editor.settings;
    const height = timelineHeight ? `${timelineHeight}px` : "";
    if (area.style.height !== height) area.style.height = height;
    if (!editor.isInGesture) area.style.setProperty("--smcd-content", `${RULER + layout().content}px`);
  }

  let grip = null;
  const stopBorder = listen(border, {
    pointerdown(event) {
      event.stopPropagation();
      if (event.button !== 0) return;
      border.setPointerCapture(event.pointerId);
      const ratio = element.offsetHeight / element.getBoundingClientRect().height || 1;
      grip = { y: event.clientY, height: area.offsetHeight, ratio };
    },
    pointermove(event) {
      if (grip) resize(grip.height + (grip.y - event.clientY) * grip.ratio);
    },
    lostpointercapture: () => (grip = null),
    keydown(event) {
      const by = { ArrowUp: STEP, ArrowDown: -STEP }[event.key];
      if (!by) return;
      resize(area.offsetHeight + by);
      take(event);
    },
  });

  function measure() {
    const { clientWidth: width, clientHeight } = area;
    sharpen(canvas);
    size = { width, height: clientHeight };
    const most = Math.round((element.closest(".smcd-editor")?.clientHeight ?? clientHeight) * MAX_PART);
    const values = { "aria-valuemin": MIN_HEIGHT, "aria-valuemax": most, "aria-valuenow": clientHeight };
    for (const [name, value] of Object.entries(values)) border.setAttribute(name, String(value));
    redraw();
  }
  /** Redraw after a resize, which clears the canvas, or if the host's colors may have changed. */
  function redraw() {
    theme = null;
    drawn = [];
    context.view.invalidate();
  }
  const stopSize = followSize(area, measure);

  /** Scroll to the playhead if it has moved, and to an object that was selected elsewhere. */
  function follow() {
    const { time, selected, isCameraSelected, trajectory } = editor;
    if (time !== wasAt.time && !pointers.isActive()) view.start = startToShow(layout(), time);
    if (selected !== wasAt.selected && !pointers.isActive() && selected.size === 1) {
      const [id] = selected;
      view.scroll = scrollToShow(layout(), trajectory.objects.findIndex((object) => object.id === id) + 1);
    } else if (isCameraSelected && !wasAt.isCameraSelected) view.scroll = 0;
    wasAt = { time, selected, isCameraSelected };
  }

  const isOtherPlace = watch();

  function renderPlayhead(now) {
    const { time, frame, trajectory } = editor;
    const x = xOf(now, time);
    if (!isOtherPlace(x, now.label, frame, trajectory.frames, trajectory.fps)) return;
    playhead.style.transform = `translateX(${x - now.label}px)`;
    track.style.left = `${now.label}px`;
    playhead.dataset.frame = String(frame);
    canvas.setAttribute("aria-valuemax", String(trajectory.frames - 1));
    canvas.setAttribute("aria-valuenow", String(frame));
    const seconds = secondsText(frame / trajectory.fps);
    canvas.setAttribute("aria-valuetext", t("timeline.value", { frame, last: trajectory.frames - 1, seconds }));
  }

  /** Whether the trajectory has changed since the run that the scores are of. */
  const isOldScore = () => editor.scores?.of !== undefined && editor.scores.of !== editor.trajectory;

  function renderScore() {
    const mean = editor.scores?.mean ?? null;
    score.hidden = mean === null;
    if (mean === null) return;
    score.textContent = t(isOldScore() ? "timeline.oldIou" : "timeline.meanIou", { iou: mean.toFixed(2) });
    score.style.borderColor = scoreColor(mean);
  }

  function drawCanvas(now) {
    const { trajectory, selected, selectedKeys, isCameraSelected, solo, scores, facts, workArea, markers, played } = editor;
    const next = [trajectory, selected, selectedKeys, isCameraSelected, solo, scores, facts, marquee, workArea, markers];
    next.push(now.start, now.scroll, now.scale);
    const isCleared = sharpen(canvas);
    if (!isCleared && drawn.length && next.every((value, n) => value === drawn[n])) return;
    drawn = next;
    const chosen = framesById(selectedKeys);
    const drawing = canvas.getContext("2d");
    const ratio = canvas.width / Math.max(size.width, 1);
    drawing.setTransform(ratio, 0, 0, ratio, 0, 0);
    const scene = {
      trajectory,
      selected,
      isKeySelected: (id, frame) => chosen.get(id)?.has(frame) ?? false,
      isCameraSelected,
      isShown: (id) => editor.isShown(id),
      numFrames: facts.numFrames,
      scores,
      isOldScore: isOldScore(),
      marks: { workArea, markers, played },
      marquee,
    };
    theme ??= themeOf(area);
    drawTimeline(drawing, now, scene, theme);
  }

  return {
    element,
    restyle: redraw,
    draw() {
      if (!size.width) return;
      follow();
      const now = layout();
      view = { ...view, start: now.start, scroll: now.scroll };
      drawCanvas(now);
    },
    editPhrase: objects.editPhrase,
    render() {
      transport.render();
      objects.render();
      showHeight();
      if (!size.width) return;
      const now = layout();
      objects.place(now);
      renderPlayhead(now);
      renderScore();
    },
    destroy() {
      pointers.destroy();
      for (const stop of [stopCanvas, stopWheel, stopBorder, stopSize]) stop();
      playback.destroy();
      transport.destroy();
      objects.destroy();
    },
  };
}

/** @param {[Where, Where]} points */
function middleOf([a, b]) {
  return { px: (a.px + b.px) / 2, py: (a.py + b.py) / 2 };
}

/** Horizontal distance of two fingers. @param {[Where, Where]} points */
function distanceOf([a, b]) {
  return Math.max(Math.abs(a.px - b.px), 20); // fingers above each other must not zoom
}

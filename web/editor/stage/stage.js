/**
 * The stage: the image with the boxes at the playhead, which are drawn, moved and resized here.
 *
 * @import {Context, Part} from "../view.js"
 * @import {Gesture} from "./gestures.js"
 * @import {Touched} from "./scene.js"
 * @import {Where} from "../kit/pointer.js"
 */

import { panBy, toFrame } from "../../trajectory/model.js";
import { isAtPointer, openContextMenu } from "../actions/context_menu.js";
import { followSize, h, listen, sharpen, take } from "../kit/dom.js";
import { followPointers, whereOf } from "../kit/pointer.js";
import { themeOf } from "../kit/theme.js";
import { createAnimatic } from "./animatic.js";
import { drawStage } from "./draw.js";
import { cursorAt, gestureAt, pan, pinch, toggleSmooth } from "./gestures.js";
import { modelTextOf } from "./model_text.js";
import { lookAhead } from "./object_box.js";
import { createPhraseField } from "./phrase_field.js";
import { touchedAt } from "./scene.js";

const WHEEL = { 0: 0.0015, 1: 0.045, 2: 0.5 }; // log of the zoom per unit of each deltaMode: pixel, line, page
const LINE = 16; // CSS pixels of a wheel event's line
const PINCHED = 6; // a trackpad pinch arrives as wheel events with Ctrl and small steps

/**
 * @param {Context} context
 * @returns {Part}
 */
export function createStage(context) {
  const { editor, t, run, root, view } = context;
  const canvas = h("canvas", { class: "smcd-stage-canvas", role: "application", tabindex: "0" });
  const steps = ["draw", "name", "move"].map((name) => h("li", {}, t(`stage.step.${name}`)));
  let isOfferingObjects = false; // in the first step
  const hint = h("div", { class: "smcd-stage-hint" }, h("ol", {}, ...steps));
  const naming = createPhraseField(context, canvas);
  const count = h("div", { class: "smcd-stage-count", role: "status", hidden: true });
  const element = h("div", { class: "smcd-stage" }, canvas, hint, naming.element, count);
  const drawing = canvas.getContext("2d", { alpha: false });
  const animatic = createAnimatic();
  /** @type {Gesture | null} */
  let gesture = null;
  /** @type {Where | null} */
  let pointer = null; // while hovering
  let space = "up"; // or "down", or "used" once it has panned the view
  let theme = themeOf(element);
  /** @type {Touched[]} what the last two presses were on */
  let pressed = [];
  let unpress = () => {}; // gives back the selection from before the last press
  let named = -1; // the frame in the canvas's label
  let cursor = "";

  const follower = followPointers(canvas, {
    press(where, button) {
      if (editor.isInGesture) editor.commit(); // of a key
      pointer = null;
      if (space !== "up") space = "used";
      pressed = [...pressed.slice(-1), touchedAt(editor, where)];
      unpress = editor.keepSelection();
      gesture = button === 1 || space === "used" ? pan(editor, where) : gestureAt(editor, where);
      view.invalidate();
      return gesture;
    },
    pinch(points) {
      unpress();
      return pinch(editor, points);
    },
    hover(where) {
      pointer = where;
      if (where) notePlace(where);
      if (where && !editor.isPlaying) lookAhead(editor);
      view.invalidate();
    },
    done() {
      gesture = null;
      view.invalidate();
    },
  });

  /** Note the place of the pointer, for commands. @param {Where | null} where */
  function notePlace(where) {
    editor.pointed = where && toFrame(editor.shownViewport, where.px, where.py); // nothing shows it
  }

  const endListening = listen(canvas, {
    pointerdown: (event) => event.stopPropagation(), // keeps the host from dragging the node
    pointerenter() {
      restyle(); // the host may have changed its theme
      view.invalidate();
    },
    contextmenu(event) {
      take(event); // the host's menu is about the node, not about a box
      const isPlace = isAtPointer(event);
      const touched = isPlace ? touchedAt(editor, whereOf(event, canvas)) : null;
      notePlace(isPlace ? whereOf(event, canvas) : null);
      const under = touched?.kind === "box" ? touched.under : touched?.kind === "locked" ? [touched.id] : [];
      if (under.length && !under.some((id) => editor.selected.has(id))) editor.select([under[0]]);
      const isBox = isPlace ? under.length > 0 || touched.kind === "handle" : editor.selected.size > 0;
      follower.cancel(); // of a finger that was held
      openContextMenu(context, isBox ? "box" : "stage", event);
    },
    wheel(event) {
      if (!root.matches(":focus-within")) return;
      take(event);
      const { px, py, ctrl } = whereOf(event, canvas);
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1;
      if (editor.isWheelPanning && !ctrl && !event.shiftKey) {
        editor.set({ viewport: panBy(editor.shownViewport, -event.deltaX * lines, -event.deltaY * lines) });
        return;
      }
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        const across = (event.deltaX || event.deltaY) * lines; // some browsers turn Shift+wheel themselves
        editor.set({ viewport: panBy(editor.shownViewport, -across, 0) });
        return;
      }
      const by = -event.deltaY * WHEEL[event.deltaMode] * (event.ctrlKey && Math.abs(event.deltaY) < 50 ? PINCHED : 1);
      editor.zoom(Math.exp(by), px, py);
    },
    keydown(event) {
      if (event.key !== " " || event.ctrlKey || event.metaKey || event.altKey) return;
      take(event);
      if (space === "up") space = "down";
      view.invalidate();
    },
    keyup(event) {
      if (event.key !== " ") return;
      if (space === "down") run("play"); // pressed, not used for panning
      space = "up";
      view.invalidate();
    },
    blur() {
      space = "up";
    },
    dblclick(event) {
      // The first click on a point of a path moves the playhead, and so the box under the pointer.
      const [first] = pressed;
      if (first?.kind === "point" && !event.altKey) toggleSmooth(editor, first.point);
      else {
        const { kind } = touchedAt(editor, whereOf(event, canvas));
        notePlace(whereOf(event, canvas));
        if (kind === "box") run("editPhrase");
        else if (kind === "empty" || kind === "locked") run("objectBox");
      }
    },
  });

  /** Take the size of the canvas, and keep the view centred. */
  function fit() {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return; // hidden
    sharpen(canvas);
    restyle();
    const { stageSize, viewport } = editor;
    const shift = [(width - stageSize.width) / 2, (height - stageSize.height) / 2];
    const moved = viewport && { ...viewport, left: viewport.left + shift[0], top: viewport.top + shift[1] };
    editor.set({ stageSize: { width, height }, viewport: moved });
    draw(); // resizing has cleared the canvas
  }

  const endSize = followSize(canvas, fit);

  function restyle() {
    theme = themeOf(element);
    root.style.colorScheme = theme.scheme;
  }

  function draw() {
    sharpen(canvas);
    const touched = pointer && !editor.isPlaying ? touchedAt(editor, pointer) : null;
    const hovered = touched?.kind === "box" ? touched.under[0] : touched?.kind === "locked" ? touched.id : null;
    const point = touched?.kind === "point" ? touched.point : null;
    const { px, py } = pointer ?? {};
    const modelText = modelTextOf(editor, t);
    drawStage(drawing, editor, {
      scale: canvas.width / editor.stageSize.width,
      theme,
      gesture,
      hovered,
      tip: point && { frame: point.frame, px, py },
      modelText,
      animatic,
    });
  }

  return {
    element,
    restyle,
    draw, // always, because a video shows another frame in the same element
    render() {
      naming.render();
      count.hidden = !editor.isArmed;
      if (editor.isArmed) count.textContent = editor.countIn ? String(editor.countIn) : t("stage.armed");
      hint.hidden = editor.trajectory.objects.length > 0;
      if ((editor.shownBackground !== null) !== isOfferingObjects) {
        isOfferingObjects = !isOfferingObjects;
        steps[0].textContent = t(isOfferingObjects ? "stage.step.drawOrClick" : "stage.step.draw");
      }
      const wanted = gesture?.cursor ?? (pointer ? cursorAt(editor, pointer, space !== "up") : "crosshair");
      if (wanted !== cursor) canvas.style.cursor = cursor = wanted;
      if (editor.frame !== named && !editor.isPlaying) {
        named = editor.frame;
        canvas.setAttribute("aria-label", t("stage.name", { frame: named }));
      }
    },
    destroy() {
      follower.destroy();
      naming.destroy();
      endListening();
      endSize();
    },
  };
}

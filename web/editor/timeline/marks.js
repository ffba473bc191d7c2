/**
 * The work area, which playback keeps to, and markers: on the ruler of the timeline. They are no part of the
 * trajectory, and kept with the node.
 *
 * @import {Context} from "../view.js"
 * @import {EditorState} from "../state/state.js"
 * @import {Followed, Where} from "../kit/pointer.js"
 * @import {Theme} from "../kit/theme.js"
 * @import {Layout} from "./layout.js"
 * @typedef {{kind: "areaEnd", end: 0 | 1, frame: number} | {kind: "marker", frame: number}} Mark
 */

import { openDialog } from "../kit/dialogs.js";
import { h } from "../kit/dom.js";
import { frameAt, RULER, xOf } from "./layout.js";

const AREA = 9; // pixels from the top where the ends of the work area are
const FLAG = { width: 8, height: 11 }; // pixels, at the lower edge of the ruler
const MAX_NAME = 80;

/**
 * What a press on the ruler is on, besides the ruler itself.
 *
 * @param {Layout} layout
 * @param {EditorState} editor
 * @param {{px: number, py: number}} where
 * @param {number} reach  pixels
 * @returns {Mark | null}
 */
export function markAt(layout, editor, { px, py }, reach) {
  if (py >= RULER || px < layout.label) return null;
  const isNear = (frame) => Math.abs(xOf(layout, frame) - px) <= reach;
  if (py <= AREA) {
    const [first, last] = editor.played;
    if (editor.workArea && isNear(last)) return { kind: "areaEnd", end: 1, frame: last };
    if (editor.workArea && isNear(first)) return { kind: "areaEnd", end: 0, frame: first };
    return null;
  }
  const found = py >= RULER - FLAG.height && editor.markers.find(({ frame }) => isNear(frame));
  return found ? { kind: "marker", frame: found.frame } : null;
}

/**
 * Drag an end of the work area, or a marker. A click on a marker moves the playhead there.
 *
 * @param {EditorState} editor
 * @param {() => Layout} layout
 * @param {Mark} mark
 * @param {Where} press
 * @returns {Followed}
 */
export function dragMark(editor, layout, mark, press) {
  const { workArea, markers, played } = editor;
  const moved = markers.find(({ frame }) => frame === mark.frame);
  let isDragged = false;
  return {
    move({ px }) {
      isDragged ||= Math.abs(px - press.px) >= 3;
      if (!isDragged) return;
      const frame = frameAt(layout(), px);
      if (mark.kind === "marker") editor.setMarkers([...markers.filter((other) => other !== moved), { ...moved, frame }]);
      else editor.setWorkArea(mark.end === 0 ? [frame, Math.max(frame, played[1])] : [Math.min(frame, played[0]), frame]);
    },
    end: () => isDragged || editor.seek(mark.frame),
    cancel: () => editor.set({ workArea, markers }),
  };
}

/** Ask for the name of the marker at the playhead, which is made if it is missing. @param {Context} context */
export async function nameMarker({ editor, t, root }) {
  const { frame } = editor;
  const known = editor.markers.find((marker) => marker.frame === frame);
  const input = h("input", { type: "text", dir: "auto", maxlength: MAX_NAME, "aria-label": t("marker.name") });
  input.value = known?.name ?? "";
  const actions = [{ id: "cancel", label: t("dialog.cancel") }, { id: "name", label: t("motion.apply"), isPrimary: true }];
  const answer = await openDialog(root, { title: t("marker.title", { frame }), body: input, actions });
  if (answer !== "name") return;
  editor.setMarkers([...editor.markers.filter((marker) => marker.frame !== frame), { frame, name: input.value.trim() }]);
}

/**
 * Draw both over the rows and on the ruler.
 *
 * @param {CanvasRenderingContext2D} context  clipped to the time axis
 * @param {Layout} layout
 * @param {Pick<EditorState, "workArea" | "markers" | "played">} marks
 * @param {Theme} theme
 */
export function drawMarks(context, layout, { workArea, markers, played }, theme) {
  const { label, width, bottom } = layout;
  if (workArea) {
    const [left, right] = played.map((frame) => xOf(layout, frame));
    context.globalAlpha = 0.45;
    context.fillStyle = theme.background;
    if (left > label) context.fillRect(label, 0, left - label, bottom);
    if (right < width) context.fillRect(right, 0, width - right, bottom);
    context.globalAlpha = 1;
    context.fillStyle = theme.accent;
    context.fillRect(left, 0, right - left, 2);
    context.fillRect(left - 1, 0, 3, AREA);
    context.fillRect(right - 2, 0, 3, AREA);
  }
  context.textAlign = "start";
  const shown = markers.filter(({ frame }) => frame < layout.frames);
  shown.forEach(({ frame, name }, n) => {
    const x = Math.round(xOf(layout, frame));
    const end = n + 1 < shown.length ? xOf(layout, shown[n + 1].frame) - FLAG.width : width;
    drawMarker(context, theme, { x, bottom, name, room: end - x - FLAG.width });
  });
}

function drawMarker(context, theme, { x, bottom, name, room }) {
  const [half, top] = [FLAG.width / 2, RULER - FLAG.height];
  context.fillStyle = theme.text;
  context.globalAlpha = 0.35;
  context.fillRect(x, RULER, 1, bottom - RULER);
  context.globalAlpha = 1;
  context.beginPath();
  context.moveTo(x - half, top);
  context.lineTo(x + half, top);
  context.lineTo(x + half, top + half);
  context.lineTo(x, RULER);
  context.lineTo(x - half, top + half);
  context.fill();
  if (!name || room < FLAG.width) return;
  context.save();
  context.beginPath();
  context.rect(x + half + 1, top - 2, Math.min(context.measureText(name).width + 4, room), FLAG.height + 1);
  context.clip();
  context.fillStyle = theme.background;
  context.fill();
  context.fillStyle = theme.text;
  context.fillText(name, x + half + 3, top + half);
  context.restore();
}

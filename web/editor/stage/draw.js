/**
 * Drawing the stage on a 2D context, in CSS pixels. It depends only on `editor` and `look`; only paths, measured text
 * and the holes of the animatic are cached.
 *
 * @import {EditorState} from "../state/state.js"
 * @import {Track} from "../../trajectory/document.js"
 * @import {Theme} from "../kit/theme.js"
 * @import {Animatic} from "./animatic.js"
 * @import {Gesture} from "./gestures.js"
 * @typedef {object} Look
 * @property {number} scale  device pixels per CSS pixel
 * @property {Theme} theme
 * @property {Gesture | null} gesture  the current one
 * @property {string | null} hovered  object under the pointer
 * @property {{frame: number, px: number, py: number} | null} tip  frame number beside a path point
 * @property {string} modelText  what the model gets, or empty
 * @property {Animatic} animatic
 */

import * as model from "../../trajectory/model.js";
import { isAnimatic } from "./animatic.js";
import { contrastTo } from "../kit/theme.js";
import { drawLabel } from "./label.js";
import { drawBends, drawGhosts, drawPath } from "./paths.js";
import { handleBox, rectangle, shownBox, shownTracks } from "./scene.js";

const HANDLE = 7; // CSS pixels
const GRIP = 7; // CSS pixels that handles of small boxes move outwards, as in the hit test
const DASHES = { solid: [], disabled: [6, 4], invisible: [1, 4] };
const GUIDE = "#ff4fd8";
const SHADE = 0.6; // opacity
const MIN_CELL = 5; // CSS pixels

/**
 * @param {CanvasRenderingContext2D} context
 * @param {EditorState} editor
 * @param {Look} look
 */
export function drawStage(context, editor, look) {
  const { width, height } = editor.stageSize;
  const { settings } = editor;
  const viewport = editor.shownViewport;
  context.setTransform(look.scale, 0, 0, look.scale, 0, 0);
  context.fillStyle = look.theme.surface;
  context.fillRect(0, 0, width, height);
  drawBackground(context, editor, viewport, look);
  if (settings.grid > 0) drawGrid(context, viewport, settings.grid);

  const tracks = shownTracks(editor);
  const isSelected = ({ id }) => editor.selected.has(id) || editor.isCameraSelected;
  const others = tracks.filter((track) => !isSelected(track));
  const chosen = tracks.filter(isSelected);
  if (settings.paths) for (const track of others) drawPath(context, editor, track, viewport, false);
  for (const track of others) drawBox(context, editor, track, viewport, look, false);
  if (settings.crop) shadeOutside(context, editor, viewport, look);
  for (const track of others) drawName(context, editor, track, viewport, look, false);
  drawFrame(context, viewport, look);
  if (settings.onionSkin) for (const track of chosen) drawGhosts(context, editor, track, viewport, look.theme);
  if (settings.paths) for (const track of chosen) drawPath(context, editor, track, viewport, true);
  for (const track of chosen) drawBox(context, editor, track, viewport, look, true);
  for (const track of chosen) drawName(context, editor, track, viewport, look, true);
  if (editor.recording) drawRecorded(context, editor, viewport);
  drawHandles(context, editor, viewport);
  drawBends(context, editor, viewport);
  drawGesture(context, editor, viewport, look);
  if (settings.crop && look.modelText) drawModelText(context, editor, viewport, look);
}

function drawBackground(context, editor, viewport, { animatic }) {
  const { left, top, width, height } = viewport;
  const image = editor.shownBackground?.imageAt(editor.time);
  context.fillStyle = "#17191c";
  context.fillRect(left, top, width, height);
  if (!image) return;
  // Stretched over the frame, as for the model. Large pixels stay sharp.
  context.imageSmoothingEnabled = width < editor.shownBackground.width * 3;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, ...editor.shownBackground.part, left, top, width, height);
  if (editor.shownBackground === editor.background) animatic.draw(context, editor, viewport, image);
}

function drawGrid(context, { left, top, width, height }, count) {
  if (Math.min(width, height) / count < MIN_CELL) return;
  context.beginPath();
  for (let n = 1; n < count; n += 1) {
    const [x, y] = [crisp(left + (width * n) / count), crisp(top + (height * n) / count)];
    context.moveTo(x, top);
    context.lineTo(x, top + height);
    context.moveTo(left, y);
    context.lineTo(left + width, y);
  }
  context.lineWidth = 1;
  context.strokeStyle = "rgb(128 128 128 / 45%)";
  context.stroke();
}

/** Shade everything outside the frame, which the model does not see. */
function shadeOutside(context, { stageSize }, { left, top, width, height }, { theme }) {
  context.beginPath();
  context.rect(0, 0, stageSize.width, stageSize.height);
  context.rect(left, top, width, height);
  context.globalAlpha = SHADE;
  context.fillStyle = theme.surface;
  context.fill("evenodd");
  context.globalAlpha = 1;
}

function drawFrame(context, { left, top, width, height }, { theme }) {
  context.lineWidth = 1;
  context.strokeStyle = theme.faint;
  const [right, bottom] = [Math.round(left + width), Math.round(top + height)]; // the line is the frame's last pixel
  context.strokeRect(crisp(left), crisp(top), right - Math.round(left) - 1, bottom - Math.round(top) - 1);
}

/** @param {Track} track */
function drawBox(context, editor, track, viewport, look, isSelected) {
  const box = rectangle(shownBox(editor, track), viewport);
  if (isAway(box, editor.stageSize)) return;
  const [x, y, width, height] = box;
  const isVisible = model.visibleAt(track, editor.time);
  const kind = !track.enabled ? "disabled" : isVisible ? "solid" : "invisible";
  const isHovered = look.hovered === track.id;
  context.globalAlpha = kind === "solid" || isSelected ? 1 : 0.55;
  if (kind === "solid") {
    // What a box moves keeps its own colours.
    const tint = isHovered ? "14" : isAnimatic(editor) ? "00" : "0e";
    context.fillStyle = `${track.color}${tint}`;
    context.fillRect(x, y, width, height);
  }
  const line = isSelected ? 2.5 : isHovered ? 2 : 1.5;
  context.setLineDash(DASHES[kind]);
  context.lineCap = kind === "invisible" ? "round" : "butt";
  context.lineWidth = line + 2;
  context.strokeStyle = contrastTo(track.color); // on an image of the same color
  context.strokeRect(x, y, width, height);
  context.lineWidth = line;
  context.strokeStyle = track.color;
  context.strokeRect(x, y, width, height);
  context.setLineDash([]);
  context.lineCap = "butt";
  context.globalAlpha = 1;
}

/** @param {Track} track */
function drawName(context, editor, track, viewport, look, isSelected) {
  const box = rectangle(shownBox(editor, track), viewport);
  const { stageSize } = editor;
  if (isAway(box, stageSize)) return;
  drawLabel(context, track, box, {
    number: editor.trajectory.objects.indexOf(track) + 1,
    isLocked: editor.locked.has(track.id),
    isRoomy: isSelected || look.hovered === track.id,
    hasHandles: isSelected && !editor.isPlaying,
    font: look.theme.font,
    limit: stageSize.width,
  });
}

/** Whether a box is out of sight. */
function isAway([x, y, width, height], stage) {
  return x > stage.width || y > stage.height || x + width < 0 || y + height < 0;
}

function drawHandles(context, editor, viewport) {
  const around = handleBox(editor);
  if (!around || editor.isPlaying) return;
  const [x, y, width, height] = rectangle(around, viewport);
  context.lineWidth = 1;
  if (editor.selected.size > 1) {
    context.setLineDash([4, 3]);
    context.strokeStyle = "#ffffff";
    context.strokeRect(x, y, width, height);
    context.setLineDash([]);
  }
  context.beginPath();
  for (const point of model.handlePoints(around, model.reachOf(viewport, GRIP))) {
    const [px, py] = model.toPixels(viewport, point.x, point.y);
    context.rect(px - HANDLE / 2, py - HANDLE / 2, HANDLE, HANDLE);
  }
  context.fillStyle = "#ffffff";
  context.fill();
  context.strokeStyle = "#1b1b1b";
  context.stroke();
}

/** The recorded path so far. */
function drawRecorded(context, { recording, trajectory }, viewport) {
  const track = trajectory.objects.find(({ id }) => id === recording.id);
  context.beginPath();
  for (const { box } of recording.samples) context.lineTo(...model.toPixels(viewport, ...model.centreOf(box)));
  context.lineWidth = 3;
  context.strokeStyle = track.color;
  context.stroke();
}

function drawGesture(context, editor, viewport, { gesture, tip, theme }) {
  context.lineWidth = 1;
  if (gesture?.guides?.length) drawGuides(context, editor.stageSize, viewport, gesture.guides);
  if (gesture?.marquee) {
    const marquee = rectangle(gesture.marquee, viewport);
    context.fillStyle = "rgb(86 180 233 / 15%)";
    context.fillRect(...marquee);
    context.strokeStyle = theme.accent;
    context.strokeRect(...marquee);
  }
  if (gesture?.point) drawPointBox(context, editor, viewport, gesture.point);
  if (tip) drawChip(context, theme, tip.px + 12, tip.py - 8, `${tip.frame}`);
}

/** The box at the frame of a dragged path point. */
function drawPointBox(context, { trajectory }, viewport, { id, frame }) {
  const track = trajectory.objects.find((object) => object.id === id);
  context.setLineDash([3, 3]);
  context.strokeStyle = track.color;
  context.strokeRect(...rectangle(model.boxAt(track, frame, trajectory), viewport));
  context.setLineDash([]);
}

function drawGuides(context, { width, height }, viewport, guides) {
  context.beginPath();
  for (const { axis, at } of guides) {
    const [px, py] = model.toPixels(viewport, at, at);
    if (axis === "x") {
      context.moveTo(crisp(px), 0);
      context.lineTo(crisp(px), height);
    } else {
      context.moveTo(0, crisp(py));
      context.lineTo(width, crisp(py));
    }
  }
  context.strokeStyle = GUIDE;
  context.stroke();
}

function drawModelText(context, { stageSize }, { left, top, height }, { modelText, theme }) {
  context.font = theme.font;
  const room = context.measureText(modelText).width + 12;
  const x = Math.min(Math.max(left, 2), Math.max(stageSize.width - room, 2));
  drawChip(context, theme, x, Math.min(top + height + 12, stageSize.height - 11), modelText);
}

/** Short light text on a dark chip, with x, y at its left end, vertically centred. */
function drawChip(context, { font }, x, y, text) {
  context.font = font;
  context.textBaseline = "middle";
  context.fillStyle = "rgb(0 0 0 / 75%)";
  context.fillRect(x, y - 8, context.measureText(text).width + 8, 16);
  context.fillStyle = "#f0f0f0";
  context.fillText(text, x + 4, y + 0.5);
}

/** The nearest coordinate where a line of one pixel is sharp. */
function crisp(v) {
  return Math.round(v) + 0.5;
}

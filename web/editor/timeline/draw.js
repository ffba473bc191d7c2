/**
 * Drawing the timeline on a 2D context, in CSS pixels. Only rows and frames in view are drawn.
 *
 * @import {Ease, Key, Trajectory} from "../../trajectory/document.js"
 * @import {EditorState, Scores} from "../state/state.js"
 * @import {Theme} from "../kit/theme.js"
 * @import {Layout} from "./layout.js"
 * @typedef {{trajectory: Trajectory, selected: Set<string>, isKeySelected: (id: string, frame: number) => boolean,
 *   isCameraSelected: boolean, isShown: (id: string) => boolean, numFrames: number | null,
 *   scores: Scores | null, isOldScore: boolean, marks: Pick<EditorState, "workArea" | "markers" | "played">,
 *   marquee: {left: number, top: number, right: number, bottom: number} | null}} Scene
 */

import { easeAt, easeCurve, keyIndexAt, sampledTimes, visibleRanges } from "../../trajectory/model.js";
import {
  framesInView,
  keysOfRow,
  keyY,
  rangeEdges,
  RULER,
  rowsInView,
  rulerSteps,
  SCROLLBAR,
  secondsStep,
  thumbs,
  xOf,
  yOf,
} from "./layout.js";
import { drawMarks } from "./marks.js";

const SIZE = 5; // pixels from the centre of a key to its corner
const DENSE = 7; // pixels; keys nearer to each other are drawn as lines
const GLYPH = 9; // pixels of an easing curve
const LOW = [213, 94, 0]; // colors of scores: vermilion to blue of the palette, through grey
const MIDDLE = [150, 150, 150];
const HIGH = [86, 180, 233];

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Layout} layout
 * @param {Scene} scene
 * @param {Theme} theme
 */
export function drawTimeline(context, layout, scene, theme) {
  const { width, height, label, bottom } = layout;
  context.clearRect(0, 0, width, height);
  context.font = theme.font;
  context.textBaseline = "middle";
  context.lineWidth = 1;
  clipped(context, label, RULER, width - label, bottom - RULER, () => drawGrid(context, layout, theme));
  const [first, last] = rowsInView(layout);
  clipped(context, 0, RULER, width, bottom - RULER, () => {
    for (let row = first; row <= last; row += 1) drawRow(context, layout, scene, theme, row);
    if (scene.marquee) drawMarquee(context, scene.marquee, theme);
  });
  drawRuler(context, layout, scene, theme);
  clipped(context, label, 0, width - label, bottom, () => drawMarks(context, layout, scene.marks, theme));
  drawScrollbars(context, layout, theme);
}

function clipped(context, x, y, width, height, draw) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  draw();
  context.restore();
}

/** Every `step`-th frame in view. */
function* everyFrame(layout, step) {
  const [first, last] = framesInView(layout);
  for (let frame = Math.ceil(first / step) * step; frame <= last; frame += step) yield frame;
}

function drawGrid(context, layout, theme) {
  context.globalAlpha = 0.5;
  context.fillStyle = theme.line;
  for (const frame of everyFrame(layout, rulerSteps(layout.scale).label)) {
    context.fillRect(Math.round(xOf(layout, frame)), RULER, 1, layout.bottom - RULER);
  }
  context.globalAlpha = 1;
}

function drawRuler(context, layout, { trajectory, numFrames }, theme) {
  const { label: labels, tick } = rulerSteps(layout.scale);
  context.fillStyle = theme.line;
  context.fillRect(0, RULER - 1, layout.width, 1);
  clipped(context, layout.label, 0, layout.width - layout.label, RULER, () => {
    context.textAlign = "center";
    for (const frame of everyFrame(layout, tick)) {
      context.fillStyle = theme.line;
      context.fillRect(Math.round(xOf(layout, frame)), RULER - 5, 1, 5);
    }
    context.fillStyle = theme.text;
    for (const frame of everyFrame(layout, labels)) {
      context.fillText(String(frame), xOf(layout, frame), 7);
    }
    context.fillStyle = theme.faint;
    const [first, last] = framesInView(layout);
    const step = secondsStep(layout.scale, trajectory.fps);
    for (let n = Math.ceil(first / trajectory.fps / step); n * step * trajectory.fps <= last; n += 1) {
      context.fillText(`${secondsText(n * step)}s`, xOf(layout, n * step * trajectory.fps), 19);
    }
    if (numFrames !== null && numFrames <= trajectory.frames) drawSampled(context, layout, numFrames, theme);
  });
  context.textAlign = "start";
}

/** @param {number} seconds */
export function secondsText(seconds) {
  return String(Math.round(seconds * 100) / 100);
}

/** Marks on the ruler's lower edge at the frames that the model makes. */
function drawSampled(context, layout, numFrames, theme) {
  context.fillStyle = theme.accent;
  context.beginPath();
  for (const time of sampledTimes(layout.frames, numFrames)) {
    const x = xOf(layout, time);
    if (x < layout.label || x > layout.width) continue;
    context.moveTo(x, RULER - 6);
    context.lineTo(x + 3.5, RULER);
    context.lineTo(x - 3.5, RULER);
  }
  context.fill();
}

function drawRow(context, layout, scene, theme, row) {
  const y = yOf(layout, row);
  const track = row > 0 ? scene.trajectory.objects[row - 1] : null;
  const isSelected = track ? scene.selected.has(track.id) : scene.isCameraSelected;
  const isFaint = track !== null && !(track.enabled && scene.isShown(track.id));
  if (isSelected) {
    context.globalAlpha = 0.16;
    context.fillStyle = theme.accent;
    context.fillRect(0, y, layout.width, layout.row);
    context.globalAlpha = 1;
  }
  context.fillStyle = theme.line;
  context.fillRect(0, y + layout.row - 1, layout.width, 1);
  context.globalAlpha = isFaint ? 0.4 : 1;
  clipped(context, layout.label, y, layout.width - layout.label, layout.row, () => {
    if (track) drawTrack(context, layout, scene, theme, row, track);
    else drawSummary(context, layout, scene, theme);
  });
  drawSide(context, layout, theme, row, isSelected);
  context.globalAlpha = 1;
}

/** The side of a row where the names are, which are elements. */
function drawSide(context, layout, theme, row, isSelected) {
  context.fillStyle = theme.line;
  context.fillRect(layout.label - 1, yOf(layout, row), 1, layout.row);
  if (isSelected) {
    context.fillStyle = theme.accent;
    context.fillRect(0, yOf(layout, row), 3, layout.row - 1);
  }
}

/** Indices of the first and last key that affect the view. */
function keysInView(layout, keys) {
  const [first, last] = framesInView(layout);
  return [keyIndexAt(keys, first), Math.min(keyIndexAt(keys, last) + 1, keys.length - 1)];
}

function drawTrack(context, layout, scene, theme, row, track) {
  drawRanges(context, layout, row, track);
  if (layout.strip) drawScores(context, layout, row, iouOf(scene.scores, track.id), theme, scene.isOldScore);
  const { keys, color } = track;
  const y = keyY(layout, row);
  const [from, to] = keysInView(layout, keys);
  drawSegments(context, layout, keys, from, to, y, color, theme);
  const filled = new Path2D();
  const hollow = new Path2D();
  const chosen = new Path2D();
  for (let n = from; n <= to; n += 1) {
    const { frame, ease, visible } = keys[n];
    const x = xOf(layout, frame);
    const room = Math.min(gap(layout, keys, n - 1), gap(layout, keys, n));
    const isSelected = scene.isKeySelected(track.id, frame);
    const path = visible ? filled : hollow;
    if (room < DENSE) path.rect(x - 1, y - SIZE, 2, SIZE * 2);
    else addKeyShape(path, x, y, n < keys.length - 1 ? ease : "linear", SIZE);
    if (isSelected) addKeyShape(chosen, x, y, n < keys.length - 1 ? ease : "linear", SIZE + 2.5);
  }
  context.fillStyle = color;
  context.strokeStyle = theme.background;
  context.fill(filled);
  context.stroke(filled);
  context.fillStyle = theme.background;
  context.strokeStyle = color;
  context.lineWidth = 1.5;
  context.fill(hollow);
  context.stroke(hollow);
  context.strokeStyle = theme.text;
  context.lineWidth = 2;
  context.stroke(chosen);
  context.lineWidth = 1;
}

/** Pixels from key n to the next. */
function gap(layout, keys, n) {
  return n < 0 || n + 1 >= keys.length ? Infinity : (keys[n + 1].frame - keys[n].frame) * layout.scale;
}

/**
 * The shape of a key by its ease: square for hold, triangles towards the fast end, disc for ease in and out, hexagon
 * for a custom curve, diamond for linear.
 *
 * @param {Path2D} path
 * @param {number} x
 * @param {number} y
 * @param {Ease} ease
 * @param {number} size
 */
function addKeyShape(path, x, y, ease, size) {
  if (ease === "in_out") {
    path.moveTo(x + size, y);
    path.arc(x, y, size, 0, 2 * Math.PI);
    return;
  }
  const corners = Array.isArray(ease) ? SHAPES.curve : SHAPES[ease];
  const [startX, startY] = corners.at(-1);
  path.moveTo(x + startX * size, y + startY * size);
  // closePath would measure the whole path each time.
  for (const [dx, dy] of corners) path.lineTo(x + dx * size, y + dy * size);
}

const SHAPES = {
  linear: [[-1, 0], [0, -1.1], [1, 0], [0, 1.1]],
  hold: [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]],
  in: [[-0.8, -1.1], [1.1, 0], [-0.8, 1.1]],
  out: [[0.8, -1.1], [-1.1, 0], [0.8, 1.1]],
  curve: [[-0.55, -1], [0.55, -1], [1.1, 0], [0.55, 1], [-0.55, 1], [-1.1, 0]],
};

/**
 * The segments between keys: a line, dashed while the box is still, dotted while invisible, and the easing curve if
 * there is room.
 */
function drawSegments(context, layout, keys, from, to, y, color, theme) {
  const solid = new Path2D();
  const dashed = new Path2D();
  const dotted = new Path2D();
  const glyphs = new Path2D();
  for (let n = from; n < to; n += 1) {
    const [left, right] = [xOf(layout, keys[n].frame), xOf(layout, keys[n + 1].frame)];
    if (right - left < DENSE) continue;
    const { ease, visible } = keys[n];
    const path = !visible ? dotted : ease === "hold" ? dashed : solid;
    path.moveTo(left, y);
    path.lineTo(right, y);
    // The glyph stays in view if the segment extends beyond it.
    const middle = (Math.max(left, layout.label) + Math.min(right, layout.width - SCROLLBAR)) / 2;
    if (right - left > 4 * GLYPH && easeCurve(ease)) addGlyph(glyphs, middle, y, ease);
  }
  context.strokeStyle = color;
  context.lineWidth = 1.5;
  context.stroke(solid);
  context.setLineDash([3, 3]);
  context.stroke(dashed);
  context.setLineDash([1, 4]);
  context.stroke(dotted);
  context.setLineDash([]);
  context.strokeStyle = theme.background;
  context.lineWidth = 4;
  context.stroke(glyphs);
  context.strokeStyle = theme.text;
  context.lineWidth = 1.5;
  context.stroke(glyphs);
  context.lineWidth = 1;
}

/** @type {Map<string, number[]>} progress at nine times, by ease */
const curves = new Map();

function addGlyph(path, x, y, ease) {
  let curve = curves.get(String(ease));
  if (!curve) {
    if (curves.size > 500) curves.clear();
    curve = Array.from({ length: 9 }, (_, n) => Math.min(Math.max(easeAt(ease, n / 8), -0.3), 1.3));
    curves.set(String(ease), curve);
  }
  curve.forEach((progress, n) => {
    path[n ? "lineTo" : "moveTo"](x - GLYPH / 2 + (n * GLYPH) / 8, y + GLYPH / 2 - progress * GLYPH);
  });
}

/** Bars of the visible ranges, with a grip at each end. */
function drawRanges(context, layout, row, track) {
  const top = yOf(layout, row) + 2;
  const height = layout.row - layout.strip - 5;
  const edges = rangeEdges(layout, visibleRanges(track, layout.frames));
  const { globalAlpha } = context;
  context.fillStyle = track.color;
  for (const [left, right] of edges) {
    context.globalAlpha = globalAlpha * 0.25;
    context.fillRect(left, top, right - left, height);
    context.globalAlpha = globalAlpha;
    context.fillRect(left, top, 3, height);
    context.fillRect(right - 3, top, 3, height);
  }
}

function drawSummary(context, layout, { trajectory }, theme) {
  const keys = /** @type {Key[]} */ (keysOfRow(trajectory, 0));
  if (!keys.length) return;
  const [from, to] = keysInView(layout, keys);
  const y = keyY(layout, 0);
  const path = new Path2D();
  for (let n = from; n <= to; n += 1) {
    const x = xOf(layout, keys[n].frame);
    const room = Math.min(gap(layout, keys, n - 1), gap(layout, keys, n));
    if (room < DENSE) path.rect(x - 1, y - 4, 2, 8);
    else addKeyShape(path, x, y, "linear", 4);
  }
  context.fillStyle = theme.faint;
  context.fill(path);
}

/**
 * A bar per frame of the last run. Its height is the IoU, its color goes from orange (low) to blue (high). Those of
 * before a change are faint.
 */
function drawScores(context, layout, row, iou, theme, isOld) {
  const bottom = yOf(layout, row) + layout.row - 2;
  context.fillStyle = theme.line;
  context.fillRect(xOf(layout, 0), bottom, xOf(layout, layout.frames - 1) - xOf(layout, 0), 1);
  if (!iou) return;
  const times = sampledTimes(layout.frames, iou.length);
  const width = Math.min(Math.max((layout.scale * (layout.frames - 1)) / Math.max(iou.length - 1, 1) - 1, 1), 14);
  const { globalAlpha } = context;
  if (isOld) context.globalAlpha = globalAlpha * 0.4;
  iou.forEach((score, n) => {
    const x = xOf(layout, times[n]);
    if (score === null || x < layout.label - width || x > layout.width + width) return;
    const height = Math.max(score * (layout.strip - 2), 1);
    context.fillStyle = scoreColor(score);
    context.fillRect(x - width / 2, bottom - height, width, height);
  });
  context.globalAlpha = globalAlpha;
}

/**
 * The scores of an object. Its id may also be the name of a method that every object has, such as toString.
 *
 * @param {?{iou: Record<string, (number|null)[]>}} scores
 * @param {string} id
 * @returns {(number|null)[]|undefined}
 */
export function iouOf(scores, id) {
  return scores && Object.hasOwn(scores.iou, id) ? scores.iou[id] : undefined;
}

/** @param {number} score  0..1 */
export function scoreColor(score) {
  const [from, to] = score < 0.5 ? [LOW, MIDDLE] : [MIDDLE, HIGH];
  const part = score < 0.5 ? score * 2 : score * 2 - 1;
  return `rgb(${from.map((value, n) => Math.round(value + (to[n] - value) * part)).join(" ")})`;
}

function drawMarquee(context, { left, top, right, bottom }, theme) {
  context.fillStyle = theme.accent;
  context.strokeStyle = theme.accent;
  context.globalAlpha = 0.15;
  context.fillRect(left, top, right - left, bottom - top);
  context.globalAlpha = 1;
  context.setLineDash([4, 3]);
  context.strokeRect(left, top, right - left, bottom - top);
  context.setLineDash([]);
}

function drawScrollbars(context, layout, theme) {
  const { x, y } = thumbs(layout);
  context.fillStyle = theme.faint;
  context.globalAlpha = 0.6;
  context.beginPath();
  if (x) context.roundRect(x[0], layout.bottom + 2, x[1], SCROLLBAR - 4, 2);
  if (y) context.roundRect(layout.width - SCROLLBAR + 2, y[0], SCROLLBAR - 4, y[1], 2);
  context.fill();
  context.globalAlpha = 1;
}

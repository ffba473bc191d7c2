/**
 * Motion paths with ticks, and onion skin of the neighbouring keys. Paths are cached while their keys stay the same.
 *
 * @import {EditorState} from "../state/state.js"
 * @import {Theme} from "../kit/theme.js"
 * @import {Track} from "../../trajectory/document.js"
 * @import {Viewport} from "../../trajectory/viewport.js"
 * @typedef {{name: string, seen: Path2D, unseen: Path2D, ticks: Path2D | null, keys: Path2D | null,
 *   bounds: [number, number, number, number]}} Drawn  in CSS pixels from the frame's corner; unseen: where the object
 *   is invisible
 */

import * as model from "../../trajectory/model.js";
import { contrastTo } from "../kit/theme.js";
import { pathHandles, tickFrames } from "./scene.js";

const KEY = 4.5; // CSS pixels from the centre of a key's diamond to its tips
const KNOB = 4; // CSS pixels, radius of the end of a handle
const NEAR = 2; // CSS pixels; of nearer keys only the first has a diamond
const APART = 1; // CSS pixels; nearer points of a line are skipped
const SAMPLED = 5; // CSS pixels, radius of the ring at a frame that the model samples
const MOST_RINGS = 64;

/** @type {WeakMap<Track["keys"], Drawn>} */
const cache = new WeakMap();

/**
 * @param {CanvasRenderingContext2D} context
 * @param {EditorState} editor
 * @param {Track} track
 * @param {Viewport} viewport
 * @param {boolean} isSelected  with ticks and a stronger line
 */
export function drawPath(context, editor, track, viewport, isSelected) {
  const drawn = pathOf(track, editor.trajectory, viewport, isSelected);
  if (isOutside(drawn.bounds, viewport, editor.stageSize)) return;
  context.save();
  context.translate(viewport.left, viewport.top);
  context.lineJoin = "round";
  context.globalAlpha = track.enabled ? 1 : 0.4;
  const line = isSelected ? 2 : 1.25;
  context.lineWidth = line + 2;
  context.strokeStyle = contrastTo(track.color); // on an image of the same color
  context.stroke(drawn.seen);
  context.lineWidth = line;
  context.strokeStyle = track.color;
  context.stroke(drawn.seen);
  context.setLineDash([2, 4]);
  context.stroke(drawn.unseen);
  context.setLineDash([]);
  if (isSelected) {
    context.fillStyle = track.color;
    context.strokeStyle = "rgb(0 0 0 / 80%)";
    context.lineWidth = 1;
    context.stroke(drawn.ticks);
    context.fill(drawn.ticks);
    if (track.enabled && editor.settings.crop) drawSampled(context, editor, track, viewport);
    context.fillStyle = "#ffffff";
    context.fill(drawn.keys);
    context.stroke(drawn.keys);
  }
  context.restore();
}

/**
 * The handles that bend the path of the selected object.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {EditorState} editor
 * @param {Viewport} viewport
 */
export function drawBends(context, editor, viewport) {
  const bends = pathHandles(editor);
  if (!bends.length) return;
  const { color } = model.trackOf(editor.trajectory, bends[0].id);
  const [lines, knobs, keys] = [new Path2D(), new Path2D(), new Path2D()];
  for (const { x, y, key } of bends) {
    const [px, py] = model.toPixels(viewport, x, y);
    const [keyX, keyY] = model.toPixels(viewport, ...key);
    lines.moveTo(keyX, keyY);
    lines.lineTo(px, py);
    knobs.moveTo(px + KNOB, py);
    knobs.arc(px, py, KNOB, 0, 2 * Math.PI);
    keys.moveTo(keyX + 2, keyY);
    keys.arc(keyX, keyY, 2, 0, 2 * Math.PI);
  }
  context.lineWidth = 3;
  context.strokeStyle = "rgb(0 0 0 / 60%)";
  context.stroke(lines);
  context.lineWidth = 1.25;
  context.strokeStyle = "#ffffff";
  context.stroke(lines);
  context.fillStyle = color;
  context.fill(keys);
  context.lineWidth = 3.5;
  context.strokeStyle = "rgb(0 0 0 / 75%)";
  context.stroke(knobs);
  context.fill(knobs);
  context.lineWidth = 1.5;
  context.strokeStyle = "#ffffff";
  context.stroke(knobs);
}

/**
 * Onion skin: the boxes of the keys before and after the playhead, with their frame numbers.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {EditorState} editor
 * @param {Track} track
 * @param {Viewport} viewport
 * @param {Theme} theme
 */
export function drawGhosts(context, editor, track, viewport, { font }) {
  const { keys } = track;
  const before = keys.findLast((key) => key.frame < editor.time);
  const after = keys.find((key) => key.frame > editor.time);
  context.fillStyle = "#ffffff";
  context.font = font;
  context.textBaseline = "alphabetic";
  for (const key of [before, after]) {
    if (!key) continue;
    context.setLineDash([4, 3]);
    const [x1, y1] = model.toPixels(viewport, key.box[0], key.box[1]);
    const [x2, y2] = model.toPixels(viewport, key.box[2], key.box[3]);
    context.globalAlpha = 0.75;
    for (const { width, color } of [{ width: 3, color: "rgb(0 0 0 / 45%)" }, { width: 1.25, color: track.color }]) {
      context.lineWidth = width;
      context.strokeStyle = color;
      context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    }
    context.setLineDash([]);
    context.lineWidth = 3;
    context.strokeStyle = "rgb(0 0 0 / 75%)";
    context.strokeText(`${key.frame}`, x1 + 4, y2 - 5);
    context.fillText(`${key.frame}`, x1 + 4, y2 - 5);
  }
  context.globalAlpha = 1;
}

/** Rings at the times that the model samples, if it makes fewer frames than the clip has. */
function drawSampled(context, { trajectory, facts }, track, { width, height }) {
  const { numFrames } = facts;
  if (!numFrames || numFrames >= trajectory.frames || numFrames > MOST_RINGS) return;
  context.beginPath();
  for (const time of model.sampledTimes(trajectory.frames, numFrames)) {
    const [x, y] = model.centreOf(model.boxAt(track, time, trajectory));
    context.moveTo(x * width + SAMPLED, y * height);
    context.arc(x * width, y * height, SAMPLED, 0, 2 * Math.PI);
  }
  context.strokeStyle = "#ffffff";
  context.stroke();
  context.strokeStyle = "rgb(0 0 0 / 80%)";
}

/** @returns {Drawn} */
function pathOf(track, trajectory, viewport, hasTicks) {
  const { frames, width, height } = trajectory;
  const name = `${frames} ${width} ${height} ${viewport.width} ${viewport.height}`;
  const known = cache.get(track.keys);
  if (known?.name === name && (known.ticks || !hasTicks)) return known;
  const drawn = known?.name === name ? known : { name, ...linesOf(track, trajectory, viewport), ticks: null, keys: null };
  const complete = hasTicks ? { ...drawn, ...ticksOf(track, trajectory, viewport) } : drawn;
  cache.set(track.keys, complete);
  return complete;
}

function linesOf(track, trajectory, { width, height }) {
  const dense = model.denseBoxes(track, trajectory);
  const { frames } = trajectory;
  const lines = { true: new Path2D(), false: new Path2D() };
  let [lastX, lastY] = [NaN, NaN];
  /** @type {Drawn["bounds"]} */
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  let key = 0;
  let visible = track.keys[0].visible;
  for (let frame = 0; frame < frames; frame += 1) {
    const at = frame * 4;
    const x = ((dense[at] + dense[at + 2]) / 2) * width;
    const y = ((dense[at + 1] + dense[at + 3]) / 2) * height;
    while (track.keys[key + 1]?.frame <= frame) key += 1;
    const isLast = frame === frames - 1;
    const isTurn = track.keys[key].frame === frame;
    if (frame > 0 && !isLast && !isTurn && Math.abs(x - lastX) < APART && Math.abs(y - lastY) < APART) continue;
    bounds[0] = Math.min(bounds[0], x);
    bounds[1] = Math.min(bounds[1], y);
    bounds[2] = Math.max(bounds[2], x);
    bounds[3] = Math.max(bounds[3], y);
    const [from, to] = isTurn ? [track.keys[key - 1], track.keys[key]] : [track.keys[key], track.keys[key + 1]];
    const isBent = from && to && from.frame < frame && from.ease !== "hold" && model.isCurved(from, to);
    if (isBent && !isTurn) continue; // drawn as a whole where it ends
    if (frame === 0) lines[visible].moveTo(x, y);
    else if (isBent) lines[visible].bezierCurveTo(...controlsOf(from, to, trajectory, width, height), x, y);
    else lines[visible].lineTo(x, y);
    if (track.keys[key].visible !== visible) {
      visible = !visible;
      lines[visible].moveTo(x, y);
    }
    [lastX, lastY] = [x, y];
  }
  return { seen: lines.true, unseen: lines.false, bounds };
}

/** @returns {[number, number, number, number]} */
function controlsOf(from, to, trajectory, width, height) {
  const [x, y] = model.centreOf(from.box);
  const [[x1, y1], [x2, y2]] = model.curveOf(from, to, trajectory).controls;
  return [(x + x1) * width, (y + y1) * height, (x + x2) * width, (y + y2) * height];
}

function ticksOf(track, trajectory, viewport) {
  const dense = model.denseBoxes(track, trajectory);
  const [ticks, keys] = [new Path2D(), new Path2D()];
  const isKey = new Set(track.keys.map((key) => key.frame));
  let [lastX, lastY] = [NaN, NaN];
  for (const frame of tickFrames(track, trajectory, viewport)) {
    const [u, v] = model.centreOf(model.boxOf(dense, frame));
    const [x, y] = [u * viewport.width, v * viewport.height];
    if (!isKey.has(frame)) {
      ticks.rect(x - 2, y - 2, 4, 4);
      continue;
    }
    if (Math.abs(x - lastX) < NEAR && Math.abs(y - lastY) < NEAR) continue; // hidden by the previous one
    [lastX, lastY] = [x, y];
    keys.moveTo(x, y - KEY);
    keys.lineTo(x + KEY, y);
    keys.lineTo(x, y + KEY);
    keys.lineTo(x - KEY, y);
    keys.lineTo(x, y - KEY); // closePath would measure the whole path each time
  }
  return { ticks, keys };
}

function isOutside([x1, y1, x2, y2], { left, top }, { width, height }) {
  return left + x1 > width + KEY || left + x2 < -KEY || top + y1 > height + KEY || top + y2 < -KEY;
}

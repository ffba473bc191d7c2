/**
 * Geometry of the timeline, in CSS pixels of its canvas.
 *
 * Row 0 is the camera, row n is object n - 1.
 *
 * @import {Key, Trajectory} from "../../trajectory/document.js"
 * @import {KeyRef} from "../../trajectory/keys.js"
 * @typedef {{zoom: number, start: number, scroll: number}} TimelineView  zoom: 1 shows the whole clip; start: frame at
 *   the left end; scroll: vertical scroll of the rows in pixels
 * @typedef {{width: number, height: number, label: number, bottom: number, row: number, strip: number, rows: number,
 *   frames: number, scale: number, fit: number, span: number, start: number, scroll: number, content: number,
 *   body: number}} Layout  label: width of the names at the left; bottom: lower end of the rows; row: height of one
 *   row; strip: height of its scores; scale: pixels per frame; fit: scale that shows the whole clip; span: pixels of
 *   the time axis; content: height of all rows; body: visible height of the rows
 * @typedef {"ruler" | "label" | "key" | "end" | "segment" | "row" | "empty" | "scrollX" | "scrollY"} HitKind
 * @typedef {{kind: HitKind, row: number, frame: number, range?: [number, number], end?: "first" | "last"}} Hit
 *   frame: of the key, of the segment's first key, else the nearest; range, end: the visible range and which end
 */

import { keyIndexAt, visibleRanges } from "../../trajectory/model.js";

export const RULER = 28;
export const SCROLLBAR = 8;
const ROW = 24;
const STRIP = 10; // of scores, in each row
const PADDING = 14; // before the first and after the last frame: room for half a key and the end of a range
const MAX_SCALE = 40; // pixels per frame
const REACH = 7; // pixels around a key or the end of a range
const EDGE = 9; // pixels that the bar of a range extends beyond its frames, so that its ends are beside the keys

/**
 * @param {{width: number, height: number}} size
 * @param {{frames: number, objects: number, hasScores: boolean}} content
 * @param {TimelineView} view  clamped to the content
 * @returns {Layout}
 */
export function layoutOf({ width, height }, { frames, objects, hasScores }, view) {
  const label = Math.round(Math.min(Math.max(width * 0.28, 132), 240, width * 0.45));
  const strip = hasScores ? STRIP : 0;
  const row = ROW + strip;
  const rows = objects + 1;
  const content = rows * row;
  const span = Math.max(width - label - 2 * PADDING - SCROLLBAR, 1);
  const last = Math.max(frames - 1, 1);
  const fit = span / last;
  const scale = Math.min(Math.max(view.zoom, 1) * fit, Math.max(MAX_SCALE, fit));
  const bottom = height - (scale > fit ? SCROLLBAR : 0);
  const body = Math.max(bottom - RULER, 0);
  const start = Math.min(Math.max(view.start, 0), Math.max(last - span / scale, 0));
  const scroll = Math.min(Math.max(view.scroll, 0), Math.max(content - body, 0));
  return { width, height, label, bottom, row, strip, rows, frames, scale, fit, span, start, scroll, content, body };
}

/** @param {Layout} layout @param {number} time  in frames */
export function xOf(layout, time) {
  return layout.label + PADDING + (time - layout.start) * layout.scale;
}

/** The time at x, which may lie before or after the clip. @param {Layout} layout @param {number} x */
export function timeAt(layout, x) {
  return (x - layout.label - PADDING) / layout.scale + layout.start;
}

/** The frame of the clip nearest to x. @param {Layout} layout @param {number} x */
export function frameAt(layout, x) {
  return Math.min(Math.max(Math.round(timeAt(layout, x)), 0), layout.frames - 1);
}

/** The top of a row. @param {Layout} layout @param {number} row */
export function yOf(layout, row) {
  return RULER + row * layout.row - layout.scroll;
}

/** The vertical centre of a row's keys. @param {Layout} layout @param {number} row */
export function keyY(layout, row) {
  return yOf(layout, row) + (layout.row - layout.strip) / 2;
}

/** The row at y, or -1. @param {Layout} layout @param {number} y */
export function rowAt(layout, y) {
  const row = Math.floor((y - RULER + layout.scroll) / layout.row);
  return y >= RULER && y < layout.bottom && row < layout.rows ? row : -1;
}

/** First and last row in view. @param {Layout} layout @returns {[number, number]} */
export function rowsInView({ scroll, row, body, rows }) {
  return [Math.floor(scroll / row), Math.min(Math.ceil((scroll + body) / row), rows) - 1];
}

/** First and last frame in view, with a margin of one. @param {Layout} layout @returns {[number, number]} */
export function framesInView(layout) {
  const first = Math.floor(timeAt(layout, layout.label)) - 1;
  const last = Math.ceil(timeAt(layout, layout.width)) + 1;
  return [Math.max(first, 0), Math.min(last, layout.frames - 1)];
}

/**
 * Zoom about the time at `x`.
 *
 * @param {Layout} layout
 * @param {number} x
 * @param {number} factor
 * @returns {TimelineView}
 */
export function zoomedAt(layout, x, factor) {
  const scale = Math.min(Math.max(layout.scale * factor, layout.fit), Math.max(MAX_SCALE, layout.fit));
  const start = timeAt(layout, x) - (x - layout.label - PADDING) / scale;
  return { zoom: scale / layout.fit, start, scroll: layout.scroll };
}

/**
 * The start of the view that shows a time; unchanged if it is in view.
 *
 * @param {Layout} layout
 * @param {number} time
 */
export function startToShow(layout, time) {
  const seen = layout.span / layout.scale;
  if (time < layout.start) return time;
  return time > layout.start + seen ? Math.max(time - seen * 0.1, 0) : layout.start;
}

/** The scroll position that shows a row. @param {Layout} layout @param {number} row */
export function scrollToShow({ scroll, row: height, body }, row) {
  return Math.min(Math.max(scroll, (row + 1) * height - body), row * height);
}

/**
 * The intervals of the ruler in frames: of numbers, and of ticks.
 *
 * @param {number} scale  pixels per frame
 * @returns {{label: number, tick: number}}
 */
export function rulerSteps(scale) {
  return { label: roundStep(scale, 40, 1), tick: roundStep(scale, 6, 1) };
}

/**
 * The interval of the ruler in seconds: sparse, so that times are not mistaken for frame numbers.
 *
 * @param {number} scale  pixels per frame
 * @param {number} fps
 */
export function secondsStep(scale, fps) {
  return roundStep(scale * fps, Math.max(60, 2 * scale), 0.01);
}

/** The smallest of 1, 2, 5, 10, 20 ... times `unit` with at least the given width in pixels. */
function roundStep(scale, pixels, unit) {
  for (let ten = 1; ; ten *= 10) {
    const step = [1, 2, 5].find((n) => n * ten * unit * scale >= pixels);
    if (step) return step * ten * unit;
  }
}

/**
 * The thumbs of the scrollbars as [start, length] along the bar, or null if everything is in view.
 *
 * @param {Layout} layout
 * @returns {{x: [number, number] | null, y: [number, number] | null}}
 */
export function thumbs({ width, label, span, scale, frames, start, content, body, scroll }) {
  const seen = span / scale / Math.max(frames - 1, 1);
  const track = width - label - SCROLLBAR;
  const thumb = (at, part, length) => {
    const size = Math.max(part * length, 24);
    return /** @type {[number, number]} */ ([(at / (1 - part)) * (length - size), size]);
  };
  const x = seen < 1 ? thumb(start / Math.max(frames - 1, 1), seen, track) : null;
  const y = content > body && body > 0 ? thumb(scroll / content, body / content, body) : null;
  return { x: x && [label + x[0], x[1]], y: y && [RULER + y[0], y[1]] };
}

/**
 * How far the view scrolls if a thumb is dragged by some pixels.
 *
 * @param {Layout} layout
 * @param {"x" | "y"} axis
 * @param {number} pixels
 */
export function scrollOfThumb(layout, axis, pixels) {
  const [, size] = thumbs(layout)[axis] ?? [0, 0];
  if (axis === "y") return (pixels * (layout.content - layout.body)) / Math.max(layout.body - size, 1);
  const hidden = layout.frames - 1 - layout.span / layout.scale;
  return (pixels * hidden) / Math.max(layout.width - layout.label - SCROLLBAR - size, 1);
}

/**
 * Left and right sides of the bars of visible ranges. Neighbours share a gap that is too narrow for both of their ends.
 *
 * @param {Layout} layout
 * @param {[number, number][]} ranges
 * @returns {[number, number][]}
 */
export function rangeEdges(layout, ranges) {
  const half = (n) => Math.min(((ranges[n + 1][0] - ranges[n][1]) * layout.scale) / 2 - 1, EDGE);
  return ranges.map(([first, last], n) => [
    xOf(layout, first) - (n > 0 ? half(n - 1) : EDGE),
    xOf(layout, last) + (n < ranges.length - 1 ? half(n) : EDGE),
  ]);
}

/** @type {WeakMap<Trajectory["objects"], Key[]>} */
const summaries = new WeakMap();

/**
 * The keys of a row. The camera's row has those of all objects.
 *
 * @param {Trajectory} trajectory
 * @param {number} row
 * @returns {Pick<Key, "frame">[]}
 */
export function keysOfRow(trajectory, row) {
  if (row > 0) return trajectory.objects[row - 1].keys;
  let summary = summaries.get(trajectory.objects);
  if (!summary) {
    const byFrame = new Map(trajectory.objects.flatMap(({ keys }) => keys.map((key) => [key.frame, key])));
    summary = [...byFrame.values()].sort((a, b) => a.frame - b.frame);
    summaries.set(trajectory.objects, summary);
  }
  return summary;
}

/**
 * Hit test.
 *
 * @param {Layout} layout
 * @param {Trajectory} trajectory
 * @param {number} x
 * @param {number} y
 * @param {number} [reach]  pixels around keys and ends; larger for touch
 * @returns {Hit}
 */
export function hitAt(layout, trajectory, x, y, reach = REACH) {
  const row = rowAt(layout, y);
  const frame = frameAt(layout, x);
  const bars = thumbs(layout);
  if (bars.y && x >= layout.width - SCROLLBAR && y >= RULER) return { kind: "scrollY", row, frame };
  if (bars.x && y >= layout.bottom) return { kind: "scrollX", row, frame };
  if (y < RULER) return { kind: "ruler", row, frame };
  if (row < 0) return { kind: "empty", row, frame };
  if (x < layout.label) return { kind: "label", row, frame };
  const keys = keysOfRow(trajectory, row);
  if (!keys.length) return { kind: "row", row, frame };
  const index = keyIndexAt(/** @type {Key[]} */ (keys), timeAt(layout, x));
  const distance = (key) => (key ? Math.abs(xOf(layout, key.frame) - x) : Infinity);
  const [here, next] = [keys[index], keys[index + 1]];
  const nearest = distance(next) < distance(here) ? next : here;
  if (distance(nearest) <= reach) return { kind: "key", row, frame: nearest.frame };
  if (row === 0) return { kind: "row", row, frame };
  const ranges = visibleRanges(trajectory.objects[row - 1], trajectory.frames);
  const edges = rangeEdges(layout, ranges);
  for (let n = 0; n < ranges.length; n += 1) {
    const [first, last] = edges[n].map((edge) => Math.abs(edge - x));
    if (Math.min(first, last) > reach) continue;
    return { kind: "end", row, frame, range: ranges[n], end: first < last ? "first" : "last" };
  }
  if (next && x > xOf(layout, here.frame)) return { kind: "segment", row, frame: here.frame };
  return { kind: "row", row, frame };
}

/**
 * The keys in a rectangle between two times and two heights, measured from the top of the first row.
 *
 * @param {Layout} layout
 * @param {Trajectory} trajectory
 * @param {[number, number]} times
 * @param {[number, number]} heights
 * @returns {KeyRef[]}
 */
export function keysIn({ row: height, strip }, trajectory, times, heights) {
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const [top, bottom] = [Math.min(...heights), Math.max(...heights)];
  return trajectory.objects.flatMap(({ id, keys }, n) => {
    const y = (n + 1) * height + (height - strip) / 2;
    if (y < top || y > bottom) return [];
    return keys.filter(({ frame }) => frame >= from && frame <= to).map(({ frame }) => ({ id, frame }));
  });
}

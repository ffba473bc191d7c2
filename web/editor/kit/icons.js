/** Icons as paths on a 16 x 16 grid, in the color of the text. */

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  undo: "M6 3 3 6l3 3M3 6h6a4 4 0 0 1 0 8H6",
  redo: "M10 3l3 3-3 3M13 6H7a4 4 0 0 0 0 8h3",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  eyeOff:
    "M2 2l12 12M6.3 3.8A6 6 0 0 1 8 3.5c4 0 6.5 4.5 6.5 4.5a12 12 0 0 1-1.8 2.4" +
    "M4 5.2A12 12 0 0 0 1.5 8S4 12.5 8 12.5a6 6 0 0 0 2.5-.6",
  lock: "M4 7.5h8v6H4ZM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
  unlock: "M4 7.5h8v6H4ZM5.5 7.5V4.5a2.5 2.5 0 0 1 4.8-1",
  solo: "M8 2.5 9.7 6l3.8.5-2.8 2.6.7 3.9L8 11.2 4.6 13l.7-3.9L2.5 6.5 6.3 6Z",
  zoomIn: "M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10ZM10.7 10.7 14 14M7 4.8v4.4M4.8 7h4.4",
  zoomOut: "M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10ZM10.7 10.7 14 14M4.8 7h4.4",
  fit: "M2.5 5.5v-3h3M10.5 2.5h3v3M13.5 10.5v3h-3M5.5 13.5h-3v-3M5.5 6h5v4h-5Z",
  popOut: "M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9",
  popIn: "M13.5 6.5h-4v-4M9.5 6.5 14 2M2.5 9.5h4v4M6.5 9.5 2 14",
  help: "M5.5 6a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .7-1 1.7M8 12.5v.5",
  all: "M8 2v12M2 8h12M6.2 3.8 8 2l1.8 1.8M6.2 12.2 8 14l1.8-1.8M3.8 6.2 2 8l1.8 1.8M12.2 6.2 14 8l-1.8 1.8",
  key: "M8 3l5 5-5 5-5-5Z",
  warning: "M8 2 14.5 13.5h-13ZM8 6.5v3M8 11.5v.4",
  check: "M3 8.5 6.5 12 13 4.5",
  add: "M8 3v10M3 8h10",
  run: "M4.5 3v10l8-5Z",
  compare: "M2.5 3.5h11v9h-11ZM8 2v12M10 6l2 2-2 2",
};

/** Filled icons, slightly smaller: those of the transport bar, by command. */
const FILLED = {
  firstFrame: "M3 3h2v10H3zM13 3v10L6 8z",
  previousKey: "M11 3v10L4 8zM13.5 5.5 16 8l-2.5 2.5L11 8z",
  previousFrame: "M11 3v10L5 8z",
  play: "M4 2.5v11L13.5 8z",
  record: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  nextFrame: "M5 3v10l6-5z",
  nextKey: "M5 3v10l7-5zM2.5 5.5 0 8l2.5 2.5L5 8z",
  lastFrame: "M11 3h2v10h-2zM3 3v10l7-5z",
  "setting.loop": "M4 4h6V1.5L14 5l-4 3.5V6H5.500v3H3.500V4.500zM12 12H6v2.500L2 11l4-3.500V10h4.500V8.500h2z",
};

/**
 * @param {string} name  of PATHS or FILLED
 * @returns {SVGElement} hidden from screen readers, as its control has a label
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  const isFilled = Object.hasOwn(FILLED, name);
  const side = isFilled ? 14 : 16;
  const line = { "stroke-width": 1.3, "stroke-linecap": "round", "stroke-linejoin": "round" };
  const style = isFilled ? { fill: "currentColor" } : { fill: "none", stroke: "currentColor", ...line };
  const shape = { viewBox: "0 0 16 16", width: side, height: side, "aria-hidden": "true", "data-icon": name };
  for (const [key, value] of Object.entries({ ...shape, ...style })) svg.setAttribute(key, String(value));
  path.setAttribute("d", isFilled ? FILLED[name] : PATHS[name]);
  svg.append(path);
  return svg;
}

/**
 * Draw a padlock of 7 x 9 pixels on a canvas, in the current fill colour.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 */
export function drawPadlock(context, x, y) {
  context.save();
  context.fillRect(x, y + 4, 7, 5);
  context.beginPath();
  context.arc(x + 3.5, y + 3.5, 2.25, Math.PI, 0);
  context.lineWidth = 1.25;
  context.strokeStyle = context.fillStyle;
  context.stroke();
  context.restore();
}

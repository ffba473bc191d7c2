/**
 * The bar over the timeline: buttons to play and step, fields for the frame, the clip's length, rate and size.
 *
 * @import {Context, Part} from "./view.js"
 */

import { setClip } from "../trajectory/model.js";
import { commandOf } from "./commands.js";
import { changeLength } from "./dialog_length.js";
import { h } from "./dom.js";
import { isMac, keyText } from "./keys.js";

const SPEEDS = [0.25, 0.5, 1, 2];
const SVG = "http://www.w3.org/2000/svg";

/** Filled paths on a grid of 16 x 16, by command. */
const ICONS = {
  firstFrame: "M3 3h2v10H3zM13 3v10L6 8z",
  previousKey: "M11 3v10L4 8zM13.5 5.5 16 8l-2.5 2.5L11 8z",
  previousFrame: "M11 3v10L5 8z",
  play: "M4 2.5v11L13.5 8z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  nextFrame: "M5 3v10l6-5z",
  nextKey: "M5 3v10l7-5zM2.5 5.5 0 8l2.5 2.5L5 8z",
  lastFrame: "M11 3h2v10h-2zM3 3v10l7-5z",
  "setting.loop": "M4 4h6V1.5L14 5l-4 3.5V6H5.500v3H3.500V4.500zM12 12H6v2.500L2 11l4-3.500V10h4.500V8.500h2z",
};

/**
 * @param {Context} context
 * @returns {Part}
 */
export function createTransport(context) {
  const { editor, t, run } = context;

  const play = button("play");
  const loop = button("setting.loop");
  const frame = field("frame", { min: 0 }, (value) => editor.seek(Math.round(value)));
  const frames = field("frames", { min: 1 }, (value) => void changeLength(context, value));
  const fps = field("fps", { min: 0, step: "any" }, (value) => clip({ fps: value }));
  const width = field("width", { min: 1 }, (value) => clip({ width: value }));
  const height = field("height", { min: 1 }, (value) => clip({ height: value }));
  const speed = h(
    "select",
    {
      class: "smcd-transport-speed",
      "aria-label": t("transport.speed"),
      title: t("transport.speed"),
      onchange: () => editor.setSettings({ speed: Number(speed.value) }),
    },
    ...SPEEDS.map((value) => h("option", { value }, `${value}×`)),
  );
  const group = (name, ...children) => h("span", { class: `smcd-transport-group smcd-transport-${name}` }, ...children);
  const element = h(
    "div",
    { class: "smcd-transport", role: "group", "aria-label": t("transport.name") },
    group(
      "buttons",
      ...["firstFrame", "previousKey", "previousFrame"].map(button),
      play,
      ...["nextFrame", "nextKey", "lastFrame"].map(button),
      loop,
    ),
    speed,
    group("time", frame, "/", frames),
    group("fps", fps, t("transport.fpsUnit")),
    group("size", width, "×", height),
  );

  function button(id) {
    const { label, keys } = commandOf(id);
    const hint = keys.length ? ` (${keyText(keys[0], isMac())})` : "";
    const attributes = { type: "button", class: "smcd-transport-button", "data-command": id, "aria-label": t(label) };
    return h("button", { ...attributes, title: t(label) + hint, onclick: () => run(id) }, icon(id));
  }

  /** A field for a number, which takes effect when it is left or at Enter. */
  function field(name, attributes, change) {
    const label = t(`transport.${name}`);
    const input = h("input", {
      type: "number",
      name: `smcd-${name}`,
      class: "smcd-transport-field",
      "aria-label": label,
      title: label,
      ...attributes,
      onchange: () => {
        if (input.value !== "") change(input.valueAsNumber);
        render();
      },
    });
    return input;
  }

  function clip(changes) {
    editor.apply("step.clip", (document) => setClip(document, changes));
  }

  function render() {
    const { document, settings } = editor;
    const values = [
      [frame, editor.frame],
      [frames, document.frames],
      [fps, document.fps],
      [width, document.width],
      [height, document.height],
    ];
    for (const [input, value] of values) {
      const isTyped = input === input.ownerDocument.activeElement && input.dataset.value === String(value);
      if (isTyped || input.value === String(value)) continue; // what is being typed stays until the value changes
      input.value = String(value);
      input.dataset.value = String(value);
    }
    frame.max = String(document.frames - 1);
    if (play.dataset.shown !== String(editor.isPlaying)) {
      play.dataset.shown = String(editor.isPlaying);
      play.replaceChildren(icon(editor.isPlaying ? "pause" : "play"));
      play.setAttribute("aria-pressed", String(editor.isPlaying));
    }
    loop.setAttribute("aria-pressed", String(settings.loop));
    speed.value = String(settings.speed);
  }

  return { element, render, destroy() {} };
}

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  const attributes = { viewBox: "0 0 16 16", width: "14", height: "14", "aria-hidden": "true" };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill", "currentColor");
  svg.append(path);
  return svg;
}

/**
 * The transport bar: buttons to play and step, fields for frame, clip length, frame rate and size.
 *
 * @import {Context, Part} from "../view.js"
 */

import { setClip } from "../../trajectory/model.js";
import { commandButton } from "../actions/command_button.js";
import { h, watch } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { rove } from "../kit/roving.js";
import { changeLength } from "./length_dialog.js";

const SPEEDS = [0.25, 0.5, 1, 2];

/**
 * @param {Context} context
 * @returns {Part}
 */
export function createTransport(context) {
  const { editor, t } = context;

  const play = button("play");
  const loop = button("setting.loop");
  const record = button("record");
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
  const last = h("span", {});
  // Languages differ in what is before and after the field.
  const placeOf = (value) => t("transport.place", { frame: "\n", last: value }).split("\n");
  const group = (name, ...children) => h("span", { class: `smcd-transport-group smcd-transport-${name}` }, ...children);
  const buttons = group(
    "buttons",
    ...["firstFrame", "previousKey", "previousFrame"].map(button),
    play,
    record,
    ...["nextFrame", "nextKey", "lastFrame"].map(button),
    loop,
  );
  buttons.setAttribute("role", "toolbar");
  buttons.setAttribute("aria-label", t("transport.name"));
  const stopRoving = rove(buttons, "button", play);
  const element = h(
    "div",
    { class: "smcd-transport" },
    buttons,
    speed,
    group("time", placeOf(0)[0], frame, last),
    group("length", frames, t("transport.framesUnit")),
    group("fps", fps, t("transport.fpsUnit")),
    group("size", width, "×", height),
  );

  function button(id) {
    return commandButton(context, id, "smcd-transport-button", id);
  }

  /** A number field that applies on Enter or blur. */
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
    editor.apply("step.clip", (trajectory) => setClip(trajectory, changes));
  }

  const isOther = watch();

  function render() {
    const { trajectory, settings } = editor;
    const values = [
      [frame, editor.frame],
      [frames, trajectory.frames],
      [fps, trajectory.fps],
      [width, trajectory.width],
      [height, trajectory.height],
    ];
    for (const [input, value] of values) {
      const isTyped = input === input.ownerDocument.activeElement && input.dataset.value === String(value);
      if (isTyped || input.value === String(value)) continue; // keeps typed text until the value changes
      input.value = String(value);
      input.dataset.value = String(value);
    }
    const hasObjects = trajectory.objects.length > 0;
    const { isPlaying, isArmed } = editor;
    if (!isOther(trajectory.frames, isPlaying, isArmed, hasObjects, settings.loop, settings.speed)) return;
    frame.max = String(trajectory.frames - 1);
    const after = placeOf(trajectory.frames - 1)[1];
    if (last.textContent !== after) last.textContent = after;
    if (play.dataset.shown !== String(isPlaying)) {
      play.dataset.shown = String(isPlaying);
      play.replaceChildren(icon(isPlaying ? "pause" : "play"));
      play.setAttribute("aria-pressed", String(isPlaying));
    }
    record.disabled = !hasObjects;
    record.setAttribute("aria-pressed", String(isArmed));
    loop.setAttribute("aria-pressed", String(settings.loop));
    speed.value = String(settings.speed);
  }

  return { element, render, destroy: stopRoving };
}

/**
 * The form for motion presets of the selected objects, or for camera moves.
 *
 * @import {Context} from "../view.js"
 */

import * as model from "../../trajectory/model.js";
import { h, watch } from "../kit/dom.js";
import { movedIds } from "../state/selection.js";
import { choiceField, isUsable, numberField } from "./fields.js";

// Parameters in the units of the operations. Those with an axis are shown in pixels.
const PRESETS = {
  leave: { towards: ["right", "left", "up", "down"] },
  approach: { factor: { value: 2, min: 0.1, max: 10, step: 0.1 } },
  orbit: {
    x: { value: 0.5, axis: "width" },
    y: { value: 0.5, axis: "height" },
    turns: { value: 1, min: -20, max: 20, step: 0.25 },
    flatness: { value: 1, min: 0.05, max: 10, step: 0.05 },
  },
  bounce: {
    height: { value: 0.3, axis: "height" },
    bounces: { value: 2, min: 1, max: 20, step: 1 },
    dx: { value: 0, axis: "width" },
    decay: { value: 0.6, min: 0, max: 1, step: 0.05 },
  },
  follow: { leader: "object", dx: { value: null, axis: "width" }, dy: { value: null, axis: "height" } },
};
const CAMERA = {
  pan: { dx: { value: 0.25, axis: "width" }, dy: { value: 0, axis: "height" }, ease: model.NAMED_EASES },
  zoom: { zoom: { value: 1.5, min: 0.1, max: 10, step: 0.1 }, ease: model.NAMED_EASES },
  shake: { amount: { value: 0.02, axis: "width" }, seed: { value: 1, min: 0, max: 4294967295, step: 1 } },
};

/**
 * @param {Context} context
 * @returns {{element: HTMLElement, render: () => void, focus: () => void}}
 */
export function createMotionForm({ editor, t }) {
  const title = h("h3", {});
  const kind = choiceField(t("motion.kind"), []);
  const fieldset = h("div", { class: "smcd-fields" });
  const from = numberField(t("motion.from"), { min: 0, step: 1, value: 0, required: true });
  const to = numberField(t("motion.to"), { min: 1, step: 1, value: 1, required: true });
  const button = h("button", { type: "submit" }, t("motion.apply"));
  const span = h("div", { class: "smcd-fields" }, from.element, to.element);
  const element = h("form", { class: "smcd-section smcd-motion", novalidate: true }, title, kind.element, fieldset, span, button);
  let table = null;
  let fields = {};
  const isNew = watch();
  let isSpanTouched = false;

  for (const field of [from, to]) {
    field.input.addEventListener("input", () => {
      isSpanTouched = true;
    });
  }
  kind.input.addEventListener("change", showFields);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    const unusable = [...Object.values(fields), from, to].find(({ input }) => !isUsable(input));
    if (unusable) unusable.input.reportValidity();
    else apply();
  });

  function showKinds() {
    const prefix = table === CAMERA ? "camera" : "preset";
    title.textContent = t(table === CAMERA ? "motion.camera" : "motion.object");
    const option = (name) => h("option", { value: name }, t(`${prefix}.${name}`));
    kind.input.replaceChildren(...Object.keys(table).map(option));
    showFields();
  }

  function showFields() {
    fields = {};
    for (const [name, spec] of Object.entries(table[kind.input.value])) fields[name] = fieldOf(name, spec);
    fieldset.replaceChildren(...Object.values(fields).map((field) => field.element));
  }

  function fieldOf(name, spec) {
    const label = t(`motion.${name}`);
    if (spec === "object") {
      const others = editor.trajectory.objects.filter(({ id }) => !editor.selected.has(id));
      return choiceField(label, others.map(({ id, phrase }) => [id, phrase || id]));
    }
    if (Array.isArray(spec)) return choiceField(label, spec.map((value) => [value, t(`motion.${name}.${value}`)]));
    const { axis, value, ...limits } = spec;
    if (!axis) return numberField(label, { ...limits, value, required: true });
    const pixels = value === null ? "" : Math.round(value * editor.trajectory[axis]);
    return numberField(`${label} (px)`, { value: pixels, required: value !== null });
  }

  function values() {
    const spec = table[kind.input.value];
    const read = ([name, { input }]) => {
      if (Array.isArray(spec[name]) || spec[name] === "object") return [name, input.value];
      if (input.value === "") return [name, undefined]; // keeps the current distance
      return [name, input.valueAsNumber / (spec[name].axis ? editor.trajectory[spec[name].axis] : 1)];
    };
    return {
      ...Object.fromEntries(Object.entries(fields).map(read)),
      from: from.input.valueAsNumber,
      to: to.input.valueAsNumber,
    };
  }

  function apply() {
    const options = values();
    const ids = movedIds(editor);
    const name = kind.input.value;
    if (table === CAMERA) {
      const move = name === "shake" ? model.shakeCamera : model.moveCamera;
      editor.apply("step.camera", (trajectory) => move(trajectory, ids, options));
    } else if (name === "follow") {
      const { leader, ...rest } = options;
      editor.apply("step.preset", (trajectory) => ids.reduce((d, id) => model.follow(d, id, leader, rest), trajectory));
    } else {
      editor.apply("step.preset", (trajectory) => ids.reduce((d, id) => model[name](d, id, options), trajectory));
    }
  }

  return {
    element,
    render() {
      const next = editor.isCameraSelected ? CAMERA : PRESETS;
      const { trajectory, selected } = editor;
      const names = trajectory.objects.map(({ id, phrase }) => `${id} ${phrase}`).join("\n");
      if (!isNew(next, trajectory.frames, trajectory.width, trajectory.height, selected, names)) return;
      const isOther = next !== table;
      const isFollow = table === PRESETS && kind.input.value === "follow";
      table = next;
      if (isOther) showKinds();
      else if (isFollow && !element.contains(document.activeElement)) showFields();
      for (const field of [from, to]) field.input.max = String(trajectory.frames - 1);
      if (!isSpanTouched || to.input.valueAsNumber >= trajectory.frames) {
        from.input.value = "0";
        to.input.value = String(trajectory.frames - 1);
      }
      kind.input.querySelector("option[value=follow]")?.toggleAttribute("disabled", trajectory.objects.length < 2);
      button.disabled = !movedIds(editor).length || trajectory.frames < 2;
    },
    focus: () => kind.input.focus(),
  };
}

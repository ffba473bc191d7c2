/**
 * Form fields: a label with its control.
 *
 * @import {EditorState} from "../state/state.js"
 * @import {Trajectory} from "../../trajectory/document.js"
 */

import { h } from "../kit/dom.js";
import { editAsTyped } from "../kit/typed.js";

/**
 * A number field. `step` is only the size of the spinner's steps, and all numbers between are as good.
 *
 * @param {string} label
 * @param {{min?: number, max?: number, step?: number | "any", value?: number | "", name?: string, required?: boolean}
 *   } attributes
 * @param {{editor: EditorState, step: string, operation: (value: number) => (trajectory: Trajectory) => Trajectory}
 *   } [edit]  what numbers do to the trajectory as they are typed
 * @returns {{element: HTMLElement, input: HTMLInputElement, show: (value: number | null) => void}} show: sets the
 *   value unless the field is being edited; null empties it, for objects with different values
 */
export function numberField(label, attributes, edit) {
  const input = h("input", { type: "number", step: "any", ...attributes });
  let shown = input.value;
  if (edit) {
    let before = shown;
    editAsTyped(edit.editor, input, {
      step: edit.step,
      begun: () => (before = shown),
      operation: () => (input.value === "" ? null : edit.operation(input.valueAsNumber)),
      restore: () => (input.value = before),
    });
  }
  return {
    element: h("label", { class: "smcd-field" }, h("span", {}, label), input),
    input,
    show(value) {
      shown = value === null ? "" : String(value);
      if (input.value !== shown && document.activeElement !== input) input.value = shown;
    },
  };
}

/** Whether a form can take the number in a field. @param {HTMLInputElement | HTMLSelectElement} input */
export function isUsable({ validity }) {
  return !["valueMissing", "badInput", "rangeUnderflow", "rangeOverflow"].some((name) => validity[name]);
}

/**
 * @param {string} label
 * @param {[string, string][]} options  value and text
 * @param {{name?: string}} [attributes]
 * @returns {{element: HTMLElement, input: HTMLSelectElement}}
 */
export function choiceField(label, options, attributes = {}) {
  const input = h("select", attributes, ...options.map(([value, text]) => h("option", { value }, text)));
  return { element: h("label", { class: "smcd-field" }, h("span", {}, label), input), input };
}

/**
 * What all have in common, null if they differ.
 *
 * @template T
 * @param {T[]} values  at least one
 * @returns {T | null}
 */
export function common([first, ...others]) {
  return others.every((value) => value === first) ? first : null;
}

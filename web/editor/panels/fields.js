/**
 * Form fields: a label with its control.
 *
 * @import {EditorState, OpenGesture} from "../state/state.js"
 * @import {Trajectory} from "../../trajectory/document.js"
 */

import { h, isComposed } from "../kit/dom.js";

/**
 * A number field. `step` is only the size of the spinner's steps, and all numbers between are as good.
 *
 * @param {string} label
 * @param {{min?: number, max?: number, step?: number | "any", value?: number | "", name?: string, required?: boolean}
 *   } attributes
 * @param {{editor: EditorState, step: string, operation: (value: number) => (trajectory: Trajectory) => Trajectory}
 *   } [edit]  what numbers do to the trajectory as they are typed
 * @returns {{element: HTMLElement, input: HTMLInputElement, show: (value: number) => void}} show: sets the value
 *   unless the field is being edited
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
      shown = String(value);
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
 * Change the trajectory while the user types. All of it is one step, which ends when the field is left or with Enter.
 * Escape gives it up, as does a last value that is refused.
 *
 * @param {EditorState} editor
 * @param {HTMLInputElement} input
 * @param {{step: string, operation: () => ((trajectory: Trajectory) => Trajectory) | null, begun?: () => void,
 *   restore: () => void}} options  step: message key; operation: for the present value, null if it means nothing;
 *   begun: at the first change; restore: shows the value from before
 */
export function editAsTyped(editor, input, { step, operation, begun = () => {}, restore }) {
  /** @type {OpenGesture | null} */
  let open = null;
  let isTaken = false;
  const finish = () => {
    const ended = open;
    open = null;
    if (isTaken) ended?.commit();
    else if (ended) {
      ended.cancel();
      restore();
    }
  };
  input.addEventListener("input", () => {
    if (!open?.isOpen) {
      begun();
      open = editor.begin(step);
    }
    const change = operation();
    isTaken = change !== null && open.preview(change);
  });
  input.addEventListener("change", finish);
  input.addEventListener("blur", finish);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || isComposed(event)) return;
    isTaken = false;
    finish();
  });
}

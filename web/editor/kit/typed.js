/**
 * Fields that change the trajectory as they are typed in.
 *
 * @import {EditorState, OpenGesture} from "../state/state.js"
 * @import {Trajectory} from "../../trajectory/document.js"
 */

import { isComposed } from "./dom.js";

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

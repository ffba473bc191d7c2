/**
 * A text field for invalid text, or for when the editor cannot start. The text is only written back once it is a valid
 * trajectory; until then the loaded text stays unchanged.
 *
 * @import {Context, Part} from "../view.js"
 */

import * as model from "../../trajectory/model.js";
import { h } from "../kit/dom.js";

/**
 * @param {Context} context
 * @param {string | null} [failure]  why the editor could not start
 * @returns {Part}
 */
export function createProblem({ editor, t, root }, failure = null) {
  const message = h("p", { class: "smcd-problem-message", role: "alert" });
  const area = h("textarea", { spellcheck: "false", wrap: "off", "aria-label": t("problem.text") });
  const element = h(
    "section",
    { class: "smcd-problem", "aria-label": t("problem.title"), hidden: true },
    h("h2", {}, t(failure === null ? "problem.title" : "problem.failed")),
    message,
    area,
    h("p", { class: "smcd-hint" }, t("problem.hint")),
  );
  let shown = null;

  area.addEventListener("change", () => {
    try {
      editor.replace("step.text", model.parseTrajectory(area.value));
    } catch (error) {
      if (!(error instanceof model.TrajectoryError)) throw error;
      editor.load(area.value);
    }
  });
  area.addEventListener("input", () => {
    message.textContent = t(refusalOf(area.value) ?? "problem.repaired");
  });

  return {
    element,
    render() {
      const isShown = editor.problem !== null || failure !== null;
      element.hidden = !isShown;
      root.classList.toggle("smcd-has-problem", isShown);
      const source = editor.problem ?? (failure === null ? null : editor.trajectory);
      if (!isShown || source === shown) return;
      shown = source;
      area.value = editor.problem?.text ?? model.serialiseTrajectory(editor.trajectory);
      message.textContent = editor.problem ? t(editor.problem.said) : failure;
    },
    destroy() {},
  };
}

/** The error of an invalid text, or null. */
function refusalOf(text) {
  try {
    model.parseTrajectory(text);
    return null;
  } catch (error) {
    if (!(error instanceof model.TrajectoryError)) throw error;
    return error.said;
  }
}

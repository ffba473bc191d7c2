/**
 * The side panel, with the properties of what is selected. In a narrow editor it is below the stage, and opens and
 * closes.
 *
 * @import {Context, Part} from "../view.js"
 */

import { h } from "../kit/dom.js";
import { createInspector } from "./inspector.js";

/**
 * @param {Context} context
 * @returns {Part & {focusMotion: () => void}}
 */
export function createSide(context) {
  const inspector = createInspector(context);
  const button = h("button", { type: "button", class: "smcd-side-button" }, context.t("inspector.name"));
  const element = h("aside", { class: "smcd-side", "aria-label": context.t("inspector.name") }, button, inspector.element);
  button.addEventListener("click", () => open(!element.classList.contains("smcd-is-open")));
  open(false);

  function open(isOpen) {
    element.classList.toggle("smcd-is-open", isOpen);
    button.setAttribute("aria-expanded", String(isOpen));
  }

  return {
    element,
    render: inspector.render,
    focusMotion() {
      open(true);
      inspector.render(); // hidden elements cannot take the focus
      inspector.focusMotion();
    },
    destroy: inspector.destroy,
  };
}

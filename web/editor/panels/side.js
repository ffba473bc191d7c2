/**
 * The side panel. In a narrow editor it is below the stage and has tabs; clicking the open tab closes it.
 *
 * @import {Context, Part} from "../view.js"
 */

import { h, take } from "../kit/dom.js";
import { createInspector } from "./inspector.js";
import { createObjects } from "./objects.js";

/**
 * @param {Context} context
 * @returns {Part & {editPhrase: () => void, focusMotion: () => void}}
 */
export function createSide(context) {
  const { t } = context;
  const panels = { objects: createObjects(context), inspector: createInspector(context) };
  const tabs = Object.fromEntries(Object.keys(panels).map((name) => [name, tabOf(name)]));
  const bar = h("div", { class: "smcd-tabs", role: "tablist", "aria-label": t("side.name") }, ...Object.values(tabs));
  const element = h(
    "aside",
    { class: "smcd-side", "aria-label": t("side.name") },
    bar,
    ...Object.values(panels).map((panel) => panel.element),
  );
  show("objects");

  function tabOf(name) {
    const onclick = () => show(isShown(name) ? "none" : name);
    return h("button", { type: "button", role: "tab", onclick, onkeydown }, t(`${name}.name`));
  }

  function onkeydown(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    take(event);
    show(element.dataset.tab === "objects" ? "inspector" : "objects");
    tabs[element.dataset.tab].focus();
  }

  const isShown = (name) => element.dataset.tab === name;

  function show(name) {
    element.dataset.tab = name;
    for (const [other, tab] of Object.entries(tabs)) {
      tab.setAttribute("aria-selected", String(other === name));
      tab.tabIndex = other === name || (name === "none" && other === "objects") ? 0 : -1;
    }
  }

  return {
    element,
    render() {
      for (const panel of Object.values(panels)) panel.render();
    },
    editPhrase() {
      show("objects");
      panels.objects.editPhrase();
    },
    focusMotion() {
      show("inspector");
      panels.inspector.render(); // hidden elements cannot take the focus
      panels.inspector.focusMotion();
    },
    destroy() {
      for (const panel of Object.values(panels)) panel.destroy();
    },
  };
}

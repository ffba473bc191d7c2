/**
 * The editor as one element: its parts, drawn together once per animation frame, and what belongs to none of them.
 *
 * A part is made by `createPart(context)` and is `{element, render, destroy}`. `render` is called after any change of
 * the state, at most once per animation frame, and is quick where nothing that it shows has changed.
 *
 * @import {EditorState} from "./state.js"
 * @typedef {{editor: EditorState, t: (key: string, values?: object) => string}} Context
 * @typedef {{element: HTMLElement, render: () => void, destroy: () => void}} Part
 */

import { h } from "./dom.js";
import { translator } from "./strings.js";

/** @type {((context: Context) => Part)[]} */
const PARTS = [];

/**
 * @param {EditorState} editor
 * @param {{language?: string}} [options]
 * @returns {{element: HTMLElement, destroy: () => void}}
 */
export function createView(editor, { language = "en" } = {}) {
  const t = translator(language);
  const parts = PARTS.map((create) => create({ editor, t }));
  const element = h(
    "div",
    { class: "smcd-editor", role: "application", "aria-label": t("editor.name"), tabindex: "0" },
    h("link", { rel: "stylesheet", href: new URL("./editor.css", import.meta.url) }),
    ...parts.map((part) => part.element),
  );
  let scheduled = 0;
  const render = () => {
    scheduled = 0;
    for (const part of parts) part.render();
  };
  const schedule = () => {
    scheduled ||= requestAnimationFrame(render);
  };
  const unsubscribe = editor.subscribe(schedule);
  schedule();
  return {
    element,
    destroy() {
      unsubscribe();
      cancelAnimationFrame(scheduled);
      for (const part of parts) part.destroy();
      element.remove();
    },
  };
}

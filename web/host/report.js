/** Showing the text of SMCD Check on the node. */

import { h } from "../editor/kit/dom.js";
import { after } from "./host.js";

const MIN_HEIGHT = 260; // CSS pixels
const SIZE = [560, 420]; // minimum of the node with text
const STYLE =
  "margin:0;padding:8px;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;user-select:text;" +
  "font:12px/1.4 monospace;color:var(--input-text);background:var(--comfy-input-bg)";

/** @param {any} node  SMCD Check */
export function attachReport(node) {
  let shown = null;
  after(node, "onExecuted", (output) => {
    const [text] = output?.text ?? [];
    if (typeof text !== "string") return;
    if (!shown) {
      shown = h("pre", { class: "smcd-report", style: STYLE, tabindex: "0" });
      const options = { serialize: false, getMinHeight: () => MIN_HEIGHT };
      node.addDOMWidget("report", "SMCD_REPORT", shown, options).serialize = false;
      node.setSize(SIZE.map((length, axis) => Math.max(length, node.size[axis])));
    }
    shown.textContent = text;
  });
}

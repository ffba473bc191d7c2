/**
 * What the numbers of a node mean, said on the node: 0 where it lets the node choose, and a side of a video that the
 * model would refuse.
 *
 * @import {Host} from "./host.js"
 */

import { translator } from "../editor/strings/strings.js";
import { listen } from "../editor/kit/dom.js";
import { multipleOf } from "./facts.js";
import { after, hasNodes2, languageOf, onLanguage, onNodes2 } from "./host.js";
import { givenValue } from "./links.js";

/** Names of widgets of which 0 lets the node choose, by the type of their node. */
const AUTOMATIC = {
  SMCD_Generate: ["steps", "text", "width", "height", "frames", "start"],
  SMCD_Conditioning: ["frames"],
  SMCD_Motion: ["frames"],
  SMCD_LoadBoxes: ["width", "height"],
  SMCD_Tracks: ["points"],
};
/** Types of nodes that make a video of a width and a height. */
const SIZED = ["SMCD_Generate", "SMCD_Conditioning", "SMCD_Image"];
const SIDES = ["width", "height"];

/** Whether numbers of a type of node are explained. @param {string | undefined} type */
export function hasNumbers(type) {
  return Object.hasOwn(AUTOMATIC, type ?? "") || SIZED.includes(type);
}

/** @param {any} node @param {Host} host */
export function explainNumbers(node, host) {
  const automatic = AUTOMATIC[node.comfyClass] ?? [];
  const sides = SIZED.includes(node.comfyClass) ? SIDES : [];
  const marked = (node.widgets ?? []).filter(({ name }) => automatic.includes(name) || sides.includes(name));
  const labels = new Map(marked.map((widget) => [widget, widget.label]));
  const textOf = () => translator(languageOf(host));
  for (const widget of marked) if (automatic.includes(widget.name)) showZeroAs(widget, () => textOf()("host.automatic"));

  /** The label of a widget where it says more than the name, else null. */
  function labelOf({ name }, plain) {
    const t = textOf();
    const value = givenValue(node, name);
    // Nodes 2.0 shows the number itself.
    if (value === 0 && automatic.includes(name)) return hasNodes2(host) ? t("host.auto", { name: plain }) : null;
    const multiple = sides.includes(name) && node.graph ? multipleOf(node) : 1;
    if (!Number.isInteger(value) || value % multiple === 0) return null;
    return t("host.nearest", { name: plain, nearest: Math.max(1, Math.round(value / multiple)) * multiple });
  }

  const show = () => {
    for (const [widget, label] of labels) {
      const next = labelOf(widget, label ?? widget.name) ?? label;
      if (widget.label === next) continue;
      widget.label = next;
      node.setDirtyCanvas?.(true, true);
    }
  };
  for (const widget of marked) after(widget, "callback", show);
  after(node, "onConfigure", show);
  after(node, "onAfterGraphConfigured", show); // by then the nodes that its numbers are linked to have theirs
  let stop = () => {};
  after(node, "onAdded", () => {
    stop();
    // The checkpoint decides which sizes it takes, and its links are restored after the node.
    const ends = [onLanguage(host, show), onNodes2(host, show), listen(host.api, { graphChanged: show })];
    stop = () => ends.forEach((end) => end());
    show();
  });
  after(node, "onRemoved", () => stop());
  show();
}

/** Show a word for 0 in a number of the classic renderer. Only the widget is changed, never its class. */
function showZeroAs(widget, text) {
  let owner = Object.getPrototypeOf(widget);
  while (owner && !Object.hasOwn(owner, "_displayValue")) owner = Object.getPrototypeOf(owner);
  if (!owner) return; // another front end, where the label says it
  const { get } = Object.getOwnPropertyDescriptor(owner, "_displayValue");
  const shown = () => (widget.value === 0 && !widget.computedDisabled ? text() : get.call(widget));
  Object.defineProperty(widget, "_displayValue", { get: shown, configurable: true });
}

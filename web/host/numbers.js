/**
 * Numbers of which 0 lets the node choose, marked as automatic where they are 0.
 *
 * @import {Host} from "./host.js"
 */

import { translator } from "../editor/strings/strings.js";
import { after, languageOf, onLanguage } from "./host.js";

/** Names of such widgets, by the type of their node. */
export const AUTOMATIC = {
  SMCD_Generate: ["steps", "text", "width", "height", "frames"],
  SMCD_Conditioning: ["frames"],
  SMCD_Motion: ["frames"],
  SMCD_LoadBoxes: ["width", "height"],
  SMCD_Tracks: ["points"],
};

/** @param {any} node @param {Host} host */
export function markAutomatic(node, host) {
  const names = AUTOMATIC[node.comfyClass] ?? [];
  const marked = (node.widgets ?? []).filter(({ name }) => names.includes(name));
  const labels = new Map(marked.map((widget) => [widget, widget.label]));
  const show = () => {
    const t = translator(languageOf(host));
    for (const [widget, label] of labels) {
      widget.label = widget.value === 0 ? t("host.auto", { name: label ?? widget.name }) : label;
    }
    node.setDirtyCanvas?.(true, true);
  };
  for (const widget of marked) after(widget, "callback", show);
  after(node, "onConfigure", show);
  let stop = () => {};
  after(node, "onAdded", () => {
    stop();
    stop = onLanguage(host, show);
    show();
  });
  after(node, "onRemoved", () => stop());
  show();
}

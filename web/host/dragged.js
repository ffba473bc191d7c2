/**
 * Passing the masks of SMCD Cut and Drag to the editor of its trajectory.
 *
 * @import {Api} from "./host.js"
 */

import { after } from "./host.js";
import { inputIndex, source } from "./links.js";
import { showMasks } from "./masks.js";
import { editorOf } from "./node.js";

/** @param {any} node  SMCD Cut and Drag, whose masks are of what the editor shows @param {Api} api */
export function attachMasks(node, api) {
  after(node, "onExecuted", (output) => {
    const files = output?.smcd_masks;
    const from = source(node, inputIndex(node, "trajectory"));
    const editor = from?.slot === 0 ? editorOf(from.node) : null; // boxes in pixels, its other output, have no ids
    if (files && editor) showMasks(editor, files, api);
  });
}

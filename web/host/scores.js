/** The scores that SMCD Metrics reports, for the editor of the trajectory that it was given. */

import { editorOf } from "./node.js";
import { after } from "./hook.js";
import { inputIndex, searchUp } from "./links.js";

/** @param {any} node  SMCD Metrics */
export function attachScores(node) {
  after(node, "onExecuted", (output) => {
    const [scores] = output?.smcd_scores ?? [];
    const editor = searchUp(node, inputIndex(node, "trajectory"), ["SMCD_TRAJECTORY", "*"], editorOf);
    if (scores && editor) editor.set({ scores });
  });
}

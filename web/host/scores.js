/**
 * Passing the scores of SMCD Metrics to the editor of their trajectory.
 *
 * @import {Scores} from "../editor/state/state.js"
 * @import {Trajectory} from "../trajectory/document.js"
 */

import { parseTrajectory, serialiseTrajectory } from "../trajectory/model.js";
import { after } from "./host.js";
import { inputIndex, source } from "./links.js";
import { editorOf } from "./node.js";

/** @param {any} node  SMCD Metrics */
export function attachScores(node) {
  after(node, "onExecuted", (output) => {
    const [report] = output?.smcd_scores ?? [];
    const editor = editorOf(source(node, inputIndex(node, "trajectory"))?.node);
    if (!report || !editor) return;
    editor.set({ scores: scoresOf(report, editor.trajectory) });
  });
}

/**
 * @param {{ids: string[], iou: (number | null)[][], text?: string}} report  IoU by object and frame of the video; text:
 *   what was run, if it is a trajectory
 * @param {Trajectory} trajectory  in the editor, which may have changed since the run began
 * @returns {Scores}
 */
export function scoresOf({ ids, iou, text }, trajectory) {
  const { frames } = trajectory;
  const seen = iou.flat().filter((value) => value !== null);
  const mean = seen.length ? seen.reduce((sum, value) => sum + value, 0) / seen.length : null;
  // A video of another length samples the trajectory at evenly spaced times.
  const at = (values, frame) => values[Math.round((frame * (values.length - 1)) / Math.max(frames - 1, 1))];
  const byFrame = iou.map((values) => Array.from({ length: frames }, (_, frame) => at(values, frame)));
  const isHere = !text || serialiseTrajectory(parseTrajectory(text)) === serialiseTrajectory(trajectory);
  return { iou: Object.fromEntries(ids.map((id, n) => [id, byFrame[n]])), mean, of: isHere ? trajectory : null };
}

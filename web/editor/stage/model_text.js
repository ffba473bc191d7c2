/**
 * How the video that a run makes differs from the clip that the editor plays, as one line.
 *
 * @import {EditorState} from "../state/state.js"
 * @import {Context} from "../view.js"
 */

const MAX_STRETCH = 0.01; // relative change of the aspect ratio that is a matter of rounding

/** @param {Pick<EditorState, "trajectory" | "facts">} editor @param {Context["t"]} t @returns {string} empty if nothing is known */
export function modelTextOf({ trajectory, facts }, t) {
  const { width, height, numFrames, cropTo } = facts;
  const parts = [];
  if (width && height) {
    const isAlike = Math.abs((width * trajectory.height) / (height * trajectory.width) - 1) <= MAX_STRETCH;
    const isCropped = cropTo?.width === width && cropTo.height === height;
    parts.push(t(isAlike ? "stage.modelSize" : isCropped ? "stage.modelCropped" : "stage.modelStretched", { width, height }));
  }
  if (numFrames && numFrames !== trajectory.frames) {
    const count = trajectory.frames;
    if (numFrames < count) parts.push(t("stage.modelFrames", { used: numFrames, count }));
    else parts.push(t("stage.modelMoreFrames", { count, more: numFrames }));
  }
  return parts.join(" · ");
}

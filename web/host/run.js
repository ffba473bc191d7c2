/**
 * Runs, as the editor shows them: their progress, their errors, and the video that they made.
 *
 * @import {EditorState} from "../editor/state/state.js"
 * @import {Host} from "./host.js"
 */

import { listen } from "../editor/kit/dom.js";
import { showPicture, showImages } from "./background.js";
import { fileUrl, isVideoFile, PLAIN } from "./picture.js";

/**
 * Queue the workflow. What is wrong with it before the run is told to the user.
 *
 * @param {EditorState} editor
 * @param {Host} host
 */
export async function queueRun(editor, { app }) {
  await app.queuePrompt(0);
  const [first] = Object.values(app.lastNodeErrors ?? {});
  if (!first) return;
  const [error] = first.errors;
  editor.notify("error", [first.class_type, error.message, error.details].filter(Boolean).join(": "));
}

/**
 * Follow the runs of the page.
 *
 * @param {EditorState} editor
 * @param {Host} host
 * @returns {() => void} stops
 */
export function followRuns(editor, { api }) {
  let release = () => {};
  const over = () => editor.set({ run: null });
  const stop = listen(api, {
    execution_start: () => editor.set({ run: { share: 0 } }),
    progress: ({ detail: { value, max } }) => editor.set({ run: { share: value / Math.max(max, 1) } }),
    execution_success: over,
    execution_interrupted: over,
    execution_error({ detail }) {
      over();
      editor.notify("error", `${detail.node_type}: ${detail.exception_message}`);
    },
    executed({ detail: { output } }) {
      const files = output?.images ?? output?.gifs ?? [];
      const video = files.find(({ filename }) => isVideoFile(filename));
      if (!video && files.length < 2) return; // a still is no result
      release();
      const urls = files.map((file) => fileUrl(file, api));
      release = video
        ? showPicture(editor, { kind: "video", url: fileUrl(video, api), timing: PLAIN, steps: [] }, { slot: "result" })
        : showImages(editor, urls, { slot: "result" });
    },
  });
  return () => {
    stop();
    release();
    editor.set({ run: null });
  };
}

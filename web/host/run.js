/**
 * Runs, as the editor shows them: their progress, their errors, and the video that they made.
 *
 * @import {EditorState} from "../editor/state/state.js"
 * @import {Host} from "./host.js"
 */

import { listen } from "../editor/kit/dom.js";
import { showPicture, showImages } from "./background.js";
import { meet, nodeOfRun } from "./links.js";
import { fileUrl, isVideoFile, PLAIN } from "./picture.js";

/**
 * Queue the workflow. What is wrong with it before the run is told to the user.
 *
 * @param {EditorState} editor
 * @param {Host} host
 */
export async function queueRun(editor, { app }) {
  await app.queuePrompt(0);
  const [first] = Object.entries(app.lastNodeErrors ?? {});
  if (!first) return;
  const [id, { class_type, errors }] = first;
  const [error] = errors;
  const name = nodeOfRun(app, id)?.title ?? class_type;
  editor.notify("error", [name, error.message, error.details].filter(Boolean).join(": "));
}

/**
 * Follow the runs of the page. An error is told where the node has to do with it.
 *
 * @param {EditorState} editor
 * @param {any} node  of the editor
 * @param {Host} host
 * @returns {() => void} stops
 */
export function followRuns(editor, node, { app, api }) {
  let release = () => {};
  const over = () => editor.set({ run: null });
  const stop = listen(api, {
    execution_start: () => editor.set({ run: { share: 0 } }),
    progress: ({ detail: { value, max } }) => editor.set({ run: { share: value / Math.max(max, 1) } }),
    execution_success: over,
    execution_interrupted: over,
    execution_error({ detail }) {
      over();
      const failed = nodeOfRun(app, detail.node_id);
      if (failed && meet(node, failed)) editor.notify("error", `${failed.title}: ${detail.exception_message.trim()}`);
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

/**
 * Runs, as the editor shows them: their progress, their errors, and the video that they made.
 *
 * @import {EditorState} from "../editor/state/state.js"
 * @import {Host} from "./host.js"
 */

import { listen } from "../editor/kit/dom.js";
import { translator } from "../editor/strings/strings.js";
import { showPicture, showImages } from "./background.js";
import { ask, languageOf } from "./host.js";
import { allNodes, meet, nodeOfRun } from "./links.js";
import { fileUrl, isVideoFile, PLAIN } from "./picture.js";

/**
 * Queue the workflow. What is wrong with it before the run is told to the user.
 *
 * @param {EditorState} editor
 * @param {Host} host
 */
export async function queueRun(editor, host) {
  const { app } = host;
  try {
    await ask(host, "/prompt"); // else the host says that this script is to blame
  } catch (error) {
    return editor.notify("error", error.message);
  }
  editor.set({ isQueued: true });
  await app.queuePrompt(0);
  const [first] = Object.entries(app.lastNodeErrors ?? {});
  if (!first) return;
  editor.set({ isQueued: false });
  const [id, { class_type, errors }] = first;
  const [error] = errors;
  const name = nodeOfRun(app, id)?.title ?? class_type;
  editor.notify("error", [name, error.message, error.details].filter(Boolean).join(": "));
}

/**
 * Follow the runs of the page. An error is told where the node has to do with it, a video where the run was queued too.
 * The result is the last video of the workflow, but for those that only other nodes with an editor lead to.
 *
 * @param {EditorState} editor
 * @param {any} node  of the editor
 * @param {Host} host
 * @returns {() => void} stops
 */
export function followRuns(editor, node, host) {
  const { app, api } = host;
  let release = () => {};
  let isOwn = false; // the last run that began was queued here
  /** What that run made for the node. @type {{isReady: boolean} | null} */
  let made = null;
  const over = () => editor.set({ run: null });
  const fail = () => {
    isOwn = false;
    over();
  };
  /** Once the run is over and its video can be shown, in whichever order. */
  function tell() {
    if (!isOwn || editor.run !== null || !made?.isReady) return;
    isOwn = false;
    const t = translator(languageOf(host));
    const text = editor.isTouched ? t("run.doneTouch", { name: t("command.toggleResult") }) : t("run.done");
    if (!editor.isResultShown) editor.notify("info", text);
  }
  const stop = listen(api, {
    execution_start() {
      [isOwn, made] = [editor.isQueued, null];
      editor.set({ run: { share: 0 }, isQueued: false });
    },
    progress: ({ detail: { value, max } }) => editor.set({ run: { share: value / Math.max(max, 1) } }),
    execution_success() {
      over();
      tell();
    },
    execution_interrupted: fail,
    execution_error({ detail }) {
      fail();
      const failed = nodeOfRun(app, detail.node_id);
      if (failed && meet(node, failed)) editor.notify("error", `${failed.title}: ${detail.exception_message.trim()}`);
    },
    executed({ detail: { node: id, display_node = id, output } }) {
      const files = output?.images ?? output?.gifs ?? [];
      const video = files.find(({ filename }) => isVideoFile(filename));
      if (!video && files.length < 2) return; // a still is no result
      const maker = nodeOfRun(app, display_node); // which stands for those that it made while it ran
      if (!maker) return; // a run of another tab
      const isOwnVideo = meet(node, maker);
      const editors = isOwnVideo ? [] : allNodes(node.graph).filter(({ type }) => type === node.type);
      if (editors.some((other) => meet(other, maker))) return;
      release();
      const own = { isReady: false };
      if (isOwnVideo) made = own;
      const onReady = () => {
        own.isReady = true;
        tell();
      };
      const urls = files.map((file) => fileUrl(file, api));
      release = video
        ? showPicture(editor, { kind: "video", url: fileUrl(video, api), timing: PLAIN, steps: [] }, { slot: "result", onReady })
        : showImages(editor, urls, { slot: "result", onReady });
    },
  });
  return () => {
    stop();
    release();
    editor.set({ run: null });
  };
}

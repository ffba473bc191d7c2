/**
 * Runs, as the editor shows them: that they wait, their progress, their errors, and the video that they made.
 *
 * @import {EditorState, Made} from "../editor/state/state.js"
 * @import {Host} from "./host.js"
 */

import { listen } from "../editor/kit/dom.js";
import { translator } from "../editor/strings/strings.js";
import { showPicture, showImages } from "./background.js";
import { ask, languageOf } from "./host.js";
import { jobOf, partIn, pastOf, waitingOf } from "./jobs.js";
import { allNodes, meet, nodeOfRun } from "./links.js";
import { fileUrl, isVideoFile, PLAIN } from "./picture.js";

/** The last look at the queue for each editor, which counts, whichever is answered last. @type {WeakMap<EditorState, object>} */
const looks = new WeakMap();

/** Tell how long the next run waits. @param {EditorState} editor @param {any} node @param {Host} host */
async function look(editor, node, host) {
  const own = {};
  looks.set(editor, own);
  const waiting = await waitingOf(node, host);
  if (looks.get(editor) === own) editor.set(waiting ? { waiting, job: waiting.id } : { waiting });
}

/** @param {EditorState} editor */
function endWaiting(editor) {
  looks.delete(editor);
  editor.set({ waiting: null });
}

/**
 * Queue the workflow. What is wrong with it before the run is told to the user.
 *
 * @param {EditorState} editor
 * @param {any} node  of the editor
 * @param {Host} host
 */
export async function queueRun(editor, node, host) {
  const { app } = host;
  const fail = (text) => {
    endWaiting(editor);
    editor.set({ isQueued: false });
    editor.notify("error", text);
  };
  editor.set({ isQueued: true, waiting: { ahead: null } });
  try {
    await ask(host, "/prompt"); // else the host says that this script is to blame
  } catch (error) {
    return fail(error.message);
  }
  await app.queuePrompt(0);
  const [first] = Object.entries(app.lastNodeErrors ?? {});
  if (!first) return look(editor, node, host);
  const [id, { class_type, errors }] = first;
  const [error] = errors;
  const name = nodeOfRun(app, id)?.title ?? class_type;
  fail([name, error.message, error.details].filter(Boolean).join(": "));
}

/**
 * Follow the runs of the page in which the node has a part. An error is told where the node has to do with it, a video
 * where the run was queued too. The result is the last video of the workflow, but for those that only other nodes with
 * an editor lead to.
 *
 * @param {EditorState} editor
 * @param {any} node  of the editor
 * @param {Host} host
 * @returns {() => void} stops
 */
export function followRuns(editor, node, host) {
  const { app, api } = host;
  let isStopped = false;
  let release = () => {};
  /** What is loaded or being loaded. @type {Made | null} */
  let shown = null;
  /** @type {Made | null} */
  let loaded = null;
  let isOwn = false; // the last run that began was queued here
  let seed = null; // the trajectory that the node made of boxes in that run
  /** What that run made for the node. @type {Made | null} */
  let made = null;
  const over = () => editor.set({ run: null, job: null });
  const fail = () => {
    isOwn = false;
    over();
  };
  /** Once the run is over and its video can be shown, in whichever order. */
  function tell() {
    if (!isOwn || editor.run !== null || !made || loaded !== made) return;
    isOwn = false;
    const t = translator(languageOf(host));
    const text = editor.isTouched ? t("run.doneTouch", { name: t("command.toggleResult") }) : t("run.done");
    if (!editor.isResultShown) editor.notify("info", text);
  }
  /** Show what a run made, also before the host made the node anew. */
  function show() {
    if (editor.made === shown) return;
    const next = (shown = editor.made);
    release();
    const onReady = () => {
      loaded = next;
      tell();
    };
    const urls = next.files.map((file) => fileUrl(file, api));
    release = isVideoFile(next.files[0].filename)
      ? showPicture(editor, { kind: "video", url: urls[0], timing: PLAIN, steps: [] }, { slot: "result", onReady })
      : showImages(editor, urls, { slot: "result", onReady });
  }
  const status = ({ detail }) => {
    if (!detail) return; // the server is away
    return detail.exec_info.queue_remaining > 1 ? look(editor, node, host) : endWaiting(editor);
  };
  /** By event: what the host tells, and what the node is given in the run. @type {Record<string, (detail: any, inputs: any) => void>} */
  const handlers = {
    execution_start({ prompt_id: job }) {
      [isOwn, made, seed] = [editor.isQueued, null, null];
      editor.set({ run: { share: 0 }, job, isQueued: false });
    },
    progress: ({ value, max }) => editor.set({ run: { share: value / Math.max(max, 1) } }),
    execution_success() {
      over();
      tell();
    },
    execution_interrupted: fail,
    execution_error({ node_id, exception_message }) {
      fail();
      const failed = nodeOfRun(app, node_id);
      if (failed && meet(node, failed)) editor.notify("error", `${failed.title}: ${exception_message.trim()}`);
    },
    executed({ node: id, display_node = id, output }, { text }) {
      const maker = nodeOfRun(app, display_node); // which stands for those that it made while it ran
      if (maker === node && output?.smcd_seed) [seed] = output.smcd_seed;
      const files = output?.images ?? output?.gifs ?? [];
      const video = files.find(({ filename }) => isVideoFile(filename));
      if (!video && files.length < 2) return; // a still is no result
      if (!maker) return;
      const isOwnVideo = meet(node, maker);
      const editors = isOwnVideo ? [] : allNodes(node.graph).filter(({ type }) => type === node.type);
      if (editors.some((other) => meet(other, maker))) return;
      const given = typeof text === "string" ? text : null; // else a link
      const next = { files: video ? [video] : files, text: seed ?? given };
      if (isOwnVideo) made = next;
      editor.set({ made: next });
    },
  };
  /** Each event of a run waits for its job, so that they keep their order. */
  const ofOwnRuns = Object.entries(handlers).map(([name, handle]) => {
    const listener = async ({ detail }) => {
      const job = await jobOf(api, detail.prompt_id);
      const inputs = job && !isStopped && partIn(job, node, host);
      if (inputs) handle(detail, inputs);
    };
    return [name, listener];
  });
  /** Take what a run made while the host showed another tab. */
  async function catchUp() {
    const { job } = editor;
    const past = job && (await pastOf(api, job));
    const inputs = past && !isStopped && partIn(past.prompt, node, host);
    if (!inputs) return;
    const told = Object.entries(past.outputs).sort(([, a], [, b]) => Number("smcd_seed" in b) - Number("smcd_seed" in a));
    for (const [id, output] of told) handlers.executed({ node: id, output, ...past.meta?.[id] }, inputs);
    if (editor.job === job) over();
  }
  const soon = setTimeout(catchUp, 0); // after the graph is there again
  show();
  const unsubscribe = editor.subscribe(show);
  const stop = listen(api, { status, ...Object.fromEntries(ofOwnRuns) });
  return () => {
    isStopped = true;
    clearTimeout(soon);
    unsubscribe();
    stop();
    release();
    endWaiting(editor);
    editor.set({ run: null });
  };
}

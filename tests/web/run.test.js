import assert from "node:assert/strict";
import { test } from "node:test";
import { canRun, commandOf } from "../../web/editor/actions/commands.js";
import { EditorState } from "../../web/editor/state/state.js";
import { followRuns, queueRun } from "../../web/host/run.js";
import { moveBoxes, serialiseTrajectory } from "../../web/trajectory/model.js";
import { A, B, graphOf, knowAllTexts, nested, trajectory } from "./helpers.js";

knowAllTexts();

/** Of the page 7, a server whose queue has some jobs. @param {{running?: any[], pending?: any[]}} queue */
const newApi = (queue = {}) => {
  const fetchApi = async () => Response.json({ queue_running: queue.running ?? [], queue_pending: queue.pending ?? [] });
  return /** @type {any} */ (Object.assign(new EventTarget(), { apiURL: (path) => path, clientId: "7", fetchApi }));
};
/** The job of all nodes of a graph, and of those in its subgraph on node 9. */
function jobOfAll(graph, { id = "job", number = 0, client = "7", workflow = "root", outputs = null } = {}) {
  const nodes = [graph, ...graph.subgraphs.values()].flatMap((one) => one.nodes.map((node) => [one, node]));
  const prompt = Object.fromEntries(nodes.map(([one, node]) => {
    const links = node.inputs.filter(({ link }) => link !== null).map(({ name, link }) => {
      const { origin_id, origin_slot } = one.getLink(link);
      return [name, [String(origin_id), origin_slot]];
    });
    const values = node.widgets.map(({ name, value }) => [name, value]);
    const inputs = Object.fromEntries([...values, ...links]);
    return [one === graph ? String(node.id) : `9:${node.id}`, { class_type: node.type, inputs }];
  }));
  return [number, id, prompt, { client_id: client, extra_pnginfo: { workflow: { id: workflow } } }, outputs ?? Object.keys(prompt)];
}
/** The host tells of the job, and what follows from it. */
const tell = async (api, name, detail = {}) => {
  api.dispatchEvent(Object.assign(new Event(name), { detail: { prompt_id: "job", ...detail } }));
  await new Promise((done) => setTimeout(done, 5));
};

test("progress of a run is shown until it ends, and its error is said", async () => {
  const graph = graphOf({ 1: { type: "SMCD_Trajectory" }, 4: { type: "SMCD_Generate", title: "SMCD Generate", inputs: { trajectory: [1, 0] } } });
  const [editor, api] = [new EditorState(), newApi({ running: [jobOfAll(graph)] })];
  const stop = followRuns(editor, graph.getNodeById(1), { app: { graph }, api });
  await tell(api, "execution_start");
  assert.deepEqual(editor.run, { share: 0 });
  await tell(api, "progress", { value: 5, max: 20 });
  assert.deepEqual(editor.run, { share: 0.25 });
  await tell(api, "execution_error", { node_id: "4", node_type: "SMCD_Generate", exception_message: "no box\n" });
  assert.deepEqual([editor.run, editor.notice.kind, editor.notice.text], [null, "error", "SMCD Generate: no box"]);
  await tell(api, "executed", { node: "4", output: { images: [{ filename: "still.png" }] } });
  assert.equal(editor.result, null); // a still is no result
  stop();
  await tell(api, "execution_start");
  assert.equal(editor.run, null);
});

test("an error is said in the editors of its run, by the title of its node", async () => {
  // 1 and the loader 2 go to 3, which 4 saves; 5 goes to 6 alone; in the subgraph 9, 7 goes out to 4.
  const graph = graphOf({
    1: { type: "SMCD_Trajectory" },
    2: { type: "SMCD_Load", title: "Load SMCD" },
    3: { type: "SMCD_Generate", title: "My cup", inputs: { model: [2, 0], trajectory: [1, 0] } },
    4: { type: "SaveVideo", title: "Save Video", inputs: { video: [3, 0], mask: [9, 0] } },
    5: { type: "SMCD_Trajectory" },
    6: { type: "SMCD_Export", title: "SMCD Export", inputs: { trajectory: [5, 0] } },
    9: { type: "inner" },
  });
  const inner = graphOf({ 7: { type: "SMCD_Tracks", title: "Points" } }, { id: "inner", outputs: [[7, 0]] });
  nested(graph, inner);
  const said = (id) =>
    Promise.all([1, 5].map(async (own) => {
      const [editor, api] = [new EditorState(), newApi({ running: [jobOfAll(graph)] })];
      const stop = followRuns(editor, graph.getNodeById(own), { app: { graph }, api });
      await tell(api, "execution_error", { node_id: id, node_type: "Any", exception_message: "no" });
      stop();
      return editor.notice?.text ?? null;
    }));
  assert.deepEqual(await said("3"), ["My cup: no", null]);
  assert.deepEqual(await said("2"), ["Load SMCD: no", null]);
  assert.deepEqual(await said("4"), ["Save Video: no", null]);
  assert.deepEqual(await said("6"), [null, "SMCD Export: no"]);
  assert.deepEqual(await said("9:7"), ["Points: no", null]);
  assert.deepEqual(await said("12"), [null, null]); // of a workflow in another tab
});

test("each video that a loader would show is shown as a result", async (t) => {
  const videos = fakeVideos(t);
  const graph = graphOf({ 1: { type: "SMCD_Trajectory" }, 4: { type: "SaveVideo" } });
  const api = newApi({ running: [jobOfAll(graph)] });
  const stop = followRuns(new EditorState(), graph.getNodeById(1), { app: { graph }, api });
  const names = ["a.mp4", "a.webm", "a.mov", "a.m4v", "a.mkv", "a.ogv", "A.MP4"];
  for (const filename of names) await tell(api, "executed", { node: "4", output: { images: [{ filename }] } });
  assert.deepEqual(videos.map(({ src }) => src.match(/[aA]\.\w+/)[0]), names);
  stop();
});

test("a video is the result of the editor that leads to it, or of all if none does", async (t) => {
  const videos = fakeVideos(t);
  const save = (from) => ({ type: "SaveVideo", inputs: from ? { video: [from, 0] } : {} });
  const graph = graphOf({
    1: { type: "SMCD_Trajectory" }, 2: { type: "SMCD_Generate", inputs: { trajectory: [1, 0] } }, 3: save(2),
    4: { type: "SMCD_Trajectory" }, 5: { type: "SMCD_Generate", inputs: { trajectory: [4, 0] } }, 6: save(5),
    7: save(0), // through nodes that send without links, for all that is known here
  }); // prettier-ignore
  const api = newApi({ running: [jobOfAll(graph)] });
  const [first, second] = [1, 4].map((id) => {
    const editor = new EditorState();
    t.after(followRuns(editor, graph.getNodeById(id), { app: { graph }, api }));
    return editor;
  });
  const shownIn = async (node, more = {}) => {
    videos.length = 0;
    for (const editor of [first, second]) editor.set({ result: null });
    await tell(api, "executed", { node, ...more, output: { images: [{ filename: "a.mp4" }] } });
    for (const video of videos) video.onloadeddata();
    return [first, second].map(({ result }) => result !== null);
  };
  assert.deepEqual(await shownIn("3"), [true, false]);
  assert.deepEqual(await shownIn("6"), [false, true]);
  assert.deepEqual(await shownIn("7"), [true, true]);
  assert.deepEqual(await shownIn("6.0.0.1", { display_node: "6" }), [false, true]); // made by 6 while it ran
  assert.deepEqual(await shownIn("99"), [false, false]); // of a workflow in another tab
});

/** The video elements that showing a video makes, as far as it uses them. */
function fakeVideos(t) {
  const videos = [];
  const size = { videoWidth: 64, videoHeight: 48, removeAttribute() {}, load() {} };
  Object.assign(globalThis, { document: { createElement: () => videos[videos.push({ ...size }) - 1] } });
  t.after(() => Reflect.deleteProperty(globalThis, "document"));
  return videos;
}

test("the end of a run that was queued in the editor is said with its video, and how to compare", async (t) => {
  const videos = fakeVideos(t);
  const graph = graphOf({
    1: { type: "SMCD_Trajectory" },
    3: { type: "SMCD_Generate", inputs: { trajectory: [1, 0] } },
    4: { type: "SaveVideo", inputs: { video: [3, 0] } },
    8: { type: "SaveVideo" },
  });
  const api = newApi({ running: [jobOfAll(graph)] });
  const app = { graph, queuePrompt: async () => {}, lastNodeErrors: null };
  const editor = new EditorState();
  const stop = followRuns(editor, graph.getNodeById(1), { app, api });
  t.after(stop);
  const video = { images: [{ filename: "a.mp4" }] };
  /** What is said after a run in which node `maker` saves a video, which is loaded before the run ends, after it, or never. */
  const said = async ({ isOwn = true, maker = "4", loaded = "after", end = "execution_success" } = {}) => {
    editor.set({ notice: null });
    if (isOwn) await queueRun(editor, graph.getNodeById(1), { app, api });
    await tell(api, "execution_start");
    await tell(api, "executed", { node: maker, output: video });
    if (loaded === "before") videos.at(-1).onloadeddata();
    assert.equal(editor.notice, null);
    await tell(api, end, { node_id: "12", exception_message: "no" });
    if (loaded === "after") videos.at(-1).onloadeddata();
    return editor.notice?.text ?? null;
  };
  const done = "The video is done: T compares it with the image.";
  assert.equal(await said(), done);
  assert.equal(await said({ loaded: "before" }), done);
  assert.equal(await said({ loaded: "never" }), null); // what the browser cannot play is not there to compare
  assert.equal(await said({ isOwn: false }), null);
  assert.equal(await said({ maker: "8" }), null); // of something else
  assert.equal(await said({ end: "execution_interrupted" }), null);
  assert.equal(await said({ end: "execution_error" }), null);
  editor.set({ isResultShown: true });
  assert.equal(await said(), null);
  editor.set({ isResultShown: false });
  assert.equal(await said(), done);
  editor.set({ isTouched: true }); // there may be no key
  assert.equal(await said(), "The video is done: “Compare with the result” at the top compares it with the image.");
});

test("what the host refuses before the run is said in the editor", async () => {
  const errors = [{ message: "Required input is missing", details: "vae" }];
  const graph = graphOf({ 4: { type: "SMCD_Generate", title: "SMCD Generate" } });
  const app = { graph, queuePrompt: async () => {}, lastNodeErrors: { 4: { class_type: "SMCD_Generate", errors } } };
  const editor = new EditorState();
  await queueRun(editor, graph.getNodeById(4), { app, api: newApi() });
  assert.equal(editor.notice.text, "SMCD Generate: Required input is missing: vae");
  app.lastNodeErrors = null;
  editor.set({ notice: null });
  await queueRun(editor, graph.getNodeById(4), { app, api: newApi() });
  assert.equal(editor.notice, null);
});

test("only editors with a part in a run of this page and workflow show it", async () => {
  // 1 goes to 2, which is asked for; 3 to 4, which is not; 5 to nothing.
  const graph = graphOf({
    1: { type: "SMCD_Trajectory" }, 2: { type: "SMCD_Export", title: "One", inputs: { trajectory: [1, 0] } },
    3: { type: "SMCD_Trajectory" }, 4: { type: "SMCD_Export", title: "Two", inputs: { trajectory: [3, 0] } },
    5: { type: "SMCD_Trajectory" },
  }); // prettier-ignore
  const shown = async (job) => {
    const api = newApi({ running: [jobOfAll(graph, job)] });
    const editors = [1, 3, 5].map((id) => {
      const editor = new EditorState();
      followRuns(editor, graph.getNodeById(id), { app: { graph }, api });
      return editor;
    });
    await tell(api, "execution_start");
    await tell(api, "progress", { value: 1, max: 2 });
    return editors.map(({ run }) => run?.share ?? null);
  };
  assert.deepEqual(await shown({ outputs: ["2"] }), [0.5, null, null]);
  assert.deepEqual(await shown({ outputs: ["2", "4"] }), [0.5, 0.5, null]);
  assert.deepEqual(await shown({ outputs: ["2"], client: "8" }), [null, null, null]);
  assert.deepEqual(await shown({ outputs: ["2"], workflow: "another tab" }), [null, null, null]);
});

test("a run that waits says for how many, until it begins or is taken from the queue", async () => {
  const graph = graphOf({ 1: { type: "SMCD_Trajectory" }, 2: { type: "SMCD_Export", inputs: { trajectory: [1, 0] } } });
  const of = (number, more) => jobOfAll(graph, { number, id: String(number), outputs: ["2"], ...more });
  const queue = { running: [of(1, { client: "8" })], pending: [of(4), of(2, { client: "9" }), of(3, { workflow: "another tab" })] };
  const api = newApi(queue);
  const editor = new EditorState({ onRun: () => {} });
  const stop = followRuns(editor, graph.getNodeById(1), { app: { graph }, api });
  const status = (left) => tell(api, "status", { exec_info: { queue_remaining: left } });
  await status(4);
  assert.equal(editor.waiting.ahead, 3);
  assert.equal(canRun(editor, commandOf("run")), false);
  queue.running = [queue.pending.splice(1, 1)[0]];
  await status(3);
  assert.equal(editor.waiting.ahead, 2);
  queue.pending = queue.pending.filter(([number]) => number !== 4); // by hand
  await status(2);
  assert.equal(editor.waiting, null);
  assert.equal(canRun(editor, commandOf("run")), true);
  queue.pending = [of(5)];
  await status(2);
  assert.equal(editor.waiting.ahead, 1);
  await status(1); // it is the only one
  assert.equal(editor.waiting, null);
  await status(2);
  stop();
  assert.equal(editor.waiting, null);
});

test("a result is of the boxes that the run was given, or that it took from other nodes", async (t) => {
  const videos = fakeVideos(t);
  const run = async ({ seed = null, isLinked = false } = {}) => {
    const document = trajectory({ cat: [[0, A]] });
    const text = JSON.stringify(JSON.parse(serialiseTrajectory(document)), null, 1); // written by hand
    const graph = graphOf({
      1: { type: "SMCD_Trajectory", ...(isLinked ? { inputs: { text: [4, 0] } } : { widgets: { text } }) },
      3: { type: "SaveVideo", inputs: { video: [1, 0] } },
      4: { type: "PrimitiveString" },
    });
    const api = newApi({ running: [jobOfAll(graph)] });
    const editor = new EditorState({ trajectory: document });
    t.after(followRuns(editor, graph.getNodeById(1), { app: { graph }, api }));
    await tell(api, "execution_start");
    if (seed) await tell(api, "executed", { node: "1", output: { smcd_seed: [serialiseTrajectory(seed)] } });
    await tell(api, "executed", { node: "3", output: { images: [{ filename: "a.mp4" }] } });
    videos.at(-1).onloadeddata();
    return editor;
  };
  const editor = await run();
  assert.equal(editor.isResultOld, false);
  editor.apply("step.move", (before) => moveBoxes(before, ["cat"], 0, 0.1, 0));
  assert.equal(editor.isResultOld, true);
  editor.apply("step.move", (before) => moveBoxes(before, ["cat"], 0, -0.1, 0));
  assert.equal(editor.isResultOld, false);
  const other = trajectory({ dog: [[0, B]] });
  const taken = await run({ seed: other });
  assert.equal(taken.isResultOld, true); // until the editor takes them too
  taken.replace("step.seed", other);
  assert.equal(taken.isResultOld, false);
  assert.equal((await run({ isLinked: true })).isResultOld, false); // not known
});

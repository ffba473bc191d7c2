import assert from "node:assert/strict";
import { test } from "node:test";
import { EditorState } from "../../web/editor/state/state.js";
import { followRuns, queueRun } from "../../web/host/run.js";

const tell = (api, name, detail = {}) => api.dispatchEvent(Object.assign(new Event(name), { detail }));

test("progress of a run is shown until it ends, and its error is said", () => {
  const [editor, api] = [new EditorState(), /** @type {any} */ (new EventTarget())];
  const stop = followRuns(editor, { app: {}, api });
  tell(api, "execution_start");
  assert.deepEqual(editor.run, { share: 0 });
  tell(api, "progress", { value: 5, max: 20 });
  assert.deepEqual(editor.run, { share: 0.25 });
  tell(api, "execution_error", { node_type: "SMCD_Generate", exception_message: "no box" });
  assert.deepEqual([editor.run, editor.notice.kind, editor.notice.text], [null, "error", "SMCD_Generate: no box"]);
  tell(api, "executed", { output: { images: [{ filename: "still.png" }] } });
  assert.equal(editor.result, null); // a still is no result
  stop();
  tell(api, "execution_start");
  assert.equal(editor.run, null);
});

test("each video that a loader would show is shown as a result", (t) => {
  const made = [];
  // The element that the browser would make, as far as showing a video sets it up.
  const document = { createElement: (name) => (made.push(name), { removeAttribute() {}, load() {} }) };
  Object.assign(globalThis, { document });
  t.after(() => Reflect.deleteProperty(globalThis, "document"));
  const api = /** @type {any} */ (Object.assign(new EventTarget(), { apiURL: (path) => path }));
  const stop = followRuns(new EditorState(), { app: {}, api });
  const names = ["a.mp4", "a.webm", "a.mov", "a.m4v", "a.mkv", "a.ogv", "A.MP4"];
  for (const filename of names) tell(api, "executed", { output: { images: [{ filename }] } });
  assert.deepEqual(made, names.map(() => "video"));
  stop();
});

test("what the host refuses before the run is said in the editor", async () => {
  const errors = [{ message: "Required input is missing", details: "vae" }];
  const app = { queuePrompt: async () => {}, lastNodeErrors: { 4: { class_type: "SMCD_Generate", errors } } };
  const editor = new EditorState();
  await queueRun(editor, { app, api: /** @type {any} */ (new EventTarget()) });
  assert.equal(editor.notice.text, "SMCD_Generate: Required input is missing: vae");
  app.lastNodeErrors = null;
  editor.set({ notice: null });
  await queueRun(editor, { app, api: /** @type {any} */ (new EventTarget()) });
  assert.equal(editor.notice, null);
});

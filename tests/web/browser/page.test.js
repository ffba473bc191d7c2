import assert from "node:assert/strict";
import test from "node:test";
import { missing, openEditor } from "./harness.js";

test("the editor starts on a page without ComfyUI and reports nothing", { skip: missing }, async (t) => {
  const { page, problems, close } = await openEditor();
  t.after(close);
  assert.equal(await page.locator(".smcd-editor").count(), 1);
  assert.deepEqual(problems, []);
});

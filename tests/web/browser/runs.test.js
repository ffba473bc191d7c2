/** Runs as the editor tells of them in the real ComfyUI: waiting, their progress, their video, and a server that is gone. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FRONT_ENDS, openComfy } from "./comfy.js";
import { ROOT } from "./harness.js";

const TEXT = JSON.stringify({
  ...{ version: 1, width: 128, height: 128, frames: 8, fps: 8 },
  objects: [{ id: "cat", phrase: "cat", keys: [{ frame: 0, box: [0.1, 0.1, 0.4, 0.4] }] }],
});
/** A node that runs until its file is there. */
const WAIT = `
import os, time
class Wait:
    CATEGORY = "test"
    FUNCTION = "run"
    INPUT_TYPES = classmethod(lambda cls: {"required": {"path": ("STRING", {})}})
    OUTPUT_NODE = True
    RETURN_TYPES = ()
    def run(self, path):
        while not os.path.exists(path):
            time.sleep(0.05)
        return {}
NODE_CLASS_MAPPINGS = {"Wait": Wait}
`;

for (const [name, { skip, start }] of Object.entries(FRONT_ENDS)) {
  describe(name, { skip }, () => {
    let server, opened;
    before(async () => {
      server = await start(WAIT);
      opened = await openComfy(server, { nodes2: true });
    });
    after(async () => {
      await opened?.close();
      await server?.stop();
    });

    /** A test on an empty graph. */
    const hosted = (title, run) =>
      test(title, async () => {
        const { page, host } = opened;
        await page.evaluate(() => window.app.loadGraphData({ nodes: [], links: [], version: 0.4 }));
        await run(host, page);
      });
    const said = (page, text) => page.locator(".smcd-notice", { hasText: text }).waitFor({ timeout: 20_000 });

    /** A job of another page, which runs until the function that this gives is called. */
    async function otherJob() {
      const path = join(server.base, `${Math.random()}`);
      const prompt = { 1: { class_type: "Wait", inputs: { path } } };
      const body = JSON.stringify({ prompt, client_id: "another" });
      const { ok } = await fetch(`${server.url}/prompt`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      assert.ok(ok);
      return () => writeFileSync(path, "");
    }

    hosted("a run that waits for those of others says so until it begins, and is not queued twice", async (host, page) => {
      const ends = [await otherJob(), await otherJob()];
      const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: TEXT } });
      const alone = await host.add("SMCD_Trajectory", { pos: [500, 780], widgets: { text: TEXT } });
      await host.add("SMCD_Export", { pos: [1300, 80], connect: { trajectory: [id, 0] } });
      await page.evaluate(async (ids) => {
        const { editorOf } = await import("/extensions/smcd/host/node.js");
        window.bars = ids.map((n) => {
          const editor = editorOf(window.app.graph.getNodeById(n));
          const seen = { times: 0 };
          editor.subscribe(() => (seen.times += editor.run ? 1 : 0));
          return seen;
        });
      }, [id, alone]);
      await page.locator(".smcd-editor").first().focus();
      await host.press("f");
      const state = page.locator(".smcd-overlay .smcd-state");
      const says = (text) => page.locator(".smcd-overlay .smcd-state", { hasText: text }).waitFor({ timeout: 20_000 });
      const run = page.locator(".smcd-overlay .smcd-tool[data-command=run]");
      await run.click();
      await says("Queued: 2 runs ahead.");
      assert.equal(await run.isDisabled(), true);
      ends[0]();
      await says("Queued: 1 run ahead.");
      assert.equal(await host.editor(alone, (editor) => editor.waiting), null);
      ends[1]();
      await page.waitForFunction(() => window.bars[0].times > 0, null, { timeout: 20_000 });
      await page.waitForFunction(() => !document.querySelector(".smcd-overlay .smcd-tool[data-command=run]").disabled);
      assert.equal(await state.textContent(), "");
      assert.equal((await page.evaluate(() => window.bars))[1].times, 0); // it has no part in the run
      await host.press("f");
    });

    /** An editor whose boxes are drawn over an example, which its run previews as images. @returns {Promise<number>} */
    async function drawn(host) {
      const image = await host.add("SMCD_Example", { pos: [20, 80] });
      const id = await host.add("SMCD_Trajectory", { pos: [420, 80], widgets: { text: TEXT } });
      const draw = await host.add("SMCD_Draw", { pos: [1220, 80], connect: { images: [image, 0], trajectory: [id, 0] } });
      await host.add("PreviewImage", { pos: [1220, 380], connect: { images: [draw, 0] } });
      return id;
    }
    const tab = async (host, page, command, count) => {
      await page.evaluate((name) => window.app.extensionManager.command.execute(name), command);
      await page.waitForFunction((n) => window.app.graph.nodes.length === n, count);
      await host.settle();
    };
    const soon = async (page, look) => {
      for (const end = Date.now() + 20_000; Date.now() < end; ) {
        if (await look()) return;
        await page.waitForTimeout(100);
      }
      assert.fail("not within 20 seconds");
    };
    const hasResult = (host, page, id) => soon(page, () => host.editor(id, ({ result }) => result !== null));

    hosted("the result is there again after another tab of the host, and before there is one T says so", async (host, page) => {
      const id = await drawn(host);
      await page.locator(".smcd-editor").focus();
      await host.press("t");
      await said(page, "There is no video of a run to compare with yet.");
      const { status } = await host.run();
      assert.equal(status.status_str, "success", JSON.stringify(status));
      await hasResult(host, page, id);
      await host.settle();
      assert.equal(await page.locator(".smcd-notice").textContent(), ""); // there is one now
      await page.locator(".smcd-editor").focus();
      await host.press("t");
      await tab(host, page, "Comfy.NewBlankWorkflow", 0);
      await tab(host, page, "Workspace.PreviousOpenedWorkflow", 4);
      await hasResult(host, page, id);
      assert.equal(await host.editor(id, (editor) => editor.isResultShown && editor.result.imageAt(7) !== null), true);
      assert.equal(await page.locator(".smcd-tool[data-command=toggleResult]").isVisible(), true);
    });

    hosted("what a run made while another tab was shown is there in its own, and not in the other", async (host, page) => {
      const end = await otherJob();
      const id = await drawn(host);
      await page.locator(".smcd-editor").focus();
      await host.press("f");
      await page.locator(".smcd-overlay .smcd-tool[data-command=run]").click();
      await page.locator(".smcd-state", { hasText: "1 run ahead" }).waitFor();
      await tab(host, page, "Comfy.NewBlankWorkflow", 0);
      const other = await drawn(host); // whose nodes have the same ids
      assert.equal(other, id);
      const over = async () => (await (await fetch(`${server.url}/prompt`)).json()).exec_info.queue_remaining === 0;
      end();
      await soon(page, over);
      await page.waitForTimeout(500);
      assert.deepEqual(await host.editor(other, (editor) => [editor.made, editor.waiting]), [null, null]);
      await tab(host, page, "Workspace.PreviousOpenedWorkflow", 4);
      await hasResult(host, page, id);
      assert.equal(await host.editor(id, (editor) => editor.isResultOld), false);
    });

    hosted("a video of other boxes than are there says so, until they are back or it is made anew", async (host, page) => {
      const id = await drawn(host);
      await host.run();
      await hasResult(host, page, id);
      const state = page.locator(".smcd-state");
      const says = async (text) => {
        await page.waitForTimeout(600);
        assert.equal(await state.textContent(), text);
      };
      const old = "The video is from before the last changes.";
      await page.locator(".smcd-editor").focus();
      await host.press("t");
      await says("");
      await host.press("b"); // another box
      await says(old);
      await host.press("t");
      await says("");
      await host.press("t");
      await says(old);
      await host.press("Control+z");
      await says("");
      await host.press("Control+Shift+Z");
      await says(old);
      const files = ({ made }) => JSON.stringify(made.files);
      const before = await host.editor(id, files);
      await host.run();
      await soon(page, async () => (await host.editor(id, files)) !== before);
      await hasResult(host, page, id);
      await says("");
    });

    hosted("a server that cannot be reached, or refuses, is said in the editor and not blamed on it", async (host, page) => {
      const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: TEXT } });
      await host.add("SMCD_Export", { pos: [1300, 80], connect: { trajectory: [id, 0] } });
      const choose = () =>
        page.evaluate((bytes) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], "astro.png", { type: "image/png" }));
          const event = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
          document.querySelector(".smcd-editor").dispatchEvent(event);
        }, [...readFileSync(join(ROOT, "demo", "beach.png"))]);
      await page.locator(".smcd-editor").focus();
      await host.press("f");
      const run = page.locator(".smcd-tool[data-command=run]");
      await opened.context.setOffline(true);
      await run.click();
      await said(page, "The server cannot be reached: check the network");
      await host.settle();
      assert.equal(await page.getByText("Failed to fetch").count(), 0); // in a dialog of the host
      assert.equal(await host.editor(id, (editor) => editor.isQueued), false);
      await choose();
      await said(page, "astro.png could not be uploaded. The server cannot be reached: check the network");
      await opened.context.setOffline(false);
      await page.route("**/upload/image", (route) => route.fulfill({ status: 413 }));
      await choose();
      await said(page, "astro.png could not be uploaded. The server answered 413");
      await page.unroute("**/upload/image");
    });
  });
}

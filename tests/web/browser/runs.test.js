/** Runs as the editor tells of them in the real ComfyUI: waiting, their progress, their video, and a server that is gone. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FRONT_ENDS, openComfy } from "./comfy.js";
import { ROOT } from "./harness.js";

const TEXT = JSON.stringify({
  ...{ version: 1, width: 128, height: 128, frames: 8, fps: 8 },
  objects: [{ id: "cat", phrase: "cat", keys: [{ frame: 0, box: [0.1, 0.1, 0.4, 0.4] }] }],
});

for (const [name, { skip, start }] of Object.entries(FRONT_ENDS)) {
  describe(name, { skip }, () => {
    let server, opened;
    before(async () => {
      server = await start();
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
      const { dialogs } = await host.outer();
      await opened.context.setOffline(true);
      await run.click();
      await said(page, "The server cannot be reached: check the network");
      await host.settle();
      assert.equal((await host.outer()).dialogs, dialogs);
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

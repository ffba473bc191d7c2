/** The help pages of the nodes as the real ComfyUI shows them. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FRONT_ENDS, openComfy, QUICK, RENDERERS } from "./comfy.js";
import { ROOT } from "./harness.js";

const DOCS = join(ROOT, "web", "docs");
const PAGES = readdirSync(DOCS).filter((name) => name.endsWith(".md")).map((name) => basename(name, ".md"));
const SCREENSHOTS = process.env.SMCD_SCREENSHOTS; // a folder

/** What a person does: click the node's title, then Info in the bar above it. */
async function openHelp(page, id) {
  const [x, y] = await page.evaluate((n) => {
    const { canvas, graph } = window.app;
    const [left, top] = graph.getNodeById(n).pos;
    const rect = canvas.canvas.getBoundingClientRect();
    const { scale, offset } = canvas.ds;
    return [rect.left + (left + 60 + offset[0]) * scale, rect.top + (top - 12 + offset[1]) * scale];
  }, id);
  await page.mouse.click(x, y);
  await page.getByTestId("info-button").click();
}

for (const [frontEnd, { skip, start }] of Object.entries(FRONT_ENDS)) {
  describe(frontEnd, { skip: skip || (QUICK && "make test-all runs it") }, () => {
    let server;
    before(async () => {
      server = await start();
    });
    after(() => server?.stop());

    for (const nodes2 of RENDERERS) {
      test(`Info of a node shows its page with its picture, ${nodes2 ? "Nodes 2.0" : "classic"}`, async (t) => {
        const { page, host, problems, close } = await openComfy(server, { nodes2 });
        t.after(close);
        const help = page.locator(".node-help-content");
        for (const name of PAGES) {
          await page.evaluate(() => window.app.loadGraphData({ nodes: [], links: [], version: 0.4 }));
          const id = await host.add(name, { pos: [200, 200] });
          await openHelp(page, id);
          const text = readFileSync(join(DOCS, `${name}.md`), "utf-8");
          const [, title] = text.match(/^# (.*)/);
          await help.getByRole("heading", { level: 1, name: title, exact: true }).waitFor();
          await page.waitForFunction(() => document.querySelector(".node-help-content img")?.complete);
          const picture = await help.locator("img").evaluate((image) => [image.naturalWidth, new URL(image.src).pathname]);
          assert.ok(picture[0] > 0 && picture[1].endsWith(`/extensions/smcd/docs/img/${name}.png`), picture.join());
          assert.equal(await help.locator("li").count(), text.match(/^- /gm).length, name);
          const overflow = await help.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
          // A long word of code may stick out a little; a table would be cut off.
          assert.ok(overflow <= 16, `${name} is ${overflow} pixels too wide`);
          if (SCREENSHOTS) {
            await page.screenshot({ path: join(SCREENSHOTS, `help_${nodes2 ? "nodes2" : "classic"}_${name}.png`) });
          }
        }
        assert.deepEqual(problems(), []);
      });
    }
  });
}

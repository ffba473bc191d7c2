/** The button of Load SMCD, and the text of SMCD Check, in the real ComfyUI. No hub can be reached. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FRONT_ENDS, RENDERERS, openComfy } from "./comfy.js";

process.env.HF_ENDPOINT = "http://127.0.0.1:9"; // nothing listens there

const SCREENSHOTS = process.env.SMCD_SCREENSHOTS; // a folder
const LABEL = "Download released weights…";
const button = (page, id) =>
  page.evaluate((n) => {
    const { label, callback } = window.app.canvas.graph.getNodeById(n).widgets.at(-1);
    return { label, canBePressed: typeof callback === "function" };
  }, id);
const press = (page, id) => page.evaluate((n) => void window.app.canvas.graph.getNodeById(n).widgets.at(-1).callback(), id);
const dialog = (page) => page.getByRole("dialog").last();
const answer = (page, name) => dialog(page).getByRole("button").filter({ hasText: name }).click();
const soon = async (page, look) => {
  for (let n = 0; n < 150; n += 1) {
    if (await look()) return;
    await page.waitForTimeout(100);
  }
  assert.fail("not within 15 seconds");
};

/** Weights and a download as the server tells them; `posted` gets what the page sends. */
async function standIn(page, states, posted) {
  const file = { name: "a.bin", url: "", path: "/models/smcd/<b>a.bin</b>", size: 7.34e9, there: false };
  const one = { name: "smcd", title: "<i>the released SMCD</i>", use: "", page: "https://hub", licence: "none" };
  await page.route("**/smcd/download**", async (route) => {
    const request = route.request();
    if (request.method() === "POST") posted.push([new URL(request.url()).pathname, request.postDataJSON()]);
    const download = request.method() === "POST" ? states[0] : states.length > 1 ? states.shift() : states[0];
    await route.fulfill({ json: request.method() === "POST" ? download : { weights: [{ ...one, files: [file] }], download } });
  });
}

for (const [frontEnd, { skip, start }] of Object.entries(FRONT_ENDS)) {
  describe(frontEnd, { skip }, () => {
    let server;
    before(async () => {
      server = await start();
    });
    after(() => server?.stop());

    for (const nodes2 of RENDERERS) {
      describe(nodes2 ? "Nodes 2.0" : "classic", () => inRenderer(() => server, nodes2));
    }
  });
}

function inRenderer(getServer, nodes2) {
  let server, opened;
  before(async () => {
    server = getServer();
    opened = await openComfy(server, { nodes2 });
  });
  after(() => opened?.close());
  const screenshot = (name) =>
    SCREENSHOTS && opened.page.screenshot({ path: join(SCREENSHOTS, `${name}_${nodes2 ? "nodes2" : "classic"}.png`) });

  test("licences, sizes and places are shown before anything is asked for", async () => {
    const { page, host } = opened;
    const posts = [];
    page.on("request", (request) => request.method() === "POST" && posts.push(request.url()));
    const id = await host.add("SMCD_Load");
    assert.deepEqual(await button(page, id), { label: LABEL, canBePressed: true });
    await press(page, id);
    await dialog(page).waitFor();
    const text = await dialog(page).innerText();
    for (const part of [/12\.3 GB in 5 files/, /CC-BY-NC-4\.0/, /none is stated by its authors/, /7\.34 GB/]) {
      assert.match(text, part);
    }
    assert.ok(text.includes(`${server.base}/models/smcd/animate-your-motion/pytorch_model.bin`), text);
    await screenshot("dialog");
    await answer(page, "Cancel");
    await page.waitForTimeout(500);
    assert.deepEqual(posts.filter((url) => url.includes("smcd")), []);
  });

  test("without a network it says what to fetch and where to put it", async () => {
    const { page, host } = opened;
    const [id] = await host.ids("SMCD_Load");
    await press(page, id);
    await answer(page, "Confirm");
    await soon(page, async () => /The download failed/.test(await dialog(page).innerText().catch(() => "")));
    const text = await dialog(page).innerText();
    await screenshot("failure");
    assert.match(text, /no connection to the hub/);
    assert.match(text, /fetch +https:\/\/huggingface\.co\/Lixiaoming\/Animate-Your-Motion\/resolve\//);
    assert.ok(text.includes(`${server.base}/models/vae/text-to-video-ms-1.7b_vae.safetensors`), text);
    await answer(page, "OK");
    assert.equal((await button(page, id)).label, LABEL);
  });

  test("the button shows how far it is, and stops it", async () => {
    const { page, host } = opened;
    const [id] = await host.ids("SMCD_Load");
    const running = { state: "running", file: "a.bin (1/1)", done: 3.67e9, size: 7.34e9, message: "", hand: [] };
    const states = [null, running];
    const posted = [];
    await standIn(page, states, posted);
    await press(page, id);
    await dialog(page).waitFor();
    // Text, not markup.
    assert.match(await dialog(page).innerText(), /<i>the released SMCD<\/i>[^]*<b>a\.bin<\/b> \(7\.34 GB\)/);
    await answer(page, "Confirm");
    await soon(page, async () => (await button(page, id)).label === "Downloading a.bin (1/1), 50 % of 7.34 GB");
    await screenshot("progress");
    await press(page, id);
    await dialog(page).waitFor();
    await answer(page, "Confirm");
    states.splice(0, states.length, { ...running, state: "stopped" });
    await page.getByText("Stopped. The part already downloaded is kept").first().waitFor();
    assert.equal((await button(page, id)).label, LABEL);
    assert.deepEqual(posted, [
      ["/api/smcd/download", { licences_accepted: ["smcd"] }],
      ["/api/smcd/download/stop", {}],
    ]);
    await page.unroute("**/smcd/download**");
  });

  test("the button is no part of a workflow or a prompt", async () => {
    const { page, host } = opened;
    const [id] = await host.ids("SMCD_Load");
    const saved = await page.evaluate((n) => window.app.canvas.graph.getNodeById(n).serialize().widgets_values, id);
    assert.deepEqual(saved.slice(0, 4), ["smcd-world (bundled)", "default", "none", 1]);
    assert.ok(saved.slice(4).every((value) => value == null), JSON.stringify(saved));
    const inputs = ["checkpoint", "weight_dtype", "lora", "lora_strength"];
    assert.deepEqual(Object.keys((await host.prompt())[id].inputs), inputs);
    await host.reload();
    assert.equal((await button(page, (await host.ids("SMCD_Load"))[0])).label, LABEL);
  });

  test("the button speaks the language of the page, also when it changes", async () => {
    const { page, host } = opened;
    const [id] = await host.ids("SMCD_Load");
    const setLanguage = (name) =>
      page.evaluate((value) => window.app.extensionManager.setting.set("Comfy.Locale", value), name);
    await setLanguage("zh");
    await soon(page, async () => (await button(page, id)).label === "下载官方发布的权重…");
    await press(page, id);
    await page.getByText("请确认接受以下许可协议").waitFor();
    await screenshot("dialog_zh");
    await page.keyboard.press("Escape");
    await setLanguage("en");
    await soon(page, async () => (await button(page, id)).label === LABEL);
  });

  test("SMCD Check shows its text on the node", async () => {
    const { page, host, problems } = opened;
    await page.evaluate(() => window.app.loadGraphData({ nodes: [], links: [], version: 0.4 }));
    const id = await host.add("SMCD_Check");
    await host.run();
    const shown = page.locator("pre.smcd-report");
    await soon(page, async () => /\nnext\n +1\. /.test(await shown.innerText().catch(() => "")));
    assert.match(await shown.innerText(), /smcd-world\.safetensors/);
    await screenshot("check");
    const { widgets_values: values = [] } = await page.evaluate(
      (n) => window.app.canvas.graph.getNodeById(n).serialize(),
      id,
    );
    assert.doesNotMatch(JSON.stringify(values), /smcd-world/);
    assert.deepEqual(problems(), []);
  });
}

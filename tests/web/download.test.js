import assert from "node:assert/strict";
import { test } from "node:test";
import { attachDownload } from "../../web/host/download.js";
import { knowAllTexts } from "./helpers.js";

knowAllTexts();

const FILE = { name: "a.bin", path: "/models/a.bin", size: 7.34e9, there: false };
const WEIGHTS = { name: "smcd", title: "SMCD", page: "https://hub", licence: "MIT" };
const RUNNING = { state: "running", file: "a.bin (1/1)", done: 3.67e9, size: 7.34e9, message: "", hand: [] };

/**
 * Load SMCD in a stand-in for the host's page. `said` gets all that the user is told and asked; he agrees to all.
 *
 * @param {{files?: object[], downloads?: (object | null)[]}} server  downloads: as it tells them, one each time it is asked
 */
function openPage(locale, { files = [FILE], downloads = [null], widgets = [] } = {}) {
  const said = [];
  const settings = new EventTarget();
  const extensionManager = {
    setting: { get: () => locale },
    dialog: { confirm: async (content) => (said.push(content), true) },
    toast: { add: ({ detail }) => said.push(detail) },
  };
  const fetchApi = async (_route, options) => {
    const download = downloads.length > 1 ? downloads.shift() : downloads[0];
    return { ok: true, json: async () => (options ? download : { weights: [{ ...WEIGHTS, files }], download }) };
  };
  const node = { setDirtyCanvas() {}, widgets };
  node.addWidget = (_kind, _name, _value, callback) => (node.button = { press: callback });
  attachDownload(node, { app: { extensionManager, ui: { settings } }, api: { fetchApi } });
  const setLanguage = async (name) => {
    locale = name;
    settings.dispatchEvent(new Event("Comfy.Locale.change"));
    await new Promise((soon) => setImmediate(soon));
  };
  return { node, said, setLanguage };
}

const textsOf = (said) => said.flatMap((one) => (typeof one === "string" ? [one] : Object.values(one).flat()));

test("the button changes its text with the language while its node is in a graph", async () => {
  const { node, setLanguage } = openPage("en");
  node.onAdded();
  assert.equal(node.button.label, "Download released weights…");
  await setLanguage("zh");
  assert.equal(node.button.label, "下载官方发布的权重…");
  node.onRemoved();
  await setLanguage("en");
  assert.equal(node.button.label, "下载官方发布的权重…");
  node.onAdded();
  assert.equal(node.button.label, "Download released weights…");
});

test("licences, progress and end are told in the language of the page", async () => {
  const { node, said } = openPage("zh-CN", { downloads: [null, RUNNING, { ...RUNNING, state: "done" }] });
  const pressed = node.button.press();
  while (!node.button.label.includes("a.bin")) await new Promise((soon) => setTimeout(soon, 5));
  assert.equal(node.button.label, "正在下载 a.bin (1/1)：7.34 GB 的 50 %");
  await pressed;
  assert.equal(node.button.label, "下载官方发布的权重…");
  assert.deepEqual(textsOf(said), [
    "下载官方发布的权重",
    "共 1 个文件，7.34 GB。请确认接受以下许可协议：",
    "SMCD，来自 https://hub。许可协议：MIT",
    "/models/a.bin (7.34 GB)",
    "下载期间可以继续工作。如果中断，再次按下按钮即可继续。",
    "权重已全部下载，现在可在“加载SMCD”“加载CLIP”和“加载VAE”中选择。",
  ]);
});

test("a stop, and that nothing is missing, are told in the language of the page", async () => {
  const stopping = openPage("zh", { downloads: [RUNNING, { ...RUNNING, state: "stopped" }] });
  await stopping.node.button.press();
  assert.deepEqual(textsOf(stopping.said), [
    "停止下载？",
    "正在下载 a.bin (1/1)：7.34 GB 的 50 %。已下载的部分会保留。",
    "已停止。已下载的部分会保留：再次按下按钮即可继续。",
  ]);
  const complete = openPage("zh", { files: [{ ...FILE, there: true }] });
  await complete.node.button.press();
  assert.deepEqual(complete.said, ["官方发布的权重已齐全。"]);
});

test("a failure is told with the server's words", async () => {
  const failed = { ...RUNNING, state: "failed", message: "no connection", hand: ["fetch it"] };
  const { node, said } = openPage("zh", { downloads: [null, failed] });
  await node.button.press();
  assert.deepEqual(said[1], { title: "下载失败", type: "info", message: "no connection", itemList: ["fetch it"] });
});

test("the button says that the server lacks the checkpoint named above it", () => {
  const checkpoint = { value: "smcd_motion.bin", options: { values: ["smcd-tiny"] } };
  const { node } = openPage("en", { widgets: [checkpoint] });
  node.onConfigure();
  assert.equal(node.button.label, "Weights missing: download…");
  checkpoint.value = "smcd-tiny";
  checkpoint.callback();
  assert.equal(node.button.label, "Download released weights…");
});

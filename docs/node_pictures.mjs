/**
 * Make the README's picture of the editor anew, and the pictures of help pages that show the editor, numbers that a node
 * chooses, the bundled checkpoint or what it makes, in ComfyUI as the tests start it:
 * `COMFYUI_PATH=... COMFYUI_PYTHON=... node docs/node_pictures.mjs [editor | page ...]`
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FRONT_ENDS, openComfy, python } from "../tests/web/browser/comfy.js";
import { ROOT } from "../tests/web/browser/harness.js";

const MARGIN = 12; // CSS pixels around the nodes
const TITLE = 30; // of a node, CSS pixels
/** The nodes of each picture. */
const PAGES = {
  SMCD_Load: ["SMCD_Load"],
  SMCD_Example: ["SMCD_Example", "PreviewAny"],
  SMCD_Trajectory: ["SMCD_Trajectory"],
  SMCD_Generate: ["SMCD_Generate", "PreviewImage"],
  SMCD_Draw: ["SMCD_Draw", "PreviewImage"],
  SMCD_Check: ["SMCD_Check"],
  SMCD_Conditioning: ["SMCD_Conditioning"],
  SMCD_Motion: ["SMCD_Motion"],
  SMCD_LoadBoxes: ["SMCD_LoadBoxes", "PreviewAny"],
  SMCD_Export: ["SMCD_Export", "PreviewAny"],
  SMCD_Metrics: ["SMCD_Metrics", "PreviewImage"],
};
const PROMPT = "a cup moving down and a spoon moving up";
const SPOON = {
  id: "o2",
  phrase: "spoon",
  color: "#e69f00",
  keys: [0, 7].map((frame) => ({ frame, box: [0.56, 0.59 - frame / 30, 0.77, 0.82 - frame / 30] })),
};
/** Where a tracker could have seen the cup of the example. */
const FOUND = {
  id: "o1",
  phrase: "cup",
  keys: [[0, [0.17, 0.04, 0.79, 0.64]], [3, [0.27, 0.11, 0.85, 0.72]], [7, [0.32, 0.26, 0.91, 0.83]]].map(([frame, box]) => ({ frame, box })),
};
/** The way of the rocket in the README's picture. */
const ROCKET = [
  { frame: 0, box: [0.471, 0.21, 0.537, 0.975], ease: "in", handles: [[0, 0], [0, -0.35]] },
  { frame: 80, box: [0.715, -0.2, 0.781, 0.565], handles: [[-0.2, 0], [0, 0]] },
]; // prettier-ignore
/** A file of TrailBlazer. */
const BOXES = `
keyframe:
  - {bbox_ratios: [0.0, 0.45, 0.3, 0.8], frame: 0, prompt: a tiger}
  - {bbox_ratios: [0.6, 0.35, 1.0, 0.8], frame: 24, prompt: a tiger}
token_inds: [2]
width: 512
height: 320
`;
/** With a palette, as a page may load 60 kB of each. */
const SHRINK = `
import sys
from PIL import Image
Image.open(sys.argv[1]).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(sys.argv[1], optimize=True)
`;

const [{ skip, start }] = Object.values(FRONT_ENDS);
if (skip) throw new Error(String(skip));
const server = await start();
try {
  await main(process.argv.slice(2));
} finally {
  await server.stop();
}
process.exit(); // the browser of the tests is open

async function main(wanted) {
  const { page, host } = await openComfy(server);
  await page.evaluate(() => window.app.extensionManager.setting.set("Comfy.Minimap.Visible", false));
  const workflow = JSON.parse(readFileSync(join(ROOT, "workflows", "01_quick_start.json"), "utf-8"));
  if (!wanted.length || wanted.includes("editor")) await takeEditor(page, host, workflow);
  if (wanted.length === 1 && wanted[0] === "editor") return;
  writeFileSync(join(server.base, "input", "tiger.yaml"), BOXES);
  await page.evaluate((data) => window.app.loadGraphData(data), workflow);
  await host.settle();
  await page.evaluate(arrange, { spoon: SPOON, found: FOUND, prompt: PROMPT, title: TITLE });
  const { status } = await host.run();
  if (status.status_str !== "success") throw new Error(JSON.stringify(status));
  await page.waitForTimeout(3000); // previews load their images
  await page.evaluate(hideFolders, [server.base, ROOT]);
  await page.evaluate(fitToWidgets, ["SMCD_Load", "SMCD_Generate"]);
  for (const [name, types] of Object.entries(PAGES)) {
    if (wanted.length && !wanted.includes(name)) continue;
    python(SHRINK, await take(page, types, join(ROOT, "web", "docs", "img", `${name}.png`)));
  }
}

/** Write the picture of some nodes. @returns {Promise<string>} its path */
async function take(page, types, path) {
  const [width, height] = await page.evaluate(show, { types, margin: MARGIN, title: TITLE });
  await page.waitForTimeout(2000);
  const { x, y } = await page.locator("#graph-canvas").boundingBox();
  await page.screenshot({ path, clip: { x: x + 300, y: y + 120, width, height } });
  return path;
}

/** A picture and the editor, with a path that bends. */
async function takeEditor(page, host, workflow) {
  await page.evaluate((data) => window.app.loadGraphData(data), workflow);
  await host.settle();
  const [id] = await host.ids("SMCD_Trajectory");
  const document = JSON.parse(readFileSync(join(ROOT, "demo", "rocket.json"), "utf-8"));
  const text = JSON.stringify({ ...document, version: 2, objects: [{ ...document.objects[0], keys: ROCKET }] });
  await page.evaluate(leaveEditor, [id, text]);
  await host.settle();
  await host.editor(id, (editor) => {
    editor.select([editor.trajectory.objects[0].id]);
    editor.seek(56);
  });
  await take(page, ["SMCD_Trajectory", "SMCD_Example"], join(ROOT, "docs", "editor.png"));
}

/** Runs in the page: leave a picture and a node with an editor alone, beside each other. */
function leaveEditor([id, text]) {
  const { graph } = window.app;
  const [node, picture] = [graph.getNodeById(id), graph.nodes.find(({ type }) => type === "SMCD_Example")];
  for (const other of [...graph.groups, ...graph.nodes]) if (other !== node && other !== picture) graph.remove(other);
  for (const [one, name, value] of [[picture, "example", "rocket"], [node, "text", text]]) {
    const widget = one.widgets.find((found) => found.name === name);
    widget.value = value;
    widget.callback?.(value);
  }
  [picture.pos, node.pos] = [[0, 0], [picture.size[0] + 60, 0]];
  node.setSize([860, 820]);
}

/** Runs in the page: give the nodes of each picture a place, and what they make a preview below. */
function arrange({ spoon, found, prompt, title }) {
  const { graph } = window.app;
  const of = (type) => graph.nodes.find((node) => node.type === type);
  const set = (type, name, value) => {
    const widget = of(type).widgets.find((one) => one.name === name);
    widget.value = value;
    widget.callback?.(value);
    return widget;
  };
  for (const group of [...graph.groups]) graph.remove(group);
  graph.remove(of("SaveVideo"));
  graph.remove(of("MarkdownNote"));
  const { text } = Object.fromEntries(of("SMCD_Trajectory").widgets.map(({ name, value }) => [name, value]));
  const document = JSON.parse(text);
  set("SMCD_Trajectory", "text", JSON.stringify({ ...document, objects: [...document.objects, spoon] }));
  set("SMCD_Generate", "prompt", prompt);
  const place = (node, pos, size) => {
    node.pos = pos;
    node.setSize(size.map((side, n) => Math.max(side, node.computeSize()[n])));
    return node;
  };
  const add = (type, links = []) => {
    const node = window.LiteGraph.createNode(type);
    graph.add(node);
    links.forEach(([from, slot], n) => of(from).connect(slot, node, n));
    return node;
  };
  const below = (node, type, link, height) => {
    const [x, y] = node.pos;
    place(add(type, [link]), [x, y + node.size[1] + title + 20], [node.size[0], height]);
  };
  below(place(of("SMCD_Generate"), [0, 2000], [380, 100]), "PreviewImage", ["SMCD_Generate", 0], 420);
  below(place(of("SMCD_Example"), [3000, 0], [300, 100]), "PreviewAny", ["SMCD_Example", 2], 150);
  place(add("SMCD_Draw", [["SMCD_Generate", 0], ["SMCD_Trajectory", 0]]), [3000, 2000], [380, 100]);
  set("SMCD_Draw", "paths", true);
  below(of("SMCD_Draw"), "PreviewImage", ["SMCD_Draw", 0], 420);
  place(add("SMCD_Check"), [6000, 0], [590, 560]);
  place(add("SMCD_Conditioning"), [9000, 0], [340, 100]);
  place(add("SMCD_Motion"), [9000, 2000], [340, 100]);
  const read = place(add("SMCD_LoadBoxes"), [12000, 0], [400, 320]);
  set("SMCD_LoadBoxes", "file", "tiger.yaml");
  below(read, "PreviewAny", [read.type, 1], 150);
  const out = place(add("SMCD_Export", [["SMCD_Trajectory", 0]]), [12000, 2000], [340, 100]);
  below(out, "PreviewAny", [out.type, 1], 170);
  const metrics = place(add("SMCD_Metrics", [["SMCD_Generate", 0], ["SMCD_Example", 1]]), [15000, 0], [380, 100]);
  const into = (name) => metrics.inputs.findIndex((input) => input.name === name);
  of("SMCD_Example").connect(0, metrics, into("first_frame"));
  const seen = place(add("SMCD_Trajectory"), [15000, 3000], [400, 400]); // in place of a tracker
  seen.widgets.find(({ name }) => name === "text").value = JSON.stringify({ ...document, width: 256, height: 256, objects: [found] });
  seen.connect(1, metrics, into("found"));
  below(metrics, "PreviewImage", [metrics.type, 5], 420);
  place(of("SMCD_Load"), [6000, 2000], [340, 100]);
}

/** Runs in the page: folders of this machine are no one's. */
function hideFolders([base, root]) {
  const { widgets } = window.app.graph.nodes.find(({ type }) => type === "SMCD_Check");
  const { element } = widgets.find(({ name }) => name === "report");
  element.textContent = element.textContent.replaceAll(root.replace(/\/$/, ""), "ComfyUI/custom_nodes/smcd").replaceAll(base, "ComfyUI");
}

/** Runs in the page: without what the run said on nodes, which is not there before it. */
function fitToWidgets(types) {
  for (const node of window.app.graph.nodes.filter(({ type }) => types.includes(type))) {
    const said = node.widgets.findIndex(({ name }) => name === "$$node-text-preview");
    if (said < 0) continue;
    node.widgets[said].onRemove?.();
    node.widgets.splice(said, 1);
    node.setSize([node.size[0], node.computeSize()[1]]);
  }
}

/** Runs in the page: bring nodes to the corner that the picture is cut out of. Gives its size. */
function show({ types, margin, title }) {
  const { canvas, graph } = window.app;
  const first = graph.nodes.find(({ type }) => type === types[0]);
  const near = ({ pos }) => Math.hypot(pos[0] - first.pos[0], pos[1] - first.pos[1]);
  const nearest = (type) => graph.nodes.filter((node) => node.type === type).sort((a, b) => near(a) - near(b))[0];
  const rects = types.map(nearest).map(({ pos, size }) => [pos[0], pos[1] - title, pos[0] + size[0], pos[1] + size[1]]);
  const at = (n, choose) => choose(...rects.map((rect) => rect[n]));
  canvas.ds.scale = 1;
  canvas.ds.offset = [300 - at(0, Math.min) + margin, 120 - at(1, Math.min) + margin];
  canvas.deselectAll?.();
  canvas.setDirty(true, true);
  return [at(2, Math.max) - at(0, Math.min) + 2 * margin, at(3, Math.max) - at(1, Math.min) + 2 * margin];
}

/**
 * The real ComfyUI with this pack alone, for tests in its own front end. COMFYUI_PYTHON runs it (else python3), from
 * COMFYUI_PATH (else ~/comfy/ComfyUI). COMFYUI_NEWEST_FRONTEND is a folder with the wheel of another front end, or with
 * what is in it:
 *
 *     pip download --no-deps -d DIR comfyui-frontend-package
 */

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir, networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { missing as missingBrowser, openPage, ROOT } from "./harness.js";

const PYTHON = process.env.COMFYUI_PYTHON ?? "python3";
const HOST = process.env.COMFYUI_PATH ?? join(homedir(), "comfy", "ComfyUI");
// `make test` sets SMCD_QUICK, which leaves out the classic canvas and what takes longest.
export const QUICK = Boolean(process.env.SMCD_QUICK);
export const RENDERERS = QUICK ? [true] : [false, true];
const NEWEST = process.env.COMFYUI_NEWEST_FRONTEND;
const STATIC = join("comfyui_frontend_package", "static");
/** An address that is not this machine's own to browsers, so that over it they miss what they give to HTTPS only. */
export const OUTSIDE = Object.values(networkInterfaces())
  .flat()
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
const START = 180_000; // milliseconds that a start may take
// Of the host itself: files that it asks for and that need not exist, and its own order of starting.
const NOT_OURS = [/^Failed to load resource/, /^ComfyApp graph accessed before initialization/];

/** Run a Python program with the host's Python. @param {string} code @param {...string} values */
export function python(code, ...values) {
  return execFileSync(PYTHON, ["-c", code, ...values], { stdio: "ignore" });
}

/** Why no test in the host can run, or false. */
export const missing =
  missingBrowser ||
  (!existsSync(join(HOST, "main.py")) && `no ComfyUI in ${HOST}: set COMFYUI_PATH`) ||
  (!canStart() && `${PYTHON} does not run ComfyUI: set COMFYUI_PYTHON to the Python that does`);

/** The front ends to test in, by name: {skip, start}. `start` may be given further nodes, as Python. */
export const FRONT_ENDS = {
  "the front end that ComfyUI asks for": { skip: missing, start: (nodes) => startComfy(nodes) },
  "the newest front end": {
    skip: missing || (!NEWEST && "COMFYUI_NEWEST_FRONTEND is not set"),
    start: (nodes) => startComfy(nodes, NEWEST),
  },
};

function canStart() {
  try {
    python("import aiohttp, av, torch, torchvision, comfyui_frontend_package");
    return true;
  } catch {
    return false;
  }
}

/**
 * A fresh server with folders of its own.
 *
 * @param {string} [nodes]  Python of further nodes
 * @param {string} [frontEnd]  folder of another front end
 * @returns {Promise<{url: string, outside: string, base: string, stop: () => Promise<void>}>}  outside: over `OUTSIDE`
 */
async function startComfy(nodes, frontEnd) {
  const base = mkdtempSync(join(tmpdir(), "smcd-comfy-"));
  for (const name of ["custom_nodes", "models", "input", "output", "user", "temp"]) await mkdir(join(base, name));
  await symlink(ROOT.replace(/\/$/, ""), join(base, "custom_nodes", "smcd"));
  if (nodes) await writeFile(join(base, "custom_nodes", "of_test.py"), nodes);
  const port = await freePort();
  const listen = ["--listen", ["127.0.0.1", ...(OUTSIDE ? [OUTSIDE] : [])].join()];
  const options = [...listen, "--cpu", "--port", String(port), "--base-directory", base, "--database-url", "sqlite:///:memory:"];
  if (frontEnd) options.push("--front-end-root", unpacked(frontEnd, base));
  const log = join(base, "log.txt");
  const stream = openSync(log, "w");
  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  const server = spawn(PYTHON, ["main.py", ...options], { cwd: HOST, env, stdio: ["ignore", stream, stream] });
  const ended = new Promise((done) => server.once("exit", done));
  const url = `http://127.0.0.1:${port}`;
  for (const end = Date.now() + START; !(await answers(`${url}/system_stats`)); ) {
    if (server.exitCode === null && Date.now() < end) await new Promise((done) => setTimeout(done, 500));
    else {
      server.kill();
      throw new Error(`ComfyUI did not start: ${readFileSync(log, "utf-8").slice(-3000)}`);
    }
  }
  return {
    url,
    outside: `http://${OUTSIDE}:${port}`,
    base,
    async stop() {
      server.kill();
      await ended;
      await rm(base, { recursive: true, force: true });
    },
  };
}

/** The static files of a front end, taken out of its wheel where need be. */
function unpacked(folder, base) {
  const wheel = readdirSync(folder).find((name) => name.endsWith(".whl"));
  if (!wheel) return join(folder, STATIC);
  const to = join(base, "front_end");
  execFileSync(PYTHON, ["-m", "zipfile", "-e", join(folder, wheel), to]);
  return join(to, STATIC);
}

async function freePort() {
  const probe = createServer();
  await new Promise((ready) => probe.listen(0, "127.0.0.1", ready));
  const { port } = /** @type {import("node:net").AddressInfo} */ (probe.address());
  await new Promise((done) => probe.close(done));
  return port;
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/**
 * A page of the host with an empty graph, at the address `url` of the server. `host` has what tests do there, see below.
 *
 * @param {{url: string}} server
 * @param {{nodes2?: boolean, locale?: string, without?: string, start?: () => void}} [options]  nodes2: the renderer;
 *   without: a pattern of URLs that are not served; start: runs in the page before all else
 */
export async function openComfy(server, { nodes2 = false, locale = "en", without, start } = {}) {
  const settings = { "Comfy.TutorialCompleted": true, "Comfy.VueNodes.Enabled": nodes2, "Comfy.Locale": locale };
  await fetch(`${server.url}/api/settings`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...settings, "Comfy.Workflow.Persist": false }),
  });
  const opened = await openPage({ width: 1600, height: 1100 });
  const { page, problems, context } = opened;
  // No request leaves the machine: the host asks for news and templates of its makers.
  await context.route((url) => !["127.0.0.1", OUTSIDE].includes(url.hostname), (route) => route.abort());
  if (without) await context.route(without, (route) => route.abort());
  if (start) await context.addInitScript(start);
  await page.goto(server.url, { timeout: START }); // on a busy machine
  await isReady(page);
  await page.evaluate(() => window.app.loadGraphData({ nodes: [], links: [], version: 0.4 }));
  const own = () => problems.filter((text) => !NOT_OURS.some((pattern) => pattern.test(text)));
  return { ...opened, problems: own, host: hostOf(page) };
}

/** Wait until the host's page takes a graph. */
async function isReady(page) {
  await page.waitForFunction(() => window.app?.isGraphReady ?? window.app?.graph, null, { timeout: START });
  await page.waitForFunction(() => window.LiteGraph.registered_node_types.SMCD_Trajectory, null, { timeout: START });
  await page.waitForFunction(() => window.app.extensionManager?.workflow?.activeWorkflow, null, { timeout: START });
}

/** What tests do in the host's page. Nodes are named by their ids. */
function hostOf(page) {
  const settle = () => page.waitForTimeout(300);
  /** Whether a node is there, the undo steps of the graph, and what keys of the host would have opened or changed. */
  const outer = () =>
    page.evaluate(() => {
      const { graph, state } = window.app.canvas;
      const { activeSidebarTab } = window.app.extensionManager.sidebarTab ?? {};
      const nodes = graph.nodes.map(({ id, mode, flags }) => [id, mode, Boolean(flags.collapsed), Boolean(flags.pinned)]);
      const dialogs = document.querySelectorAll("[role=dialog]:not(.smcd-dialog), .p-dialog").length;
      return { nodes, isReadOnly: state?.readOnly ?? false, tab: activeSidebarTab?.id ?? null, dialogs };
    });
  /** Add a node; connect: {input name: [id, output]}. */
  const add = async (type, { pos = [60, 120], widgets = {}, connect = {} } = {}) => {
    const id = await page.evaluate(
      ({ type, pos, widgets, connect }) => {
        const node = window.LiteGraph.createNode(type);
        node.pos = pos;
        window.app.canvas.graph.add(node);
        for (const [name, value] of Object.entries(widgets)) {
          const widget = node.widgets.find((one) => one.name === name);
          widget.value = value;
          widget.callback?.(value);
        }
        for (const [name, [from, slot]] of Object.entries(connect)) {
          const input = node.inputs.findIndex((one) => one.name === name);
          window.app.canvas.graph.getNodeById(from).connect(slot, node, input);
        }
        window.app.canvas.ds.reset();
        window.app.canvas.setDirty(true, true);
        return node.id;
      },
      { type, pos, widgets, connect },
    );
    await capture();
    return id;
  };
  /** The host looks for changes after mouse and keys, which a script does not use. */
  const capture = async () => {
    await page.evaluate(() => {
      const { changeTracker } = window.app.extensionManager.workflow.activeWorkflow;
      (changeTracker.captureCanvasState ?? changeTracker.checkState).call(changeTracker);
    });
    await settle();
  };
  const text = (id) =>
    page.evaluate((n) => {
      const node = window.app.canvas.graph.getNodeById(n);
      return node.widgets.find(({ name }) => name === "text").value;
    }, id);
  /** Of the state of a node's editor, by a function of the page. */
  const editor = (id, read, value) =>
    page.evaluate(
      async ([n, body, given]) => {
        const { editorOf } = await import("/extensions/smcd/host/node.js");
        // biome-ignore lint: the function comes from the test
        return new Function("editor", "value", `return (${body})(editor, value)`)(
          editorOf(window.app.canvas.graph.getNodeById(n)),
          given,
        );
      },
      [id, String(read), value],
    );
  /** Where a place of the frame is on the page. */
  const at = async (id, [u, v]) =>
    page.evaluate(
      async ([n, u, v]) => {
        const { editorOf } = await import("/extensions/smcd/host/node.js");
        const node = window.app.canvas.graph.getNodeById(n);
        const canvas = node.widgets.find(({ name }) => name === "editor").element.querySelector(".smcd-stage-canvas");
        const rect = canvas.getBoundingClientRect();
        const { left, top, width, height } = editorOf(node).shownViewport;
        const scale = rect.width / canvas.offsetWidth;
        return [rect.left + (left + u * width) * scale, rect.top + (top + v * height) * scale];
      },
      [id, u, v],
    );
  const drag = async (id, from, to) => {
    await page.mouse.move(...(await at(id, from)));
    await page.mouse.down();
    await page.mouse.move(...(await at(id, [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2])), { steps: 3 });
    await page.mouse.move(...(await at(id, to)), { steps: 3 });
    await page.mouse.up();
    await settle();
  };
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
    await settle();
  };
  /** A click beside all nodes and controls takes the focus from the editor. */
  const leave = async () => {
    await page.mouse.click(300, 1000);
    await settle();
  };
  const undoSteps = () =>
    page.evaluate(() => window.app.extensionManager.workflow.activeWorkflow.changeTracker.undoQueue.length);
  const prompt = () => page.evaluate(async () => (await window.app.graphToPrompt()).output);
  /** Queue what there is and wait for the end. @returns its entry of the history */
  const run = () =>
    page.evaluate(async () => {
      const { api } = await import("/scripts/api.js");
      const before = Object.keys(await (await api.fetchApi("/history")).json()).length;
      await window.app.queuePrompt(0);
      for (let n = 0; n < 1200; n += 1) {
        const entries = Object.values(await (await api.fetchApi("/history")).json());
        if (entries.length > before) return entries.at(-1);
        await new Promise((done) => setTimeout(done, 250));
      }
      throw new Error("no run after five minutes");
    });
  /** Save and load again, as closing and opening the workflow does. */
  const reload = async () => {
    await page.evaluate(async () => {
      const saved = JSON.stringify(window.app.graph.serialize());
      await window.app.loadGraphData(JSON.parse(saved));
      window.app.canvas.ds.reset();
    });
    await page.waitForTimeout(600);
  };
  /** Load the page again, with the graph that there is. */
  const reloadPage = async () => {
    const saved = await page.evaluate(() => JSON.stringify(window.app.graph.serialize()));
    await page.reload({ timeout: START });
    await isReady(page);
    await page.evaluate(async (graph) => {
      await window.app.loadGraphData(JSON.parse(graph));
      window.app.canvas.ds.reset();
    }, saved);
    await page.waitForTimeout(600);
  };
  const ids = (type) =>
    page.evaluate((name) => window.app.canvas.graph.nodes.filter((n) => n.type === name).map((n) => n.id), type);
  return { add, at, capture, drag, editor, ids, leave, outer, press, prompt, reload, reloadPage, run, settle, text, undoSteps };
}

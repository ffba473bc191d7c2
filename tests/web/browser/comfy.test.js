/** The editor in the real ComfyUI: classic and Nodes 2.0, the front end that the host asks for and the newest. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseTrajectory } from "../../../web/trajectory/model.js";
import { FRONT_ENDS, OUTSIDE, QUICK, RENDERERS, openComfy, python } from "./comfy.js";
import { ROOT } from "./harness.js";

const LATER = QUICK && "make test-all runs it";
const EMPTY = '{"version": 1, "width": 128, "height": 128, "frames": 8, "fps": 8,\n "objects": []}\n';
const TWO = JSON.stringify({
  ...JSON.parse(EMPTY),
  objects: ["cat", "dog"].map((phrase, n) => ({
    phrase,
    keys: [0, 5].map((frame) => ({ frame, box: [n / 2, 0.1 + frame / 20, n / 2 + 0.4, 0.5 + frame / 20] })),
  })),
});
/** The rectangles of nodes with their titles and of groups, as the page shows them. */
const laidOut = () => {
  const { graph, canvas } = window.app;
  const TITLE = 30;
  const nodes = graph.nodes.map(({ id, type, pos: [left, top], size, flags, _collapsed_width: folded }) => {
    const shown = document.querySelector(`[data-node-id="${id}"]`)?.getBoundingClientRect();
    const drawn = flags.collapsed ? [folded, TITLE] : [size[0], size[1] + TITLE];
    const [width, height] = shown ? [shown.width, shown.height].map((v) => v / canvas.ds.scale) : drawn;
    const bottom = Math.floor(top - TITLE + height); // of the last pixel of a scaled element
    return { name: type, left, top: top - TITLE, right: Math.floor(left + width), bottom };
  });
  const groups = graph.groups.map(({ title, pos: [left, top], size: [width, height] }) => {
    return { name: title, left, top, right: left + width, bottom: top + height };
  });
  return { nodes, groups };
};
/** Places of the focus, of each kind. The properties are shown. */
const CONTROLS = {
  canvas: ".smcd-stage-canvas",
  timeline: ".smcd-timeline-canvas",
  field: ".smcd-inspector input[type=text]",
  "number field": ".smcd-fields-four input",
  "drop-down": ".smcd-ease select",
  slider: ".smcd-strength-fields input[type=range]",
  "check box": ".smcd-check input",
  curve: ".smcd-bezier-point",
  menu: ".smcd-menu-button",
  "colour chip": ".smcd-color",
};
/** Those of them that Delete is for. */
const TYPED = ["field", "number field", "drop-down", "slider", "check box", "colour chip"];
/** Without the editor they undo the graph, refresh, open side bars, mute, bypass, pin, collapse and lock. */
const KEYS_OF_HOST = ["r", "w", "n", "m", "a", "p", "h", "Control+m", "Control+b", "Alt+c", "Control+z"];
const PIXEL = 0.02; // of the frame: three CSS pixels of the stage in a node
// A frame of each brightness, 0, 16, ... 240, at 8 frames per second.
const VIDEO = `
import sys, av, numpy
with av.open(sys.argv[1], "w") as container:
    stream = container.add_stream("libvpx-vp9", rate=8)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for level in range(0, 256, 16):
        picture = numpy.full((48, 64, 3), level, numpy.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    container.mux(stream.encode())
`;
const SCREENSHOTS = process.env.SMCD_SCREENSHOTS; // a folder

const boxOf = (trajectory, n, key = 0) => trajectory.objects[n].keys[key].box;
const isNear = (found, expected) =>
  assert.ok(found.every((value, n) => Math.abs(value - expected[n]) <= PIXEL), `${found} is not about ${expected}`);

for (const [name, { skip, start }] of Object.entries(FRONT_ENDS)) {
  describe(name, { skip }, () => {
    let server;
    before(async () => {
      server = await start();
      await copyFile(join(ROOT, "demo", "beach.png"), join(server.base, "input", "beach.png"));
      const blank = "import sys; from PIL import Image; Image.new('RGB', (int(sys.argv[2]), int(sys.argv[3]))).save(sys.argv[1])";
      python(blank, join(server.base, "input", "wide.png"), "96", "48");
      python(blank, join(server.base, "input", "tall.png"), "48", "96");
      python(VIDEO, join(server.base, "input", "steps.webm"));
    });
    after(() => server?.stop());

    for (const nodes2 of RENDERERS) {
      describe(nodes2 ? "Nodes 2.0" : "classic", () => inRenderer(() => server, { nodes2 }));
    }

    test("the editor follows a change of the renderer", { skip: LATER }, async (t) => {
      const { page, host, problems, close } = await openComfy(server);
      t.after(close);
      const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
      for (const nodes2 of [true, false, true]) {
        await page.evaluate((value) => window.app.extensionManager.setting.set("Comfy.VueNodes.Enabled", value), nodes2);
        await page.waitForTimeout(1500);
        const before = parseTrajectory(await host.text(id)).objects.length;
        await host.press("Escape");
        const low = 0.05 + before * 0.3;
        await host.drag(id, [low, 0.1], [low + 0.2, 0.4]);
        assert.equal(parseTrajectory(await host.text(id)).objects.length, before + 1, String(nodes2));
      }
      assert.deepEqual(problems(), []);
    });

    const noAddress = !OUTSIDE && "no address but loopback";
    test("over plain HTTP keys stay in each kind of control", { skip: noAddress || LATER }, async (t) => {
      for (const nodes2 of RENDERERS) {
        const { page, host, problems, close } = await openComfy({ url: server.outside }, { nodes2 });
        t.after(close);
        assert.equal(await page.evaluate(() => window.isSecureContext), false);
        const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: TWO } });
        await page.evaluate((n) => window.app.canvas.selectItems([window.app.graph.getNodeById(n)]), id);
        await host.editor(id, (editor) => editor.select([editor.trajectory.objects[0].id]));
        const properties = page.locator(".smcd-side-button");
        if (await properties.isVisible()) await properties.click();
        await host.editor(id, (editor) => editor.apply("step.clip", (before) => ({ ...before, fps: 9 })));
        const before = await host.outer();
        const steps = await host.undoSteps();
        for (const [kind, control] of Object.entries(CONTROLS)) {
          await page.locator(control).first().focus();
          for (const key of KEYS_OF_HOST) await page.keyboard.press(key);
          if (kind === "menu") await page.keyboard.press("Escape");
          assert.deepEqual(await host.outer(), before, `${kind}, ${nodes2}`);
          assert.equal(await page.evaluate((n) => Boolean(window.app.graph.getNodeById(n)), id), true, kind);
        }
        assert.ok((await host.undoSteps()) >= steps); // the graph has undone nothing
        assert.deepEqual(problems(), []);
        await close();
      }
    });

    test("dialogs of the host are above full screen", { skip: LATER }, async (t) => {
      const { page, host, close } = await openComfy(server, { nodes2: true });
      t.after(close);
      const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: TWO } });
      await page.mouse.click(...(await host.at(id, [0.02, 0.98])));
      await page.keyboard.press("f");
      const above = () =>
        page.evaluate(() => {
          const at = [innerWidth / 2, innerHeight / 2];
          return document.elementFromPoint(at[0], at[1]).closest(".smcd-overlay") ? "editor" : "host";
        });
      await page.waitForFunction(() => document.querySelector(".smcd-overlay .smcd-editor"));
      assert.equal(await above(), "editor");
      await page.keyboard.press("Control+,");
      await page.locator("[role=dialog]:not(.smcd-dialog), [data-dismissable-layer]").first().waitFor();
      assert.equal(await above(), "host");
      await page.keyboard.press("Escape");
    });

    test("no prototype of the host is changed", { skip: LATER }, async (t) => {
      const snapshots = [];
      for (const without of ["**/extensions/smcd/**", undefined]) {
        const { page, host, close } = await openComfy(server, { without });
        t.after(close);
        const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
        await host.add("SMCD_Metrics");
        if (!without) await host.drag(id, [0.2, 0.2], [0.6, 0.6]);
        snapshots.push(await page.evaluate(methodsOfHost));
        await close();
      }
      assert.ok(Object.keys(snapshots[0]).length > 200);
      assert.deepEqual(snapshots[1], snapshots[0]);
    });

    test("the editor speaks the language of the host", { skip: LATER }, async (t) => {
      const { page, host, close } = await openComfy(server, { locale: "zh" });
      t.after(close);
      await host.add("SMCD_Trajectory", { pos: [500, 80] });
      assert.equal(await page.locator(".smcd-editor").getAttribute("aria-label"), "轨迹编辑器");
      await page.evaluate(() => window.app.extensionManager.setting.set("Comfy.Locale", "en"));
      await page.locator(".smcd-editor[aria-label='Trajectory editor']").waitFor();
    });

    test("the editor takes the colors of the host, also when they change", { skip: LATER }, async (t) => {
      const { page, host, problems, close } = await openComfy(server);
      t.after(close);
      await host.add("SMCD_Trajectory", { pos: [500, 80] });
      const brightness = async (palette) => {
        await page.evaluate((value) => window.app.extensionManager.setting.set("Comfy.ColorPalette", value), palette);
        await page.waitForTimeout(1500);
        return page.locator(".smcd-editor canvas").evaluateAll((canvases) =>
          canvases.map((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return data.reduce((sum, value) => sum + value, 0) / data.length;
          }),
        );
      };
      const [dark, light] = [await brightness("dark"), await brightness("light")];
      assert.ok(light[0] > dark[0] + 20, `${dark} ${light}`); // the stage; the timeline's rows are drawn in dark text
      assert.notEqual(light[1], dark[1]);
      assert.deepEqual(problems(), []);
      await brightness("dark");
    });

    test("where the editor cannot start the text stays to be edited", { skip: LATER }, async (t) => {
      for (const broken of ["editor/view.js", "trajectory/model.js"]) {
        const { page, host, close } = await openComfy(server, { without: `**/extensions/smcd/${broken}` });
        t.after(close);
        const id = await host.add("SMCD_Trajectory", { pos: [500, 80] });
        await page.locator("textarea:visible").first().fill(EMPTY);
        await host.leave();
        assert.equal(await host.text(id), EMPTY);
        await close();
      }
      const { page, host, close } = await openComfy(server, { start: refuseCanvases });
      t.after(close);
      const id = await host.add("SMCD_Trajectory", { pos: [500, 80] });
      await page.locator(".smcd-problem textarea:visible").fill(EMPTY);
      await host.leave();
      assert.equal(await host.text(id), EMPTY);
    });

    test("the front end makes the API files of the workflows for users", { skip: LATER }, async (t) => {
      const { page, host, close } = await openComfy(server);
      t.after(close);
      const folder = join(ROOT, "workflows");
      const read = (...path) => JSON.parse(readFileSync(join(folder, ...path), "utf-8"));
      for (const file of readdirSync(join(folder, "api"))) {
        await page.evaluate((data) => window.app.loadGraphData(data), read(file));
        assert.deepEqual(bare(await host.prompt()), bare(read("api", file)), file);
      }
    });

    test("workflows of 0.1.0 open with all their values", async (t) => {
      const { page, host, close } = await openComfy(server);
      t.after(close);
      const folder = join(ROOT, "tests", "golden", "workflows_0.1.0");
      const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf-8"));
      const added = {};
      for (const file of readdirSync(folder).filter((name) => name.endsWith(".api.json"))) {
        await page.evaluate((data) => window.app.loadGraphData(data), read(file.replace(".api", "")));
        const [then, now] = [bare(read(file)), bare(await host.prompt())];
        for (const [id, { class_type, inputs }] of Object.entries(now)) {
          const own = Object.entries(inputs).filter(([name]) => !(name in then[id].inputs));
          for (const [name, value] of own) {
            delete inputs[name];
            added[class_type] = { ...added[class_type], [name]: value };
          }
        }
        assert.deepEqual(now, then, file);
      }
      // What has come since, as it was before it could be chosen.
      assert.deepEqual(added, {
        SMCD_Load: { lora: "none", lora_strength: 1 },
        SMCD_Conditioning: { fit: "stretch" },
        SMCD_Generate: { fit: "stretch", negative: "", start: 0, start_inside: 0 },
      });
    });

    test("the quick start runs as a user gets it, from nothing", { skip: LATER, timeout: 600_000 }, async (t) => {
      const { page, host, problems, close } = await openComfy(server);
      t.after(close);
      const data = JSON.parse(readFileSync(join(ROOT, "workflows", "01_quick_start.json"), "utf-8"));
      await page.evaluate((content) => window.app.loadGraphData(content), data);
      const { status } = await host.run();
      assert.equal(status.status_str, "success", JSON.stringify(status));
      const made = readdirSync(join(server.base, "output", "SMCD"));
      assert.deepEqual(made.filter((file) => /^quick_start.*mp4$/.test(file)).length, 1);
      await page.waitForTimeout(500);
      assert.deepEqual(problems(), []);
    });
  });
}

/** Runs in the page before all else: a canvas that the editor makes gets no context. */
function refuseCanvases() {
  const { getContext } = HTMLCanvasElement.prototype;
  HTMLCanvasElement.prototype.getContext = function (...values) {
    return new Error().stack.includes("/extensions/smcd/") ? null : getContext.apply(this, values);
  };
}

/** Runs in the page: the pairs of nodes that are over each other, as drawn. */
function overlaps() {
  const TITLE = 30;
  const { ds } = window.app.canvas;
  const rects = window.app.graph.nodes.map(({ id, type, pos, size, flags, _collapsed_width: folded }) => {
    const drawn = document.querySelector(`[data-node-id="${id}"]`)?.getBoundingClientRect();
    const [width, height] = drawn
      ? [drawn.width / ds.scale, drawn.height / ds.scale - TITLE]
      : flags.collapsed
        ? [folded, 0]
        : size;
    return { type, left: pos[0], top: pos[1] - TITLE, right: pos[0] + width, bottom: pos[1] + height };
  });
  return rects.flatMap((a, n) =>
    rects.slice(n + 1).flatMap((b) => {
      const isOver = a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
      return isOver ? [`${a.type} and ${b.type}`] : [];
    }),
  );
}

/** Runs in the page: show a text on nodes of a type, as a run does; of Load SMCD on those with a bundled checkpoint. */
async function remarkOn([kind, text]) {
  const { api } = await import("/scripts/api.js");
  const isMeant = ({ type, widgets }) =>
    type === kind && (type !== "SMCD_Load" || String(widgets[0].value).endsWith("(bundled)"));
  for (const { id } of window.app.graph.nodes.filter(isMeant)) {
    api.dispatchCustomEvent("progress_text", { nodeId: String(id), text });
  }
}

/** Runs in the page: what a run shows on the nodes for results. */
async function showResults() {
  const { api } = await import("/scripts/api.js");
  const files = (filename) => [{ filename, subfolder: "", type: "input" }];
  const shown = {
    SaveVideo: { images: files("steps.webm"), animated: [true] },
    PreviewImage: { images: files("beach.png") },
    PreviewAny: { text: ["1 object, 81 frames of 832 x 480 pixels"] },
  };
  for (const { id, type } of window.app.graph.nodes.filter((node) => shown[node.type])) {
    const node = String(id);
    api.dispatchCustomEvent("executed", { node, display_node: node, output: shown[type], prompt_id: "" });
  }
}

/** A prompt without titles. */
function bare(prompt) {
  return Object.fromEntries(Object.entries(prompt).map(([id, { class_type, inputs }]) => [id, { class_type, inputs }]));
}

/** Runs in the page: the source of each method on the prototypes that extensions like to change. */
function methodsOfHost() {
  const { LGraph, LGraphNode, LGraphCanvas, LiteGraph } = window;
  const owners = {
    LGraph: LGraph.prototype,
    LGraphNode: LGraphNode.prototype,
    LGraphCanvas: LGraphCanvas.prototype,
    LiteGraph,
    ComfyApp: window.app.constructor.prototype,
    app: window.app,
    KeyboardEvent: KeyboardEvent.prototype,
    EventTarget: EventTarget.prototype,
    HTMLElement: HTMLElement.prototype,
    Trajectory: LiteGraph.registered_node_types.SMCD_Trajectory.prototype,
    Metrics: LiteGraph.registered_node_types.SMCD_Metrics.prototype,
  };
  const found = {};
  for (const [name, owner] of Object.entries(owners)) {
    for (const key of Reflect.ownKeys(owner)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(owner, key);
      const functions = [value, get, set].filter((one) => typeof one === "function");
      if (functions.length) found[`${name}.${String(key)}`] = functions.map(String).join();
    }
  }
  return found;
}

/** @param {() => any} serverOf @param {{nodes2: boolean}} options */
function inRenderer(serverOf, { nodes2 }) {
  let opened;
  const picture = async (name) => {
    if (SCREENSHOTS) await opened.page.screenshot({ path: join(SCREENSHOTS, `${nodes2 ? "nodes2" : "classic"}_${name}.png`) });
  };
  after(() => opened?.close());

  /** A test on an empty graph, after which nothing must have gone wrong. */
  const hosted = (name, run, options = {}) =>
    test(name, options, async () => {
      opened ??= await openComfy(serverOf(), { nodes2 });
      const { page, host, problems } = opened;
      await page.evaluate(() => window.app.loadGraphData({ nodes: [], links: [], version: 0.4 }));
      const known = problems().length;
      await run(host, page);
      assert.deepEqual(problems().slice(known), []);
    });

  hosted("what was drawn is in the prompt, after saving and loading too", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
    await host.add("SMCD_Export", { pos: [1050, 80], connect: { trajectory: [id, 0] } });
    await host.drag(id, [0.1, 0.1], [0.4, 0.5]);
    await host.press("Escape"); // no phrase yet; the field for it is where the next box begins
    await host.drag(id, [0.5, 0.55], [0.9, 0.85]); // the second is selected
    await host.press("Escape");
    await host.press("ArrowRight", "ArrowRight"); // nudges of a pixel: 2 / 128 of the frame
    await host.press("End");
    await host.drag(id, [0.72, 0.7], [0.52, 0.4]); // a key in the last frame
    await host.press("Home", "4"); // ease in and out
    await host.press("Tab"); // and nothing else
    await opened.page.mouse.click(...(await host.at(id, [0.25, 0.3])));
    await host.editor(id, (editor) => editor.seek(5));
    await host.press("v"); // hidden from here
    await host.press("Delete"); // of the object, which is undone
    await host.press("Control+z");
    await picture("drawn");

    const drawn = parseTrajectory(await host.text(id));
    assert.equal(drawn.objects.length, 2);
    isNear(boxOf(drawn, 0), [0.1, 0.1, 0.4, 0.5]);
    isNear(boxOf(drawn, 1), [0.5 + 2 / 128, 0.55, 0.9 + 2 / 128, 0.85]);
    isNear(boxOf(drawn, 1, 1), [0.3 + 2 / 128, 0.25, 0.7 + 2 / 128, 0.55]);
    assert.deepEqual(drawn.objects[1].keys.map(({ frame, ease }) => [frame, ease]), [[0, "in_out"], [7, "linear"]]);
    assert.deepEqual(drawn.objects[0].keys.map(({ frame, visible }) => [frame, visible]), [[0, true], [5, false]]);

    const before = await host.prompt();
    const [sent] = Object.values(before).filter(({ class_type }) => class_type === "SMCD_Trajectory");
    assert.deepEqual(parseTrajectory(sent.inputs.text), drawn);
    assert.deepEqual(Object.keys(sent.inputs), ["text"]);
    await host.reload();
    assert.deepEqual(await host.prompt(), before);
    assert.deepEqual(await host.editor(id, (editor) => editor.trajectory), drawn);
    const { status, outputs } = await host.run();
    assert.equal(status.status_str, "success", JSON.stringify(status));
    assert.ok(outputs);
    const saved = await page.evaluate((n) => window.app.graph.getNodeById(n).serialize(), id);
    assert.deepEqual(saved.widgets_values.length, 1);
  });

  hosted("a gesture is one step of the graph's undo, and the editor's undo is its own", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
    const start = await host.undoSteps();
    await host.drag(id, [0.1, 0.1], [0.4, 0.5]);
    assert.equal(await host.undoSteps(), start + 1);
    const one = await host.text(id);
    await host.drag(id, [0.25, 0.3], [0.35, 0.4]);
    assert.equal(await host.undoSteps(), start + 2);
    const two = await host.text(id);
    const node = await page.evaluateHandle((n) => window.app.graph.getNodeById(n), id);
    await host.press("Control+z"); // the focus is in the editor
    assert.equal(await host.text(id), one);
    await host.press("Control+Shift+z");
    assert.equal(await host.text(id), two);
    assert.ok(await page.evaluate((n) => window.app.graph.getNodeById(n.id) === n, node), "the graph undid as well");
    assert.equal(await host.undoSteps(), start + 4);

    await host.leave();
    await host.press("Control+z"); // of the graph: what the editor did last was redoing
    await page.waitForTimeout(700);
    assert.equal(await host.text(id), one);
    assert.deepEqual(await host.editor(id, (editor) => editor.trajectory), parseTrajectory(one));
    await host.drag(id, [0.7, 0.7], [0.9, 0.9]); // the editor works on
    assert.equal(parseTrajectory(await host.text(id)).objects.length, 2);
  });

  hosted("undo of the graph keeps what the editor can undo, and its selection and settings", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
    await host.drag(id, [0.1, 0.1], [0.4, 0.5]);
    const drawn = await host.text(id);
    await host.press("Escape", "End", "g");
    await host.drag(id, [0.25, 0.3], [0.35, 0.4]);
    const moved = await host.text(id);
    const state = (editor) => [editor.selected.size, editor.frame, editor.settings.grid, editor.canUndo];
    const before = await host.editor(id, state);
    assert.deepEqual(before, [1, 7, 8, true]);
    await host.leave();
    await host.press("Control+z"); // of the graph
    await page.waitForTimeout(700);
    assert.equal(await host.text(id), drawn);
    assert.deepEqual(await host.editor(id, state), before);
    await page.locator(".smcd-stage-canvas").focus();
    await host.press("Control+z"); // the graph's undo is a step here
    assert.equal(await host.text(id), moved);
    await host.press("g");
  });

  hosted("undo, selection and markers are there again when the page is loaded again", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
    await host.drag(id, [0.1, 0.1], [0.4, 0.5]);
    const drawn = await host.text(id);
    await host.press("Escape");
    await host.drag(id, [0.25, 0.3], [0.35, 0.4]);
    await host.press("Shift+M");
    const state = (editor) => [editor.undoLabel, editor.selected.size, editor.markers.length];
    assert.deepEqual(await host.editor(id, state), ["step.move", 1, 1]);
    await host.reloadPage();
    assert.deepEqual(await host.editor(id, state), ["step.move", 1, 1]);
    await page.locator(".smcd-stage-canvas").focus();
    await host.press("Control+z");
    assert.equal(await host.text(id), drawn);
  }, { skip: LATER });

  hosted("each empty text of SMCD Generate says what it is", async (host, page) => {
    await host.add("SMCD_Generate");
    const texts = page.locator("textarea:visible");
    await texts.first().waitFor();
    const shown = await texts.evaluateAll((all) =>
      all.map((one) => (one.value ? "" : one.placeholder || one.labels[0]?.textContent || "").trim()),
    );
    assert.deepEqual(shown.map((name) => name.replace(" prompt", "")), ["prompt", "negative"]);
  });

  hosted("a phrase that is being typed is there again when the page is loaded again", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
    await host.drag(id, [0.1, 0.1], [0.4, 0.5]);
    await page.locator(".smcd-naming input").fill("red fox");
    await host.reloadPage();
    assert.match(await host.text(id), /red fox/);
    assert.equal(await host.editor(id, (editor) => editor.undoLabel), "step.phrase");
  }, { skip: LATER });

  hosted("undo, selection and playhead are there again after another tab of the host", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
    await host.drag(id, [0.1, 0.1], [0.4, 0.5]);
    const drawn = await host.text(id);
    await host.press("Escape", "End");
    await host.drag(id, [0.25, 0.3], [0.35, 0.4]);
    const state = (editor) => [editor.undoLabel, editor.selected.size, editor.frame];
    assert.deepEqual(await host.editor(id, state), ["step.move", 1, 7]);
    const tab = async (command, count) => {
      await page.evaluate((name) => window.app.extensionManager.command.execute(name), command);
      await page.waitForFunction((n) => window.app.graph.nodes.length === n, count);
      await host.settle();
    };
    await tab("Comfy.NewBlankWorkflow", 0);
    await tab("Workspace.PreviousOpenedWorkflow", 1);
    assert.deepEqual(await host.editor(id, state), ["step.move", 1, 7]);
    await page.locator(".smcd-stage-canvas").focus();
    await host.press("Control+z");
    assert.equal(await host.text(id), drawn);
  }, { skip: LATER });

  hosted("a link that gives the run another text is said", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
    const other = await host.add("PrimitiveString", { pos: [20, 80] });
    await page.evaluate(
      ([a, b]) => {
        const [from, to] = [a, b].map((n) => window.app.graph.getNodeById(n));
        from.connect(0, to, to.inputs.findIndex(({ name }) => name === "text"));
      },
      [other, id],
    );
    await host.capture();
    await page.locator(".smcd-notice", { hasText: "link" }).waitFor();
    await host.drag(id, [0.1, 0.1], [0.4, 0.5]);
    await page.locator(".smcd-notice", { hasText: "link" }).waitFor();
  });

  hosted("a picture dropped on the editor is that of the run too, beside all other nodes", async (host, page) => {
    const data = JSON.parse(readFileSync(join(ROOT, "workflows", "01_quick_start.json"), "utf-8"));
    await page.evaluate((content) => window.app.loadGraphData(content), data);
    await host.settle();
    await page.evaluate(async (bytes) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], "mars.png", { type: "image/png" }));
      const event = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
      document.querySelector(".smcd-editor").dispatchEvent(event);
    }, [...readFileSync(join(ROOT, "demo", "beach.png"))]);
    await page.waitForFunction(() => window.app.graph.nodes.some(({ type }) => type === "LoadImage"));
    await host.settle();
    const prompt = Object.entries(await host.prompt());
    const [[loader]] = prompt.filter(([, { class_type }]) => class_type === "LoadImage");
    const [[, generate]] = prompt.filter(([, { class_type }]) => class_type === "SMCD_Generate");
    assert.deepEqual(generate.inputs.first_frame, [loader, 0]);
    await page.evaluate(remarkOn, ["SMCD_Generate", "What a run says about a picture. ".repeat(5)]);
    await host.settle();
    await page.waitForTimeout(500);
    assert.deepEqual(await page.evaluate(overlaps), []);
    const { nodes, groups } = await page.evaluate(laidOut);
    const image = nodes.find(({ name }) => name === "LoadImage");
    const covered = ({ left, top, right, bottom }) =>
      left < image.right && image.left < right && top < image.bottom && image.top < bottom;
    assert.deepEqual(groups.filter(covered).map(({ name }) => name), []);
  });

  const SIZES = { "wide.png": { width: 96, height: 48 }, "tall.png": { width: 48, height: 96 } };

  hosted("undo of a dropped picture brings back its links, the old picture and the size, redo the new", async (host, page) => {
    const data = JSON.parse(readFileSync(join(ROOT, "workflows", "01_quick_start.json"), "utf-8"));
    await page.evaluate((content) => window.app.loadGraphData(content), data);
    await host.settle();
    const [[id], [run]] = [await host.ids("SMCD_Trajectory"), await host.ids("SMCD_Generate")];
    /** Types that the background and the first frame come from, the file of a loader, and the size of the clip and of what is shown. */
    const state = async () => {
      const graph = await page.evaluate(([a, b]) => {
        const { graph } = window.app;
        const [node, other] = [a, b].map((n) => graph.getNodeById(n));
        const from = (one, name) => {
          const link = graph.getLink(one.inputs.find((input) => input.name === name).link);
          return link && graph.getNodeById(link.origin_id);
        };
        const loader = from(node, "background");
        return [loader?.type, from(other, "first_frame")?.type, loader?.widgets[0].value];
      }, [id, run]);
      const { width, height } = parseTrajectory(await host.text(id));
      return [...graph, width, height, ...(await host.editor(id, ({ background }) => [background?.width, background?.height]))];
    };
    const becomes = async (expected) => {
      for (let n = 0; n < 40 && JSON.stringify(await state()) !== JSON.stringify(expected); n += 1) await page.waitForTimeout(100);
      await page.waitForTimeout(700); // in which the editor looks at the graph twice
      assert.deepEqual(await state(), expected);
    };
    const dropFile = (name, as = name) =>
      page.evaluate(async ([name, bytes]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
        const event = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
        document.querySelector(".smcd-editor").dispatchEvent(event);
      }, [as, [...readFileSync(join(serverOf().base, "input", name))]]);
    const drop = async (name) => {
      await dropFile(name);
      const { width, height } = SIZES[name];
      const isThere = async () => (await state()).slice(3).join() === [width, height, width, height].join();
      for (let n = 0; n < 100 && !(await isThere()); n += 1) await page.waitForTimeout(100);
      await page.locator(".smcd-notice", { hasText: "another shape" }).waitFor();
    };
    await host.editor(id, (editor) => editor.apply("step.clip", (before) => ({ ...before, width: 300, height: 320 }))); // of no picture
    await host.settle();
    const old = await state();
    assert.deepEqual([old[0], old[1], ...old.slice(3)], ["SMCD_Example", "SMCD_Example", 300, 320, 320, 320]);
    await drop("wide.png");
    const wide = await state();
    assert.deepEqual(wide, ["LoadImage", "LoadImage", wide[2], 96, 48, 96, 48]);
    const steps = await host.undoSteps();
    await page.locator(".smcd-undo").click();
    await becomes(old);
    assert.equal(await host.undoSteps(), steps + 1); // for the graph one step too
    await page.locator(".smcd-editor").focus();
    await host.press("Control+Shift+Z");
    await becomes(wide);
    // The next picture goes into the same loader.
    await drop("tall.png");
    const tall = await state();
    assert.deepEqual(tall, ["LoadImage", "LoadImage", tall[2], 48, 96, 48, 96]);
    assert.notEqual(tall[2], wide[2]);
    await page.locator(".smcd-editor").focus();
    await host.press("Control+z");
    await becomes(wide);
    await host.reloadPage(); // keeps the steps
    await page.locator(".smcd-editor").focus();
    await host.press("Control+z");
    await becomes(old);
    await host.press("Control+Shift+Z", "Control+Shift+Z");
    await becomes(tall);
    // One of the size of the clip is a step too.
    const before = await host.undoSteps();
    await dropFile("tall.png", "same.png");
    await becomes([...tall.slice(0, 2), "same.png", ...tall.slice(3)]);
    await page.locator(".smcd-editor").focus();
    await host.press("Control+z");
    await becomes(tall);
    assert.equal(await host.undoSteps(), before + 2);
    // What was linked since by hand stays.
    await page.evaluate(([a, b]) => {
      const node = window.app.graph.getNodeById(a);
      window.app.graph.getNodeById(b).connect(0, node, node.inputs.findIndex(({ name }) => name === "background"));
    }, [id, (await host.ids("SMCD_Example"))[0]]);
    await host.capture();
    await page.waitForTimeout(700);
    await page.locator(".smcd-editor").focus();
    await host.press("Control+z", "Control+z", "Control+z");
    await page.waitForTimeout(700);
    assert.equal((await state())[0], "SMCD_Example");
  });

  hosted("no nodes of a workflow are over each other, also after a run, and the note can be read at once", async (_host, page) => {
    const folder = join(ROOT, "workflows");
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
      const data = JSON.parse(readFileSync(join(folder, file), "utf-8"));
      // A template is fitted to the page, whatever its file says; below 8/14 the host leaves out all text.
      await page.evaluate((content) => window.app.loadGraphData(content, true, true, "", { openSource: "template" }), data);
      await page.waitForTimeout(300);
      const fitted = await page.evaluate(() => window.app.canvas.ds.scale);
      assert.ok(fitted >= 8 / 14, `${file} as a template at ${fitted}`);
      await page.evaluate((content) => window.app.loadGraphData(content), data);
      await page.waitForFunction((count) => window.app.graph.nodes.length === count, data.nodes.length);
      assert.equal(await page.evaluate(() => window.app.canvas.ds.scale), data.extra.ds.scale, file);
      if (nodes2) {
        await page.waitForFunction((count) => document.querySelectorAll("[data-node-id]").length >= count, data.nodes.length);
      }
      await page.evaluate(remarkOn, ["SMCD_Load", "What a run says about a bundled checkpoint. ".repeat(5)]);
      await page.evaluate(showResults);
      if (nodes2) {
        const videos = data.nodes.filter(({ type }) => type === "SaveVideo").length;
        await page.waitForFunction((count) => document.querySelectorAll("[data-node-id] video").length === count, videos);
      }
      await page.waitForTimeout(500);
      assert.deepEqual(await page.evaluate(overlaps), [], file);
      const { nodes, groups } = await page.evaluate(laidOut);
      const holds = (g, a) => g.left <= a.left && g.top <= a.top && a.right <= g.right && a.bottom <= g.bottom;
      const homeless = nodes.filter((node) => groups.filter((group) => holds(group, node)).length !== 1);
      assert.deepEqual(homeless.map(({ name }) => name), ["MarkdownNote"], file);
    }
  }, { skip: LATER });

  hosted("numbers that the node chooses are marked, and a size that it would refuse is said", async (host, page) => {
    const labels = (id) =>
      page.evaluate((n) => {
        const shown = window.app.graph.getNodeById(n).widgets.map((widget) => {
          const text = widget.label ?? widget.name;
          return widget.value === 0 && !text.includes("(") ? `${text}: ${widget._displayValue}` : text;
        });
        return shown.filter((text) => /steps|frames|width/.test(text));
      }, id);
    const automatic = (name) => (nodes2 ? `${name} (automatic)` : `${name}: automatic`);
    const trajectory = await host.add("SMCD_Trajectory", { pos: [20, 80] });
    const connect = { trajectory: [trajectory, 0] };
    const generate = await host.add("SMCD_Generate", { pos: [820, 80], widgets: { steps: 8, width: 200, height: 136 }, connect });
    assert.deepEqual(await labels(generate), ["steps", "width (nearest: 192)", automatic("frames")]);
    assert.match(await host.editor(trajectory, (editor) => JSON.stringify(editor.facts)), /"multiple":64/);
    await page.getByText("The video is 200 × 136, but the model takes multiples of 64: use 192 × 128.").first().waitFor({ state: "attached" });
    await page.evaluate((n) => {
      const steps = window.app.graph.getNodeById(n).widgets.find(({ name }) => name === "steps");
      steps.value = 0;
      steps.callback(0);
    }, generate);
    assert.deepEqual(await labels(generate), [automatic("steps"), "width (nearest: 192)", automatic("frames")]);
    await host.reload();
    const [again] = await host.ids("SMCD_Generate");
    assert.deepEqual(await labels(again), [automatic("steps"), "width (nearest: 192)", automatic("frames")]);
    // Linked to the node Int, its number counts, not that of the widget, and also where it is the later node.
    const linked = await host.add("SMCD_Conditioning", { pos: [1200, 80], widgets: { width: 200 } });
    const number = await host.add("PrimitiveInt", { pos: [20, 700], widgets: { value: 320 } });
    await page.evaluate(
      ([from, to]) => {
        const [source, target] = [from, to].map((id) => window.app.graph.getNodeById(id));
        for (const name of ["width", "frames"]) source.connect(0, target, target.inputs.findIndex((input) => input.name === name));
      },
      [number, linked],
    );
    await host.reload();
    assert.doesNotMatch((await labels(linked)).join(), /[(]/);
    await page.evaluate((id) => {
      window.app.graph.getNodeById(id).widgets[0].value = 200;
    }, number);
    await host.reload();
    assert.equal((await labels(linked))[0], "width (nearest: 192)");
  });

  hosted("two editors and a copy have their own boxes", async (host, page) => {
    const first = await host.add("SMCD_Trajectory", { pos: [80, 80], widgets: { text: EMPTY } });
    const second = await host.add("SMCD_Trajectory", { pos: [880, 80], widgets: { text: EMPTY } });
    await host.drag(first, [0.1, 0.1], [0.4, 0.5]);
    const text = await host.text(first);
    assert.equal(await host.text(second), EMPTY);
    await page.evaluate((n) => {
      const { canvas, graph } = window.app;
      canvas.selectItems([graph.getNodeById(n)]);
      canvas.copyToClipboard();
      canvas.graph_mouse = [1060, 100];
      canvas.pasteFromClipboard();
    }, first);
    await page.waitForTimeout(700);
    const copy = (await host.ids("SMCD_Trajectory")).find((id) => id !== first && id !== second);
    assert.equal(await host.text(copy), text);
    await host.drag(copy, [0.6, 0.6], [0.9, 0.9]);
    await picture("copies");
    assert.equal(parseTrajectory(await host.text(copy)).objects.length, 2);
    assert.equal(await host.text(first), text);
    assert.equal(await host.text(second), EMPTY);
    await page.evaluate((n) => window.app.graph.remove(window.app.graph.getNodeById(n)), copy);
    await host.drag(second, [0.1, 0.1], [0.4, 0.5]);
    assert.equal(await host.text(first), text);
  });

  hosted("two in a subgraph are drawn on, queued and saved", async (host, page) => {
    const loader = await host.add("LoadImage", { pos: [20, 80], widgets: { image: "beach.png" } });
    const made = [];
    for (const n of [0, 1]) {
      const connect = { background: [loader, 0] };
      made.push(await host.add("SMCD_Trajectory", { pos: [60 + n * 780, 80], widgets: { text: EMPTY }, connect }));
    }
    const exports_ = [];
    for (const id of made) exports_.push(await host.add("SMCD_Export", { pos: [1320, 80], connect: { trajectory: [id, 0] } }));
    await page.evaluate((ids) => {
      const { canvas, graph } = window.app;
      const { subgraph } = graph.convertToSubgraph(new Set(ids.map((id) => graph.getNodeById(id))));
      canvas.setGraph(subgraph);
      canvas.ds.reset();
    }, made);
    await host.capture();
    await page.waitForTimeout(700);
    const inside = await host.ids("SMCD_Trajectory");
    assert.equal(inside.length, 2);
    await host.drag(inside[0], [0.1, 0.1], [0.4, 0.5]);
    await host.drag(inside[1], [0.5, 0.5], [0.8, 0.9]);
    await picture("subgraph");
    for (const id of inside) assert.equal(await host.editor(id, (editor) => editor.background?.width), 128);
    const texts = Object.values(await host.prompt()).flatMap(({ inputs }) => inputs.text ?? []);
    const boxes = texts.map((text) => boxOf(parseTrajectory(text), 0)).sort();
    isNear(boxes[0], [0.1, 0.1, 0.4, 0.5]);
    isNear(boxes[1], [0.5, 0.5, 0.8, 0.9]);
    await host.reload();
    const again = Object.values(await host.prompt()).flatMap(({ inputs }) => inputs.text ?? []);
    assert.deepEqual(again.sort(), texts.sort());
    const { status } = await host.run();
    assert.equal(status.status_str, "success", JSON.stringify(status));
  }, { skip: LATER });

  hosted("the connected picture is seen without a run, and gives a new trajectory its size", async (host, page) => {
    const loader = await host.add("LoadImage", { pos: [20, 80], widgets: { image: "beach.png" } });
    const widgets = { width: 96, height: 64, crop: "center" };
    const scale = await host.add("ImageScale", { pos: [20, 500], widgets, connect: { image: [loader, 0] } });
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
    const size = (editor) => [editor.background?.width, editor.background?.height];
    const connect = async (from) => {
      await page.evaluate(([a, b]) => window.app.graph.getNodeById(a).connect(0, window.app.graph.getNodeById(b), 0), [from, id]);
      await host.capture();
      await page.waitForTimeout(500);
    };
    const room = () => page.evaluate((n) => [...window.app.graph.getNodeById(n).size], id);
    const unconnected = await room();
    await connect(scale);
    assert.deepEqual(await host.editor(id, size), [96, 64]);
    assert.deepEqual(await room(), unconnected);
    const { width, height } = parseTrajectory(await host.text(id));
    assert.deepEqual([width, height], [96, 64]);
    await picture("background");
    const together = await host.add("SMCD_Trajectory", { pos: [500, 700], connect: { background: [scale, 0] } });
    await page.waitForTimeout(500);
    const both = parseTrajectory(await host.text(together));
    assert.deepEqual([both.width, both.height], [96, 64]);
    await host.drag(id, [0.1, 0.1], [0.4, 0.5]);
    await host.press("Escape");
    const example = await host.add("SMCD_Example", { pos: [20, 700] });
    await connect(example);
    assert.deepEqual(await host.editor(id, size), [128, 128]);
    await page.locator(".smcd-notice", { hasText: "drawn on 96 × 64, the image has another shape, 128 × 128" }).waitFor();
    const broken = await host.add("LoadImage", { pos: [20, 900], widgets: { image: "gone.png" } });
    await connect(broken);
    await page.locator(".smcd-notice", { hasText: "cannot show the connected image" }).waitFor();
    await connect(example);
    const before = await host.text(id);
    await host.reload();
    assert.deepEqual(await host.editor(id, size), [128, 128]);
    assert.equal(await host.text(id), before);
  });

  hosted("another file of a loader out of view is seen at once, and what is being typed goes on", async (host, page) => {
    const loader = await host.add("LoadImage", { pos: [20, 9000], widgets: { image: "beach.png" } });
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY }, connect: { background: [loader, 0] } });
    const size = (editor) => [editor.background?.width, editor.background?.height];
    const load = (file) =>
      page.evaluate(([n, value]) => (window.app.graph.getNodeById(n).widgets[0].value = value), [loader, file]);
    await page.waitForTimeout(500);
    assert.deepEqual(await host.editor(id, size), [128, 128]);
    await load("wide.png");
    await page.waitForTimeout(1000);
    assert.deepEqual(await host.editor(id, size), [96, 48]);
    assert.deepEqual(Object.values(parseTrajectory(await host.text(id))).slice(1, 3), [96, 48]);

    await host.drag(id, [0.1, 0.1], [0.4, 0.5]); // asks for the phrase
    await page.keyboard.type("no");
    await load("beach.png");
    await page.waitForTimeout(1000);
    assert.deepEqual(await host.editor(id, size), [128, 128]);
    await page.keyboard.type("se");
    await host.press("Enter");
    await page.locator(".smcd-notice", { hasText: "drawn on 96 × 48, the image has another shape, 128 × 128" }).waitFor();
    const phrases = async () => parseTrajectory(await host.text(id)).objects.map(({ phrase }) => phrase);
    assert.deepEqual(await phrases(), ["nose"]);

    // While a box is drawn: it goes on, and then its phrase is asked for.
    await page.mouse.move(...(await host.at(id, [0.5, 0.6])));
    await page.mouse.down();
    await page.mouse.move(...(await host.at(id, [0.7, 0.7])), { steps: 3 });
    await load("wide.png");
    await page.waitForTimeout(1000);
    await page.mouse.move(...(await host.at(id, [0.9, 0.9])), { steps: 3 });
    await page.mouse.up();
    await host.settle();
    await page.keyboard.type("ear");
    await host.press("Enter");
    assert.deepEqual(await phrases(), ["nose", "ear"]);
    await page.locator(".smcd-notice", { hasText: "drawn on 128 × 128, the image has another shape, 96 × 48" }).waitFor();
  });

  hosted("an error is said in the editors of its run, by the title of its node", async (host, page) => {
    const ids = [];
    for (const top of [80, 780]) ids.push(await host.add("SMCD_Trajectory", { pos: [500, top], widgets: { text: EMPTY } }));
    const failing = await host.add("SMCD_Export", { pos: [1300, 80], connect: { trajectory: [ids[0], 0] } });
    const { prompt: [, prompt_id] } = await host.run();
    await page.evaluate(async ([id, prompt_id]) => {
      const { api } = await import("/scripts/api.js");
      window.app.graph.getNodeById(id).title = "To a file";
      const detail = { node_id: String(id), node_type: "SMCD_Export", exception_message: "no box", exception_type: "", traceback: [] };
      api.dispatchCustomEvent("execution_error", { ...detail, prompt_id, executed: [], current_inputs: {}, current_outputs: {} });
    }, [failing, prompt_id]);
    await page.locator(".smcd-notice", { hasText: "To a file" }).waitFor();
    const said = await Promise.all(ids.map((id) => host.editor(id, (editor) => editor.notice?.text ?? null)));
    assert.deepEqual(said, ["To a file: no box", null]);
  });

  hosted("a video follows the playhead", async (host, page) => {
    const loader = await host.add("LoadVideo", { pos: [20, 80], widgets: { file: "steps.webm" } });
    const frames = await host.add("GetVideoComponents", { pos: [20, 500], connect: { video: [loader, 0] } });
    const text = EMPTY.replace('"frames": 8', '"frames": 16');
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text }, connect: { background: [frames, 0] } });
    for (const frame of [2, 12, 7]) {
      await host.editor(id, (editor, value) => editor.seek(value), frame);
      await page.waitForTimeout(700);
      const level = await host.editor(id, (editor) => {
        const canvas = new OffscreenCanvas(1, 1);
        const context = canvas.getContext("2d");
        context.drawImage(editor.background.imageAt(editor.time), 0, 0, 1, 1);
        return context.getImageData(0, 0, 1, 1).data[0];
      });
      assert.ok(Math.abs(level - 16 * frame) <= 6, `${level} at frame ${frame}`);
    }
  });

  hosted("a picture that only a run can tell is seen after it", async (host) => {
    const loader = await host.add("LoadImage", { pos: [20, 80], widgets: { image: "beach.png" } });
    const inverted = await host.add("ImageInvert", { pos: [20, 500], connect: { image: [loader, 0] } });
    const connect = { background: [inverted, 0] };
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY }, connect });
    await host.add("SMCD_Export", { pos: [1050, 80], connect: { trajectory: [id, 0] } });
    assert.equal(await host.editor(id, (editor) => editor.background), null);
    const { status } = await host.run();
    assert.equal(status.status_str, "success", JSON.stringify(status));
    await opened.page.waitForTimeout(700);
    assert.equal(await host.editor(id, (editor) => editor.background?.width), 128);
  });

  hosted("prompt, size and model come from the nodes that the trajectory goes to", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80] });
    const text = await host.add("CLIPTextEncode", { pos: [20, 80], widgets: { text: "a red circle" } });
    const load = await host.add("SMCD_Load", { pos: [20, 320] });
    const connect = { trajectory: [id, 0], positive: [text, 0], vae: [load, 2] };
    await host.add("SMCD_Conditioning", { pos: [1050, 80], widgets: { width: 320, height: 192 }, connect });
    const facts = await host.editor(id, (editor) => editor.facts);
    assert.deepEqual(
      [facts.prompt, facts.width, facts.height, facts.columns, facts.rows, facts.numFrames, facts.multiple],
      ["a red circle", 320, 192, 40, 24, null, 32],
    );
    await page.evaluate((n) => {
      window.app.graph.getNodeById(n).widgets[0].value = "a small dog chases a red car";
    }, text);
    await host.drag(id, [0.1, 0.1], [0.4, 0.5]);
    assert.deepEqual(await page.locator(".smcd-naming .smcd-chips button").allTextContents(), ["small dog", "red car"]);
  });

  hosted("boxes of a detector come in as keys, edits win, other boxes win again", async (host, page) => {
    // Boxes for each frame with a gap: what an editor gives out as BOUNDING_BOX.
    const walk = parseTrajectory(EMPTY);
    const keys = [[0, true], [3, false], [5, true]].map(([frame, visible]) => ({
      frame,
      box: [0.1 + frame / 20, 0.25, 0.35 + frame / 20, 0.5],
      ease: "linear",
      visible,
    }));
    walk.objects = [{ id: "o1", phrase: "cat", color: "#e69f00", strength: 1, enabled: true, keys }];
    const detector = await host.add("SMCD_Trajectory", { pos: [20, 80], widgets: { text: JSON.stringify(walk) } });
    const connect = { boxes: [detector, 1] };
    const id = await host.add("SMCD_Trajectory", { pos: [520, 80], widgets: { text: EMPTY }, connect });
    await host.add("SMCD_Export", { pos: [1050, 80], connect: { trajectory: [id, 0] } });
    const ran = async () => {
      const { status } = await host.run();
      assert.equal(status.status_str, "success", JSON.stringify(status));
      await page.waitForTimeout(700);
      return parseTrajectory(await host.text(id));
    };
    const seeded = await ran();
    await picture("detector");
    assert.equal(seeded.objects[0].phrase, "cat");
    assert.ok(seeded.source);
    assert.deepEqual(seeded.objects[0].keys.map(({ frame, visible }) => [frame, visible]).filter(([f]) => f === 3 || f === 5), [
      [3, false],
      [5, true],
    ]);
    isNear(boxOf(seeded, 0), [0.1, 0.25, 0.35, 0.5]);

    await host.editor(id, (editor) => editor.seek(0));
    await host.drag(id, [0.22, 0.37], [0.42, 0.57]);
    const edited = await ran();
    isNear(boxOf(edited, 0), [0.3, 0.45, 0.55, 0.7]);
    assert.equal(edited.source, seeded.source);

    walk.objects[0].keys[0].box = [0.5, 0.5, 0.75, 0.75];
    await page.evaluate(
      ([n, value]) => {
        window.app.graph.getNodeById(n).widgets.find(({ name }) => name === "text").value = value;
      },
      [detector, JSON.stringify(walk)],
    );
    const other = await ran();
    isNear(boxOf(other, 0), [0.5, 0.5, 0.75, 0.75]);
    assert.notEqual(other.source, seeded.source);
    await page.locator(".smcd-notice", { hasText: "Other boxes have come in and replaced what was drawn" }).waitFor();
    // The host has the result of that run: the boxes it used are in the editor again, not those that undo brought back.
    await host.editor(id, (editor) => editor.undo());
    isNear(boxOf(parseTrajectory(await host.text(id)), 0), [0.3, 0.45, 0.55, 0.7]);
    assert.deepEqual(await ran(), other);
  }, { skip: LATER });

  hosted("scores of SMCD Metrics are shown by the editor that it was given", async (host, page) => {
    const loader = await host.add("LoadImage", { pos: [20, 80], widgets: { image: "beach.png" } });
    const box = '{"version": 1, "width": 128, "height": 128, "frames": 1, "objects": [{"phrase": "yellow circle", "keys": [{"frame": 0, "box": [0.582, 0.07, 0.871, 0.411]}]}]}';
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: box } });
    const connect = { images: [loader, 0], trajectory: [id, 0] };
    const metrics = await host.add("SMCD_Metrics", { pos: [1050, 80], connect });
    await host.add("PreviewImage", { pos: [1050, 500], connect: { images: [metrics, 5] } });
    const { status } = await host.run();
    assert.equal(status.status_str, "success", JSON.stringify(status));
    await page.waitForTimeout(700);
    const scores = await host.editor(id, (editor) => editor.scores);
    assert.ok(scores.mean > 0.8 && scores.mean <= 1, String(scores.mean));
    assert.equal(scores.iou.o1.length, 1);
  });

  hosted("a trajectory that is dropped is taken, a picture goes into a loader", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
    const drop = async (name, type, bytes) => {
      const transfer = await page.evaluateHandle(
        ([name, type, bytes]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name, { type }));
          return data;
        },
        [name, type, [...bytes]],
      );
      await page.locator(".smcd-editor").dispatchEvent("drop", { dataTransfer: transfer });
    };
    const examples = join(ROOT, "demo");
    await drop("beach.json", "application/json", readFileSync(join(examples, "beach.json")));
    await page.locator(".smcd-notice", { hasText: "beach.json" }).waitFor();
    assert.equal(parseTrajectory(await host.text(id)).objects.length, 2);
    await drop("dropped.png", "image/png", readFileSync(join(examples, "beach.png")));
    await page.waitForFunction(() => window.app.graph.nodes.some(({ type }) => type === "LoadImage"));
    assert.equal(await host.editor(id, (editor) => editor.background?.width), 128);
    const [loader] = Object.values(await host.prompt()).filter(({ class_type }) => class_type === "LoadImage");
    assert.match(loader.inputs.image, /^dropped/);
  });

  hosted("text that is no trajectory is shown and stays, and can be edited as text", async (host, page) => {
    const broken = '{"version": 1, <b>"oops"';
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: broken } });
    await host.reload();
    assert.equal(await host.text(id), broken);
    assert.equal(await page.locator(".smcd-problem textarea").inputValue(), broken);
    await picture("problem");
    const toggle = () =>
      page.evaluate(async (n) => {
        const { menuItems } = await import("/extensions/smcd/host/node.js");
        menuItems(window.app.graph.getNodeById(n))[0].callback();
      }, id);
    await toggle();
    await page.waitForTimeout(700);
    await picture("text");
    assert.equal(await page.locator(".smcd-editor:visible").count(), 0);
    const area = page.locator("textarea:visible").first();
    await area.fill(EMPTY);
    await area.blur();
    await toggle();
    await page.waitForTimeout(700);
    assert.equal(await host.text(id), EMPTY);
    assert.equal(await page.locator(".smcd-stage-canvas:visible").count(), 1);
  });

  hosted("Delete and Escape are about the control that has the focus, never about the graph", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: TWO } });
    await page.evaluate((n) => window.app.canvas.selectItems([window.app.graph.getNodeById(n)]), id);
    const restore = async () => {
      await page.evaluate(([n, text]) => {
        const widget = window.app.graph.getNodeById(n).widgets.find(({ name }) => name === "text");
        widget.value = text;
        widget.callback(text);
      }, [id, TWO]);
      await host.editor(id, (editor) => editor.select([editor.trajectory.objects[0].id]));
      const properties = page.locator(".smcd-side-button[aria-expanded=false]");
      if (await properties.isVisible()) await properties.click();
      await drawn();
    };
    const drawn = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const isInside = () => page.evaluate(() => Boolean(document.activeElement.closest(".smcd-editor")));
    const state = (editor) => [editor.trajectory.objects.length, editor.isInGesture];
    await restore();
    const outer = await host.outer();
    for (const [kind, control] of Object.entries(CONTROLS)) {
      const target = page.locator(control).first();
      for (const key of ["Delete", "Escape"]) {
        await target.focus();
        await page.keyboard.press(key);
        await drawn();
        const left = key === "Escape" || TYPED.includes(kind) ? 2 : 1;
        assert.deepEqual(await host.editor(id, state), [left, false], `${key}, ${kind}`);
        assert.ok(await isInside(), `${key}, ${kind}`); // or the host would get the next ones
        for (const next of ["Escape", "Delete", "Backspace"]) await page.keyboard.press(next);
        assert.deepEqual(await host.outer(), outer, `${key}, ${kind}`);
        await restore();
      }
    }
  });

  hosted("the wheel is the graph's until the editor has the focus", async (host, page) => {
    const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text: EMPTY } });
    const scale = () => page.evaluate(() => window.app.canvas.ds.scale);
    const wheel = async () => {
      await page.mouse.move(...(await host.at(id, [0.5, 0.5])));
      await page.mouse.wheel(0, -100);
      await page.waitForTimeout(400);
    };
    await wheel();
    const zoomed = await scale();
    assert.ok(zoomed > 1, String(zoomed));
    await page.mouse.click(...(await host.at(id, [0.05, 0.05])));
    await wheel();
    assert.equal(await scale(), zoomed);
    assert.ok(await host.editor(id, (editor) => editor.viewport !== null));
  });
}

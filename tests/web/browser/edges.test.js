/** The editor where it meets the page: plain HTTP, keys, fields, and text that is being repaired. */

import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { before, test } from "node:test";
import { documentOf, missing, openEditor, settle } from "./harness.js";

const TEXT = JSON.stringify(documentOf([
  {
    id: "toString",
    phrase: "cat",
    keys: [
      { frame: 0, box: [0.1, 0.1, 0.4, 0.4] },
      { frame: 9, box: [0.5, 0.5, 0.8, 0.8] },
    ],
  },
]));
const address = Object.values(networkInterfaces()).flat().find((one) => one.family === "IPv4" && !one.internal)?.address;

/** One page for all tests. Each starts with the page loaded anew and the object selected. */
let opened;
before(async () => {
  if (!missing) opened = await openEditor({ width: 1100, height: 900 });
});

function check(name, body) {
  test(name, { skip: missing }, async () => {
    const { page, problems } = opened;
    problems.length = 0;
    await page.reload();
    await page.waitForFunction(() => window.view);
    await page.evaluate((text) => {
      window.editor.load(text);
      window.editor.select(["toString"]);
      window.passed = [];
      window.hidden = [];
      window.addEventListener("keydown", (event) => window.passed.push(event.key));
    }, TEXT);
    await settle(page);
    await body(page, problems);
    assert.deepEqual(problems, []);
  });
}

const track = (page) => page.evaluate(() => window.editor.trajectory.objects[0]);
/** Keys that reached the page, and keys that were hidden from the graph's undo. */
const passed = (page) => page.evaluate(() => window.passed);
const hidden = (page) => page.evaluate(() => window.hidden);

/** A node of the host, as far as the editor needs it; addDOMWidget: instead of the host's. */
const NODE = `(text, addDOMWidget) => {
  const widgets = [{ name: "text", value: text, options: {} }];
  const add = (widget) => (widgets.push(widget), widget);
  return {
    widgets,
    inputs: [],
    size: [0, 0],
    setSize() {},
    addWidget: (type, name) => add({ type, name, options: {} }),
    addDOMWidget: addDOMWidget ?? ((name, type, element) => add({ name, type, element, options: {} })),
  };
}`;

test("the editor exists over plain HTTP", { skip: missing || (!address && "no address but loopback") }, async (t) => {
  const { page, problems, close } = await openEditor({ address });
  t.after(close);
  assert.equal(await page.evaluate(() => window.isSecureContext), false);
  const found = await page.evaluate(
    async ([text, make]) => {
      const { attachEditor, editorOf } = await import("/web/host/node.js");
      const node = (0, eval)(make)(text);
      attachEditor(node, { app: {}, api: new EventTarget() });
      const widget = node.widgets.find(({ name }) => name === "editor");
      widget.width = 266; // as the host's Parameters panel does
      return { objects: editorOf(node).trajectory.objects.length, width: widget.width ?? null };
    },
    [TEXT, NODE],
  );
  assert.deepEqual(found, { objects: 0, width: null });
  assert.deepEqual(problems, []);
});

check("text that is being repaired stays when the host reads the widget again", async (page) => {
  await page.evaluate(() => window.editor.load("{broken"));
  await settle(page);
  const area = page.locator(".smcd-problem textarea");
  await area.fill("{half repaired");
  await page.evaluate(() => window.editor.load("{broken"));
  await settle(page);
  assert.equal(await area.inputValue(), "{half repaired");
});

check("keys of a drop-down do not reach the host, and undo is the editor's", async (page) => {
  await page.evaluate(() => window.editor.apply("step.strength", () => ({ ...window.editor.trajectory, fps: 9 })));
  await page.locator(".smcd-ease select").focus();
  for (const key of ["Delete", "w", "r", "Control+z"]) await page.keyboard.press(key);
  assert.deepEqual((await passed(page)).filter((key) => key !== "Control"), []);
  assert.equal(await page.evaluate(() => window.editor.trajectory.fps), 8);
});

check("a phrase is committed before Ctrl+Enter reaches the host", async (page) => {
  await page.locator(".smcd-inspector input[type=text]").first().fill("big dog");
  await page.keyboard.press("Control+Enter");
  assert.equal(await page.evaluate(() => JSON.parse(window.commits.at(-1)).objects[0].phrase), "big dog");
  assert.ok((await passed(page)).includes("Enter"));
});

check("a phrase shows as it is typed, is one step, and Escape gives it up", async (page) => {
  const steps = () => page.evaluate(() => window.commits.length);
  const phrase = page.locator(".smcd-inspector input[type=text]").first();
  await phrase.focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("big");
  assert.deepEqual([(await track(page)).phrase, await steps()], ["big", 0]);
  await page.keyboard.type(" dog");
  await page.keyboard.press("Tab");
  assert.deepEqual([(await track(page)).phrase, await steps()], ["big dog", 1]);
  await phrase.fill("cow");
  await page.keyboard.press("Escape");
  assert.deepEqual([(await track(page)).phrase, await steps()], ["big dog", 1]);
  const field = page.locator(".smcd-fields-four input").first();
  await field.fill("100");
  assert.equal(Math.round((await track(page)).keys[0].box[0] * 512), 100);
  await field.fill("");
  await field.press("Enter");
  assert.deepEqual([await field.inputValue(), await steps()], ["51.2", 1]);
});

check("a field that goes away with its view has written what was typed", async (page) => {
  await page.locator(".smcd-inspector input[type=text]").first().fill("dog");
  await page.evaluate(() => window.view.destroy());
  assert.equal((await track(page)).phrase, "dog");
  assert.deepEqual(await page.evaluate(() => [window.editor.isInGesture, window.commits.length]), [false, 1]);
});

check("a drag ends where another window takes the pointer", async (page) => {
  const canvas = page.locator(".smcd-stage-canvas");
  const { x, y, width, height } = await canvas.boundingBox();
  await page.mouse.move(x + width / 2, y + height - 4);
  await page.mouse.down();
  await page.mouse.move(x + width / 2 + 60, y + height - 60, { steps: 3 });
  await page.evaluate(() => window.dispatchEvent(new Event("blur")));
  assert.deepEqual(await page.evaluate(() => [window.editor.isInGesture, window.commits.length]), [false, 1]);
  await page.mouse.up();
});

check("without a message the status line says the first warning", async (page) => {
  await page.evaluate(() => window.editor.apply("step.disable", (before) => ({ ...before, objects: [] })));
  await page.waitForFunction(() => /No object/.test(document.querySelector(".smcd-notice[data-kind=warning]")?.textContent));
  await page.evaluate(() => window.editor.notify("info", "Saved"));
  await settle(page);
  assert.equal(await page.locator(".smcd-notice").textContent(), "Saved");
});

check("a single key says what it did, with undo", async (page) => {
  await page.locator(".smcd-stage-canvas").focus();
  const notice = page.locator(".smcd-notice");
  await page.keyboard.press("e");
  await settle(page);
  assert.equal(await notice.textContent(), "Exclude (E)");
  const undo = page.locator(".smcd-tool[data-command=undo]");
  assert.equal(await undo.getAttribute("aria-label"), "Undo Exclude");
  await page.locator(".smcd-undo").click();
  assert.equal((await track(page)).enabled, true);
  await settle(page);
  assert.doesNotMatch(await notice.textContent(), /Exclude/);
  assert.equal(await page.locator(".smcd-undo").isVisible(), false);
  assert.equal(await undo.getAttribute("aria-label"), "Undo");
  await page.locator(".smcd-stage-canvas").focus();
  await page.keyboard.press("s");
  await settle(page);
  assert.equal(await notice.textContent(), "Solo: on (S)");
  assert.equal(await page.locator(".smcd-undo").isVisible(), false);
});

check("a strength between two steps of the spinner is taken", async (page) => {
  const field = page.locator(".smcd-strength-fields input[type=number]");
  await field.fill("0.33");
  await field.press("Enter");
  assert.equal((await track(page)).strength, 0.33);
});

check("a gesture of keys ends when only the modifier is released", async (page) => {
  await page.locator(".smcd-editor").evaluate((root) => {
    root.focus();
    const always = { bubbles: true, cancelable: true };
    const send = (type, init) => root.dispatchEvent(new KeyboardEvent(type, { ...always, ...init }));
    send("keydown", { key: "Meta", metaKey: true });
    send("keydown", { key: "ArrowRight", code: "ArrowRight", metaKey: true });
    send("keyup", { key: "Meta" });
  });
  assert.equal(await page.evaluate(() => window.editor.isInGesture), false);
  assert.equal(await page.evaluate(() => window.commits.length), 1);
});

check("after a refused press Escape still reaches the page", async (page) => {
  await page.evaluate(() => window.editor.begin("step.move"));
  await page.locator(".smcd-stage-canvas").click();
  await page.evaluate(() => {
    window.editor.cancel();
    document.activeElement.blur();
  });
  await page.keyboard.press("Escape");
  assert.deepEqual(await passed(page), ["Escape"]);
});

check("Escape while composing keeps the phrase", async (page) => {
  const phrase = page.locator(".smcd-inspector input[type=text]").first();
  await phrase.fill("big hong");
  await phrase.dispatchEvent("keydown", { key: "Escape", isComposing: true, bubbles: true });
  assert.equal(await phrase.inputValue(), "big hong");
});

check("scores do not trip over an object named as a method", async (page) => {
  await page.evaluate(() => window.editor.set({ scores: { iou: { other: [0.5] }, mean: 0.5 } }));
  await settle(page);
});

check("a node whose editor cannot be built says so and keeps its text", async (page, problems) => {
  const found = await page.evaluate(
    async ([text, make]) => {
      const { attachEditor, editorOf } = await import("/web/host/node.js");
      const broken = (name) => {
        throw new Error(`no widget ${name}`);
      };
      const node = (0, eval)(make)(text, broken);
      attachEditor(node, { app: {}, api: new EventTarget() });
      const [shown, notice] = node.widgets;
      return { text: shown.value, isHidden: Boolean(shown.hidden), notice: notice.label, editor: editorOf(node) };
    },
    [TEXT, NODE],
  );
  assert.deepEqual([found.text, found.isHidden, found.editor], [TEXT, false, null]);
  assert.match(found.notice, /cannot start/);
  assert.match(problems.splice(0).join(), /no widget editor/);
});

check("keys of menus and dialogs do not reach the host", async (page) => {
  await page.locator(".smcd-menu-button").nth(1).click();
  for (const key of ["Control+z", "w", "Delete"]) await page.keyboard.press(key);
  await page.keyboard.press("Escape");
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("?");
  for (const key of ["Control+z", "Control+Enter", "w", "Delete"]) await page.keyboard.press(key);
  await page.keyboard.press("Escape");
  assert.deepEqual((await passed(page)).filter((key) => key !== "Control"), []);
  assert.ok((await hidden(page)).filter((key) => key === "z").length >= 2);
});

check("keys without a use here do not reach the host, but run, save and settings do", async (page) => {
  await page.locator(".smcd-stage-canvas").focus();
  for (const key of ["w", "r", "Control+m", "Control+b", "Alt+c"]) await page.keyboard.press(key);
  assert.deepEqual((await passed(page)).filter((key) => !/Control|Alt/.test(key)), []);
  const queued = [];
  for (const key of ["Control+Enter", "Control+Shift+Enter", "Control+Alt+Enter", "Control+s", "Control+,"]) {
    await page.keyboard.press(key);
    queued.push(await page.evaluate(() => window.editor.isQueued));
    await page.evaluate(() => window.editor.set({ isQueued: false }));
  }
  assert.deepEqual(queued, [true, true, false, false, false]); // runs whose end is said here
  const arrived = (await passed(page)).filter((key) => !/Control|Alt|Shift/.test(key));
  assert.deepEqual(arrived, ["Enter", "Enter", "Enter", "s", ","]);
});

check("a phrase that is edited in the list is committed before Ctrl+Enter reaches the host", async (page) => {
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("F2");
  await page.keyboard.type("big dog");
  await page.keyboard.press("Control+Enter");
  assert.equal(await page.evaluate(() => JSON.parse(window.commits.at(-1)).objects[0].phrase), "big dog");
  assert.ok((await passed(page)).includes("Enter"));
});

check("the Enter that ends a composition in Safari ends nothing else", async (page) => {
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("F2");
  const field = page.locator(".smcd-phrase-input");
  await field.fill("hong");
  await field.dispatchEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true });
  assert.equal(await field.inputValue(), "hong");
  await field.dispatchEvent("keydown", { key: "Escape", keyCode: 229, bubbles: true });
  assert.equal(await field.inputValue(), "hong");
});

check("in full screen with nothing focused the browser keeps its keys, the editor its own", async (page) => {
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("f");
  const press = (init) =>
    page.evaluate((values) => {
      document.activeElement.blur();
      const event = new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...values });
      document.body.dispatchEvent(event);
      return event.defaultPrevented;
    }, init);
  assert.equal(await press({ key: "F5", code: "F5" }), false);
  assert.equal(await press({ key: "r", code: "KeyR", ctrlKey: true }), false);
  assert.equal(await press({ key: "Delete", code: "Delete" }), true);
  assert.equal(await page.evaluate(() => window.editor.trajectory.objects.length), 0);
});

check("values between two steps of a spinner are taken, and others are refused with a message", async (page) => {
  const notice = page.locator(".smcd-notice");
  const field = page.locator(".smcd-strength-fields input[type=number]");
  await field.fill("0.33");
  await field.press("Enter");
  await settle(page);
  assert.equal(await page.locator(".smcd-strength-fields input[type=range]").inputValue(), "0.33");
  await field.fill("77");
  await field.press("Enter");
  await settle(page);
  assert.match(await notice.textContent(), /strength is 77: give a number/);
  assert.equal(await field.inputValue(), "0.33");
  const [width] = await page.locator(".smcd-fields-four input").evaluateAll((all) => [all[2].value]);
  await page.locator(".smcd-fields-four input").nth(2).fill("-5");
  await page.keyboard.press("Enter");
  await settle(page);
  assert.match(await notice.textContent(), /W is -5/);
  assert.equal(await page.locator(".smcd-fields-four input").nth(2).inputValue(), width);

  const form = page.locator(".smcd-motion");
  await form.locator("select").first().selectOption("approach");
  const factor = form.locator(".smcd-fields input").first();
  const before = await track(page);
  await factor.fill("99");
  await form.locator("button").click();
  assert.deepEqual(await track(page), before);
  await factor.fill("1.25");
  await form.locator("button").click();
  assert.notDeepEqual(await track(page), before);
});

check("the chips stay while a box is dragged", async (page) => {
  const built = await page.evaluate(async () => {
    const { moveBoxes } = await import("/web/trajectory/model.js");
    window.editor.set({ facts: { ...window.editor.facts, prompt: "a cat and a small dog on a beach" } });
    const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    await drawn();
    const before = document.querySelector(".smcd-chips button");
    window.editor.begin("step.move");
    window.editor.preview((trajectory) => moveBoxes(trajectory, ["toString"], 0, 0.1, 0));
    await drawn();
    window.editor.commit();
    return before !== null && before === document.querySelector(".smcd-chips button");
  });
  assert.equal(built, true);
});

check("a part that fails is reported once, and the others go on", async (page, problems) => {
  await page.evaluate(() => window.editor.set({ scores: { iou: null, mean: 0.5 } })); // fails in the timeline
  await settle(page);
  assert.match(await page.locator(".smcd-notice").textContent(), /A part of the editor failed/);
  await page.evaluate(() => window.editor.seek(5));
  await settle(page);
  assert.match(await page.locator(".smcd-section h3").first().textContent(), /frame 5/);
  assert.equal(problems.splice(0).length, 1);
});

check("an object that is deleted while its motion is recorded ends the recording", async (page) => {
  const [x, y] = await page.evaluate(() => {
    const { left, top, width, height } = window.editor.shownViewport;
    const rect = document.querySelector(".smcd-stage-canvas").getBoundingClientRect();
    return [rect.left + left + width * 0.25, rect.top + top + height * 0.25];
  });
  await page.evaluate(() => window.editor.set({ isPlaying: true, settings: { ...window.editor.settings, speed: 0.25 } }));
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 30, y + 30, { steps: 4 });
  assert.equal(await page.evaluate(() => window.editor.recording !== null), true);
  await page.keyboard.press("Delete");
  await page.mouse.move(x + 60, y + 30, { steps: 4 });
  await settle(page);
  await page.mouse.up();
  assert.equal(await page.evaluate(() => window.editor.recording), null);
  assert.equal(await page.evaluate(() => window.editor.trajectory.objects.length), 0);
});

check("the canvases are sharp where the host shows the editor enlarged", async (page) => {
  await page.evaluate(() => {
    const main = document.querySelector("main");
    Object.assign(main.style, { width: "500px", height: "400px", transformOrigin: "0 0" });
    main.style.transform = "scale(2)";
  });
  await settle(page);
  await page.evaluate(() => window.editor.seek(3)); // anything that redraws
  await settle(page);
  const ratios = await page.locator(".smcd-editor canvas").evaluateAll((canvases) =>
    canvases.map((canvas) => canvas.width / canvas.getBoundingClientRect().width),
  );
  for (const ratio of ratios) assert.ok(Math.abs(ratio - 1) < 0.01, String(ratios));
});

check("the right button selects a box and opens neither the browser's nor the node's menu", async (page) => {
  const reached = await page.evaluate(() => {
    window.editor.select([]);
    let count = 0;
    window.addEventListener("contextmenu", () => (count += 1));
    const { left, top, width, height } = window.editor.shownViewport;
    const canvas = document.querySelector(".smcd-stage-canvas");
    const rect = canvas.getBoundingClientRect();
    const [clientX, clientY] = [rect.left + left + width * 0.25, rect.top + top + height * 0.25];
    const event = new MouseEvent("contextmenu", { clientX, clientY, button: 2, bubbles: true, cancelable: true });
    canvas.dispatchEvent(event);
    return [count, event.defaultPrevented, ...window.editor.selected];
  });
  assert.deepEqual(reached, [0, true, "toString"]);
});

check("menus under the pointer are about the box, the key, the row and the image", async (page) => {
  const menu = page.locator(".smcd-context-menu");
  const at = (x, y) =>
    page.evaluate(
      ([u, v]) => {
        const { left, top } = document.querySelector(".smcd-stage-canvas").getBoundingClientRect();
        const shown = window.editor.shownViewport;
        return [left + shown.left + u * shown.width, top + shown.top + v * shown.height];
      },
      [x, y],
    );
  const open = async (x, y) => {
    await page.mouse.click(x, y, { button: "right" });
    return menu.getAttribute("data-menu");
  };
  assert.equal(await open(...(await at(0.2, 0.2))), "box");
  await menu.locator("[data-command=toggleEnabled]").click();
  assert.equal((await track(page)).enabled, false);
  assert.equal(await menu.count(), 0);
  assert.equal(await open(...(await at(0.9, 0.05))), "stage");
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.evaluate(() => document.activeElement.dataset.command), "import");
  await page.keyboard.press("Escape");
  assert.equal(await menu.count(), 0);
  const line = await page.locator(".smcd-timeline-over").boundingBox();
  const row = (await page.locator(".smcd-timeline-canvas").boundingBox()).y + 22 + 22 + 11 + 6;
  assert.equal(await open(line.x + (0.5 / 24) * line.width, row), "key");
  await page.keyboard.press("Escape");
  assert.equal(await open(line.x + (5 / 24) * line.width, row), "segment");
  await menu.locator("[data-command='ease.hold']").click();
  assert.equal((await track(page)).keys[0].ease, "hold");
  await page.locator(".smcd-row-item[data-id]").click({ button: "right" });
  assert.equal(await menu.getAttribute("data-menu"), "row");
  await page.mouse.click(...(await at(0.9, 0.05)));
  assert.equal(await menu.count(), 0);
});

check("the record button arms, counts in and records while the box is held", async (page) => {
  await page.evaluate(() => window.editor.setSettings({ speed: 2 }));
  await page.locator(".smcd-transport [data-command=record]").click();
  await settle(page);
  const count = page.locator(".smcd-stage-count");
  assert.match(await count.textContent(), /Ready/);
  const { x, y } = await page.locator(".smcd-stage-canvas").boundingBox();
  const shown = await page.evaluate(() => window.editor.shownViewport);
  const place = [x + shown.left + 0.2 * shown.width, y + shown.top + 0.2 * shown.height];
  await page.mouse.move(...place);
  await page.mouse.down();
  await settle(page);
  assert.equal(await count.textContent(), "3");
  await page.waitForFunction(() => window.editor.isPlaying);
  await page.mouse.move(place[0] + 60, place[1] + 40, { steps: 4 });
  await page.waitForFunction(() => window.editor.time > 3);
  await page.mouse.up();
  assert.deepEqual(await page.evaluate(() => [window.editor.isPlaying, window.editor.isArmed]), [false, false]);
  assert.equal(await page.evaluate(() => window.editor.undoLabel), "step.record");
  assert.equal(await count.isVisible(), false);
});

check("full screen can run the workflow, shows its progress, and compares the image with the result", async (page) => {
  await page.evaluate(() => {
    const colour = (name) => {
      const canvas = new OffscreenCanvas(8, 8);
      const context = canvas.getContext("2d");
      context.fillStyle = name;
      context.fillRect(0, 0, 8, 8);
      return { width: 8, height: 8, part: [0, 0, 8, 8], imageAt: () => canvas };
    };
    window.runs = 0;
    window.editor.onRun = () => (window.runs += 1);
    window.editor.set({ background: colour("#ff0000"), run: { share: 0.5 } });
    window.finish = () => window.editor.set({ run: null, result: colour("#00ff00") });
  });
  const run = page.locator(".smcd-tool[data-command=run]");
  await settle(page);
  assert.equal(await run.isVisible(), false); // the host's own is there
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("f");
  await settle(page);
  assert.equal(await page.locator(".smcd-run").evaluate((bar) => bar.value), 0.5);
  assert.equal(await run.isDisabled(), true);
  const compare = page.locator(".smcd-tool[data-command=toggleResult]");
  assert.equal(await compare.isVisible(), false);
  const place = await run.boundingBox();
  await page.evaluate(() => window.finish());
  await settle(page);
  assert.equal(await compare.isVisible(), true);
  assert.deepEqual(await run.boundingBox(), place); // a second click finds it
  await run.click();
  assert.equal(await page.evaluate(() => window.runs), 1);
  const pixel = () =>
    page.evaluate(() => {
      const stage = document.querySelector(".smcd-stage-canvas");
      const { left, top, width, height } = window.editor.shownViewport;
      const scale = stage.width / stage.clientWidth;
      const at = [(left + width * 0.95) * scale, (top + height * 0.05) * scale];
      return [...stage.getContext("2d").getImageData(...at, 1, 1).data].slice(0, 3);
    });
  assert.deepEqual(await pixel(), [255, 0, 0]);
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("t");
  await settle(page);
  assert.deepEqual(await pixel(), [0, 255, 0]);
});

check("what a key turned on is said until it is off, by whichever way", async (page) => {
  const said = () => page.locator(".smcd-notice").textContent();
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("f");
  await settle(page);
  assert.equal(await said(), "Full screen: on (F)");
  await page.locator(".smcd-tool[data-command=fullScreen]").click();
  await settle(page);
  await settle(page);
  assert.equal(await said(), "");
  await page.keyboard.press("g");
  await settle(page);
  await page.evaluate(() => window.editor.setSettings({ onionSkin: false })); // something else
  await settle(page);
  assert.equal(await said(), "Snap to grid: on (G)");
  await page.evaluate(() => window.editor.setSettings({ grid: 0 }));
  await settle(page);
  await settle(page);
  assert.equal(await said(), "");
});

check("Shift and wheel, or a wheel across, moves the view sideways", async (page) => {
  await page.locator(".smcd-stage-canvas").click({ position: { x: 5, y: 5 } });
  const left = () => page.evaluate(() => window.editor.shownViewport.left);
  const [before, width] = [await left(), await page.evaluate(() => window.editor.shownViewport.width)];
  await page.mouse.wheel(40, 0);
  await page.waitForFunction((x) => window.editor.shownViewport.left === x, before - 40);
  await page.keyboard.down("Shift");
  await page.mouse.wheel(0, 40);
  await page.keyboard.up("Shift");
  await page.waitForFunction((x) => window.editor.shownViewport.left === x, before - 80);
  assert.equal(await page.evaluate(() => window.editor.shownViewport.width), width);
});

check("where the wheel moves the graph it moves the view, and zooms with Ctrl", async (page) => {
  await page.locator(".smcd-stage-canvas").click({ position: { x: 5, y: 5 } });
  await page.evaluate(() => window.editor.set({ isWheelPanning: true }));
  const shown = () => page.evaluate(() => window.editor.shownViewport);
  const before = await shown();
  await page.mouse.wheel(10, 40);
  await page.waitForFunction((y) => window.editor.shownViewport.top === y, before.top - 40);
  const { left, width } = await shown();
  assert.deepEqual([left, width], [before.left - 10, before.width]);
  await page.keyboard.down("Control");
  await page.mouse.wheel(0, -40);
  await page.keyboard.up("Control");
  await page.waitForFunction((w) => window.editor.shownViewport.width > w, width);
});

check("a dialog of an editor that goes away is dismissed", async (page) => {
  const answer = await page.evaluate(async () => {
    const { openDialog } = await import("/web/editor/kit/dialogs.js");
    const root = document.querySelector(".smcd-editor");
    const opened = openDialog(root, { title: "Question", body: "Go on?", actions: [] });
    window.view.destroy();
    return Promise.race([opened, new Promise((done) => setTimeout(done, 5000, "still open"))]);
  });
  assert.equal(answer, null);
});

check("a card that cannot be made is said", async (page) => {
  await page.evaluate(() => {
    HTMLCanvasElement.prototype.toBlob = (done) => done(null);
  });
  await page.evaluate(async () => {
    const { commandOf } = await import("/web/editor/actions/commands.js");
    const { translator } = await import("/web/editor/strings/strings.js");
    await commandOf("export.card").run({ editor: window.editor, t: translator("en") });
  });
  await settle(page);
  assert.match(await page.locator(".smcd-notice").textContent(), /the card could not be drawn/);
});

check("a video of any size goes to the host", async (page) => {
  const given = await page.evaluate(async () => {
    const { importFiles } = await import("/web/editor/files/files.js");
    const file = new File(["x"], "long.mp4", { type: "video/mp4" });
    Object.defineProperty(file, "size", { value: 2 ** 30 });
    let taken = null;
    window.editor.set({ onBackgroundFile: (one) => (taken = one.name) });
    await importFiles({ editor: window.editor, t: (key) => key }, [file]);
    return taken;
  });
  assert.equal(given, "long.mp4");
});

check("an image that was chosen is said, with its size", async (page) => {
  const message = await page.evaluate(async () => {
    const { importFiles } = await import("/web/editor/files/files.js");
    const canvas = new OffscreenCanvas(20, 10);
    canvas.getContext("2d");
    const blob = await canvas.convertToBlob();
    await importFiles({ editor: window.editor, t: (key, places) => JSON.stringify([key, places]) }, [
      new File([blob], "mars.png", { type: "image/png" }),
    ]);
    return window.editor.notice.text;
  });
  assert.deepEqual(JSON.parse(message), ["file.image", { name: "mars.png", width: 20, height: 10 }]);
});

check("a picture or video that the browser cannot show is said", async (page, problems) => {
  const errors = await page.evaluate(async () => {
    const { showPicture } = await import("/web/host/background.js");
    const show = (kind) =>
      new Promise((done) => {
        setTimeout(() => done("nothing was said"), 10_000);
        const picture = { kind, url: "/web/package.json", timing: { rate: 0, skip: 0, every: 1 }, steps: [] };
        showPicture(window.editor, picture, { onError: () => done(kind) });
      });
    return [await show("image"), await show("video")];
  });
  assert.deepEqual(errors, ["image", "video"]);
  problems.length = 0; // the browser's own words about the files
});

check("a cropped picture is not copied to be drawn", async (page) => {
  const [isSame, pixel] = await page.evaluate(async () => {
    const { showPicture } = await import("/web/host/background.js");
    const canvas = new OffscreenCanvas(100, 50);
    const context = canvas.getContext("2d");
    context.fillStyle = "#00ff00";
    context.fillRect(50, 0, 50, 50);
    const url = URL.createObjectURL(await canvas.convertToBlob());
    const steps = [{ name: "crop", values: [50, 0, 50, 50] }]; // the green half
    await new Promise((done) => showPicture(window.editor, { kind: "image", url, steps }, { onReady: done }));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const stage = document.querySelector(".smcd-stage-canvas");
    const { left, top, width, height } = window.editor.shownViewport;
    const scale = stage.width / stage.clientWidth;
    const [x, y] = [(left + width * 0.05) * scale, (top + height * 0.95) * scale];
    const { imageAt } = window.editor.background;
    return [imageAt(0) === imageAt(0), [...stage.getContext("2d").getImageData(x, y, 1, 1).data]];
  });
  assert.equal(isSame, true);
  assert.deepEqual(pixel, [0, 255, 0, 255]);
});

check("scores of before a change say so until it is undone", async (page) => {
  await page.evaluate(() => {
    const { trajectory } = window.editor;
    window.editor.set({ scores: { iou: { toString: [0.5] }, mean: 0.5, of: trajectory } });
    window.editor.apply("step.clip", (before) => ({ ...before, fps: 9 }));
  });
  await settle(page);
  const score = page.locator(".smcd-timeline-score");
  assert.match(await score.textContent(), /before the change/);
  await page.evaluate(() => window.editor.undo());
  await settle(page);
  assert.equal(await score.textContent(), "IoU 0.50");
});

check("a phrase in Arabic reads from right to left", async (page) => {
  assert.equal(await page.locator(".smcd-inspector input[type=text]").getAttribute("dir"), "auto");
  const directions = await page.evaluate(async () => {
    const { drawText } = await import("/web/editor/kit/canvas_text.js");
    const drawn = [];
    const context = { fillText: () => drawn.push(context.direction) };
    for (const text of ["قطة، كبيرة", "#1 חתול", "big dog"]) drawText(context, text, 0, 0);
    return drawn;
  });
  assert.deepEqual(directions, ["rtl", "rtl", "ltr"]);
});

check("the border of the timeline tells its height, and keeps it in a new view", async (page) => {
  const border = page.locator(".smcd-timeline-border");
  const value = async (name) => Number(await border.getAttribute(`aria-value${name}`));
  assert.ok((await value("now")) >= (await value("min")) && (await value("now")) <= (await value("max")));
  const before = await value("now");
  await border.focus();
  await page.keyboard.press("ArrowUp");
  await page.waitForFunction((height) => document.querySelector(".smcd-timeline-area").offsetHeight === height, before + 16);
  await page.evaluate(async () => {
    const { createView } = await import("/web/editor/view.js");
    window.view.destroy();
    document.querySelector("main").replaceChildren(createView(window.editor).element);
  });
  await page.waitForFunction((height) => document.querySelector(".smcd-timeline-area").offsetHeight === height, before + 16);
});

check("numbers of four digits fit into their fields, in a node and in full screen", async (page) => {
  const four = JSON.stringify({ ...JSON.parse(TEXT), width: 1280, height: 1080, frames: 1200, fps: 23.976 });
  await page.evaluate((text) => window.editor.load(text), four);
  await page.evaluate(() => window.editor.seek(1199));
  for (const width of [440, 500, 760, 1100]) {
    await page.locator("main").evaluate((main, w) => (main.style.width = `${w}px`), width);
    if (width < 620) await page.locator(".smcd-side-button").click();
    await settle(page);
    const clipped = await page.locator(".smcd-editor input[type=number]").evaluateAll((inputs) =>
      inputs
        .filter((input) => input.clientWidth && input.scrollWidth > input.clientWidth)
        .map((input) => `${input.name || input.parentElement.textContent} ${input.value}`),
    );
    assert.deepEqual(clipped, [], `${width} pixels wide`);
    if (width < 620) await page.locator(".smcd-side-button").click();
  }
});

check("a click on the ruler leaves keys of other times, so that the inspector is about one time", async (page) => {
  await page.evaluate(() => window.editor.selectKeys([{ id: "toString", frame: 0 }]));
  const { x, y, width } = await page.locator(".smcd-timeline-canvas").boundingBox();
  await page.mouse.click(x + width - 40, y + 6);
  await settle(page);
  const frame = await page.evaluate(() => window.editor.frame);
  assert.ok(frame > 9, String(frame));
  assert.deepEqual(await page.evaluate(() => window.editor.selectedKeys), []);
  await page.keyboard.press("5"); // hold
  assert.deepEqual((await track(page)).keys.map(({ ease }) => ease), ["linear", "hold"]);
});

check("at the smallest size all menus and the warnings can be reached", async (page) => {
  await page.locator("main").evaluate((main) => Object.assign(main.style, { width: "210px", height: "380px" }));
  await settle(page);
  const isInside = (element) => {
    const [inner, outer] = [element.getBoundingClientRect(), document.querySelector("main").getBoundingClientRect()];
    return inner.width > 0 && inner.left >= outer.left && inner.right <= outer.right && inner.bottom <= outer.bottom;
  };
  assert.ok((await page.locator(".smcd-stage").boundingBox()).height >= 64);
  for (const name of [".smcd-menu-button", ".smcd-checks-button", ".smcd-tool[data-command=help]"]) {
    for (const one of await page.locator(name).all()) assert.equal(await one.evaluate(isInside), true, name);
  }
});

/** The editor where it meets the page: plain HTTP, keys, fields, and text that is being repaired. */

import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { after, before, test } from "node:test";
import { missing, openEditor } from "./harness.js";

const TEXT = JSON.stringify({
  version: 1,
  width: 512,
  height: 512,
  frames: 24,
  fps: 8,
  objects: [
    {
      id: "toString",
      phrase: "cat",
      keys: [
        { frame: 0, box: [0.1, 0.1, 0.4, 0.4] },
        { frame: 9, box: [0.5, 0.5, 0.8, 0.8] },
      ],
    },
  ],
});
const address = Object.values(networkInterfaces()).flat().find((one) => one.family === "IPv4" && !one.internal)?.address;

const settle = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

/** One page for all tests. Each starts with the page loaded anew and the object selected. */
let opened;
before(async () => {
  if (!missing) opened = await openEditor({ width: 1100, height: 900 });
});
after(() => opened?.close());

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
  assert.equal((await track(page)).phrase, "big dog");
  assert.ok((await passed(page)).includes("Enter"));
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
  for (const key of ["Control+Enter", "Control+Shift+Enter", "Control+Alt+Enter", "Control+s", "Control+,"]) {
    await page.keyboard.press(key);
  }
  const arrived = (await passed(page)).filter((key) => !/Control|Alt|Shift/.test(key));
  assert.deepEqual(arrived, ["Enter", "Enter", "Enter", "s", ","]);
});

check("a phrase that is edited in the list is committed before Ctrl+Enter reaches the host", async (page) => {
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("F2");
  await page.keyboard.type("big dog");
  await page.keyboard.press("Control+Enter");
  assert.equal((await track(page)).phrase, "big dog");
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

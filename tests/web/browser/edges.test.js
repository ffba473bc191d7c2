/** The editor where it meets the page: plain HTTP, keys, fields, and text that is being repaired. */

import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
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

function check(name, body) {
  test(name, { skip: missing }, async (t) => {
    const { page, problems, close } = await openEditor({ width: 1100, height: 900 });
    t.after(close);
    await page.evaluate((text) => {
      window.editor.load(text);
      window.editor.select(["toString"]);
      window.passed = [];
      window.addEventListener("keydown", (event) => window.passed.push(event.key));
    }, TEXT);
    await settle(page);
    await body(page);
    assert.deepEqual(problems, []);
  });
}

const track = (page) => page.evaluate(() => window.editor.trajectory.objects[0]);
const passed = (page) => page.evaluate(() => window.passed);

test("the editor exists over plain HTTP", { skip: missing || (!address && "no address but loopback") }, async (t) => {
  const { page, problems, close } = await openEditor({ address });
  t.after(close);
  assert.equal(await page.evaluate(() => window.isSecureContext), false);
  const found = await page.evaluate(async (text) => {
    const { attachEditor, editorOf } = await import("/web/host/node.js");
    const widgets = [{ name: "text", value: text, options: {} }];
    const node = {
      widgets,
      inputs: [],
      size: [0, 0],
      setSize() {},
      addDOMWidget(name, type, element) {
        const widget = { name, type, element, options: {} };
        widgets.push(widget);
        return widget;
      },
    };
    attachEditor(node, { app: {}, api: new EventTarget() });
    const widget = node.widgets.find(({ name }) => name === "editor");
    widget.width = 266; // as the host's Parameters panel does
    return { objects: editorOf(node).trajectory.objects.length, width: widget.width ?? null };
  }, TEXT);
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

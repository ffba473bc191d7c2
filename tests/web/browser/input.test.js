/** Keyboards with AltGr, a Mac's order of keys, input methods and fingers. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { documentOf, missing, openEditor, settle } from "./harness.js";

const TEXT = JSON.stringify(documentOf([
  { id: "a", phrase: "cat", keys: [0, 9].map((frame) => ({ frame, box: [0.1, 0.1, 0.4, 0.4] })) },
  { id: "b", phrase: "dog", keys: [{ frame: 0, box: [0.5, 0.5, 0.8, 0.8] }] },
]));

/** A test with two objects, of which the first is selected. */
function check(name, body, options = {}) {
  test(name, { skip: missing }, async () => {
    const { page, problems, close } = await openEditor({ width: 1100, height: 900, ...options });
    try {
      await page.evaluate((text) => {
        window.editor.load(text);
        window.editor.select(["a"]);
        window.commits.length = 0;
      }, TEXT);
      await settle(page);
      await body(page);
      assert.deepEqual(problems, []);
    } finally {
      await close();
    }
  });
}

const ids = (page) => page.evaluate(() => window.editor.trajectory.objects.map(({ id }) => id));
const phrases = (page) => page.evaluate(() => window.editor.trajectory.objects.map(({ phrase }) => phrase));
const commits = (page) => page.evaluate(() => window.commits.length);

/** Send key events as another keyboard would, to what has the focus. Gives whether each was prevented. */
const send = (page, ...events) =>
  page.evaluate((list) => {
    return list.map(([type, init]) => {
      const event = new KeyboardEvent(type, { bubbles: true, cancelable: true, ...init });
      document.activeElement.dispatchEvent(event);
      return event.defaultPrevented;
    });
  }, events);

/** Where a place of the frame is on the page. */
const at = (page, x, y) =>
  page.evaluate(([u, v]) => {
    const { left, top } = document.querySelector(".smcd-stage-canvas").getBoundingClientRect();
    const { shownViewport: shown } = window.editor;
    return [left + shown.left + u * shown.width, top + shown.top + v * shown.height];
  }, [x, y]);

check("AltGr types: brackets order objects, letters of other languages do nothing and are no shortcut", async (page) => {
  const altGr = { ctrlKey: true, altKey: true, modifierAltGraph: true };
  await page.locator(".smcd-stage-canvas").focus();
  await send(page, ["keydown", { key: "]", code: "Digit9", ...altGr }]); // as on a German keyboard
  assert.deepEqual(await ids(page), ["b", "a"]);
  await send(page, ["keydown", { key: "[", code: "Digit8", ...altGr }]);
  assert.deepEqual(await ids(page), ["a", "b"]);
  const before = await commits(page);
  for (const [key, code] of [["€", "KeyE"], ["@", "KeyQ"], ["ą", "KeyA"], ["ż", "KeyZ"], ["ś", "KeyS"]]) {
    await send(page, ["keydown", { key, code, ...altGr }]);
  }
  assert.deepEqual([await commits(page), await ids(page)], [before, ["a", "b"]]);
  assert.deepEqual(await page.evaluate(() => [...window.editor.selected, ...window.editor.solo]), ["a"]);
  const phrase = page.locator(".smcd-inspector input[type=text]").first();
  await phrase.focus();
  const prevented = await send(page, ["keydown", { key: "ż", code: "KeyZ", ...altGr }], ["keydown", { key: "@", code: "KeyQ", ...altGr }]);
  assert.deepEqual(prevented, [false, false]); // the field gets them
});

check("on a Mac keys go by Cmd, whose arrow is never released, and Option types", async (page) => {
  await page.evaluate(() => Object.defineProperty(navigator, "platform", { value: "MacIntel" }));
  await page.locator(".smcd-stage-canvas").focus();
  const cmd = { metaKey: true };
  await send(page, ["keydown", { key: "Meta", ...cmd }], ["keydown", { key: "ArrowRight", code: "ArrowRight", ...cmd }], ["keyup", { key: "Meta" }]);
  assert.deepEqual([await commits(page), await page.evaluate(() => window.editor.isInGesture)], [1, false]);
  await page.mouse.move(...(await at(page, 0.25, 0.25)));
  await page.mouse.down();
  await page.mouse.move(...(await at(page, 0.35, 0.35)), { steps: 3 });
  await page.mouse.up();
  assert.equal(await commits(page), 2);
  for (let n = 0; n < 2; n += 1) await send(page, ["keydown", { key: "z", code: "KeyZ", ...cmd }]);
  assert.equal(await page.evaluate(() => window.editor.canUndo), false);
  assert.deepEqual(await page.evaluate(() => window.editor.trajectory.objects[0].keys[0].box), [0.1, 0.1, 0.4, 0.4]);
  await send(page, ["keydown", { key: "z", code: "KeyZ", shiftKey: true, ...cmd }]);
  assert.notDeepEqual(await page.evaluate(() => window.editor.trajectory.objects[0].keys[0].box), [0.1, 0.1, 0.4, 0.4]);
  await send(page, ["keydown", { key: "]", code: "Digit6", altKey: true }]); // as on a German Mac
  assert.deepEqual(await ids(page), ["b", "a"]);
});

check("an input method composes in each field for a phrase, and its keys end nothing else", async (page) => {
  const devtools = await page.context().newCDPSession(page);
  const compose = async (field, into) => {
    await devtools.send("Input.imeSetComposition", { text: "hong", selectionStart: 4, selectionEnd: 4 });
    for (const key of ["Escape", "Enter"]) {
      await send(page, ["keydown", { key, isComposing: true, keyCode: 229 }], ["keyup", { key, isComposing: true }]);
    }
    assert.equal(await field.inputValue(), "hong", into);
    await devtools.send("Input.insertText", { text: "红色" });
    await page.keyboard.press("Enter");
    await settle(page);
  };
  const inspector = page.locator(".smcd-inspector input[type=text]").first();
  await inspector.focus();
  await inspector.fill("");
  await compose(inspector, "properties");
  assert.deepEqual(await phrases(page), ["红色", "dog"]);
  await page.evaluate(() => window.editor.select(["b"]));
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("F2");
  const row = page.locator(".smcd-phrase-input");
  await row.fill("");
  await compose(row, "row");
  assert.deepEqual(await phrases(page), ["红色", "红色"]);
  await page.mouse.move(...(await at(page, 0.1, 0.6)));
  await page.mouse.down();
  await page.mouse.move(...(await at(page, 0.3, 0.9)), { steps: 3 });
  await page.mouse.up();
  const naming = page.locator(".smcd-naming input");
  await naming.waitFor();
  await compose(naming, "stage");
  assert.deepEqual(await phrases(page), ["红色", "红色", "红色"]);
});

check("one finger selects, moves and draws, moves a key, and held it opens the menu of the box", async (page) => {
  const devtools = await page.context().newCDPSession(page);
  const touch = (type, ...points) =>
    devtools.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y]) => ({ x, y })) });
  const drag = async (from, to) => {
    const middle = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
    await touch("touchStart", from);
    for (const point of [middle, to]) await touch("touchMove", point);
    await touch("touchEnd");
    await settle(page);
  };
  const objects = () => page.evaluate(() => window.editor.trajectory.objects);
  await page.evaluate(() => window.editor.setSettings({ snapToFrame: false, snapToBoxes: false }));
  await page.touchscreen.tap(...(await at(page, 0.65, 0.65)));
  assert.deepEqual(await page.evaluate(() => [...window.editor.selected]), ["b"]);
  await drag(await at(page, 0.65, 0.65), await at(page, 0.75, 0.65));
  assert.ok(Math.abs((await objects())[1].keys[0].box[0] - 0.6) < 0.01);
  await drag(await at(page, 0.1, 0.6), await at(page, 0.3, 0.9));
  assert.equal((await objects()).length, 3);
  await page.keyboard.press("Escape");
  const time = await page.locator(".smcd-timeline-over").boundingBox();
  const row = await page.locator(".smcd-row-item[data-id=a]").boundingBox();
  const frame = (n) => {
    const { zero, unit } = scale;
    return [zero + n * unit, row.y + row.height / 2];
  };
  const scale = await page.evaluate(({ x, width }) => {
    const head = document.querySelector(".smcd-timeline-playhead");
    const left = (at) => {
      window.editor.seek(at);
      return new Promise((done) =>
        requestAnimationFrame(() => requestAnimationFrame(() => done(new DOMMatrix(getComputedStyle(head).transform).e))),
      );
    };
    return left(0).then(async (zero) => ({ zero: x + zero, unit: ((await left(20)) - zero) / 20, width }));
  }, time);
  await drag(frame(9), frame(12));
  assert.deepEqual((await objects())[0].keys.map((key) => key.frame), [0, 12]);
  await page.locator(".smcd-stage-canvas").dispatchEvent("contextmenu", {
    pointerType: "touch",
    button: 0,
    clientX: (await at(page, 0.25, 0.25))[0],
    clientY: (await at(page, 0.25, 0.25))[1],
  });
  assert.ok((await page.locator("[role=menu]:visible [role^=menuitem]").count()) > 5);
  assert.deepEqual(await page.evaluate(() => [...window.editor.selected]), ["a"]);
}, { touch: true });

check("a finger on a button is told from the mouse", async (page) => {
  const isTouched = () => page.evaluate(() => window.editor.isTouched);
  const button = page.locator(".smcd-tool[data-command=zoomIn]");
  assert.equal(await isTouched(), false);
  await button.tap();
  assert.equal(await isTouched(), true);
  await button.click();
  assert.equal(await isTouched(), false);
}, { touch: true });

/** A tablet, upright and across: full screen is laid out for fingers, and nothing moves below one. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { documentOf, missing, openEditor, settle } from "./harness.js";

const ACROSS = { width: 1024, height: 768, touch: true };
const UPRIGHT = { width: 820, height: 1180, touch: true };
const LEAST = 36; // CSS pixels that a finger hits

const TEXT = JSON.stringify(documentOf([
  { id: "a", phrase: "red car", keys: [0, 23].map((frame) => ({ frame, box: [0.1, 0.2, 0.3, 0.5] })) },
  { id: "b", phrase: "dog", keys: [{ frame: 0, box: [0.5, 0.2, 0.7, 0.5] }] },
]));

/** A test in the editor, on the node or in full screen, with the first of two objects selected. */
function check(name, { isFull = true, ...options }, body) {
  test(name, { skip: missing }, async (t) => {
    const { page, problems, close } = await openEditor(options);
    t.after(close);
    await page.evaluate((text) => {
      window.editor.load(text);
      window.editor.select(["a"]);
      const prompt = "a red car and a dog on a road with a tree";
      window.editor.set({ onRun: () => {}, facts: { ...window.editor.facts, prompt } });
    }, TEXT);
    if (isFull) await page.locator("[data-command=fullScreen]").tap();
    await settle(page);
    await body(page);
    assert.deepEqual(problems, []);
  });
}

/** Controls that a finger misses, but for those in the rows of the timeline, and those that the editor cuts off. */
const misfits = (page) =>
  page.evaluate((least) => {
    const editor = document.querySelector(".smcd-editor");
    const all = [...editor.querySelectorAll("button, select, input:not([type=checkbox]), .smcd-check")];
    const shown = all.filter((one) => one.offsetWidth > 0 && !one.closest(".smcd-names"));
    const isCut = (one) => {
      const box = one.getBoundingClientRect();
      return box.right > editor.clientWidth || box.left < 0 || (one.tagName === "BUTTON" && one.scrollWidth > one.clientWidth + 1);
    };
    const isWide = editor.clientWidth > 900; // else the fields of the clip would take a second line
    const isNarrow = (one) => one.offsetWidth < least && (isWide || !one.matches(".smcd-transport-field"));
    const isSmall = (one) => one.offsetHeight < least || isNarrow(one);
    return shown.filter((one) => isCut(one) || isSmall(one)).map((one) => `${one.className} ${one.textContent}`);
  }, LEAST);

for (const [way, size] of Object.entries({ across: ACROSS, upright: UPRIGHT })) {
  for (const language of ["de", "ru"]) {
    check(`in full screen ${way} a finger hits all controls and menu lines, in ${language}`, { ...size, language }, async (page) => {
      await page.evaluate(() => window.editor.set({ run: { share: 0.5 } }));
      await settle(page);
      if (size === UPRIGHT) await page.locator(".smcd-side-button").tap();
      assert.deepEqual(await misfits(page), []);
      for (const button of await page.locator(".smcd-menu-button").all()) {
        await button.tap();
        assert.ok((await page.locator(".smcd-menu-list button").count()) > 5);
        assert.deepEqual(await misfits(page), []);
      }
    });
  }

  check(`no message moves image and timeline ${way}, nor does a box that is being drawn`, size, async (page) => {
    const places = () =>
      page.evaluate(() => {
        const names = [".smcd-stage-canvas", ".smcd-timeline-canvas", ".smcd-transport"];
        const { left, top, width } = window.editor.shownViewport;
        const rect = ({ x, y, width, height }) => [x, y, width, height];
        return [left, top, width, ...names.flatMap((name) => rect(document.querySelector(name).getBoundingClientRect()))];
      });
    await page.evaluate(() => window.editor.setSettings({ timelineHeight: 0 }));
    await settle(page);
    const before = await places();
    const long = "The boxes were drawn on an image of another shape, and the run crops what is left of them on both sides. ".repeat(3);
    for (const [kind, text, isUndoable] of [["info", "Saved"], ["info", long], ["info", long, true], ["error", "No"], ["error", long]]) {
      await page.evaluate((values) => window.editor.notify(...values), [kind, text, isUndoable]);
      await settle(page);
      assert.deepEqual(await places(), before, `${kind}: ${text}`);
      if (kind === "error") assert.ok(await page.locator(".smcd-notice").evaluate((one) => one.scrollHeight <= one.clientHeight));
    }
    await page.evaluate(() => {
      const { keys, ...rest } = window.editor.trajectory.objects[0];
      const [first] = keys;
      const jump = [first, { ...first, frame: 1, box: [0.7, 0.6, 0.9, 0.9] }];
      window.gesture = window.editor.begin("step.draw");
      const objects = Array.from({ length: 6 }, (_, n) => ({ ...rest, keys: jump, id: `o${n}` }));
      window.gesture.preview((trajectory) => ({ ...trajectory, objects: [...trajectory.objects, ...objects] }));
    });
    await page.waitForTimeout(400); // the warnings come
    assert.deepEqual(await places(), before);
    assert.ok(await page.locator(".smcd-checks-button:not([disabled])").isVisible());
    await page.evaluate(() => window.gesture.commit());
    await settle(page);
    assert.ok((await page.locator(".smcd-timeline-canvas").boundingBox()).height > before[10]); // room for all rows
  });
}

check("upright the image has the whole width, and the properties open and close below it", UPRIGHT, async (page) => {
  const stage = () => page.locator(".smcd-stage").boundingBox();
  assert.equal((await stage()).width, 820);
  const side = page.locator(".smcd-inspector");
  assert.equal(await side.isVisible(), false);
  await page.locator(".smcd-side-button").tap();
  assert.ok((await side.boundingBox()).y >= (await stage()).y + (await stage()).height);
  assert.ok((await stage()).height > (820 * 9) / 16); // a landscape image still has the whole width
  await page.setViewportSize({ width: 1180, height: 820 });
  await settle(page);
  assert.equal((await side.boundingBox()).x, 1180 - 244 + 1);
});

check("on the node only the way to full screen is large", { ...ACROSS, isFull: false }, async (page) => {
  const sizeOf = async (id) => (await page.locator(`.smcd-tool[data-command=${id}]`).boundingBox()).height;
  assert.ok((await sizeOf("fullScreen")) >= LEAST);
  assert.ok((await sizeOf("help")) < LEAST);
});

check("with a mouse all stays small", { ...ACROSS, touch: false, isFull: false }, async (page) => {
  assert.equal((await page.locator(".smcd-tool[data-command=fullScreen]").boundingBox()).height, 24);
});

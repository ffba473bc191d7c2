/** The trial job: two objects with phrases, paths and timing of their own, in as few actions as it takes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { missing, openEditor } from "./harness.js";

const MOST = 9; // actions: a drag, a click, or a word with Enter

test("two objects with their own paths and timing take at most nine actions", { skip: missing }, async (t) => {
  const { page, problems, close } = await openEditor({ width: 760, height: 560 });
  t.after(close);
  await page.evaluate(() => window.editor.set({ facts: { ...window.editor.facts, prompt: "a red car, and a dog in the street" } }));
  const settle = () =>
    page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  let actions = 0;
  const act = async (run) => {
    actions += 1;
    await run();
    await settle();
  };
  const at = async (x, y) => {
    const canvas = await page.locator(".smcd-stage-canvas").boundingBox();
    const { left, top, width, height } = await page.evaluate(() => window.editor.shownViewport);
    return [canvas.x + left + x * width, canvas.y + top + y * height];
  };
  const drag = (from, to) =>
    act(async () => {
      await page.mouse.move(...(await at(...from)));
      await page.mouse.down();
      await page.mouse.move(...(await at(...to)), { steps: 4 });
      await page.mouse.up();
    });
  const goTo = (frame) =>
    act(async () => {
      const { x, y, width } = await page.locator(".smcd-timeline-over").boundingBox();
      const { frames } = await page.evaluate(() => window.editor.trajectory);
      await page.mouse.click(x + ((frame + 0.5) / frames) * width, y + 6);
    });

  assert.deepEqual(await page.locator(".smcd-stage-hint li").count(), 3);
  await drag([0.1, 0.1], [0.3, 0.3]);
  await act(() => page.locator(".smcd-naming .smcd-chips button", { hasText: "red car" }).click());
  await drag([0.6, 0.6], [0.8, 0.8]);
  await act(() => page.keyboard.type("dog\n"));
  await goTo(4);
  await drag([0.7, 0.7], [0.7, 0.3]);
  await goTo(7);
  await drag([0.2, 0.2], [0.5, 0.5]);

  const objects = await page.evaluate(() => window.editor.trajectory.objects);
  assert.deepEqual(objects.map(({ phrase }) => phrase), ["red car", "dog"]);
  assert.deepEqual(objects.map(({ keys }) => keys.map(({ frame }) => frame)), [[0, 7], [0, 4]]);
  assert.ok(actions <= MOST, `${actions} actions`);
  t.diagnostic(`${actions} actions`);
  assert.deepEqual(problems, []);
});

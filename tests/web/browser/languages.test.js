/** Languages with long words in the view, on the page without ComfyUI. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { LANGUAGES } from "../../../web/editor/strings/strings.js";
import { missing, openEditor } from "./harness.js";

const SIZES = [[1300, 800], [476, 720], [420, 560], [200, 420]]; // CSS pixels

/** The texts of buttons and of the help that end right of the editor or of their part of the help. */
function cutOff() {
  const isOut = (element, whole) => element.getBoundingClientRect().right > whole.getBoundingClientRect().right + 1;
  const editor = document.querySelector(".smcd-editor");
  const buttons = [...editor.querySelectorAll("button")].filter((button) => isOut(button, editor));
  const tables = [...editor.querySelectorAll(".smcd-help table")].filter((table) => isOut(table, table.closest("section")));
  return [...buttons, ...tables].map((element) => element.textContent.slice(0, 40));
}

for (const [language, touch] of [["de", false], ["ru", false], ["de", true]]) {
  const name = `no button and no line of the help is cut off in ${language}${touch ? " on a touch screen" : ""}, while a workflow runs`;
  test(name, { skip: missing }, async (t) => {
    const { page, problems, close } = await openEditor({ language, touch });
    t.after(close);
    await page.evaluate(() => window.editor.set({ run: { share: 0.5 } }));
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      await page.locator(".smcd-editor").focus();
      await page.keyboard.press("?");
      await page.locator(".smcd-help").waitFor();
      assert.deepEqual(await page.evaluate(cutOff), [], `${width} x ${height}`);
      await page.keyboard.press("Escape");
    }
    assert.deepEqual(problems, []);
  });
}

for (const language of LANGUAGES) {
  test(`each easing can be read in its list in ${language}`, { skip: missing }, async (t) => {
    const { page, problems, close } = await openEditor({ language, width: 1024, height: 768 });
    t.after(close);
    await page.evaluate(async () => {
      const { addTrack } = await import("/web/trajectory/model.js");
      window.editor.apply("step.draw", (trajectory) => addTrack(trajectory, [0.1, 0.1, 0.4, 0.4], 0));
      window.editor.select([window.editor.trajectory.objects[0].id]);
    });
    const list = page.locator(".smcd-ease select");
    await list.waitFor();
    const cut = await list.evaluate((select) => {
      const { width } = select.getBoundingClientRect();
      const needed = (option) => {
        const alone = select.cloneNode(false); // as wide as its text
        alone.style.justifySelf = "start";
        alone.append(option.cloneNode(true));
        select.after(alone);
        const box = alone.getBoundingClientRect();
        alone.remove();
        return box.width;
      };
      return [...select.options].filter((option) => needed(option) > width).map((option) => option.textContent);
    });
    assert.deepEqual(cut, []);
    assert.deepEqual(problems, []);
  });
}

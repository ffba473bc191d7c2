/** The editor by keyboard and by screen reader. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { CONTEXT_MENUS } from "../../../web/editor/actions/context_menu.js";
import { documentOf, missing, openEditor, settle } from "./harness.js";

const AXE = createRequire(import.meta.url).resolve("axe-core");
const QUICK = Boolean(process.env.SMCD_QUICK); // as in comfy.js
const LATER = QUICK && "make test-all runs it";
const TRAJECTORY = documentOf([
  { id: "a", phrase: "red car", keys: [0, 12].map((frame) => ({ frame, box: [0.05 + frame / 40, 0.5, 0.35 + frame / 40, 0.75] })) },
  { id: "b", phrase: "brown dog", keys: [{ frame: 0, box: [0.6, 0.1, 0.8, 0.35] }] },
]);
const LIGHT = {
  "--comfy-menu-bg": "#ffffff",
  "--comfy-input-bg": "#eeeeee",
  "--input-text": "#222222",
  "--descrip-text": "#555555",
  "--border-color": "#c8c8c8",
};

function check(name, body, { skip = false, ...options } = {}) {
  test(name, { skip: missing || skip }, async (t) => {
    const { page, problems, close } = await openEditor({ width: 1100, height: 800, ...options });
    t.after(close);
    await page.evaluate((text) => window.editor.load(text), JSON.stringify(TRAJECTORY));
    await page.locator(".smcd-editor").focus();
    await settle(page);
    await body(page);
    assert.deepEqual(problems, []);
  });
}

const focused = (page) => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.className);

/** What axe finds, without whole-page rules: landmarks and headings are the host's. */
async function faults(page) {
  await page.addScriptTag({ path: AXE });
  return page.evaluate(async () => {
    const rules = { region: { enabled: false }, "page-has-heading-one": { enabled: false }, "landmark-one-main": { enabled: false } };
    const { violations } = await window.axe.run(document.querySelector(".smcd-editor"), { rules });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 120)} ${failureSummary}`));
  });
}

/** Ways into the menus of the right button, by name. */
function contextMenus(page) {
  const open = (name) =>
    page.evaluate(async (menu) => {
      const { openContextMenu } = await import("/web/editor/actions/context_menu.js");
      const { translator } = await import("/web/editor/strings/strings.js");
      const { editor, view } = window;
      const context = { editor, view, t: translator("en"), root: document.querySelector(".smcd-editor") };
      openContextMenu(context, menu, { clientX: 150, clientY: 100 });
    }, name);
  return Object.fromEntries(Object.keys(CONTEXT_MENUS).map((name) => [`menu of a ${name}`, () => open(name)]));
}

for (const [look, colors] of Object.entries({ dark: {}, light: LIGHT })) {
  for (const width of QUICK ? [look === "dark" ? 1100 : 380] : [1100, 380]) {
    check(`axe finds no fault in any state, ${look}, ${width} pixels wide`, async (page) => {
      await page.evaluate((given) => {
        for (const [name, color] of Object.entries(given)) document.documentElement.style.setProperty(name, color);
        window.view.restyle();
      }, colors);
      const pressed = async (key) => {
        await page.keyboard.press("Escape");
        await page.locator(".smcd-editor").focus();
        await page.keyboard.press(key);
      };
      const states = {
        nothing: () => page.evaluate(() => window.editor.select([])),
        selected: () => page.evaluate(() => window.editor.select(["a"])),
        all: () => page.evaluate(() => window.editor.selectCamera()),
        properties: async () => {
          const button = page.locator(".smcd-side-button");
          if (await button.isVisible()) await button.click();
        },
        menu: () => page.getByRole("button", { name: "Object", exact: true }).click(),
        warning: async () => {
          await page.keyboard.press("Escape");
          await page.evaluate((text) => window.editor.load(text.replace("brown dog", "")), JSON.stringify(TRAJECTORY));
          await page.locator(".smcd-notice[data-kind=warning]").waitFor();
        },
        "list of warnings": () => page.locator(".smcd-checks-button").click(),
        ...(QUICK ? {} : contextMenus(page)),
        "full screen": () => pressed("f"),
        help: () => pressed("?"),
        problem: async () => {
          await page.keyboard.press("Escape");
          await page.evaluate(() => window.editor.load("{ no JSON"));
        },
      };
      for (const [name, enter] of Object.entries(states)) {
        await enter();
        await settle(page);
        assert.deepEqual(await faults(page), [], name);
      }
    }, { width });
  }
}

/** The least contrast of an icon button with what is behind it. */
const contrasts = (page) =>
  page.evaluate(() => {
    const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const luminance = (color, under) => {
      for (const one of [under, color]) {
        pixel.fillStyle = one;
        pixel.fillRect(0, 0, 1, 1);
      }
      const [r, g, b] = [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => {
        return v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const base = getComputedStyle(document.querySelector(".smcd-editor")).backgroundColor;
    return [...document.querySelectorAll(".smcd-editor button:has(svg):not(:disabled)")].flatMap((button) => {
      const { color, backgroundColor } = getComputedStyle(button);
      const [ink, paper] = [luminance(color, base), luminance(backgroundColor, base)].sort((a, b) => b - a);
      const ratio = (ink + 0.05) / (paper + 0.05);
      return ratio < 3 ? [`${button.getAttribute("aria-label")} ${ratio.toFixed(2)}`] : [];
    });
  });

for (const [look, colors] of Object.entries({ dark: {}, light: LIGHT })) {
  check(`icon buttons stand out by at least 3:1, ${look}`, async (page) => {
    await page.evaluate((given) => {
      for (const [name, color] of Object.entries(given)) document.documentElement.style.setProperty(name, color);
      window.editor.select(["a"]);
      window.editor.set({ locked: new Set(["a"]), solo: new Set(["a"]) });
    }, colors);
    await settle(page);
    assert.deepEqual(await contrasts(page), []);
    for (const command of ["record", "setting.loop"]) await page.locator(`[data-command="${command}"]`).first().click();
    await settle(page);
    assert.deepEqual(await contrasts(page), []);
  });
}

check("Tab stops once at each row of buttons, which arrow keys walk through", async (page) => {
  await page.keyboard.press("Tab");
  assert.match(await focused(page), /smcd-menu-button/);
  await page.keyboard.press("ArrowLeft");
  assert.equal(await focused(page), "Add a box");
  assert.deepEqual(await page.evaluate(() => window.editor.trajectory.objects.map(({ keys }) => keys.length)), [2, 1]);
  await page.keyboard.press("End");
  assert.equal(await focused(page), "Shortcuts and gestures");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Image and boxes at frame 0");
  await page.keyboard.press("Shift+Tab");
  assert.match(await focused(page), /smcd-menu-button/);
  let stops = 0;
  await page.locator(".smcd-editor").focus();
  for (; stops < 60; stops += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement === document.body)) break;
  }
  assert.ok(stops <= 14, `${stops}`); // without a selection the properties have none
});

check("arrow keys go from a row to its controls and back", async (page) => {
  await page.evaluate(() => window.editor.select(["a"]));
  await settle(page);
  await page.locator(".smcd-row-item[data-id=a]").focus();
  const names = [];
  for (let n = 0; n < 5; n += 1) {
    await page.keyboard.press("ArrowRight");
    names.push(await focused(page));
  }
  const expected = ["Include red car in the video", "Color of red car", "red car is visible at this frame", "Lock red car", "Solo red car"];
  assert.deepEqual(names, expected);
  await page.keyboard.press("Enter");
  assert.deepEqual(await page.evaluate(() => [...window.editor.solo]), ["a"]);
  for (let n = 0; n < 5; n += 1) await page.keyboard.press("ArrowLeft");
  assert.equal(await focused(page), "red car");
});

check("selection, moves and refusals are said", async (page) => {
  const said = async (pattern) => {
    const found = page.locator(".smcd-editor [aria-live=polite]").filter({ hasText: pattern });
    await found.waitFor({ state: "attached", timeout: 3000 });
  };
  await page.evaluate(() => window.editor.select(["b"]));
  await said(/^Selected: brown dog. Frame 0: X 307, Y 51, 102 × 128 px$/);
  await page.locator(".smcd-stage-canvas").focus();
  await page.keyboard.press("ArrowRight");
  await said(/^Frame 0: X 308, Y 51, 102 × 128 px$/);
  await page.keyboard.press(".");
  await said(/^Frame 1: X 308/);
  await page.evaluate(() => window.editor.select(["a", "b"]));
  await said(/^Selected: red car, brown dog. Frame 1$/);
  await page.evaluate(() => window.editor.selectCamera());
  await said(/^Selected: All objects/);
  await page.evaluate(() => window.editor.select([]));
  await said(/^Nothing selected/);
  await page.evaluate(() => {
    window.editor.set({ locked: new Set(["a"]) });
    window.editor.select(["a"]);
  });
  await page.keyboard.press("ArrowRight");
  await said(/locked/i);
});

/** Own meanings of the timeline's keys: it zooms itself. */
const OF_TIMELINE = ["+", "=", "-", "0"];

check("each key of each command runs it, on the stage and on the timeline", async (page) => {
  const commands = await page.evaluate(async () => {
    const { COMMANDS } = await import("/web/editor/actions/commands.js");
    window.ran = [];
    for (const command of COMMANDS) {
      const note = () => window.ran.push(command.id);
      Object.assign(command, { isEnabled: () => true, run: note });
      if (command.step) command.step.start = () => (note(), () => (before) => before);
    }
    return COMMANDS.filter(({ isNative }) => !isNative).map(({ id, keys }) => ({ id, keys }));
  });
  for (const place of ["stage", "timeline"]) {
    await page.locator(`.smcd-${place}-canvas`).focus();
    for (const { id, keys } of commands) {
      for (const key of keys) {
        if (place === "timeline" && (OF_TIMELINE.includes(key) || /^(Shift\+)?Arrow/.test(key))) continue;
        await page.keyboard.press(/^[A-Z]$/.test(key) ? key.toLowerCase() : key.replace("Mod+", "Control+"));
        assert.deepEqual(await page.evaluate(() => window.ran.splice(0)), [id], `${key} on the ${place}`);
      }
    }
  }
}, { skip: LATER });

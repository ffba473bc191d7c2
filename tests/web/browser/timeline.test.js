import assert from "node:assert/strict";
import test from "node:test";
import * as places from "../../../web/editor/timeline/layout.js";
import { missing, openEditor, settle } from "./harness.js";

const BOX = [0.1, 0.2, 0.3, 0.5];
const key = (frame, more = {}) => ({ frame, box: BOX.map((v) => v + frame / 100), ...more });
const CLIP = {
  version: 1,
  width: 512,
  height: 512,
  frames: 24,
  objects: [
    { id: "car", phrase: "car", keys: [key(0, { ease: "in_out" }), key(8), key(16)] },
    { id: "dog", phrase: "dog", keys: [key(4)] },
  ],
};

/** Run `act` on an editor with a document and look at what it did. No console error is tolerated. */
async function withTimeline(clip, act, options = {}) {
  const { page, problems, close } = await openEditor({ width: 900, height: 700, ...options });
  try {
    await page.evaluate((text) => editor.load(text), JSON.stringify(clip));
    await settle(page);
    await act(page, toolsFor(page));
    assert.deepEqual(problems, []);
  } finally {
    await close();
  }
}

/** Let two frames be drawn. */
function toolsFor(page) {
  const at = async (row, frame, dx = 0) => {
    const box = await page.locator(".smcd-timeline-canvas").boundingBox();
    const { count, length, scores } = await page.evaluate(() => ({
      count: editor.trajectory.objects.length,
      length: editor.trajectory.frames,
      scores: editor.scores !== null,
    }));
    const view = { zoom: 1, start: 0, scroll: 0 };
    const layout = places.layoutOf(box, { frames: length, objects: count, hasScores: scores }, view);
    const y = row === "ruler" ? places.RULER / 2 : places.keyY(layout, row);
    return { x: box.x + places.xOf(layout, frame) + dx, y: box.y + y };
  };
  const drag = async (from, to, { modifier, release = true } = {}) => {
    if (modifier) await page.keyboard.down(modifier);
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2);
    await page.mouse.move(to.x, to.y);
    if (release) await page.mouse.up();
    if (modifier) await page.keyboard.up(modifier);
  };
  const keysOf = (id) =>
    page.evaluate((name) => editor.trajectory.objects.find((o) => o.id === name).keys.map((k) => k.frame), id);
  const rangesOf = (id) =>
    page.evaluate(async (name) => {
      const { visibleRanges } = await import("/web/trajectory/model.js");
      return visibleRanges(editor.trajectory.objects.find((o) => o.id === name), editor.trajectory.frames);
    }, id);
  const steps = () => page.evaluate(() => commits.length);
  const read = (name) => page.evaluate((field) => editor[field], name);
  return { at, drag, keysOf, rangesOf, steps, read };
}

test("dragging a key moves it in one undo step and selects it", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, drag, keysOf, steps, read }) => {
    await drag(await at(1, 8), await at(1, 12));
    assert.deepEqual(await keysOf("car"), [0, 12, 16]);
    assert.deepEqual(await read("selectedKeys"), [{ id: "car", frame: 12 }]);
    assert.equal(await steps(), 1);
    await page.evaluate(() => editor.undo());
    assert.deepEqual(await keysOf("car"), [0, 8, 16]);
  }),
);

test("selected keys of several objects move together and stop at the end of the clip", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, drag, keysOf, steps }) => {
    await page.evaluate(() => editor.selectKeys([{ id: "car", frame: 16 }, { id: "dog", frame: 4 }]));
    await drag(await at(2, 4), await at(2, 23));
    assert.deepEqual(await keysOf("car"), [0, 8, 23]);
    assert.deepEqual(await keysOf("dog"), [11]);
    assert.equal(await steps(), 1);
  }),
);

for (const modifier of ["Alt", "Control"]) {
  test(`dragging a key with ${modifier} copies it`, { skip: missing }, () =>
    withTimeline(CLIP, async (page, { at, drag, keysOf, steps, read }) => {
      await drag(await at(1, 8), await at(1, 20), { modifier });
      assert.deepEqual(await keysOf("car"), [0, 8, 16, 20]);
      assert.deepEqual(await read("selectedKeys"), [{ id: "car", frame: 20 }]);
      assert.equal(await steps(), 1);
    }),
  );
}

test("Escape during a drag puts keys and selection back", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, drag, keysOf, steps, read }) => {
    await drag(await at(1, 8), await at(1, 12), { release: false });
    assert.deepEqual(await keysOf("car"), [0, 12, 16]);
    await page.keyboard.press("Escape");
    await page.mouse.up();
    assert.deepEqual(await keysOf("car"), [0, 8, 16]);
    assert.deepEqual(await read("selectedKeys"), [{ id: "car", frame: 8 }]);
    assert.equal(await steps(), 0);
    assert.equal(await read("isInGesture"), false);
  }),
);

test("keys of a locked object stay", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, drag, keysOf, rangesOf }) => {
    await page.evaluate(() => editor.set({ locked: new Set(["car"]) }));
    await drag(await at(1, 8), await at(1, 12));
    await drag(await at(1, 23, 9), await at(1, 18));
    await page.mouse.dblclick(...Object.values(await at(1, 12)));
    assert.deepEqual(await keysOf("car"), [0, 8, 16]);
    assert.deepEqual(await rangesOf("car"), [[0, 23]]);
  }),
);

test("dragging on the camera's row moves the keys of all objects there", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, drag, keysOf }) => {
    await page.evaluate(async () => {
      const { addKeys } = await import("/web/trajectory/model.js");
      editor.apply("step.addKey", (trajectory) => addKeys(trajectory, ["dog"], 8));
    });
    await drag(await at(0, 8), await at(0, 10));
    assert.deepEqual([await keysOf("car"), await keysOf("dog")], [[0, 10, 16], [4, 10]]);
  }),
);

test("clicks go to a key, select a segment's first key, an object by its name", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, read }) => {
    await page.mouse.click(...Object.values(await at(1, 16)));
    assert.deepEqual([await read("time"), await read("selectedKeys")], [16, [{ id: "car", frame: 16 }]]);
    await page.mouse.click(...Object.values(await at(1, 3)));
    assert.deepEqual([await read("time"), await read("selectedKeys")], [16, [{ id: "car", frame: 0 }]]);
    const { y } = await at(2, 0);
    const { x } = await page.locator(".smcd-timeline-canvas").boundingBox();
    await page.mouse.click(x + 40, y);
    assert.deepEqual(await page.evaluate(() => [...editor.selected]), ["dog"]);
    await page.mouse.click(x + 40, (await at(0, 0)).y);
    assert.equal(await read("isCameraSelected"), true);
  }),
);

test("a double click adds a key that moves nothing, in one step", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, keysOf, steps }) => {
    await page.mouse.dblclick(...Object.values(await at(1, 4)));
    assert.deepEqual(await keysOf("car"), [0, 4, 8, 16]);
    assert.equal(await steps(), 1);
  }),
);

test("a rectangle selects the keys in it; with Shift it adds them", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, drag, read, steps }) => {
    const below = await at(2, 12, 0);
    await drag({ x: below.x, y: below.y + 8 }, { ...(await at(1, 6)), y: (await at(1, 6)).y - 8 });
    assert.deepEqual(await read("selectedKeys"), [{ id: "car", frame: 8 }]);
    await drag({ x: below.x, y: below.y + 8 }, { ...(await at(2, 2)), y: below.y - 8 }, { modifier: "Shift" });
    assert.deepEqual(await read("selectedKeys"), [{ id: "car", frame: 8 }, { id: "dog", frame: 4 }]);
    assert.equal(await steps(), 0);
  }),
);

test("the ends of a range are when an object enters and leaves, one step each", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, drag, rangesOf, steps, keysOf }) => {
    await drag(await at(2, 0, -9), await at(2, 6, -9));
    assert.deepEqual(await rangesOf("dog"), [[6, 23]]);
    await drag(await at(2, 23, 9), await at(2, 18, 9));
    assert.deepEqual(await rangesOf("dog"), [[6, 18]]);
    assert.equal(await steps(), 2);
    await drag(await at(2, 6, -9), await at(2, 0, -9));
    await drag(await at(2, 18, 9), await at(2, 23, 9));
    assert.deepEqual([await rangesOf("dog"), await keysOf("dog")], [[[0, 23]], [0, 4]]);
  }),
);

test("the playhead follows the pointer on the ruler, also out of the canvas", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, drag, read, steps }) => {
    await drag(await at("ruler", 3), await at("ruler", 10), { release: false });
    assert.equal(await read("time"), 10);
    await page.mouse.move(5000, 10);
    assert.equal(await read("time"), 23);
    await page.mouse.up();
    assert.equal(await steps(), 0);
    const canvas = page.locator(".smcd-timeline-canvas");
    await settle(page);
    assert.match(await canvas.getAttribute("aria-valuetext"), /Frame 23 of 0–23/);
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("PageUp");
    assert.equal(await read("time"), 12);
    await page.keyboard.press("Shift+ArrowLeft");
    assert.equal(await read("time"), 8);
  }),
);

/** Times of the playhead and of the clock, in frames and seconds, on each frame drawn in a while. */
const watch = (page, seconds) =>
  page.evaluate(
    (length) =>
      new Promise((done) => {
        const seen = [];
        const first = performance.now();
        const look = (now) => {
          seen.push([editor.time, now / 1000]);
          if (now - first < length * 1000) requestAnimationFrame(look);
          else done(seen);
        };
        requestAnimationFrame(look);
      }),
    seconds,
  );

test("playback runs at the clip's rate times the speed", { skip: missing }, () =>
  withTimeline({ ...CLIP, frames: 240, fps: 20 }, async (page, { read }) => {
    for (const [speed, rate] of [[1, 20], [2, 40]]) {
      await page.evaluate((value) => {
        editor.setSettings({ speed: value });
        editor.seek(0);
        editor.set({ isPlaying: true });
      }, speed);
      const seen = (await watch(page, 1)).slice(2); // the first frames may still be those before
      const [time, clock] = [0, 1].map((n) => seen.at(-1)[n] - seen[0][n]);
      assert.ok(Math.abs(time / clock - rate) < rate * 0.05, `${time / clock} frames per second, not ${rate}`);
      await page.evaluate(() => editor.set({ isPlaying: false }));
      assert.ok(Number.isInteger(await read("time")));
    }
  }),
);

test("playback loops, each frame as long as the others, or stops at the last frame", { skip: missing }, () =>
  withTimeline({ ...CLIP, frames: 24, fps: 100 }, async (page, { read }) => {
    await page.evaluate(() => editor.set({ isPlaying: true }));
    const times = (await watch(page, 1)).map(([time]) => time);
    const rounds = times.filter((time, n) => n > 0 && time < times[n - 1]).length;
    assert.ok(rounds >= 3 && rounds <= 5, `${rounds} rounds of 24 frames in a second at 100 frames per second`);
    assert.ok(Math.max(...times) <= 23);
    await page.evaluate(() => editor.setSettings({ loop: false }));
    await page.waitForFunction(() => !editor.isPlaying, null, { timeout: 3000 });
    assert.equal(await read("time"), 23);
  }),
);

test("playback keeps to the work area, which keys, the ruler's menu and its ends set", { skip: missing }, () =>
  withTimeline({ ...CLIP, frames: 24, fps: 100 }, async (page, { at, drag, read }) => {
    await page.locator(".smcd-stage-canvas").focus();
    await page.evaluate(() => editor.seek(4));
    await page.keyboard.press("Shift+Home");
    await page.evaluate(() => editor.seek(9));
    await page.keyboard.press("Shift+End");
    assert.deepEqual(await read("workArea"), [4, 9]);
    const top = async (frame) => ({ ...(await at("ruler", frame)), y: (await at("ruler", frame)).y - 11 });
    await drag(await top(9), await top(12));
    assert.deepEqual(await read("workArea"), [4, 12]);
    await page.evaluate(() => editor.seek(20));
    await page.evaluate(() => editor.set({ isPlaying: true }));
    const times = (await watch(page, 0.4)).map(([time]) => time).slice(2);
    await page.evaluate(() => editor.set({ isPlaying: false }));
    assert.ok(Math.min(...times) >= 4 && Math.max(...times) <= 12, `${Math.min(...times)} to ${Math.max(...times)}`);
    await page.keyboard.press("Alt+End");
    assert.equal(await read("workArea"), null);
    const { x, y } = await at("ruler", 18);
    await page.mouse.click(x, y, { button: "right" });
    await page.locator("[data-menu=ruler] [data-command=workAreaEnd]").click();
    assert.deepEqual(await read("workArea"), [0, 18]);
  }),
);

test("markers are set, named, walked and removed with keys alone", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, read }) => {
    await page.locator(".smcd-stage-canvas").focus();
    await page.keyboard.press("Shift+M");
    await page.evaluate(() => editor.seek(6));
    await page.keyboard.press("Alt+m");
    await page.keyboard.type("<b>turn</b>");
    await page.keyboard.press("Enter");
    assert.deepEqual(await read("markers"), [{ frame: 0, name: "" }, { frame: 6, name: "<b>turn</b>" }]);
    await page.keyboard.press("Alt+PageUp");
    assert.equal(await read("time"), 0);
    await page.keyboard.press("Shift+M");
    await page.keyboard.press("Alt+PageDown");
    assert.equal(await read("time"), 6);
    const { x, y } = await at("ruler", 6);
    await page.mouse.move(x, y + 10);
    await page.locator(".smcd-timeline-tip", { hasText: "<b>turn</b>" }).waitFor();
    await page.mouse.dblclick(x, y + 10);
    await page.keyboard.type("over");
    await page.keyboard.press("Enter");
    assert.equal((await read("markers"))[0].name, "<b>turn</b>over");
  }),
);

test("a marker is moved with its name by keys alone, over other markers and not out of the clip", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { read }) => {
    await page.evaluate(() => {
      editor.setMarkers([{ frame: 1, name: "" }, { frame: 2, name: "turn" }]);
      editor.seek(2);
    });
    await page.locator(".smcd-stage-canvas").focus();
    await page.keyboard.press("Alt+Shift+PageDown");
    await page.keyboard.press("Alt+Shift+PageDown");
    assert.deepEqual(await read("markers"), [{ frame: 1, name: "" }, { frame: 4, name: "turn" }]);
    assert.equal(await read("time"), 4);
    for (let n = 0; n < 4; n += 1) await page.keyboard.press("Alt+Shift+PageUp");
    assert.deepEqual(await read("markers"), [{ frame: 0, name: "turn" }, { frame: 1, name: "" }]);
    assert.equal(await read("time"), 0);
  }),
);

test("recording ends with the clip, even with the loop on", { skip: missing }, () =>
  withTimeline({ ...CLIP, frames: 24, fps: 100 }, async (page, { read }) => {
    await page.evaluate(() => editor.set({ recording: { id: "car", samples: [] }, isPlaying: true }));
    await page.waitForFunction(() => !editor.isPlaying, null, { timeout: 3000 });
    assert.equal(await read("time"), 23);
  }),
);

test("destroying the view ends playback", { skip: missing }, () =>
  withTimeline({ ...CLIP, fps: 50 }, async (page, { read }) => {
    await page.evaluate(() => editor.set({ isPlaying: true }));
    await watch(page, 0.1);
    await page.evaluate(() => view.destroy());
    const time = await read("time");
    await watch(page, 0.1);
    assert.equal(await read("time"), time);
  }),
);

async function setLength(page, frames) {
  const field = page.getByLabel("Length in frames");
  await field.fill(String(frames));
  await field.press("Enter");
}

for (const [mode, frames, keys] of [
  ["stretch", 47, [0, 16, 32]],
  ["keep", 47, [0, 8, 16]],
  ["stretch", 12, [0, 4, 8]],
  ["crop", 12, [0, 8, 11]],
]) {
  test(`a length of ${frames} frames asks, and ${mode} is one step`, { skip: missing }, () =>
    withTimeline(CLIP, async (page, { keysOf, steps }) => {
      await setLength(page, frames);
      assert.equal(await steps(), 0);
      const dialog = page.getByRole("dialog");
      assert.equal(await dialog.locator("[data-action=crop]").count(), frames < 24 ? 1 : 0);
      const name = { stretch: "Stretch", keep: "Keep frame numbers", crop: "Crop" }[mode];
      await dialog.getByRole("button", { name }).click();
      await page.waitForFunction((length) => editor.trajectory.frames === length, frames);
      assert.deepEqual(await keysOf("car"), keys);
      assert.equal(await steps(), 1);
    }),
  );
}

test("frame numbers cannot be kept where a key would be past the end; Escape changes nothing", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { steps }) => {
    await setLength(page, 12);
    assert.ok(await page.getByRole("button", { name: "Keep frame numbers" }).isDisabled());
    await page.keyboard.press("Escape");
    await settle(page);
    assert.equal(await steps(), 0);
    assert.equal(await page.getByLabel("Length in frames").inputValue(), "24");
  }),
);

test("without motion another length is just taken; a wrong one is refused with a message", { skip: missing }, () =>
  withTimeline({ ...CLIP, objects: [] }, async (page, { read }) => {
    await setLength(page, 60);
    assert.equal((await read("trajectory")).frames, 60);
    await setLength(page, 0);
    assert.equal((await read("trajectory")).frames, 60);
    await settle(page);
    assert.match(await page.locator(".smcd-notice").textContent(), /frames is 0/);
    assert.equal(await page.getByLabel("Length in frames").inputValue(), "60");
  }),
);

test("rate, size and frame are set by their fields", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { read, steps }) => {
    for (const [label, value] of [["Frames per second", 12.5], ["Width in pixels", 640], ["Height in pixels", 360]]) {
      const field = page.locator(".smcd-transport").getByLabel(label);
      await field.fill(String(value));
      await field.press("Enter");
    }
    const { fps, width, height } = await read("trajectory");
    assert.deepEqual([fps, width, height], [12.5, 640, 360]);
    assert.equal(await steps(), 3);
    await page.getByLabel("Frame", { exact: true }).fill("7");
    await page.getByLabel("Frame", { exact: true }).press("Enter");
    assert.equal(await read("time"), 7);
  }),
);

test("buttons and fields of the clip keep to one line from the width of a narrow node on", { skip: missing }, () =>
  withTimeline(CLIP, async (page) => {
    for (const width of [480, 550, 618, 625, 800, 1100]) {
      await page.setViewportSize({ width, height: 700 });
      await settle(page);
      const tops = await page.locator(".smcd-transport :is(button, input, select):visible").evaluateAll((controls) =>
        controls.map((control) => Math.round(control.getBoundingClientRect().top)),
      );
      assert.ok(tops.length >= 11 || width === 625, `${tops.length} at ${width}`);
      assert.ok(Math.max(...tops) - Math.min(...tops) < 4, `at ${width}: ${tops}`);
    }
  }),
);

test("the wheel is the host's until the editor has the focus; then Ctrl zooms at the pointer", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at, drag, keysOf }) => {
    await page.evaluate(() => {
      window.wheels = 0;
      document.querySelector("main").addEventListener("wheel", () => (window.wheels += 1));
    });
    await page.mouse.move(...Object.values(await at(1, 8)));
    await page.mouse.wheel(0, 40);
    await settle(page);
    assert.equal(await page.evaluate(() => wheels), 1);
    await page.mouse.click(...Object.values(await at(1, 8)));
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -300);
    await page.keyboard.up("Control");
    await settle(page);
    assert.equal(await page.evaluate(() => wheels), 1);
    // The key is still under the pointer, and the next frames are e times as far apart, up to the most.
    const scale = (await at(1, 9)).x - (await at(1, 8)).x;
    await drag(await at(1, 8), await at(1, 8, Math.min(scale * Math.E, 40)));
    assert.deepEqual(await keysOf("car"), [0, 9, 16]);
  }),
);

test("plus, minus and 0 zoom the timeline while it has the focus, about the playhead", { skip: missing }, () =>
  withTimeline({ ...CLIP, frames: 240 }, async (page, { read }) => {
    await page.evaluate(() => editor.seek(120));
    await page.locator(".smcd-timeline-canvas").focus();
    const before = await read("viewport");
    const places = () =>
      page.evaluate(() => {
        const [, x] = /translateX\(([-\d.]+)px/.exec(document.querySelector(".smcd-timeline-playhead").style.transform);
        return Number(x);
      });
    const at = await places();
    const shift = async (frames) => {
      await page.evaluate((by) => editor.seek(editor.time + by), frames);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      return (await places()) - at;
    };
    const one = await shift(10);
    await shift(-10);
    for (const key of ["+", "+"]) await page.keyboard.press(key);
    assert.ok(Math.abs((await shift(10)) / one - 2.25) < 0.01); // ten frames are 1.5 x 1.5 as wide
    await shift(-10);
    await page.keyboard.press("0");
    assert.ok(Math.abs((await shift(10)) - one) < 0.1);
    assert.deepEqual(await read("viewport"), before); // not of the image
  }),
);

test("the mean IoU is shown, and that of a frame under the pointer", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { at }) => {
    await page.evaluate(() => {
      editor.set({ scores: { iou: { car: [0.9, null, 0.25], dog: [0.5, 0.5, 0.5] }, mean: 0.523 } });
    });
    await settle(page);
    assert.equal(await page.locator(".smcd-timeline-score").textContent(), "IoU 0.52");
    const { x, y } = await at(1, 23);
    await page.mouse.move(x, y + 15);
    assert.equal(await page.locator(".smcd-timeline-tip").textContent(), "Frame 23: IoU 0.25");
  }),
);

test("the timeline can be made higher, but not higher than 60 % of the editor", { skip: missing }, () =>
  withTimeline(CLIP, async (page, { drag }) => {
    const height = async () => (await page.locator(".smcd-timeline-area").boundingBox()).height;
    const before = await height();
    const border = await page.locator(".smcd-timeline-border").boundingBox();
    const from = { x: border.x + 200, y: border.y + 2 };
    await drag(from, { x: from.x, y: from.y - 60 });
    assert.ok(Math.abs((await height()) - before - 60) <= 1);
    await drag({ x: from.x, y: from.y - 60 }, { x: from.x, y: 0 });
    assert.ok((await height()) <= 0.6 * 700 + 1);
  }),
);

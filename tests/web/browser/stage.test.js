import assert from "node:assert/strict";
import test from "node:test";
import { missing, openEditor } from "./harness.js";

const PIXEL = 1.5; // CSS pixels that a drag may land beside: the mouse and boxes of six decimals are rounded

/** An editor with objects given as lists of boxes (one key at frame 0) or of [frame, box], and what tests ask of it. */
async function open(objects = [], options = {}) {
  const opened = await openEditor({ width: 1000, height: 720, ...options });
  const { page } = opened;
  await page.evaluate(async (tracks) => {
    const model = await import("/web/trajectory/model.js");
    const keysOf = (track) => (typeof track[0] === "number" ? [[0, track]] : track);
    const objects = tracks.map((track, n) => ({
      phrase: `object ${n + 1}`,
      keys: keysOf(track).map(([frame, box]) => ({ frame, box })),
    }));
    editor.replace("step.import", model.readTrajectory({ version: 1, width: 640, height: 360, frames: 16, objects }));
    editor.setSettings({ snapToFrame: false, snapToBoxes: false });
    commits.length = 0;
  }, objects);
  await frame(page);
  /** Where a place of the frame is on the page. */
  const at = (x, y) =>
    page.evaluate(
      ([u, v]) => {
        const canvas = document.querySelector(".smcd-stage-canvas");
        const rect = canvas.getBoundingClientRect();
        const { left, top, width, height } = editor.shownViewport;
        const scale = rect.width / canvas.offsetWidth;
        return [rect.left + (left + u * width) * scale, rect.top + (top + v * height) * scale];
      },
      [x, y],
    );
  const boxes = () =>
    page.evaluate(async () => {
      const { boxAt } = await import("/web/trajectory/model.js");
      return editor.trajectory.objects.map((track) => boxAt(track, editor.frame));
    });
  const drag = async (from, to, { keys = [], late = [], button = "left" } = {}) => {
    for (const key of keys) await page.keyboard.down(key);
    await page.mouse.move(...(await at(...from)));
    await page.mouse.down({ button });
    const end = await at(...to);
    const begin = await at(...from);
    await page.mouse.move((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2, { steps: 3 });
    for (const key of late) await page.keyboard.down(key);
    await page.mouse.move(...end, { steps: 3 });
    await page.mouse.up({ button });
    for (const key of [...keys, ...late]) await page.keyboard.up(key);
    await frame(page);
  };
  const click = async (place, keys = []) => {
    for (const key of keys) await page.keyboard.down(key);
    await page.mouse.click(...(await at(...place)));
    for (const key of keys) await page.keyboard.up(key);
  };
  const selected = () => page.evaluate(() => [...editor.selected]);
  const commits = () => page.evaluate(() => commits.length);
  /** Boxes are equal to a pixel and a half of the screen. */
  const isNear = async (box, wanted) => {
    const { width, height } = await page.evaluate(() => editor.shownViewport);
    const off = box.map((v, n) => Math.abs(v - wanted[n]) * (n % 2 ? height : width));
    assert.ok(Math.max(...off) <= PIXEL, `${box} is not ${wanted}`);
  };
  return { ...opened, at, boxes, drag, click, selected, commits, isNear };
}

const frame = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

function browserTest(name, objects, options, body) {
  test(name, { skip: missing }, async () => {
    const stage = await open(objects, options);
    try {
      await body(stage);
      assert.deepEqual(stage.problems, []);
    } finally {
      await stage.close();
    }
  });
}

const A = [0.2, 0.2, 0.4, 0.5];
const B = [0.6, 0.3, 0.8, 0.7];

browserTest("two boxes are drawn, one step of undo each", [], {}, async ({ page, drag, boxes, commits, isNear }) => {
  assert.ok(await page.locator(".smcd-stage-hint").isVisible());
  await drag([0.1, 0.1], [0.3, 0.4]);
  await drag([0.9, 0.9], [0.5, 0.5]);
  const [first, second] = await boxes();
  await isNear(first, [0.1, 0.1, 0.3, 0.4]);
  await isNear(second, [0.5, 0.5, 0.9, 0.9]);
  assert.equal(await commits(), 2);
  assert.ok(!(await page.locator(".smcd-stage-hint").isVisible()));
  await page.keyboard.press("Control+z");
  assert.equal((await boxes()).length, 1);
  await page.keyboard.press("Control+z");
  assert.equal((await boxes()).length, 0);
});

browserTest("every handle resizes the box, one step each", [A], {}, async ({ page, drag, boxes, commits, isNear }) => {
  const places = { nw: [0, 0], n: [0.5, 0], ne: [1, 0], e: [1, 0.5], se: [1, 1], s: [0.5, 1], sw: [0, 1], w: [0, 0.5] };
  for (const [handle, [u, v]] of Object.entries(places)) {
    await page.evaluate(() => editor.select(["o1"]));
    const [x, y] = [A[0] + u * (A[2] - A[0]), A[1] + v * (A[3] - A[1])];
    const [dx, dy] = [0.05 * (2 * u - 1), 0.08 * (2 * v - 1)];
    await drag([x, y], [x + dx, y + dy]);
    const wanted = [u === 0 ? A[0] - 0.05 : A[0], v === 0 ? A[1] - 0.08 : A[1]];
    wanted.push(u === 1 ? A[2] + 0.05 : A[2], v === 1 ? A[3] + 0.08 : A[3]);
    await isNear((await boxes())[0], wanted);
    await page.keyboard.press("Control+z");
    await isNear((await boxes())[0], A);
    assert.ok((await commits()) % 2 === 0, handle);
  }
  assert.equal(await commits(), 16);
});

browserTest("Shift keeps the aspect ratio, also when pressed late", [A], {}, async ({ page, drag, boxes, isNear }) => {
  await page.evaluate(() => editor.select(["o1"]));
  await drag([0.4, 0.5], [0.5, 0.51], { late: ["Shift"] });
  await isNear((await boxes())[0], [0.2, 0.2, 0.5, 0.65]);
});

browserTest("a modifier counts as soon as it is pressed, without a move", [A], {}, async (stage) => {
  const { page, at, boxes, isNear } = stage;
  await page.evaluate(() => editor.select(["o1"]));
  await page.mouse.move(...(await at(0.4, 0.5)));
  await page.mouse.down();
  await page.mouse.move(...(await at(0.5, 0.51)), { steps: 2 });
  await isNear((await boxes())[0], [0.2, 0.2, 0.5, 0.51]);
  await page.keyboard.down("Shift");
  await isNear((await boxes())[0], [0.2, 0.2, 0.5, 0.65]);
  await page.keyboard.up("Shift");
  await isNear((await boxes())[0], [0.2, 0.2, 0.5, 0.51]);
  await page.mouse.up();
});

browserTest("a marquee selects and all selected move", [A, B], {}, async ({ drag, boxes, selected, isNear }) => {
  await drag([0.05, 0.05], [0.7, 0.9], { keys: ["Shift"] });
  assert.deepEqual(await selected(), ["o1", "o2"]);
  await drag([0.3, 0.3], [0.35, 0.4]);
  const [a, b] = await boxes();
  await isNear(a, [0.25, 0.3, 0.45, 0.6]);
  await isNear(b, [0.65, 0.4, 0.85, 0.8]);
});

browserTest("Alt-click cycles through boxes", [A, [0.25, 0.2, 0.5, 0.6], [0.28, 0.1, 0.6, 0.7]], {}, async (stage) => {
  const found = [];
  for (let n = 0; n < 4; n += 1) {
    await stage.click([0.33, 0.42], ["Alt"]);
    found.push((await stage.selected()).join());
  }
  assert.deepEqual(found, ["o3", "o2", "o1", "o3"]);
});

browserTest("a box is taken out of the frame and back", [A], {}, async ({ drag, boxes, isNear }) => {
  await drag([0.3, 0.3], [-0.03, 0.3]);
  await isNear((await boxes())[0], [-0.13, 0.2, 0.07, 0.5]);
  await drag([-0.04, 0.4], [0.26, 0.4]);
  await isNear((await boxes())[0], [0.17, 0.2, 0.37, 0.5]);
});

browserTest("a box stops at a line and the line is drawn", [A, B], {}, async ({ page, at, boxes, isNear }) => {
  await page.evaluate(() => editor.setSettings({ snapToFrame: true, snapToBoxes: true }));
  await page.mouse.move(...(await at(0.3, 0.3)));
  await page.mouse.down();
  const [x, y] = await at(0.1, 0.35);
  await page.mouse.move(x + 3, y, { steps: 4 });
  await isNear((await boxes())[0], [0, 0.25, 0.2, 0.55]);
  await frame(page);
  const isLine = await page.evaluate(() => {
    const canvas = document.querySelector(".smcd-stage-canvas");
    const { left } = editor.shownViewport;
    const { data } = canvas.getContext("2d").getImageData(Math.round(left), 5, 1, 1);
    return data[0] > 200 && data[1] < 120 && data[2] > 150;
  });
  assert.ok(isLine, "there is no guide at the frame's left side");
  await page.mouse.up();
});

browserTest("what is drawn after zoom and pan lands where the pointer was", [], {}, async (stage) => {
  const { page, at, drag, boxes, isNear } = stage;
  await stage.click([0.5, 0.5]); // the focus
  await page.mouse.move(...(await at(0.25, 0.25)));
  await page.mouse.wheel(0, -600);
  await frame(page);
  const width = await page.evaluate(() => editor.viewport.width);
  await drag([0.3, 0.3], [0.35, 0.35], { button: "middle" });
  await page.keyboard.down("Space");
  await drag([0.3, 0.3], [0.31, 0.31]);
  await page.keyboard.up("Space");
  assert.equal(await page.evaluate(() => editor.isPlaying), false);
  assert.equal(await page.evaluate(() => editor.trajectory.objects.length), 0);
  assert.ok(width > 1000, `${width}`);
  await drag([0.2, 0.2], [0.3, 0.4]);
  await isNear((await boxes())[0], [0.2, 0.2, 0.3, 0.4]);
  await page.keyboard.press("Escape"); // no phrase yet
  await page.keyboard.press("0");
  assert.equal(await page.evaluate(() => editor.viewport), null);
});

browserTest("the space key alone plays", [A], {}, async ({ page, click }) => {
  await click([0.9, 0.9]);
  await page.keyboard.press("Space");
  assert.equal(await page.evaluate(() => editor.isPlaying), true);
});

browserTest("the wheel is left to the page until the editor has the focus", [A], {}, async ({ page, at, click }) => {
  await page.evaluate(() => {
    window.wheels = 0;
    document.addEventListener("wheel", () => (window.wheels += 1));
  });
  await page.mouse.move(...(await at(0.5, 0.5)));
  await page.mouse.wheel(0, -100);
  await frame(page);
  assert.deepEqual(await page.evaluate(() => [window.wheels, editor.viewport]), [1, null]);
  await click([0.5, 0.9]);
  await page.mouse.wheel(0, -100);
  await frame(page);
  assert.equal(await page.evaluate(() => window.wheels), 1);
  assert.notEqual(await page.evaluate(() => editor.viewport), null);
});

browserTest("in a parent scaled by 0.6 a box lands where it is drawn", [A], {}, async (stage) => {
  const { page, drag, boxes, isNear } = stage;
  await page.evaluate(() => {
    document.querySelector("main").style.cssText = "transform: scale(0.6); transform-origin: 30px 20px";
  });
  await drag([0.5, 0.5], [0.8, 0.9]);
  await isNear((await boxes())[1], [0.5, 0.5, 0.8, 0.9]);
  await drag([0.3, 0.3], [0.4, 0.4]);
  await isNear((await boxes())[0], [0.3, 0.3, 0.5, 0.6]);
});

browserTest("two fingers zoom and pan, and give up what the first began", [], { touch: true }, async (stage) => {
  const { page, at, boxes, drag, isNear } = stage;
  const client = await page.context().newCDPSession(page);
  const touch = (type, ...points) =>
    client.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  const [x, y] = await at(0.5, 0.5);
  await touch("touchStart", [x - 40, y]);
  await touch("touchMove", [x - 60, y + 20]);
  assert.equal((await boxes()).length, 1);
  await touch("touchStart", [x - 60, y + 20], [x + 60, y + 20]);
  assert.equal((await boxes()).length, 0);
  const before = await page.evaluate(() => editor.shownViewport.width);
  await touch("touchMove", [x - 120, y + 20], [x + 120, y + 20]);
  await touch("touchEnd", [x + 120, y + 20]);
  await touch("touchEnd");
  await frame(page);
  const after = await page.evaluate(() => editor.viewport.width);
  assert.ok(Math.abs(after / before - 2) < 0.02, `${before} became ${after}`);
  assert.equal(await page.evaluate(() => editor.canUndo && commits.length), 0);
  await touch("touchStart", await at(0.45, 0.45));
  await touch("touchMove", await at(0.5, 0.5));
  await touch("touchMove", await at(0.55, 0.6));
  await touch("touchEnd");
  await isNear((await boxes())[0], [0.45, 0.45, 0.55, 0.6]);
});

browserTest("two fingers on boxes and keys leave selection, frame, focus and naming as they were", [A, B], { touch: true }, async (stage) => {
  const { page, at } = stage;
  const client = await page.context().newCDPSession(page);
  const touch = (type, ...points) =>
    client.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  const state = () =>
    page.evaluate(() => {
      const { selected, selectedKeys, isCameraSelected, naming, time, canUndo } = editor;
      const focused = document.activeElement.className || document.activeElement.placeholder;
      return { selected: [...selected], selectedKeys, isCameraSelected, naming, time, canUndo, focused };
    });
  const pinchFrom = async ([x, y]) => {
    const before = await state();
    await touch("touchStart", [x, y]);
    await frame(page);
    await touch("touchStart", [x, y], [x + 60, y]);
    await touch("touchMove", [x - 40, y - 5], [x + 90, y + 5]);
    await touch("touchEnd", [x + 90, y + 5]);
    await touch("touchEnd");
    await frame(page);
    assert.deepEqual(await state(), before);
  };
  const onTime = async (time, row) => {
    const over = await page.locator(".smcd-timeline-over").boundingBox();
    const item = await page.locator(".smcd-row-item").nth(row).boundingBox();
    return [over.x + 8 + time * over.width, item.y + item.height / 2];
  };
  const second = await page.evaluate(() => editor.trajectory.objects[1].id);
  for (const select of ["editor.select([id])", "editor.selectKeys([{ id, frame: 0 }])", "editor.selectCamera()", "editor.select([])"]) {
    await page.evaluate(`{ const id = ${JSON.stringify(second)}; ${select}; editor.set({ viewport: null }); }`);
    await frame(page);
    const view = await page.evaluate(() => editor.shownViewport.width);
    await pinchFrom(await at(0.3, 0.35));
    assert.notEqual(await page.evaluate(() => editor.shownViewport.width), view);
    await pinchFrom(await onTime(0, 1)); // a key of the first object
    await pinchFrom(await onTime(0.5, 1)); // its row
  }
  await page.evaluate((id) => editor.set({ selected: new Set([id]), naming: id, viewport: null }), second);
  await frame(page);
  assert.equal((await state()).focused, "What is it? (Esc: later)");
  await pinchFrom(await at(0.3, 0.35));
  const [x, y] = await at(0.3, 0.35);
  await page.touchscreen.tap(x, y); // and one finger still selects and takes the focus
  assert.notEqual((await state()).selected[0], second);
  assert.match((await state()).focused, /stage-canvas/);
});

browserTest("a finger that is held opens the menu of the box, and draws and moves nothing", [A], { touch: true }, async (stage) => {
  const { page, at, boxes } = stage;
  const client = await page.context().newCDPSession(page);
  const touch = (type, ...points) =>
    client.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  const before = await boxes();
  for (const [place, menu] of [[[0.35, 0.4], "box"], [[0.9, 0.9], "stage"]]) {
    const [x, y] = await at(...place);
    await touch("touchStart", [x, y]);
    await touch("touchMove", [x - 3, y - 2]);
    const isHost = await page.evaluate(
      ([clientX, clientY]) => {
        const init = { clientX, clientY, pointerType: "touch", bubbles: true, cancelable: true };
        return document.querySelector(".smcd-stage-canvas").dispatchEvent(new PointerEvent("contextmenu", init));
      },
      [x, y],
    );
    await touch("touchMove", [x - 60, y - 40]);
    await touch("touchEnd");
    assert.equal(isHost, false);
    assert.equal(await page.locator(".smcd-context-menu").getAttribute("data-menu"), menu);
    assert.deepEqual(await boxes(), before);
    await page.keyboard.press("Escape");
  }
});

browserTest("Escape and a lost pointer give a drag up", [A], {}, async ({ page, at, boxes, commits, isNear }) => {
  for (const giveUp of [
    () => page.keyboard.press("Escape"),
    () => page.evaluate(() => document.querySelector(".smcd-stage-canvas").releasePointerCapture(1)),
    () =>
      page.evaluate(() => {
        const event = new PointerEvent("pointercancel", { pointerId: 1, bubbles: true });
        document.querySelector(".smcd-stage-canvas").dispatchEvent(event);
      }),
  ]) {
    await page.mouse.move(...(await at(0.3, 0.3)));
    await page.mouse.down();
    await page.mouse.move(...(await at(0.5, 0.5)), { steps: 3 });
    assert.ok((await boxes())[0][0] > 0.3);
    await giveUp();
    await page.mouse.move(...(await at(0.6, 0.5)), { steps: 2 });
    await isNear((await boxes())[0], A);
    await page.mouse.up();
    await isNear((await boxes())[0], A);
  }
  assert.equal(await commits(), 0);
});

browserTest("a locked box stays and a box can be drawn over it", [[0, 0, 1, 1]], {}, async (stage) => {
  const { page, drag, boxes, isNear } = stage;
  await page.evaluate(() => editor.set({ locked: new Set(["o1"]) }));
  await drag([0.3, 0.3], [0.6, 0.6]);
  const [locked, drawn] = await boxes();
  await isNear(locked, [0, 0, 1, 1]);
  await isNear(drawn, [0.3, 0.3, 0.6, 0.6]);
});

for (const pointerType of ["pen", "mouse"]) {
  browserTest(`a ${pointerType} draws a box`, [], {}, async ({ page, context, at, boxes, isNear }) => {
    const client = await context.newCDPSession(page);
    const fire = async (type, [x, y], buttons) => {
      const event = { type, x, y, buttons, button: type === "mouseMoved" ? "none" : "left", clickCount: 1, pointerType };
      await client.send("Input.dispatchMouseEvent", event);
    };
    await page.evaluate(() => addEventListener("pointerdown", (event) => (window.pressed = event.pointerType), true));
    await fire("mousePressed", await at(0.1, 0.1), 1);
    await fire("mouseMoved", await at(0.3, 0.3), 1);
    await fire("mouseMoved", await at(0.5, 0.6), 1);
    await fire("mouseReleased", await at(0.5, 0.6), 0);
    assert.equal(await page.evaluate(() => window.pressed), pointerType);
    await isNear((await boxes())[0], [0.1, 0.1, 0.5, 0.6]);
  });
}

browserTest("each help of the view is drawn while it is on", [A, B], {}, async ({ page }) => {
  await page.evaluate(async () => {
    const model = await import("/web/trajectory/model.js");
    // A way with keys, which leaves the frame.
    editor.apply("step.box", (trajectory) => model.setBox(trajectory, "o1", 7, [0.9, 0.6, 1.2, 0.9]));
    editor.seek(0);
  });
  const seen = async (change) => {
    await page.evaluate(change);
    await frame(page);
    return page.evaluate(() => document.querySelector(".smcd-stage-canvas").toDataURL());
  };
  const helps = {
    onionSkin: [() => editor.setSettings({ onionSkin: false }), () => editor.setSettings({ onionSkin: true })],
    paths: [() => editor.setSettings({ paths: false }), () => editor.setSettings({ paths: true })],
    grid: [() => editor.setSettings({ grid: 8 }), () => editor.setSettings({ grid: 0 })],
    solo: [() => editor.set({ solo: new Set(["o1"]) }), () => editor.set({ solo: new Set() })],
    crop: [() => editor.setSettings({ crop: false }), () => editor.setSettings({ crop: true })],
    "size of the model": [
      () => editor.set({ facts: { ...editor.facts, width: 320, height: 64 } }),
      () => editor.set({ facts: { ...editor.facts, width: null, height: null } }),
    ],
  };
  await page.evaluate(() => editor.setSettings({ onionSkin: true, paths: true, crop: true }));
  const before = await seen(() => editor.select(["o1"]));
  for (const [name, [change, back]] of Object.entries(helps)) {
    // Shading is seen on what is outside of the frame and not selected.
    if (name === "crop") await page.evaluate(() => editor.set({ selected: new Set(), time: 7 }));
    const start = await seen(() => editor.set({}));
    assert.notEqual(await seen(change), start, name);
    assert.equal(await seen(back), start, name);
    if (name === "crop") assert.equal(await seen(() => editor.set({ selected: new Set(["o1"]), time: 0 })), before);
  }
});

browserTest("a double click on a box edits its phrase", [A], {}, async ({ page, at }) => {
  await page.mouse.dblclick(...(await at(0.3, 0.35)));
  await frame(page);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "INPUT");
});

browserTest("the canvas has a pixel for each of the screen", [A], { scale: 2 }, async (stage) => {
  const { page, drag, boxes, isNear } = stage;
  const [drawn, shown] = await page.evaluate(() => {
    const canvas = document.querySelector(".smcd-stage-canvas");
    return [canvas.width, canvas.clientWidth];
  });
  assert.equal(drawn, shown * 2);
  await drag([0.5, 0.5], [0.8, 0.9]);
  await isNear((await boxes())[1], [0.5, 0.5, 0.8, 0.9]);
});

browserTest("a box dragged while the clip plays is recorded as one step", [A], {}, async (stage) => {
  const { page, at, boxes, commits } = stage;
  await page.evaluate(() => editor.set({ isPlaying: true }));
  await page.mouse.move(...(await at(0.3, 0.35)));
  await page.mouse.down();
  for (let n = 1; n <= 10; n += 1) {
    await page.mouse.move(...(await at(0.3 + 0.03 * n, 0.35)));
    await page.waitForTimeout(60);
  }
  await page.mouse.up();
  await page.evaluate(() => editor.set({ isPlaying: false }));
  assert.equal(await commits(), 1);
  const keys = await page.evaluate(() => editor.trajectory.objects[0].keys.length);
  assert.ok(keys >= 2, `${keys} keys`);
  assert.ok((await boxes())[0][0] > 0.4);
  await page.keyboard.press("Control+z");
  assert.equal(await page.evaluate(() => editor.trajectory.objects[0].keys.length), 1);
});

browserTest("what an object is called is only ever text", [A], {}, async ({ page, click }) => {
  await page.evaluate(async () => {
    const model = await import("/web/trajectory/model.js");
    const phrase = "<img src=x onerror='window.harmed = true'>\u0000\n" + "long ".repeat(180);
    editor.apply("step.phrase", (trajectory) => model.setPhrase(trajectory, "o1", phrase));
  });
  await click([0.3, 0.3]);
  await frame(page);
  assert.equal(await page.evaluate(() => window.harmed), undefined);
});

browserTest("destroying the view ends its listeners, also within a drag", [A], {}, async (stage) => {
  const { page, at, boxes, isNear } = stage;
  await page.mouse.move(...(await at(0.3, 0.3)));
  await page.mouse.down();
  await page.mouse.move(...(await at(0.5, 0.5)), { steps: 3 });
  await page.evaluate(() => view.destroy());
  await isNear((await boxes())[0], A);
  await page.keyboard.press("Escape");
  await page.mouse.up();
});

const WAY = [[[0, [0.1, 0.6, 0.3, 0.9]], [8, [0.4, 0.1, 0.6, 0.4]], [15, [0.7, 0.6, 0.9, 0.9]]]];
const middleKey = (page) => page.evaluate(() => editor.trajectory.objects[0].keys[1]);

browserTest("a path is bent with the mouse, and one undo straightens it", WAY, {}, async (stage) => {
  const { page, at, drag, commits } = stage;
  await page.evaluate(() => editor.select(["o1"]));
  await frame(page);
  await page.mouse.dblclick(...(await at(0.5, 0.25)));
  await frame(page);
  const smooth = (await middleKey(page)).handles;
  assert.ok(smooth && Math.abs(smooth[1][0] - 0.1) < 1e-3 && Math.abs(smooth[1][1]) < 1e-3, JSON.stringify(smooth));
  assert.equal(await page.locator(":focus").evaluate((element) => element.tagName), "CANVAS", "no phrase is edited");
  await page.evaluate(() => editor.seek(0));
  await drag([0.6, 0.25], [0.6, 0.4]);
  const [before, after] = (await middleKey(page)).handles;
  assert.ok(Math.abs(after[1] - 0.15) < 0.005 && before[1] < -0.02, JSON.stringify([before, after]));
  await drag([0.6, 0.4], [0.6, 0.1], { keys: ["Alt"] });
  const [left, right] = (await middleKey(page)).handles;
  assert.deepEqual(left, before);
  assert.ok(Math.abs(right[1] + 0.15) < 0.005, JSON.stringify(right));
  assert.equal(await commits(), 3);
  for (const key of ["z", "z", "z"]) await page.keyboard.press(`Control+${key}`);
  assert.equal((await middleKey(page)).handles, undefined);
});

browserTest("a path is bent with the keyboard alone", WAY, {}, async ({ page, commits }) => {
  await page.evaluate(() => {
    editor.select(["o1"]);
    editor.seek(8);
  });
  await page.locator(".smcd-stage-canvas").focus();
  await page.keyboard.press("h");
  await frame(page);
  assert.ok((await middleKey(page)).handles);
  const field = page.getByRole("spinbutton", { name: "After y" });
  await field.focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("36");
  await page.keyboard.press("Enter");
  await frame(page);
  const [before, after] = (await middleKey(page)).handles;
  assert.ok(Math.abs(after[1] - 0.1) < 1e-6 && before[1] < 0, JSON.stringify([before, after]));
  assert.equal(await commits(), 2);
  await page.locator(".smcd-stage-canvas").focus();
  await page.keyboard.press("h");
  assert.equal((await middleKey(page)).handles, undefined);
});

/** A picture with a red disc and a lighter square in it, and their boxes. */
const showShapes = (page) =>
  page.evaluate(() => {
    const canvas = new OffscreenCanvas(640, 360);
    const context = canvas.getContext("2d");
    context.fillStyle = "#3c6e46";
    context.fillRect(0, 0, 640, 360);
    context.fillStyle = "#c0392b";
    context.arc(160, 180, 60, 0, 7);
    context.fill();
    context.fillStyle = "#e8e0c8";
    context.fillRect(400, 100, 120, 160);
    const image = canvas.transferToImageBitmap();
    editor.set({ background: { width: 640, height: 360, part: [0, 0, 640, 360], isStill: true, imageAt: () => image } });
  });
const DISC = [100 / 640, 120 / 360, 220 / 640, 240 / 360];
const SQUARE = [400 / 640, 100 / 360, 520 / 640, 260 / 360];
const SMALL = 0.012; // of the frame: a pixel and a half of the 128 that are looked at
const isAbout = (box, wanted) => assert.ok(box.every((v, n) => Math.abs(v - wanted[n]) <= SMALL), `${box} is not ${wanted}`);

browserTest("a double click on an object in the image makes its box, one step, and asks for its phrase", [], {}, async (stage) => {
  const { page, at, boxes, commits } = stage;
  assert.doesNotMatch(await page.locator(".smcd-stage-hint li").first().innerText(), /double-click/);
  await page.mouse.dblclick(...(await at(0.25, 0.5)));
  await page.locator(".smcd-notice", { hasText: "no image" }).waitFor();
  await showShapes(page);
  await frame(page);
  assert.match(await page.locator(".smcd-stage-hint li").first().innerText(), /double-click/);
  await page.mouse.dblclick(...(await at(0.25, 0.5)));
  await page.locator(".smcd-naming input:focus").waitFor();
  isAbout((await boxes())[0], DISC);
  assert.equal(await commits(), 1);
  await page.keyboard.type("disc\n");
  assert.equal(await page.evaluate(() => editor.trajectory.objects[0].phrase), "disc");
  await page.mouse.dblclick(...(await at(0.02, 0.9)));
  await frame(page);
  assert.equal((await boxes()).length, 1); // of the background stands nothing out
});

browserTest("a still image is looked at while the pointer is over it, so that a click need not wait", [], {}, async (stage) => {
  const { page, at, boxes } = stage;
  await showShapes(page);
  await page.evaluate(() => {
    const { getImageData } = CanvasRenderingContext2D.prototype;
    window.reads = 0;
    CanvasRenderingContext2D.prototype.getImageData = function (...area) {
      window.reads += 1;
      return getImageData.apply(this, area);
    };
  });
  await page.mouse.move(...(await at(0.25, 0.5)));
  await page.waitForFunction(() => window.reads === 1);
  await page.mouse.dblclick(...(await at(0.25, 0.5)));
  await page.locator(".smcd-naming input:focus").waitFor();
  isAbout((await boxes())[0], DISC);
  assert.equal(await page.evaluate(() => window.reads), 1);
});

browserTest("the menu and keys make and fit boxes of objects", [], {}, async ({ page, at, boxes, selected }) => {
  await showShapes(page);
  await page.mouse.click(...(await at(0.72, 0.5)), { button: "right" });
  await page.locator("[data-command=objectBox]").last().click();
  await frame(page);
  isAbout((await boxes())[0], SQUARE);
  await page.keyboard.press("Escape");
  await page.mouse.move(...(await at(0.7, 0.5)));
  await page.keyboard.press("d"); // its box is there already
  await page.locator(".smcd-notice", { hasText: "outline" }).waitFor();
  await page.mouse.move(...(await at(0.25, 0.5)));
  await page.keyboard.press("d");
  await frame(page);
  isAbout((await boxes())[1], DISC);
  await page.keyboard.press("Escape");
  await page.evaluate(async () => {
    const model = await import("/web/trajectory/model.js");
    const [id] = editor.selected;
    editor.apply("step.box", (trajectory) => model.setBox(trajectory, id, 0, [0.12, 0.25, 0.36, 0.75]));
  });
  assert.equal((await selected()).length, 1);
  await page.keyboard.press("Shift+D");
  await frame(page);
  isAbout((await boxes())[1], DISC);
  await page.locator(".smcd-undo").click();
  isAbout((await boxes())[1], [0.12, 0.25, 0.36, 0.75]);
});

browserTest("where a mask shows something, it decides the box", [], {}, async ({ page, at, boxes }) => {
  await showShapes(page);
  await page.evaluate(() => {
    const image = document.createElement("canvas"); // the shape above the hole, as of the frame's left half
    [image.width, image.height] = [100, 200];
    image.getContext("2d").fillRect(40, 50, 20, 40);
    editor.set({ masks: new Map([["", { box: [0, 0, 0.5, 1], image }]]) });
  });
  await page.mouse.dblclick(...(await at(0.25, 0.6)));
  await frame(page);
  isAbout((await boxes())[0], [0.2, 0.5, 0.3, 0.9]);
});

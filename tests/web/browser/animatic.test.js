/** The animatic, on the plain page and in the host: what a box holds in its object's first frame moves with it. */

import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FRONT_ENDS, openComfy, python, QUICK, RENDERERS } from "./comfy.js";
import { missing, openEditor, ROOT, settle } from "./harness.js";

const LATER = QUICK && "make test-all runs it in ComfyUI";
const GREY = [128, 128, 128];
const RED = [200, 40, 40];
const GREEN = [40, 160, 60];
const A = [0.1, 0.2, 0.3, 0.6];
const B = [0.6, 0.3, 0.9, 0.9];
/** Places in a box that no line and no label is on. */
const INSIDE = [[0.2, 0.7], [0.8, 0.35], [0.4, 0.85], [0.85, 0.85]];

/**
 * An editor of 16 frames with a still: grey, with rectangles [box, colour]. Objects are lists of [frame, box, visible].
 */
async function open(shapes, objects) {
  const opened = await openEditor({ width: 1000, height: 720 });
  const { page } = opened;
  await page.evaluate(
    async ([shapes, objects]) => {
      const model = await import("/web/trajectory/model.js");
      const [width, height] = [640, 360];
      const still = new OffscreenCanvas(width, height);
      const context = still.getContext("2d");
      for (const [[x1, y1, x2, y2], color] of [[[0, 0, 1, 1], [128, 128, 128]], ...shapes]) {
        context.fillStyle = `rgb(${color})`;
        context.fillRect(x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height);
      }
      const tracks = objects.map((keys) => ({
        phrase: "a",
        keys: keys.map(([at, box, visible = true]) => ({ frame: at, box, visible })),
      }));
      editor.replace("step.import", model.readTrajectory({ version: 1, width, height, frames: 16, objects: tracks }));
      editor.setSettings({ snapToFrame: false, snapToBoxes: false, paths: false, onionSkin: false });
      editor.set({ background: { width, height, part: [0, 0, width, height], isStill: true, imageAt: () => still } });
    },
    [shapes, objects],
  );
  /** Colours at places in units of the frame. */
  const colors = async (...places) => {
    await settle(page);
    return page.evaluate(colorsOnStage, places);
  };
  const seek = (time) => page.evaluate((value) => editor.seek(value), time);
  return { ...opened, colors, seek };
}

function colorsOnStage(places) {
  const canvas = document.querySelector(".smcd-stage-canvas");
  const { left, top, width, height } = window.editor.shownViewport;
  const scale = canvas.width / canvas.offsetWidth;
  const context = canvas.getContext("2d");
  return places.map(([x, y]) => {
    const [px, py] = [(left + x * width) * scale, (top + y * height) * scale];
    return [...context.getImageData(Math.round(px), Math.round(py), 1, 1).data].slice(0, 3);
  });
}

const placesIn = ([x1, y1, x2, y2], inside = INSIDE) =>
  inside.map(([u, v]) => [x1 + u * (x2 - x1), y1 + v * (y2 - y1)]);

function isNear(found, wanted, most = 3) {
  const off = found.flatMap((color, n) => color.map((v, c) => Math.abs(v - wanted[n][c])));
  assert.ok(Math.max(...off) <= most, `${JSON.stringify(found)} is not ${JSON.stringify(wanted)}`);
}

function stageTest(name, shapes, objects, body) {
  test(name, { skip: missing }, async () => {
    const stage = await open(shapes, objects);
    try {
      await body(stage);
      assert.deepEqual(stage.problems, []);
    } finally {
      await stage.close();
    }
  });
}

const QUARTERS = [
  [A, RED],
  [[0.2, 0.2, 0.3, 0.4], GREEN],
  [[0.1, 0.4, 0.2, 0.6], [30, 60, 220]],
];

stageTest("a box shows what it held, at its place and size", QUARTERS, [[[0, A], [15, B]]], async ({ colors, seek }) => {
  const held = await colors(...placesIn(A));
  assert.equal(new Set(held.map(String)).size, 3);
  for (const at of [3, 9, 15]) {
    await seek(at);
    const box = A.map((v, n) => v + ((B[n] - v) * at) / 15);
    isNear(await colors(...placesIn(box)), held);
  }
  isNear(await colors(...placesIn(A)), INSIDE.map(() => GREY));
});

const GROWS = [[A, RED], [[0.1, 0, 0.3, 0.2], GREEN]];

stageTest("a hole is filled with what is around it", GROWS, [[[0, A], [9, B]]], async ({ colors, seek }) => {
  await seek(9);
  const [[, topGreen], [, middleGreen], ...others] = await colors([0.2, 0.21], [0.2, 0.4], [0.11, 0.5], [0.29, 0.5]);
  assert.ok(topGreen > 130 && middleGreen > 115, `${topGreen} ${middleGreen}`);
  for (const [red, green] of others) assert.ok(Math.abs(red - green) < 40, `${red} ${green}`); // nothing of the red
});

const LATE = [[0, A, false], [5, A], [9, A], [10, B, false], [13, B]];

stageTest("an object is seen while it is visible", [[A, RED]], [LATE], async ({ colors, seek }) => {
  for (const [at, ...wanted] of [[0, GREY, GREY], [5, RED, GREY], [9, RED, GREY], [10, GREY, GREY], [14, GREY, RED]]) {
    await seek(at);
    isNear(await colors([0.2, 0.5], [0.75, 0.75]), wanted);
  }
});

stageTest(
  "later objects are in front, and leave the earlier ones whole",
  [[A, RED], [[0.2, 0.2, 0.3, 0.6], GREEN]], // the green one stands in front of half of the red one
  [[[0, A], [5, A], [10, B]], [[0, [0.2, 0.2, 0.3, 0.6]], [5, B], [10, B], [15, [0.2, 0.2, 0.3, 0.6]]]],
  async ({ colors, page, seek }) => {
    isNear(await colors([0.15, 0.5], [0.25, 0.5]), [RED, GREEN]);
    await seek(5);
    isNear(await colors([0.15, 0.5], [0.27, 0.5], [0.7, 0.8]), [RED, RED, GREEN], 12);
    await seek(10); // both at the same place
    isNear(await colors([0.7, 0.8], [0.85, 0.8]), [GREEN, GREEN]);
    await page.evaluate(() => {
      editor.apply("step.reorder", (before) => ({ ...before, objects: before.objects.toReversed() }));
    });
    isNear(await colors([0.65, 0.8]), [RED]);
  },
);

stageTest("disabled objects stay in the still", [[A, RED]], [[[0, A], [9, B]]], async ({ colors, page, seek }) => {
  await seek(9);
  isNear(await colors([0.2, 0.5], [0.75, 0.75]), [GREY, RED]);
  await page.evaluate(() => editor.apply("step.disable", (before) => ({
    ...before,
    objects: before.objects.map((track) => ({ ...track, enabled: false })),
  })));
  isNear(await colors([0.2, 0.5], [0.75, 0.75]), [RED, GREY]);
});

stageTest("the switch is in View and on, and a video moves by itself", [[A, RED]], [[[0, A], [9, B]]], async (stage) => {
  const { colors, page, seek } = stage;
  await seek(9);
  const command = page.locator("[data-command='setting.animatic']");
  for (const isOn of [true, false]) {
    await page.getByRole("button", { name: "View" }).click();
    assert.equal(await command.getAttribute("aria-checked"), String(isOn));
    await command.click();
    isNear(await colors([0.2, 0.5]), [isOn ? RED : GREY]);
  }
  await page.evaluate(() => editor.set({ background: { ...editor.background, isStill: false } }));
  isNear(await colors([0.2, 0.5]), [RED]);
});

stageTest("dragging a box drags what is in it, from the first move on", [[A, RED]], [[[0, A]]], async (stage) => {
  const { colors, page, seek } = stage;
  await seek(9);
  const at = (x, y) =>
    page.evaluate(
      ([u, v]) => {
        const rect = document.querySelector(".smcd-stage-canvas").getBoundingClientRect();
        const { left, top, width, height } = editor.shownViewport;
        return [rect.left + left + u * width, rect.top + top + v * height];
      },
      [x, y],
    );
  await page.mouse.move(...(await at(0.2, 0.4)));
  await page.mouse.down();
  for (const x of [0.3, 0.5, 0.7]) {
    await page.mouse.move(...(await at(x, 0.4)));
    isNear(await colors([x + 0.05, 0.5], [0.15, 0.5]), [RED, GREY]);
  }
  await page.mouse.up();
  await seek(0);
  isNear(await colors([0.15, 0.5], [0.7, 0.5]), [RED, GREY]);
});

/**
 * Give objects masks: rectangles [id, box] with a rim of 10 pixels of hole, and an edge of half opacity 10 pixels wide.
 */
const giveMasks = (page, ...rectangles) =>
  page.evaluate((given) => {
    const [width, height] = [640, 360];
    const masks = given.map(([id, [x1, y1, x2, y2]]) => {
      const [left, top] = [x1 * width - 10, y1 * height - 10];
      const size = [(x2 - x1) * width + 20, (y2 - y1) * height + 20];
      const image = document.createElement("canvas");
      [image.width, image.height] = [size[0], 2 * size[1]];
      const context = image.getContext("2d");
      context.fillRect(0, size[1], ...size);
      context.globalAlpha = 0.5;
      context.fillRect(10, 10, size[0] - 20, size[1] - 20);
      context.globalAlpha = 1;
      context.fillRect(20, 20, size[0] - 40, size[1] - 40);
      const box = [left / width, top / height, (left + size[0]) / width, (top + size[1]) / height];
      return [id, { box, image }];
    });
    editor.set({ masks: new Map(masks) });
  }, rectangles);

const LEFT = [0.1, 0.2, 0.2, 0.6]; // of A
const MASKED = [[A, RED], [LEFT, GREEN]]; // in the box there is more than the object
const BLUE = [30, 60, 220];

for (const id of ["o1", ""]) {
  const whose = id ? "its own mask" : "the mask of all";
  stageTest(`only what ${whose} shows moves`, MASKED, [[[0, A], [10, B]]], async ({ colors, page, seek }) => {
    await giveMasks(page, [id, LEFT]);
    isNear(await colors([0.15, 0.5], [0.28, 0.5]), [GREEN, RED]);
    await seek(10);
    isNear(await colors([0.28, 0.5], [0.85, 0.5]), [RED, GREY]); // the rest of the box stays, and nothing goes there
    isNear(await colors([0.65, 0.7]), [GREEN]);
    const [[, left]] = await colors([0.15, 0.5]);
    assert.ok(left < 140, `${left}`); // filled with what is around it
  });
}

stageTest("the edge of a moved shape lets half through", [[LEFT, GREEN]], [[[0, A], [10, B]]], async (stage) => {
  const { colors, page, seek } = stage;
  await giveMasks(page, ["o1", LEFT]);
  await seek(10);
  const half = GREEN.map((v, n) => (v + GREY[n]) / 2);
  isNear(await colors([0.608, 0.7], [0.65, 0.7]), [half, GREEN], 6);
  await seek(0);
  isNear(await colors([0.104, 0.5]), [GREEN]); // in its place it is as in the still
});

const TOP = [0.1, 0.2, 0.2, 0.4];

stageTest(
  "shapes leave each other whole, and one without a mask is a whole box",
  [[A, RED], [TOP, BLUE]], // the blue one stands in front of a part of the red one
  [[[0, A], [5, A], [10, B]], [[0, TOP], [5, [0.6, 0, 0.7, 0.2]], [10, TOP]], [[0, [0.7, 0.7, 0.9, 0.9]]]],
  async ({ colors, page, seek }) => {
    await giveMasks(page, ["o1", A], ["o2", TOP]);
    isNear(await colors([0.15, 0.28], [0.25, 0.5]), [BLUE, RED]);
    await seek(5); // the one in front has gone
    isNear(await colors([0.15, 0.28], [0.25, 0.5], [0.65, 0.1]), [RED, RED, BLUE], 12);
    await seek(10); // it is back, without the other
    isNear(await colors([0.15, 0.28], [0.7, 0.5], [0.8, 0.85]), [BLUE, RED, GREY], 12);
  },
);

const CIRCLE = [0.582, 0.07, 0.871, 0.411]; // of the picture
/** An image that is transparent in an ellipse, as the host's mask editor saves masks. */
const MAKE_MASK = `
import sys
from PIL import Image, ImageDraw
source, target, *box = sys.argv[1:]
image = Image.open(source).convert("RGBA")
x1, y1, x2, y2 = (float(v) * size for v, size in zip(box, image.size * 2))
inset = 0.05 * (x2 - x1), 0.05 * (y2 - y1)
alpha = Image.new("L", image.size, 255)
ImageDraw.Draw(alpha).ellipse((x1 + inset[0], y1 + inset[1], x2 - inset[0], y2 - inset[1]), fill=0)
image.putalpha(alpha)
image.save(target)
`;

for (const [frontEnd, { skip, start }] of Object.entries(FRONT_ENDS)) {
  describe(frontEnd, { skip: skip || LATER }, () => {
    let server;
    before(async () => {
      server = await start();
      const [from, to] = [join(ROOT, "demo", "beach.png"), join(server.base, "input", "beach.png")];
      await copyFile(from, to);
      python(MAKE_MASK, from, join(server.base, "input", "circle.png"), ...CIRCLE.map(String));
    });
    after(() => server?.stop());

    for (const nodes2 of RENDERERS) {
      test(`a connected picture moves with its boxes, ${nodes2 ? "Nodes 2.0" : "classic"}`, async (t) => {
        const { page, host, problems, close } = await openComfy(server, { nodes2 });
        t.after(close);
        const [circle, elsewhere] = [CIRCLE, [0.1, 0.5, 0.5, 0.95]];
        const keys = [[0, circle], [7, elsewhere]].map(([at, box]) => ({ frame: at, box }));
        const phrase = String(nodes2); // the host runs nothing twice
        const text = JSON.stringify({ version: 1, width: 128, height: 128, frames: 8, objects: [{ phrase, keys }] });
        const loader = await host.add("LoadImage", { pos: [20, 80], widgets: { image: "circle.png" } });
        const connect = { background: [loader, 0] };
        const id = await host.add("SMCD_Trajectory", { pos: [500, 80], widgets: { text }, connect });
        const seen = async (time, animatic, box, places = INSIDE.slice(0, 3)) => { // the last is beside the circle
          const set = (editor, [at, isOn]) => {
            window.editor = editor;
            editor.setSettings({ animatic: isOn, paths: false, onionSkin: false });
            editor.seek(at);
          };
          await host.editor(id, set, [time, animatic]);
          await host.settle();
          return page.evaluate(colorsOnStage, placesIn(box, places));
        };
        const held = await seen(0, true, circle);
        isNear(await seen(7, true, elsewhere), held, 24); // sampled anew at another size
        const still = await seen(7, false, elsewhere);
        for (const n of held.keys()) assert.throws(() => isNear([still[n]], [held[n]], 48));

        // With a mask only the circle moves: the rest of its box does not.
        await host.add("PreviewAny", { pos: [1100, 80], connect: { source: [id, 2] } });
        await page.evaluate(
          ([from, to]) => {
            const { graph } = window.app.canvas;
            const node = graph.getNodeById(to);
            graph.getNodeById(from).connect(1, node, node.inputs.findIndex(({ name }) => name === "masks"));
          },
          [loader, id],
        );
        await host.run();
        await page.waitForFunction(() => window.editor.masks.size === 1);
        const [middle, corners] = [[[0.5, 0.4], [0.55, 0.55]], [[0.92, 0.92], [0.92, 0.1]]];
        isNear(await seen(7, true, elsewhere, middle), await seen(0, true, circle, middle), 24);
        isNear(await seen(7, true, elsewhere, corners), await seen(0, true, elsewhere, corners));
        // They are there again with the page, without a run.
        await host.reloadPage();
        await host.editor(id, (editor) => void (window.editor = editor));
        await page.waitForFunction(() => window.editor.masks.size === 1);
        isNear(await seen(7, true, elsewhere, middle), await seen(0, true, circle, middle), 24);
        isNear(await seen(7, true, elsewhere, corners), await seen(0, true, elsewhere, corners));
        // Masks are of one picture, and go with it.
        await page.evaluate((n) => {
          const [widget] = window.app.canvas.graph.getNodeById(n).widgets;
          widget.value = "beach.png";
        }, loader);
        await host.capture();
        await page.waitForFunction(() => window.editor.masks.size === 0);
        // An image without transparency has an empty one, which the editor says.
        await host.run();
        await page.waitForFunction(() => /^Mask 1 is empty, so the editor moves whole/.test(window.editor.notice?.text));
        assert.deepEqual(problems(), []);
      });
    }
  });
}

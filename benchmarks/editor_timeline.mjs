/**
 * Script time per frame of the whole editor in headless Chromium while its timeline is used, with 64 objects x 512
 * frames, in milliseconds: `node benchmarks/editor_timeline.mjs`. A frame at 60 Hz has 16.7. What the browser needs to
 * paint comes on top.
 */

import { openEditor } from "../tests/web/browser/harness.js";

const OBJECTS = 64;
const FRAMES = 512;
const ROUNDS = 60;

/** In the page: load an example, and time what a frame runs after each of some changes. */
async function measure({ objects, frames, rounds, keys }) {
  const eases = ["linear", "in_out", "hold", [0.2, 0.1, 0.3, 1.2]];
  const example = {
    version: 1,
    width: 512,
    height: 320,
    frames,
    objects: Array.from({ length: objects }, (_, n) => ({
      phrase: `object number ${n}`,
      keys: Array.from({ length: keys }, (_, k) => ({
        frame: Math.floor((k * (frames - 1)) / (keys - 1)),
        box: [k / 1000, n / 100, k / 1000 + 0.2, n / 100 + 0.2],
        ease: eases[(n + k) % 4],
        visible: (n + k) % 7 > 0,
      })),
    })),
  };
  editor.load(JSON.stringify(example));
  const canvas = document.querySelector(".smcd-timeline-canvas");
  const ids = editor.trajectory.objects.map(({ id }) => id);
  const box = canvas.getBoundingClientRect();
  const at = (x, y) => ({ clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true, cancelable: true });
  const wheel = (deltaY, more = {}) =>
    canvas.dispatchEvent(new WheelEvent("wheel", { ...at(box.width / 2, 60), deltaY, ...more }));
  const nextFrame = () => new Promise((done) => requestAnimationFrame(done));
  canvas.setPointerCapture = () => {}; // no real pointer is down
  canvas.focus();

  /** The time of a change together with that of the frame's callbacks that follow it. */
  const time = async (change, prepare = () => {}, finish = () => {}) => {
    prepare();
    await nextFrame();
    await nextFrame();
    const times = [];
    for (let round = 0; round < rounds; round += 1) {
      const original = window.requestAnimationFrame;
      const callbacks = [];
      window.requestAnimationFrame = (callback) => callbacks.push(callback);
      const start = performance.now();
      change(round);
      for (const callback of callbacks) callback(start);
      times.push(performance.now() - start);
      window.requestAnimationFrame = original;
      await nextFrame();
    }
    finish();
    times.sort((a, b) => a - b);
    return [times[rounds / 2], times[Math.floor(rounds * 0.95)]];
  };
  const pointer = (type, x, y) => canvas.dispatchEvent(new PointerEvent(type, { ...at(x, y), isPrimary: true }));
  const refs = editor.trajectory.objects.flatMap(({ id, keys: all }) =>
    all.slice(1, -1).map(({ frame }) => ({ id, frame })),
  );
  const { layoutOf, xOf, keyY } = await import("/web/editor/timeline/layout.js");
  const layout = layoutOf(box, { frames, objects, hasScores: false }, { zoom: 1, start: 0, scroll: 0 });
  const [{ keys: row }] = editor.trajectory.objects;
  const [x, y] = [xOf(layout, row[row.length >> 1].frame), keyY(layout, 1)];
  return {
    "playhead by one frame": await time((round) => editor.seek(round)),
    "scroll rows": await time((round) => wheel(round % 2 ? -200 : 200)),
    "zoom in": await time(() => wheel(-20, { ctrlKey: true }), () => wheel(0)),
    "scroll along the time, zoomed": await time((round) => wheel(round % 2 ? -90 : 100, { shiftKey: true })),
    "drag one key": await time(
      (round) => pointer("pointermove", x + 20 + (round % 2) * 10, y),
      () => {
        wheel(1e5, { ctrlKey: true });
        wheel(-1e5);
        pointer("pointerdown", x, y);
        pointer("pointermove", x + 30, y);
        if (!editor.isInGesture) throw new Error("the pointer is on no key");
      },
      () => ["pointermove", "pointerup"].forEach((type) => pointer(type, x, y)), // back where it was
    ),
    "drag all keys but the ends": await time(
      (round) => {
        const by = round % 2 ? 1 : -1; // however near the keys are
        editor.preview((trajectory) => window.moveKeys(trajectory, refs, by));
        editor.selectKeys(refs.map(({ id, frame }) => ({ id, frame: frame + by })));
      },
      () => {
        editor.selectKeys(refs);
        editor.begin("step.moveKeys");
      },
      () => editor.cancel(),
    ),
    "select a box, 64 rows": await time((round) => editor.select([ids[round]])),
  };
}

const opened = await openEditor({ width: 1600, height: 1000 });
try {
  await opened.page.evaluate(async () => {
    window.moveKeys = (await import("/web/trajectory/model.js")).moveKeys;
  });
  for (const keys of [8, 128, 512]) {
    const title = `${OBJECTS} objects x ${FRAMES} frames, ${keys} keys each`;
    console.log(`\n${title.padEnd(50)} ${"median".padStart(9)} ${"95 %".padStart(9)}`);
    const results = await opened.page.evaluate(measure, { objects: OBJECTS, frames: FRAMES, rounds: ROUNDS, keys });
    for (const [name, [median, late]] of Object.entries(results)) {
      console.log(`${name.padEnd(50)} ${median.toFixed(2).padStart(9)} ${late.toFixed(2).padStart(9)}`);
    }
  }
  for (const problem of opened.problems) console.log(problem);
} finally {
  await opened.close();
}
process.exit(); // the browser of the tests is open

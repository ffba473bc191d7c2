/**
 * Script time per frame while boxes are dragged on the stage, at 64 objects x 512 frames with onion skin and paths,
 * then over a picture that moves with them, at 64 objects x 200 frames, as whole boxes and by masks, in headless Chromium:
 * `node benchmarks/editor_view.mjs [keys per object]`. The aim is a median under 8 ms.
 *
 * A frame is what runs for one move of the pointer: its listeners and the drawing of all parts in the animation frame
 * after it, style and layout that they force included. Painting is not script and not in it.
 */

import { missing, openEditor } from "../tests/web/browser/harness.js";

const OBJECTS = 64;
const FRAMES = 512;
const STILL = { width: 1280, height: 720, frames: 200 };
const MOVES = 100;
const WARM_UP = 20;

if (missing) throw new Error(missing);
const keysPerObject = Number(process.argv[2] ?? 16);
const { page, close } = await openEditor({ width: 1600, height: 1000 });

/** Many objects on random ways. */
function load(frames) {
  return page.evaluate(
    async ([count, frames, keyCount]) => {
      const model = await import("/web/trajectory/model.js");
      const { randomNumbers } = await import("/web/trajectory/random.js");
      const random = randomNumbers(1);
      const eases = ["linear", "in_out", "hold", [0.2, 0.1, 0.3, 1.2]];
      const objects = Array.from({ length: count }, (_, n) => ({
        phrase: `object number ${n}`,
        keys: Array.from({ length: keyCount }, (_, k) => {
          const [x, y] = [random() * 0.8, random() * 0.7];
          const frame = Math.floor((k * (frames - 1)) / Math.max(keyCount - 1, 1));
          return { frame, box: [x, y, x + 0.15, y + 0.2], ease: eases[(n + k) % 4], visible: random() < 0.9 };
        }),
      }));
      editor.replace("step.import", model.readTrajectory({ version: 1, width: 640, height: 360, frames, objects }));
      editor.setSettings({ onionSkin: true, paths: true });
    },
    [OBJECTS, frames, keysPerObject],
  );
}

/** A still of noise behind the boxes. */
function showStill() {
  return page.evaluate(({ width, height }) => {
    const still = new OffscreenCanvas(width, height);
    const data = new ImageData(width, height);
    for (let n = 0; n < data.data.length; n += 4) data.data.set([n >> 3, n >> 7, n >> 11, 255], n);
    still.getContext("2d").putImageData(data, 0, 0);
    const picture = still.transferToImageBitmap();
    editor.set({ background: { width, height, part: [0, 0, width, height], isStill: true, imageAt: () => picture } });
  }, STILL);
}

/** A round mask of its own for each object, around its first box. */
function giveMasks() {
  return page.evaluate(async () => {
    const model = await import("/web/trajectory/model.js");
    const { frames, objects } = editor.trajectory;
    const image = new OffscreenCanvas(200, 300);
    const context = image.getContext("2d");
    for (const y of [75, 225]) {
      context.beginPath();
      context.ellipse(100, y, 95, 70, 0, 0, 2 * Math.PI);
      context.fill();
    }
    editor.set({ masks: new Map(objects.map((track) => [track.id, { box: model.firstBox(track, frames), image }])) });
  });
}

await page.evaluate(() => {
  // The time of every listener of a pointer and of every animation frame, summed up by frame.
  window.spent = 0;
  const timed = (run) =>
    function timedCall(...given) {
      const start = performance.now();
      try {
        return run.apply(this, given);
      } finally {
        window.spent += performance.now() - start;
      }
    };
  const request = window.requestAnimationFrame;
  window.requestAnimationFrame = (run) => request.call(window, timed(run));
  window.nextFrame = () => new Promise((done) => request.call(window, () => request.call(window, done)));
  window.timed = timed;
});

/** Script time per move of a drag of the first `chosen` objects, in the frame at the playhead. */
async function drag(chosen) {
  const { spent, drop } = await page.evaluate(
    async ([count, moves]) => {
      editor.select(editor.trajectory.objects.slice(0, count).map(({ id }) => id));
      await nextFrame();
      const model = await import("/web/trajectory/model.js");
      const canvas = document.querySelector(".smcd-stage-canvas");
      const rect = canvas.getBoundingClientRect();
      const [x, y] = model.centreOf(model.boxAt(editor.trajectory.objects[0], editor.frame));
      const [px, py] = model.toPixels(editor.shownViewport, x, y);
      canvas.setPointerCapture = () => {}; // made-up pointers cannot be captured
      const fire = (type, dx, dy) => {
        const [clientX, clientY] = [rect.left + px + dx, rect.top + py + dy];
        const init = { pointerId: 1, pointerType: "mouse", button: 0, bubbles: true, clientX, clientY };
        timed(() => canvas.dispatchEvent(new PointerEvent(type, init)))();
      };
      fire("pointerdown", 0, 0);
      const spent = [];
      for (let n = 0; n < moves; n += 1) {
        window.spent = 0;
        fire("pointermove", 60 * Math.sin(n / 15), 40 * Math.sin(n / 11));
        await nextFrame();
        spent.push(window.spent);
      }
      if (!editor.isInGesture) throw new Error("nothing was dragged");
      const start = performance.now();
      fire("pointerup", 0, 0);
      return { spent, drop: performance.now() - start };
    },
    [chosen, WARM_UP + MOVES],
  );
  report(`drag ${chosen} of ${OBJECTS} boxes`, spent, drop.toFixed(1));
  await page.keyboard.press("Control+z");
}

/** Script time per frame of the clip, as playback shows them. */
async function play() {
  const spent = await page.evaluate(async (moves) => {
    const times = [];
    for (let n = 0; n < moves; n += 1) {
      window.spent = 0;
      timed(() => editor.seek(n % editor.trajectory.frames))();
      await nextFrame();
      times.push(window.spent);
    }
    return times;
  }, WARM_UP + MOVES);
  report("one frame after the other", spent, "");
}

function report(name, spent, drop) {
  const sorted = spent.slice(WARM_UP).sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor((sorted.length - 1) * share)].toFixed(2).padStart(8);
  console.log(`${name.padEnd(28)} ${at(0.5)} ${at(0.95)} ${at(1)} ${drop.padStart(8)}`);
}

function head(title) {
  console.log(`${OBJECTS} objects x ${title}, ${keysPerObject} keys each: ms of script per frame`);
  console.log(`${"".padEnd(28)} ${["median", "95 %", "worst", "drop"].map((name) => name.padStart(8)).join(" ")}`);
}

const seek = (frame) => page.evaluate((at) => editor.seek(at), frame);

head(`${FRAMES} frames`);
await load(FRAMES);
await seek(200);
for (const chosen of [1, 10, OBJECTS]) await drag(chosen);

head(`${STILL.frames} frames over a picture that moves with them`);
await load(STILL.frames);
await showStill();
await seek(100);
for (const chosen of [1, OBJECTS]) await drag(chosen);
await play();
console.log("where the boxes are cut out:");
await seek(0);
for (const chosen of [1, OBJECTS]) await drag(chosen);
console.log("with a mask for each object:");
await giveMasks();
await seek(100);
for (const chosen of [1, OBJECTS]) await drag(chosen);
await play();
await close();
process.exit(); // the browser of the tests is open

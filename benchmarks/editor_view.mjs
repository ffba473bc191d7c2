/**
 * Script time per frame while boxes are dragged on the stage, at 64 objects x 512 frames with onion skin and paths,
 * then over a picture that moves with them, at 64 objects x 200 frames, as whole boxes and by masks, in headless Chromium:
 * `node benchmarks/editor_view.mjs [keys per object]`. The aim is a median under 8 ms.
 *
 * A frame is what runs for one move of the pointer: its listeners and the drawing of all parts in the animation frame
 * after it, style and layout that they force included. Painting is not script and not in it. Times are of the CPU, so that
 * other programs count little; on an idle machine they are those of the clock.
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

const devtools = await page.context().newCDPSession(page);
await devtools.send("Performance.enable", { timeDomain: "threadTicks" });

/** CPU time that scripts of the page have taken, in ms. */
async function scriptTime() {
  const { metrics } = await devtools.send("Performance.getMetrics");
  return 1000 * metrics.find(({ name }) => name === "ScriptDuration").value;
}

/**
 * Script time of a frame that begins with a call of `acts`.
 *
 * @param {"press" | "move" | "drop" | "show"} act
 * @param {number} [n]
 */
async function frame(act, n = 0) {
  const before = await scriptTime();
  await page.evaluate(
    ([name, at]) =>
      new Promise((done) => {
        const later = (run) => requestAnimationFrame(run); // a script of the page, where this one is not counted
        later(() => {
          acts[name](at);
          later(() => later(done));
        });
      }),
    [act, n],
  );
  return (await scriptTime()) - before;
}

await page.evaluate(async () => {
  const model = await import("/web/trajectory/model.js");
  const canvas = document.querySelector(".smcd-stage-canvas");
  canvas.setPointerCapture = () => {}; // made-up pointers cannot be captured
  let [px, py] = [0, 0];
  const fire = (type, dx, dy) => {
    const init = { pointerId: 1, pointerType: "mouse", button: 0, bubbles: true, clientX: px + dx, clientY: py + dy };
    canvas.dispatchEvent(new PointerEvent(type, init));
  };
  window.acts = {
    /** Press on the first of some chosen objects. */
    press(count) {
      editor.select(editor.trajectory.objects.slice(0, count).map(({ id }) => id));
      const { left, top } = canvas.getBoundingClientRect();
      const middle = model.centreOf(model.boxAt(editor.trajectory.objects[0], editor.frame));
      const [x, y] = model.toPixels(editor.shownViewport, ...middle);
      [px, py] = [left + x, top + y];
      fire("pointerdown", 0, 0);
    },
    move: (n) => fire("pointermove", 60 * Math.sin(n / 15), 40 * Math.sin(n / 11)),
    drop: () => fire("pointerup", 0, 0),
    show: (n) => editor.seek(n % editor.trajectory.frames),
  };
});

/** Script time per move of a drag of the first `chosen` objects, in the frame at the playhead. */
async function drag(chosen) {
  await frame("press", chosen);
  const spent = [];
  for (let n = 0; n < WARM_UP + MOVES; n += 1) spent.push(await frame("move", n));
  if (!(await page.evaluate(() => editor.isInGesture))) throw new Error("nothing was dragged");
  const drop = await frame("drop");
  report(`drag ${chosen} of ${OBJECTS} boxes`, spent, drop.toFixed(1));
  await page.keyboard.press("Control+z");
}

/** Script time per frame of the clip, as playback shows them. */
async function play() {
  const spent = [];
  for (let n = 0; n < WARM_UP + MOVES; n += 1) spent.push(await frame("show", n));
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

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { documentOf, missing, openEditor, settle } from "./harness.js";

const TRAJECTORY = documentOf([
  {
    id: "a",
    phrase: "red car",
    keys: [
      { frame: 0, box: [0.05, 0.55, 0.35, 0.75] },
      { frame: 12, box: [0.4, 0.5, 0.7, 0.72] },
    ],
  },
  { id: "b", phrase: "brown dog", keys: [{ frame: 0, box: [0.6, 0.1, 0.8, 0.35] }] },
]);

/** The editor with a document, nothing selected, and the focus on it. */
async function openWith(options = {}) {
  const opened = await openEditor({ width: 1100, height: 800, ...options });
  await opened.page.evaluate((text) => window.editor.load(text), JSON.stringify(TRAJECTORY));
  await opened.page.locator(".smcd-editor").focus();
  await settle(opened.page);
  return opened;
}

const objects = (page) => page.evaluate(() => window.editor.trajectory.objects);
const select = async (page, ...ids) => {
  await page.evaluate((chosen) => window.editor.select(chosen), ids);
  await settle(page);
};
const row = (page, n) => page.locator(".smcd-row-item[data-id]").nth(n);

function check(name, body, options) {
  test(name, { skip: missing }, async () => {
    const opened = await openWith(options);
    try {
      await body(opened.page, opened.problems);
      assert.deepEqual(opened.problems, []);
    } finally {
      await opened.close();
    }
  });
}

/** Give a file to the editor as a drop. */
async function drop(page, name, type, content) {
  await page.evaluate(
    ([fileName, fileType, base64]) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], fileName, { type: fileType }));
      const target = document.querySelector(".smcd-editor");
      for (const kind of ["dragenter", "dragover", "drop"]) {
        target.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
      }
    },
    [name, type, Buffer.from(content).toString("base64")],
  );
}

/** What the file menu saves. @returns {Promise<Buffer>} */
async function saved(page, name) {
  await page.getByRole("button", { name: "File", exact: true }).click();
  const item = page.getByRole("menuitem", { name });
  const [download] = await Promise.all([page.waitForEvent("download"), item.click()]);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const notice = (page) => page.locator(".smcd-notice");

check("a phrase is edited in its row, as one step, and Escape leaves it", async (page) => {
  await row(page, 1).dblclick();
  await page.keyboard.type("white cat");
  await page.keyboard.press("Enter");
  assert.equal((await objects(page))[1].phrase, "white cat");
  assert.equal(await page.evaluate(() => window.commits.length), 1);
  await page.keyboard.press("F2");
  await page.keyboard.type("no");
  await page.keyboard.press("Escape");
  assert.equal((await objects(page))[1].phrase, "white cat");
  await page.keyboard.press("Control+z");
  assert.equal((await objects(page))[1].phrase, "brown dog");
});

check("markup in a phrase is shown as text", async (page) => {
  const markup = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
  await page.evaluate((phrase) => {
    const text = JSON.stringify(window.editor.trajectory).replace('"red car"', JSON.stringify(phrase));
    window.editor.load(text);
    window.editor.set({ facts: { ...window.editor.facts, prompt: `a dog, ${phrase}` } });
    window.editor.select(["a"]);
  }, markup);
  await page.locator(".smcd-checks-button:not([disabled])").click();
  await settle(page);
  assert.equal(await row(page, 0).locator(".smcd-phrase").textContent(), markup);
  assert.equal(await page.locator(".smcd-editor :is(img, script)").count(), 0);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

check("findings name an object without a phrase as the list does", async (page) => {
  await page.evaluate(() => {
    const { trajectory } = window.editor;
    window.editor.load(JSON.stringify(trajectory).replace("brown dog", ""));
  });
  await page.locator(".smcd-checks-button:not([disabled])").click();
  await page.locator(".smcd-checks", { hasText: "Object 2 has no phrase" }).waitFor({ timeout: 5000 });
});

check("a refusal can be read whole in a narrow editor, and ends with another document", async (page) => {
  await page.getByLabel("Frames per second").fill("0");
  await page.getByLabel("Frames per second").press("Enter");
  await settle(page);
  const isWhole = await notice(page).evaluate((line) => line.scrollWidth <= line.clientWidth);
  assert.ok(isWhole);
  assert.equal(await notice(page).textContent(), "fps is 0: give a number from 0.01 to 1000");
  await page.evaluate(() => window.editor.load("{"));
  await settle(page);
  assert.equal(await notice(page).textContent(), "");
  assert.match(await page.locator(".smcd-problem-message").textContent(), /^the trajectory is not JSON/);
}, { width: 440, height: 700 });

check("check box, lock and solo of a row", async (page) => {
  await row(page, 0).hover();
  await page.getByRole("checkbox", { name: "Include red car" }).click();
  await page.getByRole("button", { name: "Lock red car" }).click();
  await page.getByRole("button", { name: "Solo red car" }).click();
  const state = await page.evaluate(() => [[...window.editor.locked], [...window.editor.solo]]);
  assert.deepEqual(state, [["a"], ["a"]]);
  assert.equal((await objects(page))[0].enabled, false);
  assert.equal(await page.getByRole("button", { name: "Lock red car" }).getAttribute("aria-pressed"), "true");
});

check("rows are walked, chosen and put in order with keys alone", async (page) => {
  await select(page, "a");
  await row(page, 0).focus();
  await page.keyboard.press("ArrowDown");
  assert.deepEqual(await page.evaluate(() => [...window.editor.selected]), ["b"]);
  await page.keyboard.press("Alt+ArrowUp");
  assert.deepEqual((await objects(page)).map(({ id }) => id), ["b", "a"]);
  await settle(page);
  await row(page, 0).focus();
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.evaluate(() => window.editor.isCameraSelected), true);
});

check("rows are put in order by dragging", async (page) => {
  await row(page, 0).dragTo(row(page, 1), { targetPosition: { x: 80, y: 20 } });
  assert.deepEqual((await objects(page)).map(({ id }) => id), ["b", "a"]);
});

check("the ease of a segment is chosen, bent with the pointer and with keys", async (page) => {
  await select(page, "a");
  await page.locator(".smcd-ease select").selectOption("in_out");
  assert.equal((await objects(page))[0].keys[0].ease, "in_out");
  await page.locator(".smcd-ease select").selectOption("bezier");
  assert.deepEqual((await objects(page))[0].keys[0].ease, [0.42, 0, 0.58, 1]);
  const before = await page.evaluate(() => window.commits.length);
  const point = await page.locator(".smcd-bezier-point").first().boundingBox();
  const frame = await page.locator(".smcd-bezier-frame").boundingBox();
  await page.mouse.move(point.x + point.width / 2, point.y + point.height / 2);
  await page.mouse.down();
  await page.mouse.move(frame.x + frame.width / 4, frame.y + frame.height / 2, { steps: 4 });
  await page.mouse.up();
  const [x, y] = (await objects(page))[0].keys[0].ease;
  assert.ok(Math.abs(x - 0.25) < 0.02 && Math.abs(y - 0.5) < 0.02, `${x}, ${y}`); // a pixel is 0.017 of the curve
  assert.equal(await page.evaluate(() => window.commits.length), before + 1);
  await page.locator(".smcd-bezier-point").nth(1).focus();
  await page.keyboard.press("ArrowUp");
  assert.equal((await objects(page))[0].keys[0].ease[3], 1.02);
});

check("numbers of a box are pixels of the document", async (page) => {
  await select(page, "b");
  const field = page.getByLabel("X", { exact: true });
  assert.equal(await field.inputValue(), "307.2");
  await field.fill("256");
  await page.keyboard.press("Enter");
  assert.deepEqual((await objects(page))[1].keys[0].box, [0.5, 0.1, 0.7, 0.35]);
});

check("fields of several objects are empty where these differ, and what is entered goes to all", async (page) => {
  await select(page, "a", "b");
  const panel = page.locator(".smcd-inspector");
  const field = (name) => panel.getByLabel(name, { exact: true }).first();
  const shown = async (name) => [await field(name).inputValue(), await field(name).getAttribute("placeholder")];
  for (const name of ["Phrase", "X", "Y", "W", "H"]) assert.deepEqual(await shown(name), ["", "mixed"], name);
  assert.deepEqual(await shown("Strength"), ["1", ""]);
  await field("W").fill("100");
  await field("W").press("Enter");
  const pixels = async (n) => (await objects(page)).map(({ keys }) => Math.round((keys[0].box[n + 2] - keys[0].box[n]) * 512));
  assert.deepEqual(await pixels(0), [100, 100]);
  await field("Phrase").fill("toy");
  await field("Phrase").press("Enter");
  assert.deepEqual((await objects(page)).map(({ phrase }) => phrase), ["toy", "toy"]);
  assert.deepEqual((await shown("Phrase"))[0], "toy");
  await page.locator(".smcd-stage-canvas").focus();
  await page.keyboard.press("Control+z");
  assert.deepEqual((await objects(page)).map(({ phrase }) => phrase), ["red car", "brown dog"]); // one step
  await select(page, "a");
  await page.keyboard.press("4");
  await page.keyboard.press("v"); // hides a up to its next key
  await select(page, "a", "b");
  assert.equal(await panel.locator(".smcd-ease select").inputValue(), "");
  assert.ok(await field("Visible").evaluate((input) => input.indeterminate));
  await panel.locator(".smcd-ease select").selectOption("out");
  assert.deepEqual((await objects(page)).map(({ keys }) => keys[0].ease), ["out", "out"]);
  await field("Visible").click(); // not all are visible, so all become so
  assert.deepEqual((await objects(page)).map(({ keys }) => keys[0].visible), [true, true]);
});

check("one side of a smooth point is bent by keys alone, and both again", async (page) => {
  await select(page, "a");
  const handles = async () => (await objects(page))[0].keys[1].handles.flat().map((value) => Math.round(value * 512));
  await page.evaluate(() => {
    const { trajectory } = window.editor;
    const keys = [...trajectory.objects[0].keys, { ...trajectory.objects[0].keys[1], frame: 20, box: [0.1, 0.1, 0.4, 0.3] }];
    window.editor.load(JSON.stringify({ ...trajectory, objects: [{ ...trajectory.objects[0], keys }, trajectory.objects[1]] }));
  });
  await page.locator(".smcd-stage-canvas").focus();
  for (const key of [">", "h", "Shift+H"]) await page.keyboard.press(key);
  const [ax, ay, bx, by] = await handles();
  const enter = async (value) => {
    await page.getByLabel("After y", { exact: true }).focus();
    await page.keyboard.press("Control+a");
    await page.keyboard.type(String(value));
    await page.keyboard.press("Enter");
  };
  await enter(by + 40);
  assert.deepEqual(await handles(), [ax, ay, bx, by + 40]);
  await page.locator(".smcd-stage-canvas").focus();
  for (const key of ["Control+z", "Shift+H"]) await page.keyboard.press(key);
  await enter(by + 40);
  const [cx, cy, dx, dy] = await handles();
  assert.deepEqual([dx, dy], [bx, by + 40]);
  assert.ok(cx * dy === cy * dx || Math.abs(Math.atan2(-cy, -cx) - Math.atan2(dy, dx)) < 0.05, String([cx, cy, dx, dy]));
});

check("a preset lays down keys, and the camera moves all objects", async (page) => {
  await select(page, "b");
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("m");
  await page.locator(".smcd-motion select").first().selectOption("orbit");
  await page.getByLabel("Turns").fill("0.5");
  await page.keyboard.press("Enter");
  const around = (await objects(page))[1].keys;
  assert.ok(around.length > 2);
  assert.ok(Math.abs(around.at(-1).box[0] - 0.2) < 1e-6, "half a turn about the middle mirrors the box");
  await page.locator(".smcd-row-item").first().click();
  await page.getByLabel("Offset X (px)").fill("51.2");
  await page.getByRole("button", { name: "Apply" }).click();
  const boxes = (await objects(page)).map(({ keys }) => keys.at(-1).box[0]);
  assert.ok(Math.abs(boxes[0] - 0.3) < 1e-6 && Math.abs(boxes[1] - 0.1) < 1e-6, boxes.join());
});

check("arrow keys move, a held key is one step, and undo brings all back", async (page) => {
  await select(page, "b");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.down("Shift");
  await page.keyboard.down("ArrowRight");
  await page.keyboard.down("ArrowRight"); // a repeat
  await page.keyboard.up("ArrowRight");
  await page.keyboard.up("Shift");
  assert.equal((await objects(page))[1].keys[0].box[0], 0.641016); // 307.2 + 1 + 2 * 10 pixels of 512
  assert.equal(await page.evaluate(() => window.commits.length), 2);
  await page.keyboard.press("Control+z");
  await page.keyboard.press("Control+z");
  assert.equal((await objects(page))[1].keys[0].box[0], 0.6);
  await page.keyboard.press("Control+Shift+z");
  assert.equal((await objects(page))[1].keys[0].box[0], 0.601953);
});

check("keys of commands do not reach the page, and text fields keep theirs", async (page) => {
  await page.evaluate(() => {
    window.reached = [];
    window.addEventListener("keydown", (event) => window.reached.push(event.key));
  });
  await select(page, "a");
  for (const key of ["Delete", "Delete", "Control+z", "g", "q"]) await page.keyboard.press(key);
  assert.deepEqual(await page.evaluate(() => window.reached.filter((key) => key !== "Control")), []);
  await select(page, "a");
  await page.locator(".smcd-inspector input[type=text]").fill("red");
  await page.keyboard.press("Delete");
  await page.keyboard.press("Escape");
  assert.equal((await objects(page)).length, 2);
});

check("objects go from one editor to another through the clipboard, and keys to a time", async (page) => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.evaluate(async () => {
    const { EditorState } = await import("/web/editor/state/state.js");
    const { createView } = await import("/web/editor/view.js");
    window.other = new EditorState();
    window.otherView = createView(window.other);
    const main = document.querySelector("main");
    main.style.display = "flex";
    main.append(window.otherView.element);
  });
  await select(page, "a", "b");
  await page.locator(".smcd-editor").first().focus();
  await page.keyboard.press("Control+c");
  await page.locator(".smcd-editor").nth(1).focus();
  await page.keyboard.press("Control+v");
  await page.waitForFunction(() => window.other.trajectory.objects.length === 2);
  assert.deepEqual(await page.evaluate(() => window.other.trajectory.objects.map(({ phrase }) => phrase)), [
    "red car",
    "brown dog",
  ]);
  await page.keyboard.press("Control+x");
  await page.waitForFunction(() => window.other.trajectory.objects.length === 0);

  await page.locator(".smcd-editor").first().focus();
  await page.evaluate(() => window.editor.selectKeys([{ id: "a", frame: 12 }]));
  await page.keyboard.press("Control+c");
  await page.evaluate(() => {
    window.editor.select(["b"]);
    window.editor.seek(5);
  });
  await page.keyboard.press("Control+v");
  await page.waitForFunction(() => window.editor.trajectory.objects[1].keys.length === 2);
  assert.equal((await objects(page))[1].keys[1].frame, 5);
  await page.evaluate(() => window.otherView.destroy());
});

check("text that does not parse is shown, kept, and written only once it is repaired", async (page) => {
  const broken = '{"version": 1, "width": 512, "hei<b>ght": 512}';
  await page.evaluate((text) => window.editor.load(text), broken);
  await settle(page);
  const area = page.getByRole("textbox", { name: "Trajectory text" });
  assert.equal(await area.inputValue(), broken);
  assert.match(await page.getByRole("alert").textContent(), /lacks height, frames, objects/);
  assert.equal(await page.locator(".smcd-side").isVisible(), false);
  await page.locator(".smcd-editor").focus();
  for (const key of ["b", "Control+z", "Control+d", "Delete"]) await page.keyboard.press(key);
  assert.ok(await page.getByRole("button", { name: "Add a box" }).isDisabled());
  await area.fill('{"version": 7}');
  await page.locator(".smcd-editor").focus();
  assert.match(await page.getByRole("alert").textContent(), /version is 7/);
  assert.deepEqual(await page.evaluate(() => window.commits), []);
  await area.fill('{"version": 1, "width": 64, "height": 48, "frames": 3, "objects": []}');
  await page.locator(".smcd-editor").focus();
  await settle(page);
  assert.equal(await area.isVisible(), false);
  assert.equal(await page.evaluate(() => window.commits.length), 1);
  assert.equal(await page.evaluate(() => window.editor.trajectory.width), 64);
});

check("where a canvas cannot start, the text can be edited", async (page, problems) => {
  await page.evaluate(async () => {
    const getContext = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = () => null;
    const { EditorState } = await import("/web/editor/state/state.js");
    const { createView } = await import("/web/editor/view.js");
    window.saved = [];
    window.view.destroy();
    window.editor = new EditorState({ onCommit: (text) => window.saved.push(text) });
    document.querySelector("main").append(createView(window.editor).element);
    HTMLCanvasElement.prototype.getContext = getContext;
  });
  await settle(page);
  const area = page.getByRole("textbox", { name: "Trajectory text" });
  await area.fill((await area.inputValue()).replace('"fps": 8', '"fps": 12'));
  await page.locator(".smcd-editor").focus();
  assert.match((await page.evaluate(() => window.saved)).at(-1), /"fps": 12/);
  assert.match(problems.splice(0).join(), /canvas/i, "the console says what failed");
});

check("the help lists every command that has keys, and keeps the focus", async (page) => {
  await page.keyboard.press("?");
  const dialog = page.getByRole("dialog", { name: "Shortcuts and gestures" });
  const text = await dialog.textContent();
  const labels = await page.evaluate(async () => {
    const { COMMANDS } = await import("/web/editor/actions/commands.js");
    const { translator } = await import("/web/editor/strings/strings.js");
    return COMMANDS.filter(({ keys }) => keys.length).map(({ label }) => translator("en")(label));
  });
  for (const label of labels) assert.ok(text.includes(label), label);
  for (let n = 0; n < 4; n += 1) {
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement.closest(".smcd-dialog") !== null));
  }
  await page.keyboard.press("Delete");
  await page.keyboard.press("Escape");
  assert.equal(await dialog.count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.className), "smcd-editor");
});

const FILES = {
  json: ["t.json", JSON.stringify({ ...TRAJECTORY, frames: 30 }), 30],
  csv: ["b.csv", "frame,object,x1,y1,x2,y2\n0,cat,0,0,10,10\n1,cat,5,5,20,20\n", 2],
  mot: ["gt.txt", "1,1,0,0,10,10,1,-1,-1,-1\n3,1,5,5,10,10,1,-1,-1,-1\n", 3],
  bbox: ["bbox.txt", "0,0,64,64\n10,10,80,80\n", 2],
  got10k: ["groundtruth.txt", "0,0,64,64\n10,10,80,80\n", 2],
};
for (const [format, [name, content, frames]] of Object.entries(FILES)) {
  check(`a dropped file of ${format} is read, after asking what it does not tell`, async (page) => {
    await drop(page, name, "text/plain", content);
    const dialog = page.getByRole("dialog", { name: "Import" });
    await dialog.waitFor();
    const isQuestion = format === "bbox" || format === "got10k";
    if (isQuestion) assert.equal(await dialog.locator("select").inputValue(), format === "bbox" ? "xyxy" : "xywh");
    if (format !== "json") await dialog.getByLabel("Image width").fill("128");
    await dialog.getByRole("button", { name: "Replace" }).click();
    await page.waitForFunction((count) => window.editor.trajectory.frames === count, frames);
    await settle(page);
    assert.match(await notice(page).textContent(), new RegExp(`^${name}: read as`));
    if (isQuestion) {
      const last = (await objects(page))[0].keys.at(-1).box;
      const right = format === "bbox" ? 80 : 90;
      assert.equal(last[2], right / 128);
    }
  });
}

check("each format is saved and read back", async (page) => {
  await select(page, "b");
  for (const [label, pattern] of [
    ["Save as JSON", /^\{"version": 1/],
    ["Save as CSV", /^frame,object,x1,y1,x2,y2\n0,red car,/],
    ["Save as MOT", /^1,1,/],
    ["Save as bbox.txt", /^307\.2000,51\.2000,/],
  ]) {
    assert.match((await saved(page, label)).toString(), pattern);
  }
});

check("what is saved for other video models is read back", async (page) => {
  await select(page, "b");
  for (const [format, hasSize, name] of [
    ["BBox-Animator", false, "project.json"],
    ["TrailBlazer", true, "t.yaml"],
    ["FreeTraj", true, "f.txt"],
    ["SG-I2V", false, "traj.npy"],
  ]) {
    const content = await saved(page, `Save as ${format}`);
    await drop(page, name, "", content);
    const dialog = page.getByRole("dialog", { name: "Import" });
    await dialog.waitFor();
    assert.equal(await dialog.getByLabel("Image width").count(), hasSize ? 0 : 1, format);
    await dialog.getByRole("button", { name: "Add" }).click();
    await notice(page).filter({ hasText: `${name}: read as ${format}` }).waitFor();
    const last = (await objects(page)).at(-1).keys[0].box;
    assert.ok(last.every((v, n) => Math.abs(v - [0.6, 0.1, 0.8, 0.35][n]) < 1e-6), `${format} ${last}`);
    await page.keyboard.press("Control+z");
    await select(page, "b");
  }
});

check("points for Wan-Move are saved as two files, which are read back together", async (page) => {
  const downloads = [];
  page.on("download", (download) => downloads.push(download));
  await saved(page, "Save as Wan-Move");
  await page.waitForFunction(() => window.editor.notice?.text === "Saved: tracks.npy, visibility.npy");
  while (downloads.length < 2) await page.waitForEvent("download");
  const files = await Promise.all(downloads.map(async (download) => [
    download.suggestedFilename(), [...await readFile(await download.path())],
  ]));
  const count = (await objects(page)).length;
  await page.evaluate((given) => {
    const dataTransfer = new DataTransfer();
    for (const [name, bytes] of given) dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
    document.querySelector(".smcd-editor").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }, files);
  const dialog = page.getByRole("dialog", { name: "Import" });
  await dialog.getByRole("button", { name: "Add" }).click();
  await page.waitForFunction(() => window.editor.notice?.text.startsWith("tracks.npy: read as Wan-Move"));
  assert.ok((await objects(page)).length > count);
  assert.equal(await dialog.count(), 0);
  await page.keyboard.press("Control+z");
});

check("a share card carries the trajectory, and a damaged one is refused", async (page) => {
  const before = await objects(page);
  const card = await saved(page, "Save a share card (PNG)");
  const damaged = Buffer.from(card);
  damaged[card.length - 40] ^= 1;
  await drop(page, "damaged.png", "image/png", damaged);
  await page.waitForFunction(() => window.editor.notice?.kind === "error");
  assert.match(await page.evaluate(() => window.editor.notice.text), /^damaged\.png: the image is damaged/);
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await drop(page, "card.png", "image/png", card);
  await page.waitForFunction(() => window.editor.trajectory.objects.length === 2);
  assert.deepEqual(await objects(page), before);
});

check("a share card shows the whole picture in the frame, stretched as on the stage", async (page) => {
  await page.evaluate(() => {
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [400, 100];
    const context = picture.getContext("2d");
    context.fillStyle = "#ff0000";
    context.fillRect(0, 0, 400, 100);
    context.fillStyle = "#0000ff";
    context.fillRect(40, 0, 320, 100); // a tenth at either side stays red
    window.editor.apply("step.delete", (trajectory) => ({ ...trajectory, objects: [] }));
    window.editor.set({ background: { width: 400, height: 100, part: [0, 0, 400, 100], imageAt: () => picture } });
  });
  const pixels = await page.evaluate(async () => {
    const { makeCard } = await import("/web/editor/files/share_card.js");
    const { translator } = await import("/web/editor/strings/strings.js");
    const bytes = await makeCard({ editor: window.editor, t: translator("en") });
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    // The large picture of a square clip: 640 pixels a side, in the middle of 960, 24 from the top.
    return [0.05, 0.5, 0.95].map((u) => [...context.getImageData(160 + u * 640, 24 + 320, 1, 1).data]);
  });
  assert.deepEqual(pixels, [[255, 0, 0, 255], [0, 0, 255, 255], [255, 0, 0, 255]]);
});

check("a dropped picture becomes the background and is handed on", async (page) => {
  await page.evaluate(() => {
    window.editor.onBackgroundFile = (file) => (window.handedOn = file.name);
  });
  const base64 = await page.evaluate(() => {
    const canvas = document.createElement("canvas");
    canvas.width = 30;
    canvas.height = 20;
    canvas.getContext("2d").fillRect(0, 0, 9, 9);
    return canvas.toDataURL().split(",")[1];
  });
  await drop(page, "street.png", "image/png", Buffer.from(base64, "base64"));
  await page.waitForFunction(() => window.handedOn === "street.png");
  assert.equal(await page.evaluate(() => window.editor.background.width), 30);
  await drop(page, "broken.jpg", "image/jpeg", "no picture");
  await page.waitForFunction(() => window.editor.notice?.text.startsWith("broken.jpg"));
});

check("a pasted picture becomes the background too", async (page) => {
  await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(40, 20);
    canvas.getContext("2d").fillRect(0, 0, 9, 9);
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([await canvas.convertToBlob()], "pasted.png", { type: "image/png" }));
    const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
    document.querySelector(".smcd-editor").dispatchEvent(event);
  });
  await page.waitForFunction(() => window.editor.background?.width === 40);
});

check("hostile files are refused with a message and change nothing", async (page) => {
  const nested = "[".repeat(2e6);
  const files = {
    "deep.json": `{"version": 1, "objects": ${nested}`,
    "huge.json": `{"version": 1, "width": 1e999, "height": 512, "frames": 24, "objects": []}`,
    "types.json": '{"version": 1, "width": "<b>", "height": [], "frames": {}, "objects": null}',
    "long.json": `{"version": 1, "x": "${"y".repeat(10 * 2 ** 20)}"}`,
    "empty.txt": "",
    "html.txt": "<html><script>window.hacked=1</script></html>",
  };
  for (const [name, content] of Object.entries(files)) {
    await drop(page, name, "text/plain", content);
    await page.waitForFunction((start) => window.editor.notice?.text.startsWith(start), name, { timeout: 10_000 });
    assert.ok((await page.evaluate(() => window.editor.notice.text)).length < 400, name);
  }
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.deepEqual(await page.evaluate(() => window.commits), []);
});

check("the editor goes over the page out of a transformed host and back, and Escape leaves", async (page) => {
  await page.evaluate(() => {
    const main = document.querySelector("main");
    main.style.cssText = "width:400px;height:500px;transform:scale(0.5) translate(50px, 20px);overflow:hidden";
  });
  await select(page, "a");
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("f");
  await settle(page);
  const box = await page.locator(".smcd-editor").boundingBox();
  assert.deepEqual(box, { x: 0, y: 0, width: 1100, height: 800 });
  assert.ok(await page.getByText("The editor is in full screen.").isVisible());
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("Escape"); // the selection
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("main .smcd-editor").count(), 1);
  assert.equal(await page.locator(".smcd-overlay").count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.className), "smcd-editor");
});

check("a check says what to do and leads to its object and frame", async (page) => {
  await page.evaluate(() => {
    const text = JSON.stringify(window.editor.trajectory).replace('"frame":12', '"frame":1');
    window.editor.load(text);
    window.editor.seek(9);
  });
  await page.locator(".smcd-checks-button:not([disabled])").click();
  await page.getByRole("button", { name: /red car moves/ }).click();
  assert.deepEqual(await page.evaluate(() => [[...window.editor.selected], window.editor.frame]), [["a"], 0]);
});

check("a noun of the prompt becomes the phrase", async (page) => {
  await page.evaluate(() => {
    window.editor.set({ facts: { ...window.editor.facts, prompt: "a red car and a small cat on the street" } });
  });
  await select(page, "b");
  assert.deepEqual(await page.locator(".smcd-chips button").allTextContents(), ["small cat", "street"]);
  await page.getByRole("button", { name: "small cat" }).click();
  assert.equal((await objects(page))[1].phrase, "small cat");
});

check("every control has a name, every input a label, in both widths", async (page) => {
  for (const width of [440, 1100]) {
    await page.setViewportSize({ width, height: 800 });
    await select(page, "a");
    const unnamed = await page.evaluate(() => {
      const name = (element) =>
        element.getAttribute("aria-label") || element.textContent.trim() || element.labels?.[0]?.textContent.trim();
      const kinds = "button, input, select, textarea, canvas, [role=slider]";
      const controls = document.querySelectorAll(`.smcd-editor :is(${kinds})`);
      return [...controls].filter((element) => !name(element)).map((element) => element.outerHTML);
    });
    assert.deepEqual(unnamed, []);
  }
});

check("where it is narrow the properties open and close, and the names stay", async (page) => {
  await page.setViewportSize({ width: 440, height: 520 });
  await select(page, "a");
  const properties = page.locator(".smcd-inspector");
  const button = page.getByRole("button", { name: "Properties" });
  assert.equal(await properties.isVisible(), false);
  await button.press("Enter");
  assert.equal(await button.getAttribute("aria-expanded"), "true");
  for (const field of await page.locator(".smcd-inspector :is(input, select, button):visible").all()) {
    await field.scrollIntoViewIfNeeded();
    const { x, width } = await field.boundingBox();
    assert.ok(x >= 0 && x + width <= 440, await field.evaluate((element) => element.outerHTML));
  }
  await button.click();
  assert.equal(await properties.isVisible(), false);
  await page.keyboard.press("m");
  assert.ok(await properties.isVisible());
  await page.locator(".smcd-editor").focus();
  await page.keyboard.press("F2");
  assert.ok(await page.locator(".smcd-phrase-input").isVisible());
});

check("at the smallest size nothing is cut, and the stage stays beside the properties", async (page) => {
  await select(page, "a");
  const cut = () =>
    page.evaluate(() => {
      const { right } = document.querySelector(".smcd-editor").getBoundingClientRect();
      const controls = [...document.querySelectorAll(".smcd-editor :is(button, input, select)")];
      const isCut = (one) => one.offsetWidth > 0 && (one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > right);
      return controls.filter((one) => one.tagName !== "INPUT" && isCut(one)).map((one) => one.className + one.textContent);
    });
  assert.deepEqual(await cut(), []);
  await page.locator(".smcd-side-button").click();
  await settle(page);
  assert.deepEqual(await cut(), []);
  assert.ok((await page.locator(".smcd-stage").boundingBox()).height >= 70);
  await page.locator(".smcd-side-button").click();
  assert.ok(await page.locator(".smcd-timeline-canvas").isVisible());
}, { width: 210, height: 380 });

check("the names keep beside their rows when the timeline scrolls, by wheel and by keys", async (page) => {
  await page.evaluate(() => {
    const [object] = window.editor.trajectory.objects;
    const objects = Array.from({ length: 40 }, (_, n) => ({ ...object, id: `o${n}`, phrase: `object ${n}` }));
    window.editor.apply("step.import", (trajectory) => ({ ...trajectory, objects }));
    window.editor.select(["o39"]);
  });
  await settle(page);
  const area = await page.locator(".smcd-timeline-area").boundingBox();
  const isSeen = async (n) => {
    const { y, height } = await row(page, n).boundingBox();
    return y >= area.y + 28 && y + height <= area.y + area.height + 1;
  };
  assert.ok(await isSeen(39));
  assert.equal(await isSeen(0), false);
  await row(page, 39).hover();
  await page.mouse.wheel(0, -5000);
  await settle(page);
  assert.ok(await isSeen(0));
  await row(page, 0).click();
  for (let n = 0; n < 20; n += 1) await page.keyboard.press("ArrowDown");
  await settle(page);
  assert.ok(await isSeen(20));
  assert.equal(await page.locator(".smcd-names").evaluate((element) => element.scrollTop), 0);
});

check("the check box is for the run, the eye for the frame", async (page) => {
  const eye = page.getByRole("button", { name: "red car is visible at this frame" });
  const use = page.getByRole("checkbox", { name: "Include red car in the video" });
  await page.evaluate(() => window.editor.seek(5));
  await row(page, 0).hover();
  await eye.click();
  assert.deepEqual((await objects(page))[0].keys.map(({ frame, visible }) => [frame, visible]), [
    [0, true],
    [5, false],
    [12, true],
  ]);
  assert.equal(await eye.getAttribute("aria-pressed"), "false");
  await use.click();
  assert.equal((await objects(page))[0].enabled, false);
  assert.equal(await use.isChecked(), false);
});

check("there is a ring around what the keyboard uses, and none after a click", async (page) => {
  const ring = () => page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  for (const name of [".smcd-stage-canvas", ".smcd-timeline-canvas"]) {
    const { x, y, width, height } = await page.locator(name).boundingBox();
    await page.mouse.click(x + width - 12, y + height - 12);
    assert.equal(await page.evaluate(() => document.activeElement.className), name.slice(1));
    await page.keyboard.press("k");
    assert.equal(await ring(), "none", name);
  }
  await page.keyboard.press("Shift+Tab");
  assert.equal(await ring(), "solid");
});

check("the menus work with keys alone", async (page) => {
  await page.getByRole("button", { name: "View", exact: true }).focus();
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  for (let n = 0; n < 12 && !(await focused()).startsWith("Snap to grid"); n += 1) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => window.editor.settings.grid), 8);
  assert.equal(await page.getByRole("menu").count(), 0);
});

async function isChinese(page) {
  await page.keyboard.press("?");
  assert.ok(await page.getByRole("dialog", { name: "快捷键与手势" }).isVisible());
  const english = await page.evaluate(() => {
    const text = document.querySelector(".smcd-editor").innerText.replaceAll("Wan-Move", ""); // a name
    return text.match(/\b(Undo|Redo|Objects|Properties|Camera|Select|Move|Save)\b/g);
  });
  assert.equal(english, null);
}

check("the editor speaks Chinese", isChinese, { language: "zh-CN" });

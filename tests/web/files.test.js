import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boxesAt,
  FormatQuestion,
  parseTrajectory,
  readArrayFile,
  readFile,
  readTrajectory,
  serialiseTrajectory,
  setEnabled,
  setPhrase,
  TrajectoryError,
  writeBboxAnimator,
  writeBboxTxt,
  writeCsv,
  writeFreeTraj,
  writeGot10k,
  writeMot,
  writeSgI2v,
  writeTrailBlazer,
  writeWanMove,
} from "../../web/trajectory/model.js";
import { randomNumbers } from "../../web/trajectory/random.js";
import { A, B, distance, trajectory, twin } from "./helpers.js";

const SIZE = { width: 100, height: 50 };
const BOXES_PX = [[10, 20, 30, 40], [20, 20, 40, 40], [30.5, 20, 50.5, 45]];
const XYXY = "10,20,30,40\n20,20,40,40\n30.5,20,50.5,45\n";
const XYWH = "10,20,20,20\n20,20,20,20\n30.5,20,20,25\n";
const MOT = BOXES_PX.map(([x, y, a, b], n) => `${n + 1},1,${x},${y},${a - x},${b - y},1,-1,-1,-1\n`).join("");
const CSV = `frame,object,x1,y1,x2,y2\n${BOXES_PX.map((box, n) => `${n},dog,${box.join()}\n`).join("")}`;

const inPixels = ([x1, y1, x2, y2]) => [x1 * 100, y1 * 50, x2 * 100, y2 * 50];
const pixels = (document) => boxesAt(document).boxes.map((row) => row.map(inPixels));
const read = (text, options) => readFile(text, { ...SIZE, ...options });

for (const [name, text, format] of [["xyxy", XYXY, "xyxy"], ["xywh", XYWH, "xywh"], ["mot", MOT], ["csv", CSV]]) {
  const spellings = {
    "as it is": text,
    "with Windows line endings": text.replaceAll("\n", "\r\n"),
    "with old Mac line endings": text.replaceAll("\n", "\r"),
    "with a byte order mark": `\ufeff${text}`,
    "with tabs": text.replaceAll(",", "\t"),
    "with spaces": text.replaceAll(",", " "),
    "with commas and spaces": text.replaceAll(",", " , "),
    "with empty lines at the end": `${text}\n\n \n`,
  };
  for (const [how, spelled] of Object.entries(spellings)) {
    test(`${name} is read ${how}`, () => {
      const { trajectory: document, reading } = read(spelled, { format });
      assert.ok(distance(pixels(document).map((row) => row[0]), BOXES_PX) < 1e-9);
      assert.deepEqual(reading, { format: name, objects: 1, frames: 3, width: 100, height: 50, leftOut: 0 });
      assert.deepEqual(parseTrajectory(serialiseTrajectory(document)), document);
    });
  }
}

test("four numbers per line are asked about, not guessed", () => {
  assert.throws(() => read(XYXY), (error) => {
    assert.ok(error instanceof FormatQuestion && error instanceof TrajectoryError);
    assert.deepEqual(error.choices, ["xyxy", "xywh"]);
    return true;
  });
  assert.throws(() => read("1,2,3,4,5,6\n"), { name: "FormatQuestion", choices: ["mot"] });
  assert.equal(read("1,2,3,4,5,6\n", { format: "mot" }).reading.format, "mot");
});

test("our own text is recognised and read", () => {
  const document = trajectory({ car: [[0, A, "in"], [7, B]] });
  const { trajectory: again, reading } = read(serialiseTrajectory(document));
  assert.deepEqual(again, document);
  assert.deepEqual([reading.format, reading.objects, reading.frames, reading.width], ["json", 1, 8, 64]);
});

test("MOT ground truth gives classes, ids of any number, and leaves out what does not count", () => {
  const text = "1,7,10,20,20,20,1,3,0.9\n2,3,10,20,20,20,1,1,1\n2,7,10,20,20,20,0,3,1\n";
  const { trajectory: document, reading } = read(text);
  assert.deepEqual(document.objects.map((track) => track.phrase), ["pedestrian", "car"]);
  assert.deepEqual(boxesAt(document).mask, [[false, true], [true, false]]);
  assert.equal(reading.leftOut, 1);
});

test("MOT has 7, 9 or 10 columns, and ids from 0; 8 are polygons, or asked about if they may be MOT", () => {
  for (const rest of ["", ",-1,-1", ",-1,-1,-1"]) {
    assert.equal(read(`1,0,10,20,20,20,1${rest}\n`).reading.format, "mot");
  }
  assert.equal(read("1,0,10,20,20,20,1,20\n").reading.format, "vot");
  assert.throws(() => read("1,0,10,20,20,20,1,-1\n"), ({ choices }) => choices.join() === "mot,vot");
});

test("CSV objects are numbers or names, and names in quotes may hold commas and quotes", () => {
  const text = 'frame,object,x1,y1,x2,y2\n0,"dog, ""big""",10,20,30,40\n1, "cat" ,1,2,3,4\n0,7,0,0,5,5\n';
  assert.deepEqual(read(text).trajectory.objects.map((track) => track.phrase), ['dog, "big"', "cat", ""]);
  assert.throws(() => read('frame,object,x1,y1,x2,y2\n0,"dog,10,20,30,40\n'), /line 2: found 2 fields/);
});

test("frames that are asked for are held to", () => {
  assert.equal(read(MOT, { frames: 6 }).trajectory.frames, 6);
  assert.throws(() => read(MOT, { frames: 2 }), /boxes up to frame 3 of 2: add 1 frame or cut the file/);
  assert.throws(() => read(XYXY, { format: "xyxy", frames: 8 }), /has 3 frames, expected 8: change one of the two/);
});

const REFUSED = [
  ["", {}, /is empty/],
  [" \n\n", {}, /is empty/],
  ["hello", {}, /line 1: found 1 fields, first is "hello"; expected 4 numbers/],
  ["1,2,3\n", {}, /found 3 fields/],
  [`${XYXY}\n1,2,3,4`, { format: "xyxy" }, /line 4: is empty/],
  [`${XYXY}1,2,3`, { format: "xyxy" }, /line 4: found 3 fields, expected x1,y1,x2,y2/],
  [`${XYXY}1,2,nan,4`, { format: "xyxy" }, /line 4: found "nan", expected a number/],
  [`${XYXY}1,2,1e999,4`, { format: "xyxy" }, /line 4: found "1e999"/],
  [`${XYXY}1,2,1_0,4`, { format: "xyxy" }, /line 4: found "1_0"/],
  [`${XYXY}1,2,0x10,4`, { format: "xyxy" }, /line 4: found "0x10"/],
  [`${XYXY}5,2,4,4`, { format: "xyxy" }, /line 4: found box \[5, 2, 4, 4\], expected x1 <= x2/],
  [`${XYXY}5,2,-4,4`, { format: "xywh" }, /found box .* expected width and height of 0 or more/],
  [`${XYXY}0,0,99999,9`, { format: "xyxy" }, /object 0 .*frame 3: box is 999\.99: give a number from -16 to 17/],
  [XYXY, { format: "bmp" }, /does not look like bmp/],
  [XYXY, { format: "json" }, /does not look like json: it could be xyxy/],
  [XYXY, { format: "mot" }, /line 1: found 4 fields, expected frame,id/],
  ["1,2,3,4\n".repeat(4097), { format: "xyxy" }, /frames is 4097: give a whole number from 1 to 4096/],
  [`${MOT}0,1,1,2,3,4,1,-1,-1,-1\n`, {}, /line 4: found frame 0, id 1; expected whole numbers/],
  [`${MOT}1,-1,1,2,3,4,1,-1,-1,-1\n`, {}, /line 4: found id -1, a detection that no tracker has joined to an object: run a tracker/],
  [`${MOT}1.5,1,1,2,3,4,1,-1,-1,-1\n`, {}, /line 4: found frame 1.5, id 1; expected whole numbers/],
  [`${MOT}1,0.5,1,2,3,4,1,-1,-1,-1\n`, {}, /line 4: found frame 1, id 0.5; expected whole numbers/],
  ["1 2 3 4 5\n", {}, /found 5 fields/],
  ["1,2,3,4,5,6,7,8,9,10,11\n", {}, /found 11 fields/],
  [`${MOT}3,1,1,2,3,4,1,-1,-1,-1\n`, {}, /line 4: found a second box for object "1"/],
  [`${MOT}9999,1,1,2,3,4,1,-1,-1,-1\n`, {}, /has 9999 frames and 1 objects; expected 1 to 4096/],
  ["1,1,1,2,3,4,0,-1,-1,-1\n", {}, /has 0 frames and 0 objects/],
  [`${CSV}-1,dog,1,2,3,4`, {}, /line 5: found frame -1, expected a whole number from 0/],
  [`${CSV}1,dog,1,2,3`, {}, /line 5: found 5 fields, expected frame,object/],
  ['{"a": 1}', {}, /JSON with keys a: expected 'objects'/],
  ['{"videos": [], "annotations": []}', {}, /YouTube-VIS, which the node SMCD Load Boxes reads/],
  ["[[1, 2]]", {}, /a JSON list: expected 'objects'/],
  ['{"objects": []}', {}, /lacks version/],
  ["{", {}, /is not JSON/],
  ["[".repeat(100_000), {}, /not JSON|nested too deeply/],
  ["x".repeat(6000), {}, /line 1: has 6000 characters, the limit is 5000/],
];
for (const [text, options, message] of REFUSED) {
  const start = JSON.stringify(text.slice(-40));
  test(`a bad file is refused with place, found and expected: ${start}`, () => {
    assert.throws(() => read(text, options), { name: "TrajectoryError", message });
  });
}

test("files far too large are refused before they are taken apart", () => {
  assert.throws(() => read("1\n".repeat(2 ** 20 + 2)), /more than 1048577 lines, the limit/);
  assert.throws(() => read("1".repeat(2 ** 26 + 1)), /has 67108865 characters, the limit is 67108864/);
});

test("any change of a good file gives a trajectory error or boxes", () => {
  const random = randomNumbers(8);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const bits = ["", "1", "-1", "nan", "dog", '"', '""', "1e400", "9".repeat(400), "\0", "\u2028", ",", "\n", "{"];
  const json = serialiseTrajectory(trajectory({ car: [[0, A], [7, B]] }));
  const files = [[XYXY, "xyxy"], [XYWH, "xywh"], [MOT, "mot"], [CSV, "csv"], [json, "json"]];
  let accepted = 0;
  for (let round = 0; round < 3000; round += 1) {
    const [good, right] = pick(files);
    const start = Math.floor(random() * good.length);
    const text = good.slice(0, start) + pick(bits) + good.slice(start + Math.floor(random() * 4));
    try {
      const { trajectory: document } = read(text, { format: pick([right, right, null, "xyxy", "mot"]) });
      assert.deepEqual(parseTrajectory(serialiseTrajectory(document)), document);
      accepted += 1;
    } catch (error) {
      if (!(error instanceof TrajectoryError)) throw error;
    }
  }
  assert.ok(accepted > 100, `${accepted} of 3000 accepted`);
});

// ---- round trips

const example = () => {
  const leaving = [[0, B], [3, B, "linear", false], [6, [0.9, 0.2, 1.4, 0.8]]];
  const keys = { a: [[0, A, "in_out"], [7, B]], b: leaving, c: [[0, A]] };
  const document = trajectory(keys, { width: 640, height: 360, fps: 12.5 });
  return setPhrase(setPhrase(setEnabled(document, ["c"], false), "a", "red car"), "b", 'a "big", dog');
};
const CLOSE = 1e-4 / 360; // files have four decimals of a pixel

test("MOT survives being written and read", () => {
  const again = readFile(writeMot(example()), { width: 640, height: 360, frames: 8 }).trajectory;
  const [before, after] = [boxesAt(example()), boxesAt(again)];
  assert.deepEqual(after.mask, before.mask);
  before.mask.forEach((row, f) => {
    row.forEach((visible, n) => visible && assert.ok(distance(before.boxes[f][n], after.boxes[f][n]) <= 3e-6 + CLOSE));
  });
});

test("CSV survives being written and read, phrases included", () => {
  const again = readFile(writeCsv(example()), { width: 640, height: 360, frames: 8 }).trajectory;
  assert.deepEqual(again.objects.map((track) => track.phrase), ["red car", 'a "big", dog']);
  assert.deepEqual(boxesAt(again).mask, boxesAt(example()).mask);
});

test("CSV objects of one phrase, or without one, stay apart", () => {
  const document = trajectory({ a: [[0, A]], b: [[0, A]], c: [[0, A]] });
  const text = writeCsv(["a", "b"].reduce((result, id) => setPhrase(result, id, "dog"), setPhrase(document, "c", " ")));
  const names = text.trim().split("\n").slice(1, 4).map((line) => line.split(",")[1]);
  assert.deepEqual(names, ["dog", "dog 2", "3"]);
});

test("GOT-10k is written as Python writes it and survives being read", () => {
  const files = writeGot10k(example(), "b");
  const meta = '[METAINFO]\nobject_class: a "big", dog\nanno_fps: 12.5Hz\nresolution: (640, 360)\n';
  assert.equal(files["meta_info.ini"], meta);
  assert.equal(files["absence.label"], "0\n0\n0\n1\n1\n1\n0\n0\n");
  const again = readFile(files["groundtruth.txt"], { width: 640, height: 360, format: "xywh" }).trajectory;
  const column = boxesAt(example()).boxes.map((row) => row[1]);
  assert.ok(distance(boxesAt(again).boxes.map((row) => row[0]), column) <= 3e-6 + CLOSE);
});

test("bbox.txt has a line of corners per frame, and refuses frames without a box", () => {
  const text = writeBboxTxt(example(), "a");
  assert.equal(text.split("\n")[0], "64.0000,72.0000,192.0000,180.0000");
  assert.equal(text.trim().split("\n").length, 8);
  assert.throws(() => writeBboxTxt(example(), "b"), /object b is invisible at frame 3, bbox.txt needs a box per frame/);
});

test("boxes that an ease turned inside out along one axis are absent too", () => {
  const flat = trajectory({ a: [[0, [0.2, 0.2, 0.8, 0.8], [0.3, 2.5, 0.7, 1]], [7, [0.2, 0.5, 0.8, 0.5]]] });
  assert.ok(writeMot(flat).trim().split("\n").length < 8);
});

test("boxes that an ease turned inside out are written as absent", () => {
  const document = trajectory({ a: [[0, [0.2, 0.2, 0.8, 0.8], [0.3, 2.5, 0.7, 1]], [7, [0.5, 0.5, 0.5, 0.5]]] });
  const lines = writeMot(document).trim().split("\n");
  assert.ok(lines.length > 0 && lines.length < 8);
  const { boxes } = boxesAt(document);
  assert.equal(lines.length, boxes.filter(([[x1, , x2]]) => x2 >= x1).length);
  readFile(writeGot10k(document, "a")["groundtruth.txt"], { ...SIZE, format: "xywh" });
});

// ---- files of other video models

const MODELS = trajectory({ "a dog, big": [[0, A], [3, B], [7, A]], "=cat": [[0, B, "in"], [5, A]] });

test("what is written for other video models is read back", () => {
  const size = { width: MODELS.width, height: MODELS.height };
  const close = (found, wanted, most) => assert.ok(distance(boxesAt(found).boxes, boxesAt(wanted).boxes) < most);
  const project = readFile(writeBboxAnimator(MODELS), { ...size, frames: 8 });
  assert.equal(project.reading.format, "bbox_animator");
  close(project.trajectory, MODELS, 1e-5);
  assert.deepEqual(project.trajectory.objects.map(({ phrase }) => phrase), ["a dog, big", "=cat"]);
  const [dog] = MODELS.objects;
  const one = { ...MODELS, objects: [dog] };
  const yaml = readFile(writeTrailBlazer(MODELS, dog.id), size);
  assert.deepEqual([yaml.reading.format, yaml.trajectory.objects[0].phrase], ["trailblazer", "a dog, big"]);
  close(yaml.trajectory, one, 0.004);
  const lines = readFile(`${writeFreeTraj(MODELS, dog.id)}`, size);
  assert.equal(lines.reading.format, "freetraj");
  assert.ok(distance(boxesAt(lines.trajectory).boxes.slice(0, 8), boxesAt(one).boxes) < 1e-5);
  const still = trajectory({ a: [[0, A], [7, A]], b: [[0, B], [7, B]] });
  const array = readArrayFile(writeSgI2v(still), size);
  assert.deepEqual([array.reading.format, array.reading.frames], ["sg_i2v", 8]);
  close(array.trajectory, still, 1e-6);
});

test("points for Wan-Move are those that Python writes, byte for byte", () => {
  const { document, files } = twin.points;
  const written = Object.entries(writeWanMove(readTrajectory(document)));
  assert.deepEqual(Object.fromEntries(written.map(([name, bytes]) => [name, Buffer.from(bytes).toString("hex")])), files);
});

test("points for Wan-Move are read back as squares around them", () => {
  const size = { width: 64, height: 48 };
  const { "tracks.npy": points } = writeWanMove(trajectory({ a: [[0, [0.25, 0.25, 0.5, 0.5]], [7, [0.5, 0.25, 0.75, 0.5]]] }));
  const { trajectory: found, reading } = readArrayFile(points, size);
  assert.deepEqual([reading.format, reading.objects, reading.frames], ["wan_move", 1, 8]);
  const [first, last] = [0, 7].map((frame) => boxesAt(found).boxes[frame][0]);
  assert.ok(distance([(first[0] + first[2]) / 2, (last[0] + last[2]) / 2], [0.375, 0.625]) < 1e-3);
});

test("points of one frame rest for as long as in Python", () => {
  const size = { width: 64, height: 48 };
  const { "tracks.npy": points } = writeWanMove(trajectory({ a: [[0, [0.25, 0.25, 0.5, 0.5]]] }, { frames: 1 }));
  assert.equal(readArrayFile(points, size).trajectory.frames, 8);
  assert.equal(readArrayFile(points, { ...size, frames: 5 }).trajectory.frames, 5);
});

test("Wan-Move's second file says when its points are visible", () => {
  const box = [0.25, 0.25, 0.5, 0.5];
  const hides = trajectory({ a: [[0, box], [3, box, "linear", false], [5, box]] });
  const { "tracks.npy": points, "visibility.npy": visibility } = writeWanMove(hides);
  const { trajectory: found } = readArrayFile(points, { width: 64, height: 48, visibility });
  assert.deepEqual(boxesAt(found).mask, boxesAt(hides).mask);
  const { "visibility.npy": other } = writeWanMove(trajectory({ a: [[0, box]] }, { frames: 9 }));
  assert.throws(() => readArrayFile(points, { width: 64, height: 48, visibility: other }), {
    message: "the visibility is an array [1, 9, 1]; expected [1, 8, 1] as the tracks",
  });
});

test("points for Wan-Move need an object in the first frame, and not too many", () => {
  const late = trajectory({ a: [[0, A, "linear", false], [4, B]] });
  assert.throws(() => writeWanMove(late), /no object is visible and inside the frame in frame 0/);
  const wide = readTrajectory({ version: 1, width: 512, height: 512, frames: 4096, objects: [
    { phrase: "", keys: [{ frame: 0, box: [0, 0, 1, 1] }] },
  ] });
  assert.throws(() => writeWanMove(wide), /32 x 32 points in 1 objects over 4096 frames are too many/);
});

test("a short path rests at the end of FreeTraj's videos", () => {
  const lines = writeFreeTraj(trajectory({ a: [[0, A], [7, B]] }), "a").trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => line.split(", ")[0]), ["0", "7", "15"]);
  assert.equal(lines[1].slice(1), lines[2].slice(2));
});

test("what another format cannot hold is refused with the reason", () => {
  const hides = readTrajectory({ ...MODELS, objects: [{ phrase: "a", keys: [
    { frame: 0, box: A }, { frame: 2, box: A, visible: false }, { frame: 4, box: A }, { frame: 5, box: B },
  ] }] });
  const [{ id }] = hides.objects;
  for (const write of [writeTrailBlazer, writeFreeTraj, writeSgI2v]) {
    assert.throws(() => write(hides, id), /is hidden in frame 2; .* cannot say so/);
  }
  const stays = JSON.parse(writeBboxAnimator(hides)).objects.map((stay) => [stay.id, stay.start_frame, stay.end_frame]);
  assert.deepEqual(stays, [[id, 0, 1], [`${id}-2`, 4, 7]]);
  const close = readTrajectory({ ...MODELS, objects: [{ phrase: "a", keys: [
    { frame: 0, box: A }, { frame: 4, box: B }, { frame: 5, box: A },
  ] }] });
  assert.throws(() => writeTrailBlazer(close, close.objects[0].id), /frames 4 and 5; TrailBlazer needs a frame between/);
  const eased = { ...close, objects: [{ ...close.objects[0], keys: [0, 3].map((frame, n) => ({ ...close.objects[0].keys[n], frame, ease: "in" })) }] };
  const named = /^(?:.*) moves eased or bent from frame 0 to 3, which takes keyframes in frames 1 and 2 as straight lines; TrailBlazer/;
  assert.throws(() => writeTrailBlazer(eased, eased.objects[0].id), named);
  assert.throws(() => writeFreeTraj(setEnabled(close, [id], false), id), /is disabled/);
  assert.throws(() => writeSgI2v(setEnabled(close, [id], false)), /there is no enabled object/);
});

test("YAML is read as far as settings need it", () => {
  const yaml = (prompt) => `# from a file\n---\nkeyframe:\n  - frame: 0 # first\n    bbox_ratios: [0.1, .4, 3e-1, 0.8]\n    prompt: ${prompt}\nseed: 3\n`;
  const phraseOf = (prompt) => readFile(yaml(prompt), SIZE).trajectory.objects[0].phrase;
  for (const [written, meant] of [
    ["a cat # no more", "a cat"], ["'it''s # one'", "it's # one"], ['"say \\"hi\\""', 'say "hi"'], ["a\n      long one", "a long one"], ["it's", "it's"],
  ]) {
    assert.equal(phraseOf(written), meant);
  }
  for (const bad of ["|\n      a", "a: b", "{a: b}", "!!python/object:os.system", '"open']) {
    assert.throws(() => phraseOf(bad), { name: "TrajectoryError", message: /^line \d+: is not YAML/ });
  }
});

test("a phrase that a spreadsheet would calculate is marked as text, and comes back as it was", () => {
  for (const phrase of ["=1+1", "+cat", "-cat", "@cat", '=HYPERLINK("x","y")', "'cat", "cat = dog"]) {
    const written = writeCsv(trajectory({ [phrase]: [[0, A], [7, B]] }));
    for (const line of written.split("\n").slice(1, -1)) assert.doesNotMatch(line, /^\d+,"?[=+@-]/);
    assert.equal(readFile(written, SIZE).trajectory.objects[0].phrase, phrase);
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  emptyTrajectory,
  LIMITS,
  migrate,
  PALETTE,
  parseTrajectory,
  readTrajectory,
  serialiseTrajectory,
  setBox,
  setClip,
  TrajectoryError,
  withSource,
} from "../../web/trajectory/model.js";
import { randomNumbers } from "../../web/trajectory/random.js";
import { A, B, golden, trajectory, twin } from "./helpers.js";

const refuses = (value, message) => assert.throws(() => readTrajectory(value), { name: "TrajectoryError", message });

for (const { name, trajectory: value } of golden.refused) {
  test(`a document of the golden file is refused: ${name}`, () => refuses(value, /./));
}

test("absent values get the defaults of the golden file", () => {
  assert.deepEqual(JSON.parse(serialiseTrajectory(readTrajectory(golden.defaults.given))), golden.defaults.document);
});

test("palette and limits equal the golden file", () => {
  assert.deepEqual(PALETTE, golden.palette);
  assert.deepEqual(LIMITS, golden.limits);
});

test("text equals Python's for every golden document", () => {
  for (const { name, trajectory: value } of golden.cases) {
    assert.equal(serialiseTrajectory(readTrajectory(value)), twin.cases[name].text, name);
  }
});

test("numbers, quotes and other scripts are spelled as Python spells them", () => {
  assert.equal(serialiseTrajectory(readTrajectory(twin.spelling.document)), twin.spelling.text);
});

test("a document survives being written and read", () => {
  for (const { text } of [...Object.values(twin.cases), twin.spelling]) {
    assert.equal(serialiseTrajectory(parseTrajectory(text)), text);
  }
});

test("the source is written only where there is one, and stays through operations", () => {
  const drawn = trajectory({ cat: [[0, A]] });
  assert.ok(!serialiseTrajectory(drawn).includes("source"));
  const made = withSource(drawn, "abc");
  assert.equal(parseTrajectory(serialiseTrajectory(made)).source, "abc");
  assert.equal(setBox(made, "cat", 0, B).source, "abc");
  assert.equal(setClip(made, { width: 10 }).source, "abc");
  assert.deepEqual(withSource(made, undefined), drawn);
});

test("an empty document is accepted, with and without a size", () => {
  for (const document of [emptyTrajectory(), emptyTrajectory({ width: 7, height: 9, frames: 3, fps: 0.5 })]) {
    assert.deepEqual(parseTrajectory(serialiseTrajectory(document)), document);
  }
});

test("a byte order mark is skipped", () => {
  assert.deepEqual(parseTrajectory("\ufeff" + twin.spelling.text), parseTrajectory(twin.spelling.text));
});

test("text that is not a document is refused", () => {
  const texts = { "": /not JSON/, "{": /not JSON/, "[1, 2]": /must be a JSON object/, '{"version": 1}': /lacks width/ };
  for (const [text, message] of Object.entries(texts)) assert.throws(() => parseTrajectory(text), { message });
  for (const text of ["[".repeat(100_000), "[".repeat(100_000) + "]".repeat(100_000), '{"version": NaN}', "1e999"]) {
    assert.throws(() => parseTrajectory(text), TrajectoryError);
  }
  assert.throws(() => parseTrajectory(null), TrajectoryError);
});

test("text beyond the limit is refused with both numbers", () => {
  const message = /has 33554433 characters, the limit is 33554432/;
  assert.throws(() => parseTrajectory(" ".repeat(33554433)), { message });
});

test("errors name the object, the frame and the values", () => {
  const make = (key) => ({ version: 1, width: 9, height: 9, frames: 8, objects: [{ phrase: "red car", keys: [key] }] });
  const inverted = /objects\[0\] \(red car\), frame 3: box \[0\.6, .*inverted, x2 < x1/;
  refuses(make({ frame: 3, box: [0.6, 0.1, 0.4, 0.5] }), inverted);
  refuses(make({ frame: 8, box: A }), /red car\)\.keys\[0\]\.frame is 8: give a whole number from 0 to 7/);
  refuses(make({ frame: 1, box: A, ease: "wobble" }), /red car\), frame 1: ease is "wobble": use linear, in/);
  refuses(make({ frame: 1, box: A, extra: 1 }), /has an unknown key "extra": it takes frame, box, ease, visible/);
});

test("names of every object's prototype are unknown keys or absent, never read from the prototype", () => {
  const head = '"version": 1, "width": 9, "height": 9, "frames": 8, "objects": []';
  refuses(JSON.parse(`{${head}, "__proto__": {"fps": 1}}`), /__proto__/);
  refuses(JSON.parse('{"__proto__": {"version": 1}}'), /lacks version/);
  refuses({ ...emptyTrajectory(), version: "constructor" }, /version is "constructor"/);
});

test("a phrase counts characters as Python does, not halves of them", () => {
  const make = (phrase) => ({ ...emptyTrajectory(), objects: [{ phrase, keys: [{ frame: 0, box: A }] }] });
  assert.equal(readTrajectory(make("🐻".repeat(1000))).objects.length, 1);
  refuses(make("🐻".repeat(1001)), /has 1001 characters, the limit is 1000/);
});

test("documents of older versions are brought to the newest, one version at a time", () => {
  const migrations = {
    1: ({ speed, ...rest }) => ({ ...rest, fps: speed }),
    2: (document) => ({ ...document, size: 1 }),
  };
  assert.deepEqual(migrate({ version: 1, speed: 8 }, 3, migrations), { version: 3, fps: 8, size: 1 });
  assert.deepEqual(migrate({ version: 3 }, 3, migrations), { version: 3 });
  const message = /version is 4: this editor reads up to version 3/;
  assert.throws(() => migrate({ version: 4 }, 3, migrations), { message });
  assert.throws(() => migrate({ version: 0 }, 3, migrations), TrajectoryError);
});

test("malformed documents give a trajectory error or a document that survives", () => {
  const random = randomNumbers(1);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const scalars = [null, true, 0, 1, -1, 7.5, 1e308, -0, "", "in", "#112233", "\ud800", undefined];
  const values = [...scalars, [], {}, [1, 2, 3, 4], [[]]];
  const keys = { a: [[0, A, "in"], [5, B, [0.1, 0.2, 0.3, 0.4], false]], b: [[2, B, "hold"]] };
  const start = JSON.stringify(trajectory(keys));
  let accepted = 0;
  for (let round = 0; round < 3000; round += 1) {
    const value = JSON.parse(start);
    let place = value;
    while (random() < 0.8) {
      const inner = Object.values(place).filter((entry) => typeof entry === "object" && entry !== null);
      if (!inner.length) break;
      place = pick(inner);
    }
    const name = pick([...Object.keys(place), "extra"]);
    if (random() < 0.2) delete place[name];
    else place[name] = pick(values);
    try {
      const document = parseTrajectory(JSON.stringify(value));
      assert.deepEqual(parseTrajectory(serialiseTrajectory(document)), document);
      accepted += 1;
    } catch (error) {
      if (!(error instanceof TrajectoryError)) throw error;
      assert.ok(error.message);
    }
  }
  assert.ok(accepted > 100 && accepted < 2900, `${accepted} of 3000 accepted`);
});

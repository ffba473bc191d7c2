import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../workflows/", import.meta.url);
const named = (url, ending) =>
  readdirSync(url)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();

const SCREEN = [1600, 900]; // pixels of the page
const BARS = [56, 80]; // of the host, at the left and at the top
const MAP = [1340, 640]; // left and top of the host's map, which ends in the corner
const TITLE = 30; // of a node, above it
const BEGINNING = ["SMCD_Example", "SMCD_Trajectory", "LoadImage", "LoadVideo", "SMCD_Load", "UNETLoader", "CLIPLoader"];

const NAMES = named(folder, ".json");
const read = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf-8"));
const noteOf = ({ nodes }) => nodes.filter(({ type }) => type === "MarkdownNote");

test("every workflow comes for users, for scripts and with a thumbnail", () => {
  const names = named(new URL("api/", folder), ".json");
  assert.ok(names.length);
  assert.deepEqual(named(folder, ".json"), names);
  assert.deepEqual(named(folder, ".jpg"), names);
});

test("names sort in the order of learning, and the table has them in it", () => {
  assert.deepEqual(
    NAMES.map((name) => name.slice(0, 3)),
    NAMES.map((_, n) => `${String(n + 1).padStart(2, "0")}_`),
  );
  const table = readFileSync(new URL("README.md", folder), "utf-8").match(/^\| \d\d_\w+/gm);
  assert.deepEqual(table.map((row) => row.slice(2)), NAMES);
});

test("every workflow has its steps as groups, opens whole, and says what to try", () => {
  for (const name of NAMES) {
    const workflow = read(name);
    const steps = workflow.groups.map(({ title }) => title);
    assert.deepEqual(steps.map((title) => title[0]), ["1", "2", "3", "4"].slice(0, steps.length), name);
    assert.equal(noteOf(workflow).length, 1, name);
    assert.match(noteOf(workflow)[0].widgets_values[0], /\*\*Try\*\*/, name);
    const titles = workflow.nodes.filter(({ type }) => type === "CLIPTextEncode").map(({ title }) => title);
    assert.ok(titles.every((title) => ["Prompt", "What to avoid", "What to track"].includes(title)), `${name} ${titles}`);
  }
});

test("the note and the first steps are in the first view of a small screen, large enough to read", () => {
  for (const name of NAMES) {
    const { extra, groups, nodes } = read(name);
    const { scale, offset } = extra.ds;
    assert.ok(scale >= 0.75 && scale <= 1, `${name} at ${scale}`);
    const isShown = ([left, top], [width, height]) => {
      const [x, y] = [(left + offset[0]) * scale, (top + offset[1]) * scale];
      return x >= BARS[0] && y >= BARS[1] && x + width * scale <= SCREEN[0] && y + height * scale <= SCREEN[1];
    };
    const [note] = noteOf({ nodes });
    const corner = [note.pos[0] + note.size[0] + offset[0], note.pos[1] + note.size[1] + offset[1]].map((v) => v * scale);
    assert.ok(corner[0] <= MAP[0] || corner[1] <= MAP[1], `${name}: the map is over the note`);
    assert.ok(isShown([note.pos[0], note.pos[1] - TITLE], [note.size[0], note.size[1] + TITLE]), `${name}: the note`);
    for (const { pos, size } of nodes.filter(({ type }) => BEGINNING.includes(type))) {
      assert.ok(isShown([pos[0], pos[1] - TITLE], [size[0], size[1] + TITLE]), `${name}: a node at ${pos}`);
    }
    for (const { title, bounding } of groups) {
      const shown = title.startsWith("4") ? [0, 0] : [bounding[2], 0]; // the result may begin at the edge
      assert.ok(isShown(bounding, shown), `${name}: ${title}`);
    }
  }
});

test("thumbnails are square", () => {
  for (const name of NAMES) {
    const bytes = readFileSync(new URL(`${name}.jpg`, folder));
    const at = [...bytes.keys()].find((n) => bytes[n] === 0xff && [0xc0, 0xc2].includes(bytes[n + 1])); // start of frame
    assert.equal(bytes.readUInt16BE(at + 5), bytes.readUInt16BE(at + 7), name);
  }
});

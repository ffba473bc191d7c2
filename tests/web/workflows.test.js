import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../workflows/", import.meta.url);
const named = (url, ending) =>
  readdirSync(url)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();

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
    assert.equal(workflow.extra.ds, undefined, name); // the host fits the view to the page
    const steps = workflow.groups.map(({ title }) => title);
    assert.deepEqual(steps.map((title) => title[0]), ["1", "2", "3", "4"].slice(0, steps.length), name);
    assert.equal(noteOf(workflow).length, 1, name);
    assert.match(noteOf(workflow)[0].widgets_values[0], /\*\*Try\*\*/, name);
    const titles = workflow.nodes.filter(({ type }) => type === "CLIPTextEncode").map(({ title }) => title);
    assert.ok(titles.every((title) => ["Prompt", "What to avoid", "What to track"].includes(title)), `${name} ${titles}`);
  }
});

test("thumbnails are square", () => {
  for (const name of NAMES) {
    const bytes = readFileSync(new URL(`${name}.jpg`, folder));
    const at = [...bytes.keys()].find((n) => bytes[n] === 0xff && [0xc0, 0xc2].includes(bytes[n + 1])); // start of frame
    assert.equal(bytes.readUInt16BE(at + 5), bytes.readUInt16BE(at + 7), name);
  }
});

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../workflows/", import.meta.url);
const named = (url, ending) =>
  readdirSync(url)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();

test("every workflow comes for users, for scripts and with a thumbnail", () => {
  const names = named(new URL("api/", folder), ".json");
  assert.ok(names.length);
  assert.deepEqual(named(folder, ".json"), names);
  assert.deepEqual(named(folder, ".jpg"), names);
});

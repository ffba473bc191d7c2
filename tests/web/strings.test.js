import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { COMMANDS } from "../../web/editor/commands.js";
import { GESTURES } from "../../web/editor/help.js";
import { STRINGS, translator } from "../../web/editor/strings.js";

const { en, zh } = STRINGS;
const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

function sources() {
  const folder = new URL("../../web/", import.meta.url);
  const isCode = (name) => name.endsWith(".js") && !name.endsWith("strings.js");
  const names = readdirSync(folder, { recursive: true }).filter(isCode);
  return names.map((name) => [name, readFileSync(new URL(name, folder), "utf-8")]);
}

test("both languages have the same texts", () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
});

test("both languages fill in the same values", () => {
  for (const key of Object.keys(en)) assert.deepEqual(placeholders(zh[key]), placeholders(en[key]), key);
});

test("every text that the editor asks for exists", () => {
  for (const [name, source] of sources()) {
    for (const [, key] of source.matchAll(/\bt\(\s*"([^"]+)"/g)) assert.ok(Object.hasOwn(en, key), `${name}: ${key}`);
    for (const [, prefix] of source.matchAll(/\bt\(\s*`([^$`]+)\$/g)) {
      assert.ok(Object.keys(en).some((key) => key.startsWith(prefix)), `${name}: ${prefix}…`);
    }
    for (const [, key] of source.matchAll(/"(step\.\w+)"/g)) assert.ok(Object.hasOwn(en, key), `${name}: ${key}`);
  }
});

test("every command and every gesture of the help has its text", () => {
  const t = translator("zh-CN");
  for (const { label } of COMMANDS) assert.ok(t(label), label);
  for (const name of GESTURES) assert.ok(t(`gesture.${name}`) && t(`gesture.keys.${name}`), name);
});

test("an unknown language is English, and values are put in once", () => {
  const t = translator("fr");
  assert.equal(t("objects.unnamed", { number: "{number}" }), "Object {number}");
  assert.throws(() => t("no.such.text"), /there is no text no\.such\.text/);
});

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { COMMANDS } from "../../web/editor/actions/commands.js";
import { GESTURES } from "../../web/editor/actions/help.js";
import { REFUSALS } from "../../web/editor/strings/refusals.js";
import { EditorState } from "../../web/editor/state/state.js";
import { STRINGS, translator } from "../../web/editor/strings/strings.js";
import * as model from "../../web/trajectory/model.js";

const { en, zh } = STRINGS;
const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

function sources() {
  const folder = new URL("../../web/", import.meta.url);
  const isCode = (name) => name.endsWith(".js") && !/(strings|refusals)\.js$/.test(name);
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

test("every refusal is known in the other language, with the same places", () => {
  const templates = new Set();
  for (const [name, source] of sources()) {
    assert.doesNotMatch(source, /TrajectoryError\(["`]/, `${name}: a refusal that cannot be translated`);
    const code = source.replace(/^ *(\/?\*|\/\/).*$/gm, "");
    for (const [, text] of code.matchAll(/\bsay`([^`]*)`/g)) {
      let n = 0;
      templates.add(text.replace(/\$\{[^}]*\}/g, () => `{${n++}}`));
    }
  }
  assert.ok(templates.size > 50);
  for (const template of templates) {
    assert.deepEqual(placeholders(REFUSALS.zh[template] ?? ""), placeholders(template), template);
    assert.ok(REFUSALS.zh[template], template);
  }
  const unused = Object.keys(REFUSALS.zh).filter((key) => key.includes(" ") && !templates.has(key));
  assert.deepEqual(unused, []);
});

test("a refusal is said in the language of the editor, its parts too", () => {
  const editor = new EditorState();
  editor.apply("step.clip", (document) => model.setClip(document, { fps: 0 }));
  assert.equal(translator("en")(editor.notice.text), "fps is 0: give a number from 0.01 to 1000");
  assert.equal(translator("zh")(editor.notice.text), "帧率为 0：请输入 0.01 到 1000 之间的数");
  editor.load('{"version": 1, "width": 8, "height": 8, "frames": 1, "objects": {}}');
  assert.equal(translator("zh")(editor.problem.said), "objects 为 {}：应为列表");
  editor.load("[");
  assert.match(translator("zh")(editor.problem.said), /^轨迹不是 JSON：/);
  assert.equal(translator("zh")(model.say`line ${"{0}"}`), "第 {0} 行"); // a value is put in as it is
});

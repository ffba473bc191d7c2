import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { COMMANDS } from "../../web/editor/actions/commands.js";
import { GESTURES } from "../../web/editor/actions/help.js";
import { EditorState } from "../../web/editor/state/state.js";
import { LANGUAGES, languageFor, translator } from "../../web/editor/strings/strings.js";
import * as model from "../../web/trajectory/model.js";
import { knowAllTexts, pluralsOf, textsOf } from "./helpers.js";

const WEB = new URL("../../web/", import.meta.url);
const FILES = Object.fromEntries(LANGUAGES.map((language) => [language, textsOf(language)]));
const TRANSLATED = LANGUAGES.filter((language) => language !== "en");
const PLURAL = /\.(zero|one|two|few|many|other)$/;
/** English texts by key, those with plural forms by the common part of their keys. */
const ENGLISH = Object.fromEntries(Object.entries(FILES.en.texts).map(([key, text]) => [key.replace(PLURAL, ""), text]));
const PLURALS = [...new Set(Object.keys(FILES.en.texts).filter((key) => PLURAL.test(key)))].map((key) => key.replace(PLURAL, ""));
// Words that may be all of a text in other languages, in any of them and in one.
const TERMS = [
  ...["X", "Y", "x", "y", "w", "h", "bbox", "txt", "GOT", "k", "MOT", "CSV", "VOT", "VATIC", "IoU", "fps", "box", "ease", "visible"],
  ...["Ctrl", "Shift", "Home", "End", "PageUp", "PageDown", "Del"], // as on the keyboards of most languages
  ...["handles", "BBox", "Animator", "TrailBlazer", "FreeTraj", "Wan", "Move", "SG", "I", "V"],
];
const ALIKE = {
  de: ["Box", "Ease", "Easing", "Frame", "H", "Keyframe", "Linear", "Seed", "Solo", "Zoom", "in", "out", "s"],
  es: ["Visible", "Zoom"],
  fr: ["Centre", "Direction", "H", "Image", "Type", "Visible", "Zoom"],
  "pt-BR": ["Linear", "Zoom"],
};
const ENGLISH_ONLY = new Set(["The", "and", "are", "is", "not", "of", "the", "this", "with"]);
// A letter of the language's own, which its sentences have.
const LETTER = { ja: /\p{sc=Hira}|\p{sc=Kana}|\p{sc=Han}/u, ko: /\p{sc=Hangul}/u, ru: /\p{sc=Cyrl}/u, zh: /\p{sc=Han}/u };
const wordsOf = (text) => text.replace(/\{\w+\}/g, " ").match(/\p{L}+/gu) ?? [];
const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

knowAllTexts();

function sources() {
  const names = readdirSync(WEB, { recursive: true }).filter((name) => name.endsWith(".js"));
  return names.map((name) => [name, readFileSync(new URL(name, WEB), "utf-8")]);
}

/** The English of all refusals, as the translations are named. */
function refusalsInCode() {
  const templates = new Set();
  for (const [name, source] of sources()) {
    assert.doesNotMatch(source, /TrajectoryError\(["`]/, `${name}: a refusal that cannot be translated`);
    const code = source.replace(/^ *(\/?\*|\/\/).*$/gm, "");
    for (const [, text] of code.matchAll(/\bsay`([^`]*)`/g)) {
      let n = 0;
      templates.add(text.replace(/\$\{[^}]*\}/g, () => `{${n++}}`));
    }
  }
  return templates;
}

test("each language has a file, and no other file is there", () => {
  const names = readdirSync(new URL("editor/strings/", WEB)).filter((name) => name.endsWith(".json"));
  assert.deepEqual(names.sort(), LANGUAGES.map((language) => `${language}.json`).sort());
});

for (const language of LANGUAGES) {
  test(`${language} has every text, in each plural form of the language`, () => {
    const forms = pluralsOf(language);
    const expected = Object.keys(ENGLISH).flatMap((key) =>
      PLURALS.includes(key) ? forms.map((form) => `${key}.${form}`) : [key],
    );
    assert.deepEqual(Object.keys(FILES[language].texts).sort(), expected.sort());
  });

  test(`${language} fills in the values of the English`, () => {
    for (const [key, text] of Object.entries(FILES[language].texts)) {
      assert.deepEqual(placeholders(text), placeholders(ENGLISH[key.replace(PLURAL, "")]), key);
      if (PLURAL.test(key)) assert.ok(text.includes("{count}"), key);
    }
  });
}

for (const language of TRANSLATED) {
  test(`${language} has every refusal, with the same places`, () => {
    const { refusals } = FILES[language];
    const templates = refusalsInCode();
    assert.ok(templates.size > 50);
    const missing = [...templates].filter((template) => !Object.hasOwn(refusals, template));
    assert.deepEqual(missing, []);
    for (const template of templates) {
      assert.deepEqual(placeholders(refusals[template]), placeholders(template), template);
    }
    const unused = Object.keys(refusals).filter((key) => key.includes(" ") && !templates.has(key));
    assert.deepEqual(unused, []);
  });
}

/** The texts of a language with their English. */
function pairs(language) {
  const { texts, refusals } = FILES[language];
  return [...Object.entries(texts).map(([key, text]) => [ENGLISH[key.replace(PLURAL, "")], text]), ...Object.entries(refusals)];
}

for (const language of TRANSLATED) {
  test(`no text of ${language} is left in English`, () => {
    const mayStay = new Set([...TERMS, ...(ALIKE[language] ?? [])]);
    for (const [english, text] of pairs(language)) {
      if (wordsOf(text).every((word) => mayStay.has(word))) continue;
      assert.notEqual(text, english);
      for (const word of wordsOf(text)) assert.ok(!ENGLISH_ONLY.has(word), `${word}: ${text}`);
      if (LETTER[language]) assert.match(text, LETTER[language]);
    }
  });
}

test("no text has markup, or blanks at its ends", () => {
  for (const { texts, refusals = {} } of Object.values(FILES)) {
    for (const text of [...Object.values(texts), ...Object.values(refusals)]) {
      assert.doesNotMatch(text, /<\/?[a-z]|&#?\w+;|\*\*/i);
      assert.ok(text && text === text.trim(), text);
    }
  }
});

test("every text that the editor asks for exists", () => {
  for (const [name, source] of sources()) {
    for (const [, key] of source.matchAll(/\bt\(\s*"([^"]+)"/g)) {
      assert.ok(Object.hasOwn(ENGLISH, key), `${name}: ${key}`);
    }
    for (const [, prefix] of source.matchAll(/\bt\(\s*`([^$`]+)\$/g)) {
      assert.ok(Object.keys(ENGLISH).some((key) => key.startsWith(prefix)), `${name}: ${prefix}…`);
    }
    for (const [, key] of source.matchAll(/"((?:step|check)\.\w+)"/g)) {
      assert.ok(Object.hasOwn(ENGLISH, key), `${name}: ${key}`);
    }
  }
});

test("every command and every gesture of the help has its text", () => {
  const t = translator("zh-CN");
  for (const { label } of COMMANDS) assert.ok(t(label), label);
  for (const name of GESTURES) assert.ok(t(`gesture.${name}`) && t(`gesture.keys.${name}`), name);
});

test("an unknown language is English, and values are put in once", () => {
  const t = translator("tr");
  assert.equal(t("objects.unnamed", { number: "{number}" }), "Object {number}");
  assert.throws(() => t("no.such.text"), /there is no text no\.such\.text/);
});

test("a region without texts of its own has those of its language", () => {
  assert.deepEqual(["zh-TW", "en-GB", "pt", "fa"].map(languageFor), ["zh", "en", "pt-BR", "en"]);
});

test("a number chooses the plural form", () => {
  const t = translator("en");
  assert.equal(t("checks.count", { count: 1 }), "1 warning");
  assert.equal(t("checks.count", { count: 2 }), "2 warnings");
  assert.equal(translator("zh")("checks.count", { count: 1 }), "1 条警告");
  const russian = [1, 3, 5, 21].map((count) => translator("ru")("checks.count", { count }));
  assert.deepEqual(russian, ["1 предупреждение", "3 предупреждения", "5 предупреждений", "21 предупреждение"]);
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

/**
 * The texts of the editor and of the download button. Each language is a JSON file beside this one; load.js fetches it.
 * English has all texts and is the fallback. A text that depends on a number has an entry for each plural form, such as
 * status.clip.one and status.clip.other, and is asked for as status.clip with the number as `count`.
 *
 * @typedef {{texts: Record<string, string>, refusals?: Record<string, string>}} Texts  texts: by message key; refusals:
 *   by English template as in trajectory/refusal.js, with the field names and parts that appear in them
 */

import { Said } from "../../trajectory/refusal.js";

/** As ComfyUI calls them. */
export const LANGUAGES = ["en", "de", "es", "fr", "ja", "ko", "pt-BR", "ru", "zh"];

/** @type {Map<string, Texts & {plurals: Intl.PluralRules}>} */
const known = new Map();

/** @param {string} language  one of LANGUAGES */
export function hasTexts(language) {
  return known.has(language);
}

/** @param {string} language  one of LANGUAGES @param {Texts} texts */
export function addTexts(language, texts) {
  known.set(language, { ...texts, plurals: new Intl.PluralRules(language) });
}

/** The language to use on a page in `locale`: zh for zh-TW, English if there is none. @param {string} locale */
export function languageFor(locale) {
  const base = (name) => name.split("-")[0];
  const isAlike = (name) => base(name) === base(locale);
  return LANGUAGES.find((name) => name === locale) ?? LANGUAGES.find(isAlike) ?? "en";
}

/**
 * Create the translation function of a language: `t(key, values)`, or `t(said)` for a refusal. Without any texts, keys
 * stand for them.
 *
 * @param {string} locale  such as en, zh or zh-TW
 * @returns {(key: string | Said, values?: Record<string, string | number>) => string}
 */
export function translator(locale) {
  const english = known.get("en");
  const own = known.get(languageFor(locale)) ?? english;
  const refusals = own?.refusals ?? {};
  const told = (value) => (value instanceof Said ? t(value) : (refusals[value] ?? value));
  function t(key, values = {}) {
    if (key instanceof Said) return filled(refusals[key.template] ?? key.template, key.values.map(told));
    if (!own) return key;
    const text = textOf(own, key, values) ?? textOf(english, key, values);
    if (text === undefined) throw new Error(`there is no text ${key}`);
    return filled(text, values);
  }
  return t;
}

/** @param {Texts & {plurals: Intl.PluralRules}} language @param {string} key @param {Record<string, any>} values */
function textOf({ texts, plurals }, key, { count }) {
  return texts[key] ?? texts[`${key}.${plurals.select(count)}`];
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

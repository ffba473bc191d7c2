import { readFileSync } from "node:fs";
import { addTexts, LANGUAGES } from "../../web/editor/strings/strings.js";
import { readTrajectory } from "../../web/trajectory/model.js";

const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf-8"));

export const golden = read("../golden/trajectory.json");
export const twin = read("./python_twin.json");

export const A = [0.1, 0.2, 0.3, 0.5];
export const B = [0.6, 0.25, 0.9, 0.75];

/** The file of a language. @returns {import("../../web/editor/strings/strings.js").Texts} */
export const textsOf = (language) => read(`../../web/editor/strings/${language}.json`);

/** The plural forms of a language, such as one and other. */
export const pluralsOf = (language) => new Intl.PluralRules(language).resolvedOptions().pluralCategories;

/** Make the texts of all languages known, which a page would fetch. */
export function knowAllTexts() {
  for (const language of LANGUAGES) addTexts(language, textsOf(language));
}

/** One object named by each entry, with keys given as [frame, box], with or without ease, visible, handles behind. */
export function trajectory(objects, { frames = 8, ...head } = {}) {
  const names = ["frame", "box", "ease", "visible", "handles"];
  const tracks = Object.entries(objects).map(([id, keys]) => ({
    id,
    phrase: id,
    keys: keys.map((key) => Object.fromEntries(key.map((value, n) => [names[n], value]))),
  }));
  return frozen(readTrajectory({ version: 2, width: 64, height: 48, frames, objects: tracks, ...head }));
}

/** The same value, in which nothing can be changed: operations that try throw. */
export function frozen(value) {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  Object.values(value).forEach(frozen);
  return value;
}

export function keysOf(document, id) {
  return document.objects.find((track) => track.id === id).keys;
}

export function framesOf(document, id) {
  return keysOf(document, id).map((key) => key.frame);
}

/** Keys as [frame, box, ease, visible] with or without handles per object, as the recording of Python has them. */
export function plainKeys(document) {
  return document.objects.map(({ keys }) => keys.map(({ frame, box, ease, visible, handles }) => {
    return [frame, box, ease, visible, ...(handles ? [handles] : [])];
  }));
}

/** The largest distance of two equally nested arrays of numbers. */
export function distance(a, b) {
  if (typeof a === "number") return Math.abs(a - b);
  if (a.length !== b.length) return Infinity;
  return a.reduce((worst, value, n) => Math.max(worst, distance(value, b[n])), 0);
}

/**
 * The texts of the editor, by message key and language. The glue chooses the language; English stands in for a text that
 * a language lacks.
 */

import { MESSAGES } from "../trajectory/checks.js";

/** @type {Record<string, Record<string, string>>} */
export const STRINGS = {
  en: {
    ...MESSAGES,
    "editor.name": "Trajectory editor",
    "stage.name": "Picture with the boxes of frame {frame}",
    "stage.empty": "Drag to draw a box",
  },
  zh: {},
};

/**
 * @param {string} language  like en, zh or zh-TW
 * @returns {(key: string, values?: Record<string, string | number>) => string}
 */
export function translator(language) {
  const table = STRINGS[language] ?? STRINGS[language.split("-")[0]] ?? STRINGS.en;
  return (key, values = {}) => {
    const text = table[key] ?? STRINGS.en[key];
    if (text === undefined) throw new Error(`there is no text ${key}`);
    return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  };
}

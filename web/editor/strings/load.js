/** Fetching the texts of a language when a page needs them. */

import { addTexts, hasTexts, languageFor } from "./strings.js";

/** Load the texts of a language, and English as the fallback. @param {string} locale  such as en, zh or zh-TW */
export async function loadTexts(locale) {
  for (const language of ["en", languageFor(locale)]) {
    if (!hasTexts(language)) addTexts(language, await fetchTexts(language));
  }
}

/** @returns {Promise<import("./strings.js").Texts>} */
async function fetchTexts(language) {
  // ComfyUI sends no caching rules for JSON, so a browser could mix an old file with new code.
  const response = await fetch(new URL(`./${language}.json`, import.meta.url), { cache: "no-cache" });
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  return response.json();
}

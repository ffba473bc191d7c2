/**
 * The language that ComfyUI's page is set to, and where it tells that a setting has changed.
 *
 * @import {Host} from "./node.js"
 */

/** @param {Host} host @returns {string}  like en, zh or zh-TW */
export function languageOf({ app }) {
  return app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
}

/** @param {Host} host @returns {EventTarget}  of Comfy.Locale.change and others; without any where the page has none */
export function settingsOf({ app }) {
  return app.ui?.settings ?? new EventTarget();
}

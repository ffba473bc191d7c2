/**
 * The language that ComfyUI's page is set to.
 *
 * @import {Host} from "./node.js"
 */

/** @param {Host} host @returns {string}  like en, zh or zh-TW */
export function languageOf({ app }) {
  return app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
}

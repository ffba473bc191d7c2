/**
 * Shared access to ComfyUI: types, node methods, language and settings.
 *
 * @typedef {{apiURL: (path: string) => string, fileURL: (path: string) => string,
 *   fetchApi: (path: string, options?: RequestInit) => Promise<Response>, clientId?: string} & EventTarget} Api
 * @typedef {{app: any, api: Api}} Host
 */

import { listen } from "../editor/kit/dom.js";
import { loadTexts } from "../editor/strings/load.js";
import { hasTexts, languageFor, translator } from "../editor/strings/strings.js";

/**
 * Call a function after a method of one node. Only the node is changed, never its class.
 *
 * @param {any} node
 * @param {string} name  such as onConfigure
 * @param {(...values: any[]) => void} then  gets the method's arguments
 */
export function after(node, name, then) {
  const own = node[name];
  node[name] = function (...values) {
    const result = own?.apply(this, values);
    then(...values);
    return result;
  };
}

/** The language of the page, such as en, zh or zh-TW. @param {Host} host @returns {string} */
export function languageOf({ app }) {
  return app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
}

/**
 * Ask the server.
 *
 * @param {Host} host
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 * @throws {Error} with the text for the user, if it cannot be reached or refuses
 */
export async function ask(host, path, options) {
  const t = translator(languageOf(host));
  const response = await host.api.fetchApi(path, options).catch((error) => {
    throw new Error(t("host.unreachable"), { cause: error });
  });
  const { ok, status, statusText } = response;
  if (!ok) throw new Error(t("host.answered", { status: `${status} ${statusText}`.trim() }));
  return response;
}

/** Load the texts of the page's language. @param {Host} host */
export function loadLanguage(host) {
  return loadTexts(languageOf(host));
}

/**
 * Call a function after each change of the page's language, once its texts are loaded. After a change the host makes all
 * nodes anew, so that they may be there before the texts.
 *
 * @param {Host} host
 * @param {() => void} then
 * @returns {() => void}  ends this
 */
export function onLanguage(host, then) {
  let isOver = false;
  async function update() {
    await loadLanguage(host).catch((error) => console.error(error));
    if (!isOver) then();
  }
  const end = listen(settingsOf(host), { "Comfy.Locale.change": update });
  if (!hasTexts(languageFor(languageOf(host)))) update();
  return () => {
    isOver = true;
    end();
  };
}

/**
 * Call a function with how the user navigates the graph, now and after each change.
 *
 * @param {Host} host
 * @param {(mode: string | undefined) => void} then  gets "standard" if the wheel moves the view, as on trackpads
 * @returns {() => void}  ends this
 */
export function onNavigation(host, then) {
  const name = "Comfy.Canvas.NavigationMode";
  const tell = () => then(host.app.extensionManager?.setting?.get(name));
  tell();
  return listen(settingsOf(host), { [`${name}.change`]: tell });
}

/** Whether nodes are drawn as elements, which ComfyUI calls Nodes 2.0. @param {Host} host */
export function hasNodes2({ app }) {
  return app.extensionManager?.setting?.get("Comfy.VueNodes.Enabled") === true;
}

/**
 * Call a function after each change of how nodes are drawn.
 *
 * @param {Host} host
 * @param {() => void} then
 * @returns {() => void}  ends this
 */
export function onNodes2(host, then) {
  return listen(settingsOf(host), { "Comfy.VueNodes.Enabled.change": then });
}

/**
 * The target of events such as Comfy.Locale.change for changed settings.
 *
 * @param {Host} host
 * @returns {EventTarget}  without events if the page has none
 */
function settingsOf({ app }) {
  return app.ui?.settings ?? new EventTarget();
}

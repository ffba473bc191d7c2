/**
 * What outlives a node's editor: the settings of the view, in the browser; and undo steps, selection and playhead while
 * the page is open, because the host makes all nodes anew for each step of the graph's undo and for another tab.
 *
 * @import {EditorState} from "../editor/state/state.js"
 */

import { SETTINGS } from "../editor/state/state.js";

const STORED = "smcd.editor"; // in localStorage
const MAX_PARKED = 16;

/** Editors of removed nodes, the latest last. @type {Map<string, EditorState>} */
const parked = new Map();

/** Identifies a node among all graphs of the page. @param {any} node */
export function placeOf({ id, graph }) {
  return [graph.rootGraph?.id, graph.id, id].join("/");
}

/** @param {string} place  of the node @param {EditorState} editor */
export function park(place, editor) {
  parked.delete(place);
  parked.set(place, editor);
  if (parked.size > MAX_PARKED) parked.delete(parked.keys().next().value);
}

/** The editor that was parked for a node, once. @param {string} place @returns {EditorState | undefined} */
export function unpark(place) {
  const editor = parked.get(place);
  parked.delete(place);
  return editor;
}

/**
 * Give an editor the settings of the last one, and keep its changes.
 *
 * @param {EditorState} editor
 * @returns {() => void} stops
 */
export function keepSettings(editor) {
  editor.setSettings(storedSettings());
  let kept = editor.settings;
  return editor.subscribe(() => {
    if (editor.settings === kept) return;
    kept = editor.settings;
    try {
      window.localStorage.setItem(STORED, JSON.stringify(kept));
    } catch {
      // The browser keeps nothing for this page, so the settings last as long as the page.
    }
  });
}

/** The stored settings, as far as this version knows them. @returns {Partial<typeof SETTINGS>} */
function storedSettings() {
  try {
    const stored = Object.entries(JSON.parse(window.localStorage.getItem(STORED) ?? "{}") ?? {});
    return Object.fromEntries(stored.filter(([name, value]) => {
      return Object.hasOwn(SETTINGS, name) && typeof value === typeof SETTINGS[name];
    }));
  } catch {
    return {};
  }
}

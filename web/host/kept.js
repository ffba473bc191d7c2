/**
 * What outlives a node's editor: the settings of the view, in the browser; locks, solo, work area and markers, with the
 * node; undo steps, selection, playhead and result while the page is open, because the host makes all nodes anew for each
 * step of the graph's undo and for another tab. All but the result stay when the page is loaded again, too.
 *
 * @import {EditorState} from "../editor/state/state.js"
 * @import {MaskFile} from "./masks.js"
 * @typedef {{picture: string | null, files: MaskFile[]}} Masks  picture: that they are of, as the node names it
 */

import { translator } from "../editor/strings/strings.js";
import { SETTINGS } from "../editor/state/state.js";

const STORED = "smcd.editor"; // in localStorage
const MAX_PARKED = 16;
const MAX_STEPS = 1_000_000; // characters of the undo steps of a node; a browser keeps about 5 million for a page
const PROPERTY = "smcd_view"; // of the node
/** @type {("locked" | "solo" | "workArea" | "markers")[]} */
const WITH_NODE = ["locked", "solo", "workArea", "markers"];

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

/**
 * Keep locks, solo, work area and markers in the node's properties, which are saved with the workflow.
 *
 * @param {any} node
 * @param {EditorState} editor
 * @returns {() => void} stops
 */
export function keepWithNode(node, editor) {
  let kept = WITH_NODE.map((name) => editor[name]);
  return editor.subscribe(() => {
    if (WITH_NODE.every((name, n) => editor[name] === kept[n])) return;
    kept = WITH_NODE.map((name) => editor[name]);
    const chosen = WITH_NODE.map((name) => [name, [...(editor[name] ?? [])]]).filter(([, values]) => values.length);
    node.properties ??= {};
    if (chosen.length) node.properties[PROPERTY] = Object.fromEntries(chosen);
    else delete node.properties[PROPERTY];
  });
}

/** Take them from the node, as far as they mean something. @param {any} node @param {EditorState} editor */
export function restoreFromNode(node, editor) {
  const known = new Set(editor.trajectory.objects.map(({ id }) => id));
  const stored = node.properties?.[PROPERTY] ?? {};
  const listOf = (name, isGood) => (Array.isArray(stored[name]) ? stored[name].filter(isGood) : []);
  const idsOf = (name) => new Set(listOf(name, (id) => known.has(id)));
  const isFrame = (value) => Number.isInteger(value) && value >= 0;
  const [first, last] = listOf("workArea", isFrame);
  editor.set({ locked: idsOf("locked"), solo: idsOf("solo"), workArea: first <= last ? [first, last] : null });
  editor.setMarkers(listOf("markers", (marker) => isFrame(marker?.frame) && typeof marker.name === "string"));
}

/**
 * Note undo steps, selection, playhead, view and masks for when the page is loaded again. What is being typed is taken.
 *
 * @param {string} place  of the node
 * @param {EditorState} editor
 * @param {Masks} masks
 */
export function noteSession(place, editor, masks) {
  const isTyped = editor.isInGesture && editor.commit();
  const { selected, selectedKeys, isCameraSelected, time, viewport, problem } = editor;
  const steps = problem ? null : editor.noteSteps(MAX_STEPS);
  // The host may load a copy of the graph from before the last change of what is kept with the node.
  const marks = { workArea: editor.workArea, markers: editor.markers };
  const noted = { selected: [...selected], selectedKeys, isCameraSelected, time, viewport, masks, steps, isTyped, ...marks };
  try {
    window.sessionStorage.setItem(`${STORED}/${place}`, JSON.stringify(noted));
  } catch {
    // The browser keeps nothing for this page.
  }
}

/**
 * Take what was noted, once.
 *
 * @param {string} place  of the node
 * @param {EditorState} editor  gets all but the masks
 * @returns {Masks | null}
 */
export function takeSession(place, editor) {
  try {
    const noted = JSON.parse(window.sessionStorage.getItem(`${STORED}/${place}`) ?? "null");
    window.sessionStorage.removeItem(`${STORED}/${place}`);
    if (!noted) return null;
    const tracks = new Map(editor.trajectory.objects.map((track) => [track.id, track]));
    editor.select(noted.selected.filter((id) => tracks.has(id)));
    const hasKey = ({ id, frame }) => tracks.get(id)?.keys.some((key) => key.frame === frame);
    editor.set({ selectedKeys: noted.selectedKeys.filter(hasKey), viewport: viewportOf(noted.viewport) });
    if (noted.isCameraSelected) editor.selectCamera();
    if (noted.markers) editor.set({ workArea: noted.workArea, markers: noted.markers });
    editor.seek(Number(noted.time) || 0);
    if (noted.steps) takeSteps(editor, noted.steps, noted.isTyped);
    return noted.masks;
  } catch {
    return null; // nothing is noted, or nothing of use
  }
}

/** A noted view, null for the fitted one. */
function viewportOf(noted) {
  const sides = ["left", "top", "width", "height"].map((name) => noted?.[name]);
  return sides.every(Number.isFinite) ? noted : null;
}

/**
 * Take undo steps, as far as this version, which may be newer than the one that noted them, can read and name them. If
 * the last one was being typed as the page went, the host's copy of the graph is from before it.
 */
function takeSteps(editor, steps, isTyped) {
  const t = translator("en");
  try {
    for (const [label] of [...steps.past, ...steps.future]) t(label); // throws if there is no such text
    if (editor.takeSteps(steps) || !isTyped) return;
    const [label, text, change] = steps.past.at(-1);
    if (editor.takeSteps({ here: text, past: steps.past.slice(0, -1), future: [[label, steps.here, change]] })) editor.redo();
  } catch {
    // The trajectory is here all the same.
  }
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

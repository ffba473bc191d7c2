/**
 * The editor on a node. The node's `text` widget is all that is kept: the editor shows it and writes it, once per
 * gesture, and each writing is a step of the graph's own undo.
 *
 * @import {Medium} from "./background.js"
 */

import { EditorState } from "../editor/state.js";
import { createView } from "../editor/view.js";
import { parseTrajectory } from "../trajectory/model.js";
import { connectedMedium, resultUrl, showImages, showMedium } from "./background.js";
import { modelFacts } from "./facts.js";
import { after } from "./hook.js";

const SIZE = [460, 640]; // of a new node
const MIN_HEIGHT = 380; // of the editor in it, CSS pixels

/** @type {WeakMap<object, {editor: EditorState, showText: (isText: boolean) => void, isText: () => boolean}>} */
const attached = new WeakMap();

/** The editor of a node, null for any other node. @param {any} node */
export function editorOf(node) {
  return attached.get(node)?.editor ?? null;
}

/**
 * @param {any} node  a new SMCD Trajectory
 * @param {{app: any, api: any}} host
 */
export function attachEditor(node, { app, api }) {
  const text = node.widgets.find((widget) => widget.name === "text");
  const editor = new EditorState({ onCommit: write });
  let view;
  try {
    view = createView(editor, { language: app.extensionManager?.setting?.get("Comfy.Locale") ?? "en" });
  } catch (error) {
    console.error("SMCD: the trajectory editor cannot start; its text can be edited instead.", error);
    return;
  }
  const widget = node.addDOMWidget("editor", "SMCD_EDITOR", view.element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => MIN_HEIGHT,
  });
  widget.serialize = false; // nor in the workflow: the text is all there is
  const endings = [];
  let medium = "";
  let release = () => {};

  function write(value) {
    text.value = value;
    text.callback?.(value);
    // The tracker looks at the graph after mouse and keys, but not after all that the editor can do.
    const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
    (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker);
    node.setDirtyCanvas?.(true, false);
  }

  function read() {
    editor.load(String(text.value ?? ""));
  }

  /** @param {string} name  of what is shown, so that it is not loaded again @param {() => () => void} show */
  function showOnce(name, show) {
    if (name === medium) return;
    release();
    medium = name;
    release = show();
  }

  function look() {
    if (!node.graph) return;
    const facts = { ...editor.facts, ...modelFacts(node) };
    if (JSON.stringify(facts) !== JSON.stringify(editor.facts)) editor.set({ facts });
    const found = connectedMedium(node, api);
    if (found) showOnce(found.url, () => showMedium(editor, found));
  }

  function showText(isText) {
    for (const [one, isHidden] of [[text, !isText], [widget, isText]]) {
      one.hidden = isHidden;
      one.options.hidden = isHidden;
    }
    if (!isText) read();
    node.setSize?.([...node.size]);
    node.setDirtyCanvas?.(true, true);
  }

  attached.set(node, { editor, showText, isText: () => widget.hidden });
  editor.onBackgroundFile = (file) => {
    if (!file.type.startsWith("video/")) return; // a picture is shown by the editor itself
    const url = URL.createObjectURL(file);
    endings.push(() => URL.revokeObjectURL(url));
    showOnce(url, () => showMedium(editor, { kind: "video", url }));
  };
  after(node, "onConfigure", read);
  after(node, "onConnectionsChange", () => queueMicrotask(look));
  after(node, "onExecuted", (output) => {
    const [seed] = output?.smcd_seed ?? [];
    if (seed) editor.replace("step.seed", parseTrajectory(seed));
    const urls = (output?.smcd_background ?? []).map((file) => resultUrl(file, api));
    if (urls.length && !connectedMedium(node, api)) showOnce(urls.join(), () => showImages(editor, urls));
  });
  after(node, "onRemoved", () => {
    for (const end of endings) end();
    release();
    view.destroy();
  });
  // Other nodes tell nobody that their widgets changed, so that is looked at when the editor is turned to.
  for (const event of ["pointerenter", "focusin"]) {
    view.element.addEventListener(event, () => {
      if (!editor.isInGesture) read();
      look();
    });
  }
  api.addEventListener("graphChanged", look);
  endings.push(() => api.removeEventListener("graphChanged", look));

  showText(false);
  node.setSize?.(SIZE.map((side, n) => Math.max(side, node.size[n])));
}

/** What the menu of a node offers besides the host's. @param {any} node */
export function menuItems(node) {
  const found = attached.get(node);
  if (!found) return [];
  const isText = found.isText();
  return [{ content: isText ? "Edit in the editor" : "Edit as text", callback: () => found.showText(!isText) }];
}

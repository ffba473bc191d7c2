/**
 * The editor on a node. The node's `text` widget is all that is kept: the editor shows it and writes it, once per
 * gesture, and each writing is a step of the graph's own undo.
 *
 * @import {Picture} from "./picture.js"
 * @import {Host} from "./host.js"
 */

import { h, listen } from "../editor/kit/dom.js";
import { EditorState } from "../editor/state/state.js";
import { translator } from "../editor/strings/strings.js";
import { createView } from "../editor/view.js";
import { LIMITS, parseTrajectory, setClip } from "../trajectory/model.js";
import { showImages, showPicture } from "./background.js";
import { connectFile } from "./dropped.js";
import { modelFacts } from "./facts.js";
import { after, languageOf, settingsOf } from "./host.js";
import { connectedPicture, fileUrl } from "./picture.js";

const SIZE = [500, 820]; // of a new node
const MIN_HEIGHT = 380; // of the editor in it, CSS pixels

/** @type {WeakMap<object, NodeEditor>} */
const attached = new WeakMap();

/** @param {any} node  a new SMCD Trajectory @param {Host} host */
export function attachEditor(node, host) {
  attached.set(node, new NodeEditor(node, host));
}

/** The editor of a node, null for any other node. @param {any} node @returns {EditorState | null} */
export function editorOf(node) {
  return attached.get(node)?.editor ?? null;
}

/** What the menu of a node offers besides the host's. @param {any} node */
export function menuItems(node) {
  return attached.get(node)?.menuItems() ?? [];
}

class NodeEditor {
  #node;
  #host;
  #text;
  #widget;
  #holder;
  #view = null;
  /** What ends while the node is in no graph. @type {(() => void)[]} */
  #endings = [];
  /** What is behind the boxes, as text; null before the first look. @type {string | null} */
  #shown = null;
  #release = () => {};

  constructor(node, host) {
    this.#node = node;
    this.#host = host;
    this.editor = new EditorState({
      onCommit: (text) => this.#write(text),
      onBackgroundFile: (file) => this.#connect(file),
    });
    this.#text = node.widgets.find((widget) => widget.name === "text");
    // Core marks what takes the wheel while it has the focus like this, too.
    this.#holder = h("div", { class: "smcd-node", "data-capture-wheel": "true" });
    this.#holder.style.minHeight = `${MIN_HEIGHT}px`;
    // Nodes 2.0 keeps what it drew for a node of the same id and a widget of the same type, as undo of the graph makes
    // them, and would show the element of the node before.
    this.#widget = node.addDOMWidget("editor", `SMCD_EDITOR_${crypto.randomUUID()}`, this.#holder, {
      serialize: false, // not in the prompt
      hideOnZoom: false,
      getMinHeight: () => MIN_HEIGHT,
    });
    this.#widget.serialize = false; // nor in the workflow: the text is all there is
    // Not every node that is made comes into a graph, and one that was taken out may come back.
    after(node, "onAdded", () => this.#start());
    after(node, "onRemoved", () => this.#stop());
    after(node, "onConfigure", () => this.#read());
    after(node, "onExecuted", (output) => this.#take(output ?? {}));
    after(this.#text, "callback", () => this.#read());
    this.#showText(false);
    node.setSize(SIZE.map((side, n) => Math.max(side, node.size[n])));
  }

  menuItems() {
    const isText = this.#widget.hidden;
    const content = translator(this.#language)(isText ? "host.asBoxes" : "host.asText");
    return [{ content, callback: () => this.#showText(!isText) }];
  }

  get #language() {
    return languageOf(this.#host);
  }

  #start() {
    this.#stop();
    const { api } = this.#host;
    try {
      this.#show();
    } catch (error) {
      console.error("SMCD: the trajectory editor cannot start, its text can be edited instead:", error);
      this.#showText(true);
      return;
    }
    const look = () => this.#look();
    const soon = setTimeout(look, 0); // links come after the nodes
    this.#endings.push(
      () => clearTimeout(soon),
      listen(api, { graphChanged: look }),
      listen(settingsOf(this.#host), {
        "Comfy.Locale.change": () => this.#show(),
        "Comfy.ColorPalette.change": () => this.#show(),
      }),
      // Others may have written the text without a word.
      listen(this.#holder, { pointerenter: () => this.#read(), focusin: () => this.#read() }),
      listen(this.#holder, { wheel: (event) => this.#passWheel(event) }, { passive: false }),
    );
  }

  #stop() {
    for (const end of this.#endings.splice(0)) end();
    this.#view?.destroy();
    this.#view = null;
    this.#release();
    this.#release = () => {};
    this.#shown = null;
  }

  /** Make the view anew, in the language that is set now. */
  #show() {
    const view = createView(this.editor, { language: this.#language, onKey: hideFromTracker });
    this.#view?.destroy();
    this.#view = view;
    this.#holder.replaceChildren(view.element);
    this.#read();
  }

  #read() {
    if (!this.editor.isInGesture) this.editor.load(String(this.#text.value ?? ""));
  }

  #write(text) {
    this.#text.value = text;
    this.#capture();
    this.#node.setDirtyCanvas(true, false);
  }

  /** The tracker of the graph's changes looks after mouse and keys, but not after all that the editor can do. */
  #capture() {
    const tracker = this.#host.app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
    (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker);
  }

  /** Learn from the graph what is connected. */
  #look() {
    const node = this.#node;
    if (!node.graph) return;
    const facts = { ...this.editor.facts, ...modelFacts(node) };
    if (JSON.stringify(facts) !== JSON.stringify(this.editor.facts)) this.editor.set({ facts });
    const picture = connectedPicture(node, "background", this.#host.api);
    const files = picture ? [] : this.#resultOf("smcd_background");
    const name = JSON.stringify(picture ?? files);
    if (name === this.#shown) return;
    const isFirst = this.#shown === null;
    this.#shown = name;
    this.#release();
    // A picture that was connected by hand gives the trajectory its size; one of a loaded graph has done so.
    if (picture) this.#release = showPicture(this.editor, picture, (size) => isFirst || this.#resize(size));
    else if (files.length) this.#release = showImages(this.editor, files.map((file) => fileUrl(file, this.#host.api)));
    else this.#release = () => {};
  }

  /** A part of what the last run reported for the node. */
  #resultOf(name) {
    const { id, graph } = this.#node;
    const isInside = graph.rootGraph && graph.rootGraph !== graph;
    const output = this.#host.app.nodeOutputs?.[isInside ? `${graph.id}:${id}` : id];
    const isConnected = this.#node.inputs.some((input) => input.name === "background" && input.link != null);
    return (isConnected && output?.[name]) || [];
  }

  #resize({ width, height }) {
    const { trajectory, problem } = this.editor;
    if (problem || Math.max(width, height) > LIMITS.side) return;
    if (width === trajectory.width && height === trajectory.height) return;
    this.editor.apply("step.clip", (before) => setClip(before, { width, height }));
  }

  /** What a run reports. It comes again with results that were kept, so boxes count only once. */
  #take({ smcd_seed: [text] = [] }) {
    setTimeout(() => this.#look(), 0); // once the host has put the report where results are kept
    if (!text) return;
    const seed = parseTrajectory(text);
    if (seed.source !== this.editor.trajectory.source) this.editor.replace("step.seed", seed);
  }

  async #connect(file) {
    try {
      await connectFile(this.#node, file, this.#host);
      this.#capture();
      this.#look();
    } catch (error) {
      console.error(error);
      this.editor.notify("error", translator(this.#language)("host.notUploaded", { name: file.name }));
    }
  }

  /** The wheel is the graph's until the editor has the focus. Nodes 2.0 sees to that itself. */
  #passWheel(event) {
    if (event.defaultPrevented || this.#holder.matches(":focus-within")) return;
    this.#host.app.canvas.processMouseWheel(event);
  }

  #showText(isText) {
    for (const [widget, isHidden] of [[this.#text, !isText], [this.#widget, isText]]) {
      widget.hidden = isHidden; // for the classic canvas
      widget.options.hidden = isHidden; // for Nodes 2.0
    }
    // Older front ends look at these when the list of widgets changes, newer ones take note by themselves.
    if (!("hidden" in Object.getPrototypeOf(this.#widget))) this.#node.widgets.push(this.#node.widgets.pop());
    this.#node.setDirtyCanvas?.(true, true);
  }
}

/**
 * The tracker of the graph's changes hears keys before anybody else and reads them a frame later: by then a key that
 * the editor took, such as Ctrl+Z, is no shortcut any more.
 */
function hideFromTracker(event) {
  for (const name of ["ctrlKey", "metaKey"]) Object.defineProperty(event, name, { value: false });
}

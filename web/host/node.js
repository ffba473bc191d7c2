/**
 * The editor on a node. Only the node's `text` widget is saved. The editor writes it once per gesture, and each write
 * is a step of the graph's undo.
 *
 * @import {Picture} from "./picture.js"
 * @import {Host} from "./host.js"
 * @import {PixelSize} from "../trajectory/checks.js"
 * @import {Change} from "./dropped.js"
 */

import { h, listen } from "../editor/kit/dom.js";
import { EditorState } from "../editor/state/state.js";
import { translator } from "../editor/strings/strings.js";
import { createView } from "../editor/view.js";
import { isOtherShape, LIMITS, parseTrajectory, setClip } from "../trajectory/model.js";
import { showImages, showPicture } from "./background.js";
import { applyChange, connectFile } from "./dropped.js";
import { bundledAway, isOtherPicture, modelFacts, wordsCount } from "./facts.js";
import { after, languageOf, onLanguage, onNavigation } from "./host.js";
import { keepSettings, keepWithNode, noteSession, park, placeOf, restoreFromNode, takeSession, unpark } from "./kept.js";
import { widgetValue } from "./links.js";
import { showMasks, shownFiles } from "./masks.js";
import { connectedPicture, fileUrl } from "./picture.js";
import { followRuns, queueRun } from "./run.js";

const SIZE = [760, 560]; // of a new node
const MIN_HEIGHT = 380; // CSS pixels of the editor
const FOLLOW = 300; // milliseconds until a change that the host does not tell of is seen

let made = 0; // editors on this page; crypto.randomUUID only exists over HTTPS and on localhost

/** @type {WeakMap<object, NodeEditor>} */
const attached = new WeakMap();

/** @param {any} node  a new SMCD Trajectory @param {Host} host */
export function attachEditor(node, host) {
  try {
    attached.set(node, new NodeEditor(node, host));
  } catch (error) {
    leaveText(node, host, error);
  }
}

/** The editor of a node, null for any other node. @param {any} node @returns {EditorState | null} */
export function editorOf(node) {
  return attached.get(node)?.editor ?? null;
}

/** Additional entries of a node's menu. @param {any} node */
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
  /** Called when the node is removed from the graph. @type {(() => void)[]} */
  #endings = [];
  /** Identifies the current background; null before the first check. @type {string | null} */
  #shown = null;
  #release = () => {};
  /** A picture that came while the user drew or named a box, which it must not end. @type {[PixelSize, Change | null] | null} */
  #waiting = null;
  /** The node's place while it is in a graph. @type {string | null} */
  #place = null;
  /** Masks from before the page was loaded again. @type {import("./kept.js").Masks | null} */
  #noted = null;

  constructor(node, host) {
    this.#node = node;
    this.#host = host;
    this.editor = new EditorState({
      onCommit: (text) => this.#write(text),
      onChange: (change, isUndo) => this.#turn(change, isUndo),
      onBackgroundFile: (file) => this.#connect(file),
      onRun: () => void queueRun(this.editor, node, host),
    });
    this.#text = node.widgets.find((widget) => widget.name === "text");
    // ComfyUI itself marks widgets that use the wheel while focused like this.
    this.#holder = h("div", { class: "smcd-node", "data-capture-wheel": "true" });
    this.#holder.style.minHeight = `${MIN_HEIGHT}px`;
    // Nodes 2.0 reuses the element of a node with the same id and widget type, so after an undo of the graph it would
    // show the element of the old node. A unique type prevents that.
    this.#widget = node.addDOMWidget("editor", `SMCD_EDITOR_${(made += 1)}`, this.#holder, {
      serialize: false, // not in the prompt
      hideOnZoom: false,
      getMinHeight: () => MIN_HEIGHT,
    });
    this.#widget.serialize = false; // nor in the workflow, which has the text
    // The host's Parameters panel writes the width of its own widgets here, which the editor would keep after it.
    Object.defineProperty(this.#widget, "width", { get: () => undefined, set() {}, configurable: true });
    // Not every new node is added to a graph, and a removed one may come back.
    after(node, "onAdded", () => this.#start());
    after(node, "onRemoved", () => this.#stop());
    after(node, "onConfigure", () => this.#resume());
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
      this.#stop();
      leaveText(this.#node, this.#host, error);
      return;
    }
    this.#endings.push(keepSettings(this.editor), keepWithNode(this.#node, this.editor));
    // The host tells of another palette before its colours are there.
    const colors = new MutationObserver(() => this.#view.restyle());
    for (const element of [document.documentElement, document.body]) {
      colors.observe(element, { attributes: true, attributeFilter: ["class", "style"] });
    }
    this.#endings.push(() => colors.disconnect());
    const look = () => this.#look();
    const soon = setTimeout(look, 0); // after the links are restored
    // The host tells of a loader's other file only if it draws the loader, and its mask editor tells no one.
    const follow = setInterval(() => {
      if (this.#waiting) this.#resize(...this.#waiting);
      this.#follow();
    }, FOLLOW);
    this.#endings.push(
      () => clearTimeout(soon),
      () => clearInterval(follow),
      listen(api, { graphChanged: look }),
      listen(window, { pagehide: () => this.#note() }),
      onLanguage(this.#host, () => this.#show()),
      followRuns(this.editor, this.#node, this.#host),
      onNavigation(this.#host, (mode) => this.editor.set({ isWheelPanning: mode === "standard" })),
      // Another extension may have changed the text without calling back, and the host tells late of a typed prompt.
      listen(this.#holder, { pointerenter: () => this.#refresh(), focusin: () => this.#refresh() }),
      listen(this.#holder, { wheel: (event) => this.#passWheel(event) }, { passive: false }),
    );
  }

  #stop() {
    if (this.#place) park(this.#place, this.editor);
    this.#place = null;
    for (const end of this.#endings.splice(0)) end();
    this.#view?.destroy();
    this.#view = null;
    this.#release();
    this.#release = () => {};
    this.#shown = null;
  }

  /** Recreate the view in the current language. */
  #show() {
    const view = createView(this.editor, { language: this.#language, onKey: hideFromTracker });
    this.#view?.destroy();
    this.#view = view;
    this.#holder.replaceChildren(view.element);
    this.#read();
  }

  /** The node has got its values. */
  #resume() {
    const place = this.#node.graph && placeOf(this.#node);
    const before = place && unpark(place);
    if (before) this.editor.resume(before, String(this.#text.value ?? ""));
    else {
      this.#read();
      restoreFromNode(this.#node, this.editor);
      if (place) this.#noted = takeSession(place, this.editor);
    }
  }

  /** The page goes. */
  #note() {
    if (this.#place) noteSession(this.#place, this.editor, { picture: this.#shown, files: shownFiles(this.editor) });
  }

  #refresh() {
    this.#read();
    this.#look();
  }

  #read() {
    if (!this.editor.isInGesture) this.editor.load(String(this.#text.value ?? ""));
  }

  #write(text) {
    this.#text.value = text;
    this.#capture();
    this.#node.setDirtyCanvas(true, false);
    this.#warn();
  }

  /** Say that a link gives the run another text. */
  #warn() {
    if (widgetValue(this.#node, "text") !== undefined) return;
    this.editor.notify("error", translator(this.#language)("host.linked"));
  }

  /** Record a step of the graph's undo: its tracker watches mouse and keys, and misses other edits. */
  #capture() {
    const tracker = this.#host.app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
    (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker);
  }

  /** Update model facts and background from the graph. */
  #look() {
    const node = this.#node;
    if (!node.graph) return;
    this.#place = placeOf(node);
    this.#warn();
    this.#follow();
  }

  /**
   * Take over what the graph says now.
   *
   * @param {{change?: Change | null, isTurn?: boolean}} [why]  change: that gave another picture, which is then part of the step; isTurn:
   *   a step that is taken back or repeated gave it, which sets the size as well
   */
  #follow({ change = null, isTurn = false } = {}) {
    const node = this.#node;
    if (!node.graph) return;
    const { api } = this.#host;
    const picture = connectedPicture(node, "background", api);
    if (picture?.isComing) return; // the old one stays until the file is there
    const isLinked = widgetValue(node, "text") === undefined;
    const about = { isOtherPicture: isOtherPicture(node, api), bundled: bundledAway(node, api), isLinked };
    const facts = { ...this.editor.facts, ...modelFacts(node), ...about, wordsCount: wordsCount(node) };
    if (JSON.stringify(facts) !== JSON.stringify(this.editor.facts)) this.editor.set({ facts });
    const files = picture ? [] : this.#resultOf("smcd_background");
    const name = JSON.stringify(picture ?? files);
    if (name === this.#shown) return;
    const isFirst = this.#shown === null;
    this.#shown = name;
    if (!isFirst) this.editor.set({ masks: new Map() }); // they were of another picture
    else if (this.#noted?.picture === name) showMasks(this.editor, this.#noted.files, api);
    this.#noted = null;
    this.#waiting = null;
    this.#release();
    // An image that the user connects sets the size of the trajectory. In a loaded graph that was done with the first box.
    const isSet = isTurn || (isFirst && this.editor.trajectory.objects.length > 0);
    const onReady = (size) => isSet || this.#resize(size, change);
    const onError = () => this.editor.notify("error", translator(this.#language)("host.noPicture"));
    if (picture) this.#release = showPicture(this.editor, picture, { onReady, onError });
    else {
      const urls = files.map((file) => fileUrl(file, api));
      this.#release = urls.length ? showImages(this.editor, urls, { onError }) : () => {};
    }
  }

  /** A value that the last run reported for the node. */
  #resultOf(name) {
    const { id, graph } = this.#node;
    const isInside = graph.rootGraph && graph.rootGraph !== graph;
    const output = this.#host.app.nodeOutputs?.[isInside ? `${graph.id}:${id}` : id];
    const isConnected = this.#node.inputs.some((input) => input.name === "background" && input.link != null);
    return (isConnected && output?.[name]) || [];
  }

  /** @param {PixelSize} picture  its size @param {Change | null} change  of the graph, which gave it */
  #resize(picture, change) {
    const { trajectory, problem, isInGesture, naming } = this.editor;
    const isBusy = isInGesture || naming !== null;
    this.#waiting = isBusy ? [picture, change] : null;
    if (isBusy || problem) return;
    const { width, height } = Math.max(picture.width, picture.height) > LIMITS.side ? trajectory : picture;
    if (!change && width === trajectory.width && height === trajectory.height) return;
    const label = change ? "step.image" : "step.clip";
    this.editor.apply(label, (before) => setClip(before, { width, height }), change);
    if (!trajectory.objects.length || !isOtherShape(trajectory, { width, height })) return;
    const sizes = { from: `${trajectory.width} × ${trajectory.height}`, to: `${width} × ${height}` };
    this.editor.notify("info", translator(this.#language)("check.other_shape", sizes), true);
  }

  /** Handle the output of a run. Cached results are reported again, so boxes are only taken once. */
  #take({ smcd_seed: [text] = [], smcd_masks: masks = [], smcd_remarks: [remark] = [] }) {
    if (remark) this.editor.notify("info", `${remark[0].toUpperCase()}${remark.slice(1)}.`);
    setTimeout(() => {
      this.#look(); // after the host has stored the output
      showMasks(this.editor, masks, this.#host.api);
    }, 0);
    if (!text) return;
    const seed = parseTrajectory(text);
    const { source, objects } = this.editor.trajectory;
    if (seed.source === source) return;
    this.editor.replace("step.seed", seed);
    if (objects.length) this.editor.notify("info", translator(this.#language)("host.replaced"), true);
  }

  async #connect(file) {
    try {
      const change = await connectFile(this.#node, file, this.#host);
      this.#follow({ change });
      this.#capture();
      this.#look();
    } catch (error) {
      console.error(error);
      const values = { name: file.name, reason: error.message };
      this.editor.notify("error", translator(this.#language)("host.notUploaded", values));
    }
  }

  /** Take the graph back to before a step of the editor, or to after it. @param {Change} change @param {boolean} isUndo */
  #turn(change, isUndo) {
    if (!this.#node.graph) return;
    applyChange(this.#node.graph, change, isUndo);
    this.#follow({ isTurn: true });
  }

  /** Pass the wheel to the graph unless the editor is focused. Nodes 2.0 does so itself. */
  #passWheel(event) {
    if (event.defaultPrevented || this.#holder.matches(":focus-within")) return;
    this.#host.app.canvas.processMouseWheel(event);
  }

  #showText(isText) {
    for (const [widget, isHidden] of [[this.#text, !isText], [this.#widget, isText]]) {
      widget.hidden = isHidden; // for the classic canvas
      widget.options.hidden = isHidden; // for Nodes 2.0
    }
    // Older front ends only read these when the list of widgets changes.
    if (!("hidden" in Object.getPrototypeOf(this.#widget))) this.#node.widgets.push(this.#node.widgets.pop());
    this.#node.setDirtyCanvas?.(true, true);
  }
}

/** Leave a node whose editor cannot start with its text, and say so on it. @param {any} node @param {Host} host */
function leaveText(node, host, error) {
  console.error("SMCD: the trajectory editor cannot start, its text can be edited instead:", error);
  const place = node.widgets.findIndex(({ name }) => name === "editor");
  if (place >= 0) node.widgets.splice(place, 1);
  const text = node.widgets.find(({ name }) => name === "text");
  text.hidden = text.options.hidden = false;
  const label = translator(languageOf(host))("host.failed");
  const notice = node.addWidget("button", "editor", null, () => {}, { serialize: false });
  Object.assign(notice, { label, serialize: false });
  node.setDirtyCanvas?.(true, true);
}

/**
 * Hide the modifiers of a key event that the editor has handled, such as Ctrl+Z, from the graph's change tracker. It
 * gets the event first, but reads it a frame later.
 */
function hideFromTracker(event) {
  for (const name of ["ctrlKey", "metaKey"]) Object.defineProperty(event, name, { value: false });
}

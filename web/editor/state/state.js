/**
 * The state of one editor: the document with its history, and what only the person at it sees. No DOM.
 *
 * The parts of the view read it, change it through its methods and draw it anew when it tells them to. The document is
 * changed in one of two ways: `apply` for a whole step, or `begin`, `preview` ... and `commit` or `cancel` for a gesture.
 *
 * @import {Box, Trajectory} from "../../trajectory/document.js"
 * @import {KeyRef} from "../../trajectory/keys.js"
 * @import {Said} from "../../trajectory/refusal.js"
 * @import {Viewport} from "../../trajectory/viewport.js"
 * @typedef {{width: number, height: number, imageAt: (time: number) => CanvasImageSource | null}} Background
 *   width, height: pixels; time in frames of the document; null while it is not loaded yet
 * @typedef {{prompt: string | null, columns: number, rows: number, slots: number, numFrames: number | null,
 *   width: number | null, height: number | null}} ModelFacts  what the run downstream will be given, where known:
 *   prompt; cells of the latent grid; objects it was trained on; frames and pixels that it makes
 * @typedef {{iou: Record<string, (number | null)[]>, mean: number | null}} Scores  of the last run, by object id and
 *   frame; null where the object was not to be seen
 * @typedef {{text: string, said: Said}} Problem  text that is no trajectory, and why
 * @typedef {{kind: "info" | "error", text: string | Said}} Notice
 */

import * as model from "../../trajectory/model.js";

/** What the view shows and how it helps; not part of the document. */
const SETTINGS = {
  snapToFrame: true,
  snapToBoxes: true,
  grid: 0, // columns and rows that the grid divides the frame into; 0 is no grid
  onionSkin: true,
  paths: true,
  crop: true, // what the model will not see is shaded
  keepAspect: false, // while a box is resized; Shift does the opposite
  loop: true,
  speed: 1, // of playback
};

const STAGE_MARGIN = [16, 0.1, 64]; // around the fitted frame: at least, share of the stage's shorter side, at most

export class EditorState {
  #history;
  #listeners = new Set();
  #onCommit;

  /**
   * @param {{trajectory?: Trajectory, onCommit?: (text: string) => void,
   *   onBackgroundFile?: ((file: File) => void) | null}} [options]  onCommit: is given the trajectory's new text once per
   *   step; onBackgroundFile: is given an image or video that the user picks as the background
   */
  constructor({ trajectory = model.emptyTrajectory(), onCommit = () => {}, onBackgroundFile = null } = {}) {
    this.#history = model.newHistory(trajectory);
    this.#onCommit = onCommit;
    /** @type {Set<string>} objects */
    this.selected = new Set();
    /** @type {KeyRef[]} */
    this.selectedKeys = [];
    this.isCameraSelected = false;
    /** @type {Set<string>} objects that gestures leave alone */
    this.locked = new Set();
    /** @type {Set<string>} where any, only these are shown */
    this.solo = new Set();
    this.time = 0; // of the playhead, in frames; whole unless playing
    this.isPlaying = false;
    /** @type {{id: string, samples: {time: number, box: Box}[]} | null} */
    this.recording = null;
    this.settings = { ...SETTINGS };
    /** @type {Viewport | null} null: fitted to the stage */
    this.viewport = null;
    this.stageSize = { width: 1, height: 1 }; // CSS pixels of the picture's canvas, which keeps it up to date
    /** @type {Background | null} */
    this.background = null;
    /** @type {ModelFacts} */
    this.facts = { prompt: null, columns: 32, rows: 32, slots: 8, numFrames: null, width: null, height: null };
    /** @type {Scores | null} */
    this.scores = null;
    /** @type {Problem | null} */
    this.problem = null;
    /** @type {Notice | null} the latest message to the user */
    this.notice = null;
    this.onBackgroundFile = onBackgroundFile;
  }

  get trajectory() {
    return this.#history.present;
  }

  /** The frame that edits go to. */
  get frame() {
    return Math.min(Math.max(Math.round(this.time), 0), this.trajectory.frames - 1);
  }

  /** Where the frame is on the stage. @returns {Viewport} */
  get shownViewport() {
    if (this.viewport) return this.viewport;
    const { width, height } = this.stageSize;
    const [least, share, most] = STAGE_MARGIN;
    const margin = Math.min(Math.max(Math.min(width, height) * share, least), most);
    return model.fitViewport(width, height, this.trajectory.width, this.trajectory.height, margin);
  }

  get canUndo() {
    return this.#history.past.length > 0 || this.#history.gesture !== null;
  }

  get canRedo() {
    return this.#history.future.length > 0;
  }

  get isInGesture() {
    return this.#history.gesture !== null;
  }

  /**
   * Be called after every change.
   *
   * @param {() => void} listener
   * @returns {() => void} ends it
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Set fields of this state: `set({ isPlaying: true })`. The trajectory changes by `apply`, `begin` and `replace`.
   *
   * @param {object} changes
   */
  set(changes) {
    const unknown = Object.keys(changes).find((name) => !Object.hasOwn(this, name));
    if (unknown !== undefined) throw new TypeError(`the editor's state has no field ${unknown} to set`);
    Object.assign(this, changes);
    this.#emit();
  }

  /** @param {Partial<typeof SETTINGS>} changes */
  setSettings(changes) {
    this.set({ settings: { ...this.settings, ...changes } });
  }

  /**
   * Make a whole step. An operation that refuses changes nothing and says why.
   *
   * @param {string} label  message key of what was done, for the undo button
   * @param {(trajectory: Trajectory) => Trajectory} operation
   * @returns {boolean} whether the document changed
   */
  apply(label, operation) {
    let next;
    try {
      next = operation(this.trajectory);
    } catch (error) {
      this.refuse(error);
      return false;
    }
    return this.#step(model.record(this.#history, next, label));
  }

  /** Start a gesture. @param {string} label */
  begin(label) {
    this.#history = model.begin(this.#history, label);
    this.#emit();
  }

  /**
   * Show a document within the gesture, made from the one at its start.
   *
   * @param {(atStart: Trajectory) => Trajectory} operation
   */
  preview(operation) {
    try {
      this.#history = model.preview(this.#history, operation(this.#history.gesture.trajectory));
    } catch (error) {
      this.refuse(error);
    }
    this.#emit();
  }

  /** @returns {boolean} whether the gesture changed the document */
  commit() {
    return this.#step(model.commit(this.#history));
  }

  cancel() {
    this.#history = model.cancel(this.#history);
    this.#forgetTheGone();
    this.#emit();
  }

  undo() {
    if (this.isInGesture) this.cancel();
    else this.#step(model.undo(this.#history));
  }

  redo() {
    this.#step(model.redo(this.#history));
  }

  /**
   * Take a text from outside: of a loaded workflow, of the graph's own undo. Selection and playhead stay where they can.
   * Text that is no trajectory is kept as `problem` and shown; the document stays and is not written over the text.
   *
   * @param {string} text
   */
  load(text) {
    if (this.problem === null && text === model.serialiseTrajectory(this.trajectory)) return;
    try {
      this.#history = model.newHistory(model.parseTrajectory(text));
      this.problem = null;
    } catch (error) {
      if (!(error instanceof model.TrajectoryError)) throw error;
      this.problem = { text, said: error.said };
    }
    this.notice = null; // of another document
    this.#forgetTheGone();
    this.#emit();
  }

  /**
   * Replace the whole document as one step, as files and boxes from upstream do. It also ends a `problem`.
   *
   * @param {string} label
   * @param {Trajectory} trajectory
   */
  replace(label, trajectory) {
    this.problem = null;
    this.#step(model.record(this.#history, trajectory, label));
  }

  /**
   * @param {Iterable<string>} ids
   * @param {"only" | "add" | "toggle"} [mode]
   */
  select(ids, mode = "only") {
    const selected = new Set(mode === "only" ? [] : this.selected);
    for (const id of ids) {
      if (mode === "toggle" && selected.has(id)) selected.delete(id);
      else selected.add(id);
    }
    this.set({ selected, selectedKeys: this.selectedKeys.filter(({ id }) => selected.has(id)), isCameraSelected: false });
  }

  /**
   * Select keys, and the objects that they belong to.
   *
   * @param {KeyRef[]} refs
   * @param {"only" | "add" | "toggle"} [mode]
   */
  selectKeys(refs, mode = "only") {
    const isSame = (a) => (b) => a.id === b.id && a.frame === b.frame;
    const others = mode === "only" ? [] : this.selectedKeys.filter((key) => !refs.some(isSame(key)));
    const added = mode === "toggle" ? refs.filter((ref) => !this.selectedKeys.some(isSame(ref))) : refs;
    const selectedKeys = [...others, ...added];
    this.set({ selectedKeys, selected: new Set(selectedKeys.map(({ id }) => id)), isCameraSelected: false });
  }

  /** Select the camera, which stands for all objects that are not locked. */
  selectCamera() {
    this.set({ selected: new Set(), selectedKeys: [], isCameraSelected: true });
  }

  /** @param {number} time  in frames */
  seek(time) {
    this.set({ time: Math.min(Math.max(time, 0), this.trajectory.frames - 1) });
  }

  /**
   * Zoom the stage; the point at px, py (its middle where left out) stays.
   *
   * @param {number} factor
   */
  zoom(factor, px = this.stageSize.width / 2, py = this.stageSize.height / 2) {
    this.set({ viewport: model.zoomAt(this.shownViewport, px, py, factor) });
  }

  /** Whether an object is drawn: where some are solo, the others are not. @param {string} id */
  isShown(id) {
    return this.solo.size === 0 || this.solo.has(id);
  }

  /** The selected objects that gestures may change, in the document's order. */
  get editable() {
    return this.trajectory.objects.map(({ id }) => id).filter((id) => this.selected.has(id) && !this.locked.has(id));
  }

  /** @param {"info" | "error"} kind @param {string | Said} text */
  notify(kind, text) {
    this.set({ notice: { kind, text } });
  }

  /** Show why something was refused; anything but a refusal is a fault of ours and goes on. @param {unknown} error */
  refuse(error) {
    if (!(error instanceof model.TrajectoryError)) throw error;
    this.notify("error", error.said);
  }

  #step(history) {
    const before = this.#history.gesture?.trajectory ?? this.trajectory;
    this.#history = history;
    const isChanged = this.trajectory !== before;
    if (isChanged) {
      this.notice = null;
      this.#forgetTheGone();
      this.#onCommit(model.serialiseTrajectory(this.trajectory));
    }
    this.#emit();
    return isChanged;
  }

  /** Drop what selections and playhead refer to and the document no longer has. */
  #forgetTheGone() {
    const tracks = new Map(this.trajectory.objects.map((track) => [track.id, track]));
    const kept = (ids) => new Set([...ids].filter((id) => tracks.has(id)));
    const hasKey = ({ id, frame }) => tracks.get(id)?.keys.some((key) => key.frame === frame);
    this.selected = kept(this.selected);
    this.locked = kept(this.locked);
    this.solo = kept(this.solo);
    this.selectedKeys = this.selectedKeys.filter(hasKey);
    this.time = Math.min(this.time, this.trajectory.frames - 1);
  }

  #emit() {
    for (const listener of [...this.#listeners]) listener();
  }
}

/**
 * The state of one editor: the trajectory with its history, and all that is only on screen. No DOM.
 *
 * The parts of the view read it, change it through its methods, and redraw when it notifies them. The trajectory
 * changes by `apply` for a complete step, or by the gesture that `begin` returns.
 *
 * @import {Box, Point, Trajectory} from "../../trajectory/document.js"
 * @import {Mask} from "../../trajectory/cuts.js"
 * @import {KeyRef} from "../../trajectory/keys.js"
 * @import {Said} from "../../trajectory/refusal.js"
 * @import {Viewport} from "../../trajectory/viewport.js"
 * @typedef {{width: number, height: number, part: [number, number, number, number], isStill?: boolean,
 *   imageAt: (time: number) => CanvasImageSource | null}} Background  width, height: pixels; part: the visible part of
 *   the image, as left, top, width, height in its own pixels; isStill: the same image at all times; time: in frames of
 *   the trajectory; null until it is loaded
 * @typedef {{prompt: string | null, columns: number, rows: number, slots: number, numFrames: number | null,
 *   width: number | null, height: number | null, multiple?: number, isOtherPicture?: boolean,
 *   bundled?: {name: string, examples: string[] | null} | null, isLinked?: boolean, wordsCount?: boolean, cropTo?: {width: number, height: number} | null}} ModelFacts  inputs of the model downstream, null
 *   if unknown: prompt; columns, rows: cells of the latent grid; slots: objects that it was trained on; numFrames, width, height: of the video that it makes;
 *   multiple: pixels that it takes multiples of; isOtherPicture: its first frame is known to be another image than the
 *   background; bundled: the bundled checkpoint that has to do with another picture than its examples; isLinked: the run gets the text of a link; wordsCount: whether the model looks at words; cropTo: size that the image is cropped to
 * @typedef {{iou: Record<string, (number | null)[]>, mean: number | null, of?: Trajectory | null}} Scores  of the last run, by
 *   object id and frame; null where the object was invisible; of: what was run, null if that is not here
 * @typedef {{files: Record<string, string>[], text: string | null}} Made  by a run. files: as the host names them, one
 *   video or several images; text: the trajectory that was run, null if that is not known
 * @typedef {{frame: number, name: string}} Marker
 * @typedef {[label: string, text: string, change: unknown]} NotedStep  change: of the graph, null if there is none
 * @typedef {{here: string, past: NotedStep[], future: NotedStep[]}} NotedSteps  here: text of the trajectory; past,
 *   future: the nearest last
 * @typedef {{text: string, said: Said}} Problem  invalid text, and the error
 * @typedef {{kind: "info" | "error", text: string | Said, isUndoable: boolean, holds: () => boolean}} Notice  isUndoable:
 *   about the last step, which can be undone there; holds: whether it is still true, and goes once it is not
 * @typedef {{readonly isOpen: boolean, preview: (operation: (atStart: Trajectory) => Trajectory) => boolean,
 *   commit: () => boolean, cancel: () => void}} OpenGesture  all changes from begin to commit, which are one step. Once
 *   something else has ended it, such as undo or another gesture, its methods do nothing
 */

import * as model from "../../trajectory/model.js";

/** Settings of the view. They are not saved with the trajectory. */
export const SETTINGS = {
  snapToFrame: true,
  snapToBoxes: true,
  grid: 0, // number of columns and rows; 0 for none
  onionSkin: true,
  paths: true,
  animatic: true, // moves what the boxes hold
  crop: true, // shades what the model will not see
  keepAspect: false, // while resizing; Shift inverts it
  wholePath: false, // moves and resizes apply to all keys of an object
  bendFree: false, // the other handle of a smooth point stays; Alt inverts it
  addByTouch: false, // for want of Shift: taps toggle, drags on empty space select
  loop: true,
  speed: 1, // of playback
  timelineHeight: 0, // CSS pixels, 0 for a share of the editor
};

/** What is on screen besides the settings, and stays when the host makes the node anew. */
const SESSION = ["selected", "selectedKeys", "isCameraSelected", "locked", "solo", "time", "viewport", "masks", "workArea", "markers", "made", "isResultShown", "job"];

const STAGE_MARGIN = [18, 0.06, 48]; // around the fitted frame: minimum, share of the stage's shorter side, maximum

export class EditorState {
  #history;
  #listeners = new Set();
  #onCommit;
  #onChange;
  /** The text that was loaded or written last, and its trajectory. @type {{text: string, trajectory: Trajectory}} */
  #known;

  /**
   * @param {{trajectory?: Trajectory, onCommit?: (text: string) => void,
   *   onChange?: (change: any, isUndo: boolean) => void,
   *   onBackgroundFile?: ((file: File) => void) | null, onRun?: (() => void) | null}} [options]  onCommit: gets the trajectory's text after each
   *   step; onChange: takes back or repeats what `apply` got as the change of a step, before its text; onBackgroundFile: gets an image or
   *   video that the user chose as the background; onRun: runs the workflow
   */
  constructor({ trajectory = model.emptyTrajectory(), onCommit = () => {}, onChange = () => {}, onBackgroundFile = null, onRun = null } = {}) {
    this.#history = model.newHistory(trajectory);
    this.#known = { text: "", trajectory };
    this.#onCommit = onCommit;
    this.#onChange = onChange;
    /** @type {Set<string>} object ids */
    this.selected = new Set();
    /** @type {KeyRef[]} */
    this.selectedKeys = [];
    this.isCameraSelected = false;
    /** @type {string | null} the object whose phrase is being asked for on the stage */
    this.naming = null;
    /** @type {Set<string>} objects that gestures do not change */
    this.locked = new Set();
    /** @type {Set<string>} if not empty, only these objects are shown */
    this.solo = new Set();
    this.isWheelPanning = false; // as on a trackpad; else the wheel zooms
    this.time = 0; // of the playhead, in frames; whole unless playing
    this.isPlaying = false;
    /** @type {[number, number] | null} first and last frame that playback keeps to; null for all */
    this.workArea = null;
    /** @type {Marker[]} in the order of their frames; those after the end of the clip are not shown */
    this.markers = [];
    this.isArmed = false; // the next drag of a box is recorded, after the count-in
    this.countIn = 0; // beats until then
    /** @type {{id: string, samples: {time: number, box: Box}[]} | null} */
    this.recording = null;
    this.settings = { ...SETTINGS };
    /** @type {Viewport | null} null: fitted to the stage */
    this.viewport = null;
    /** @type {Point | null} where the pointer was last on the stage, in units of the frame */
    this.pointed = null;
    this.isTouched = false; // the last pointer on the editor was a finger, whose user may have no keys
    this.stageSize = { width: 1, height: 1 }; // CSS pixels of the stage's canvas, which updates it
    /** @type {Background | null} */
    this.background = null;
    /** @type {Made | null} what the last run made */
    this.made = null;
    /** @type {Background | null} the same once it is loaded */
    this.result = null;
    this.isResultShown = false; // instead of the background, to compare
    this.isQueued = false; // a run that was queued here has not begun
    /** @type {{ahead: number | null} | null} a run that waits for others: how many, null if that is not known yet */
    this.waiting = null;
    /** @type {string | null} the host's name of the run that waits or is in progress */
    this.job = null;
    /** @type {{share: number} | null} the run in progress: how much of its present node is done */
    this.run = null;
    /** Shapes of the objects in the background, by their ids or MASK_FOR_ALL. @type {Map<string, Mask>} */
    this.masks = new Map();
    /** @type {ModelFacts} */
    this.facts = { prompt: null, columns: 32, rows: 32, slots: 8, numFrames: null, width: null, height: null };
    /** @type {Scores | null} */
    this.scores = null;
    /** @type {Problem | null} */
    this.problem = null;
    /** @type {Notice | null} the latest message to the user */
    this.notice = null;
    this.onBackgroundFile = onBackgroundFile;
    this.onRun = onRun;
  }

  get trajectory() {
    return this.#history.present;
  }

  /** The frame that edits apply to. */
  get frame() {
    return Math.min(Math.max(Math.round(this.time), 0), this.trajectory.frames - 1);
  }

  /** First and last frame of playback. @returns {[number, number]} */
  get played() {
    const last = this.trajectory.frames - 1;
    if (!this.workArea) return [0, last];
    const [from, to] = this.workArea.map((frame) => Math.min(frame, last));
    return [from, to];
  }

  /** Position of the frame on the stage. @returns {Viewport} */
  get shownViewport() {
    if (this.viewport) return this.viewport;
    const { width, height } = this.stageSize;
    const [least, share, most] = STAGE_MARGIN;
    const margin = Math.min(Math.max(Math.min(width, height) * share, least), most);
    return model.fitViewport(width, height, this.trajectory.width, this.trajectory.height, margin);
  }

  /** What is behind the boxes. @returns {Background | null} */
  get shownBackground() {
    return this.isResultShown && this.result ? this.result : this.background;
  }

  get canUndo() {
    return this.#history.past.length > 0 || this.#history.gesture !== null;
  }

  /** Message key of the step that undo takes back, null if there is none. @returns {string | null} */
  get undoLabel() {
    return (this.#history.gesture ?? this.#history.past.at(-1))?.label ?? null;
  }

  /** Message key of the step that redo repeats. @returns {string | null} */
  get redoLabel() {
    return this.#history.future.at(-1)?.label ?? null;
  }

  get canRedo() {
    return this.#history.future.length > 0;
  }

  get isInGesture() {
    return this.#history.gesture !== null;
  }

  /**
   * Call a listener after every change.
   *
   * @param {() => void} listener
   * @returns {() => void} unsubscribes
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Set fields of this state: `set({ isPlaying: true })`.
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
   * Apply an operation as one step. If it refuses, nothing changes and the user gets the message.
   *
   * @param {string} label  message key of the step
   * @param {(trajectory: Trajectory) => Trajectory} operation
   * @param {unknown} [change]  plain data on what was changed in the graph with it
   * @returns {boolean} whether the trajectory changed
   */
  apply(label, operation, change = null) {
    let next;
    try {
      next = operation(this.trajectory);
    } catch (error) {
      this.refuse(error);
      return false;
    }
    return this.#step(model.record(this.#history, next, label, change));
  }

  /**
   * Start a gesture. One that is still open is interrupted: it ends as a step of its own.
   *
   * @param {string} label  message key of the step
   * @returns {OpenGesture}
   */
  begin(label) {
    if (this.isInGesture) this.commit(); // the text must hear of it
    this.#history = model.begin(this.#history, label);
    const { gesture } = this.#history;
    const state = this;
    this.#emit();
    return {
      get isOpen() {
        return state.#history.gesture === gesture;
      },
      preview(operation) {
        return this.isOpen && state.preview(operation);
      },
      commit() {
        return this.isOpen && state.commit();
      },
      cancel() {
        if (this.isOpen) state.cancel();
      },
    };
  }

  /**
   * Show the result of an operation on the trajectory from the start of the gesture.
   *
   * @param {(atStart: Trajectory) => Trajectory} operation
   * @returns {boolean} false if it refuses: the user has got the message
   */
  preview(operation) {
    try {
      this.#history = model.preview(this.#history, operation(this.#history.gesture.trajectory));
    } catch (error) {
      this.refuse(error);
      return false;
    }
    this.#emit();
    return true;
  }

  /** End the gesture as one step. @returns {boolean} whether the trajectory changed */
  commit() {
    return this.#step(model.commit(this.#history));
  }

  cancel() {
    this.#history = model.cancel(this.#history);
    this.#forgetTheGone();
    this.#emit();
  }

  undo() {
    if (this.isInGesture) return this.cancel();
    const { change } = this.#history.past.at(-1) ?? {};
    if (change) this.#onChange(change, true);
    this.#step(model.undo(this.#history), change);
  }

  redo() {
    const { change } = (!this.isInGesture && this.#history.future.at(-1)) || {};
    if (change) this.#onChange(change, false);
    this.#step(model.redo(this.#history), change);
  }

  /**
   * Load a text from outside, such as from a workflow or the graph's undo. Selection and playhead stay if possible.
   * Invalid text is kept as `problem` and shown; the old trajectory stays and does not overwrite the text.
   *
   * @param {string} text
   */
  load(text) {
    if (this.problem?.text === text) return; // keeps what is being typed to repair it
    if (this.problem === null && this.#isHere(text)) return;
    try {
      this.#history = model.newHistory(model.parseTrajectory(text));
      this.#know(text);
      this.problem = null;
    } catch (error) {
      if (!(error instanceof model.TrajectoryError)) throw error;
      this.problem = { text, said: error.said };
    }
    this.notice = null; // about the old trajectory
    this.#forgetTheGone();
    this.#emit();
  }

  /**
   * Go on where the editor of the same node stopped, as the host makes nodes anew for each step of the graph's undo. If
   * the text is another one since, that is a step which can be undone here.
   *
   * @param {EditorState} before
   * @param {string} text
   */
  resume(before, text) {
    this.#history = model.cancel(before.#history);
    this.#known = before.#known;
    for (const name of SESSION) this[name] = before[name];
    if (!this.#isHere(text)) {
      try {
        this.#history = model.record(this.#history, model.parseTrajectory(text), "step.graph");
        this.#know(text);
      } catch (error) {
        if (!(error instanceof model.TrajectoryError)) throw error;
        this.problem = { text, said: error.said };
      }
    }
    this.#forgetTheGone();
    this.#emit();
  }

  /**
   * What undo and redo go back to, as text: as many of the nearest steps as fit.
   *
   * @param {number} most  characters
   * @returns {NotedSteps}
   */
  noteSteps(most) {
    const { past, future } = model.cancel(this.#history);
    const here = model.serialiseTrajectory(model.cancel(this.#history).present);
    let left = most - here.length;
    /** @param {readonly {label: string, trajectory: Trajectory, change?: unknown}[]} steps */
    const noted = (steps) => {
      /** @type {NotedStep[]} */
      const kept = [];
      for (const { label, trajectory, change = null } of [...steps].reverse()) {
        const text = model.serialiseTrajectory(trajectory);
        left -= text.length;
        if (left < 0) break;
        kept.unshift([label, text, change]);
      }
      return kept;
    };
    return { here, past: noted(past), future: noted(future) };
  }

  /**
   * Take steps that were noted where the trajectory was the one that is here.
   *
   * @param {NotedSteps} noted
   * @returns {boolean} whether it was
   * @throws {TrajectoryError} if one is no trajectory; nothing changes then
   */
  takeSteps({ here, past, future }) {
    if (!this.#isHere(here)) return false;
    const named = ([label, text, change]) => ({ label, trajectory: model.parseTrajectory(text), ...(change && { change }) });
    this.#history = model.withSteps(this.#history, { past: past.map(named), future: future.map(named) });
    this.#emit();
    return true;
  }

  /**
   * Replace the trajectory as one step, for files and for boxes from connected nodes. Clears `problem`.
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
    const selectedKeys = this.selectedKeys.filter(({ id }) => selected.has(id));
    this.set({ selected, selectedKeys, isCameraSelected: false });
  }

  /**
   * Select keys and their objects.
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

  /** A way back to the present selection, for when a press turns out to begin a pinch. @returns {() => void} */
  keepSelection() {
    const { selected, selectedKeys, isCameraSelected } = this;
    return () => {
      Object.assign(this, { selected, selectedKeys, isCameraSelected });
      this.#forgetTheGone();
      this.#emit();
    };
  }

  /** Select the camera, which moves all unlocked objects. */
  selectCamera() {
    this.set({ selected: new Set(), selectedKeys: [], isCameraSelected: true });
  }

  /** Playback keeps to two frames and those between. All frames are no work area. @param {[number, number]} frames */
  setWorkArea([first, last]) {
    const isAll = first === 0 && last >= this.trajectory.frames - 1;
    this.set({ workArea: isAll ? null : [first, last] });
  }

  /** @param {Marker[]} markers  of several at one frame the last stays */
  setMarkers(markers) {
    const byFrame = new Map(markers.map((marker) => [marker.frame, marker]));
    this.set({ markers: [...byFrame.values()].sort((a, b) => a.frame - b.frame) });
  }

  /** @param {number} time  in frames */
  seek(time) {
    this.set({ time: Math.min(Math.max(time, 0), this.trajectory.frames - 1) });
  }

  /**
   * Zoom the stage about a point, by default its centre.
   *
   * @param {number} factor
   */
  zoom(factor, px = this.stageSize.width / 2, py = this.stageSize.height / 2) {
    this.set({ viewport: model.zoomAt(this.shownViewport, px, py, factor) });
  }

  /** Whether the trajectory is not the one that the result was made of. */
  get isResultOld() {
    const { made, result } = this;
    if (!result || !made || made.text === null) return false;
    return !this.#isHere(model.serialiseTrajectory(model.parseTrajectory(made.text)));
  }

  /** Whether an object is drawn, given solo. @param {string} id */
  isShown(id) {
    return this.solo.size === 0 || this.solo.has(id);
  }

  /** Selected unlocked objects, in list order. */
  get editable() {
    return this.trajectory.objects.map(({ id }) => id).filter((id) => this.selected.has(id) && !this.locked.has(id));
  }

  /**
   * @param {"info" | "error"} kind
   * @param {string | Said} text
   * @param {boolean} [isUndoable]
   * @param {() => boolean} [holds]
   */
  notify(kind, text, isUndoable = false, holds = () => true) {
    this.set({ notice: { kind, text, isUndoable, holds } });
  }

  /** Show a refusal to the user; rethrow any other error, as it is a bug. @param {unknown} error */
  refuse(error) {
    if (!(error instanceof model.TrajectoryError)) throw error;
    this.notify("error", error.said);
  }

  #step(history, change = null) {
    const before = this.#history.gesture?.trajectory ?? this.trajectory;
    this.#history = history;
    const isChanged = this.trajectory !== before;
    if (isChanged || change) {
      this.notice = null;
      this.#forgetTheGone();
      const text = model.serialiseTrajectory(this.trajectory);
      this.#know(text);
      this.#onCommit(text);
    }
    this.#emit();
    return isChanged;
  }

  /** Whether a text is that of the trajectory. Writing out a long clip is slow, so the last text is compared first. */
  #isHere(text) {
    const { text: known, trajectory } = this.#known;
    return (text === known && trajectory === this.trajectory) || text === model.serialiseTrajectory(this.trajectory);
  }

  #know(text) {
    this.#known = { text, trajectory: this.trajectory };
  }

  /** Remove deleted objects and keys from selection, locks and solo; keep the playhead inside the clip. */
  #forgetTheGone() {
    const tracks = new Map(this.trajectory.objects.map((track) => [track.id, track]));
    const kept = (ids) => new Set([...ids].filter((id) => tracks.has(id)));
    const hasKey = ({ id, frame }) => tracks.get(id)?.keys.some((key) => key.frame === frame);
    this.selected = kept(this.selected);
    this.locked = kept(this.locked);
    this.solo = kept(this.solo);
    if (!tracks.has(this.naming)) this.naming = null;
    this.selectedKeys = this.selectedKeys.filter(hasKey);
    this.time = Math.min(this.time, this.trajectory.frames - 1);
  }

  #emit() {
    for (const listener of [...this.#listeners]) listener();
  }
}

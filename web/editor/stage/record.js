/**
 * Recording a motion by hand: while the clip plays, the box follows the pointer. No DOM.
 *
 * @import {EditorState} from "../state/state.js"
 * @import {Where} from "../kit/pointer.js"
 */

import * as model from "../../trajectory/model.js";

const BEATS = 3;
const BEAT = 500; // milliseconds

/**
 * Record after a count-in, during which the box is held. Playback starts and ends with it.
 *
 * @param {EditorState} editor
 * @param {Where} press
 * @param {string} id
 */
export function countInGesture(editor, press, id) {
  let at = press;
  let recording = null;
  let timer = setTimeout(beat, BEAT);
  const stop = () => {
    clearTimeout(timer);
    editor.set({ countIn: 0 });
  };
  function beat() {
    if (editor.countIn > 1) {
      editor.set({ countIn: editor.countIn - 1 });
      timer = setTimeout(beat, BEAT);
      return;
    }
    stop();
    const [first, last] = editor.played;
    const isOutside = editor.frame >= last || editor.frame < first;
    editor.set({ isArmed: false, isPlaying: true, time: isOutside ? first : editor.frame });
    recording = recordGesture(editor, at, id, () => true);
    recording.move(at);
  }
  editor.set({ countIn: BEATS });
  const over = (how) => {
    stop();
    if (!recording) return;
    recording[how]();
    editor.set({ isPlaying: false });
  };
  return {
    cursor: "grabbing",
    move(where) {
      at = where;
      recording?.move(where);
    },
    end: () => over("end"),
    cancel: () => over("cancel"),
  };
}

/**
 * Drag a box while the clip plays. Recording ends with the drag, with playback, or when playback loops, and is one
 * step. The size of the box at each time stays.
 *
 * @param {EditorState} editor
 * @param {Where} press
 * @param {string} id
 * @param {(where: Where) => boolean} isDragged
 */
export function recordGesture(editor, press, id, isDragged) {
  const box = model.boxAt(model.trackOf(editor.trajectory, id), editor.time, editor.trajectory);
  const [centreX, centreY] = model.centreOf(box);
  const [pressX, pressY] = model.toFrame(editor.shownViewport, press.px, press.py);
  let at = press;
  let samples = null;
  let unsubscribe = () => {};

  const addSample = () => {
    const [x, y] = model.toFrame(editor.shownViewport, at.px, at.py);
    const now = model.boxAt(model.trackOf(editor.trajectory, id), editor.time, editor.trajectory);
    const [nowX, nowY] = model.centreOf(now);
    const moved = model.movedBox(now, centreX + x - pressX - nowX, centreY + y - pressY - nowY);
    samples.push({ time: editor.time, box: moved });
    editor.set({ recording: { id, samples } });
  };
  const follow = () => {
    const { time } = samples.at(-1);
    if (!editor.trajectory.objects.some((track) => track.id === id)) stop(); // deleted meanwhile
    else if (!editor.isPlaying || editor.time < time) finish();
    else if (editor.time > time) addSample();
  };
  const stop = () => {
    unsubscribe();
    unsubscribe = () => {};
    editor.set({ recording: null });
  };
  const finish = () => {
    const recorded = samples;
    stop();
    editor.apply("step.record", (trajectory) => model.recordPath(trajectory, id, recorded));
  };
  return {
    cursor: "grabbing",
    move(where) {
      at = where;
      if (!samples) {
        if (!isDragged(where) || !editor.isPlaying) return;
        samples = [];
        addSample();
        unsubscribe = editor.subscribe(follow);
      } else if (editor.recording) addSample();
    },
    end: () => editor.recording && finish(),
    cancel: () => editor.recording && stop(),
  };
}

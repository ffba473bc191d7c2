/**
 * Playback: while `editor.isPlaying`, the playhead runs at the clip's frame rate times `settings.speed`.
 *
 * Each frame is shown for 1 / fps seconds, including the last. It keeps to the work area. With `settings.loop` it starts
 * again at the end, except while recording by hand.
 *
 * @import {EditorState} from "../state/state.js"
 */

/**
 * @param {EditorState} editor
 * @returns {{destroy: () => void}}
 */
export function createPlayback(editor) {
  let request = 0;
  let before = 0; // milliseconds, of the last tick
  let position = 0; // in frames, up to the end of the last one, which is shown in full too
  let shown = 0; // where playback put the playhead; any other time means that the user moved it

  const start = () => {
    const [first, last] = editor.played;
    const isOutside = editor.time >= last || editor.time < first;
    position = isOutside && !editor.recording ? first : editor.time;
    before = performance.now();
    request = requestAnimationFrame(tick);
    show();
  };
  const stop = () => {
    cancelAnimationFrame(request);
    request = 0;
    if (!Number.isInteger(editor.time)) editor.seek(editor.frame);
  };
  const show = () => {
    shown = Math.min(position, editor.played[1]);
    editor.seek(shown);
  };
  const tick = (now) => {
    const { fps } = editor.trajectory;
    const [first, last] = editor.played;
    if (editor.time !== shown) position = editor.time;
    position += (Math.max(now - before, 0) / 1000) * fps * editor.settings.speed;
    before = now;
    if (position >= last + 1) {
      if (!editor.settings.loop || editor.recording) {
        editor.set({ time: last, isPlaying: false });
        return;
      }
      position = first + ((position - first) % (last + 1 - first));
    }
    request = requestAnimationFrame(tick);
    show();
  };

  const unsubscribe = editor.subscribe(() => {
    if (editor.isPlaying && !request) start();
    else if (!editor.isPlaying && request) stop();
  });
  return {
    destroy() {
      unsubscribe();
      cancelAnimationFrame(request);
    },
  };
}

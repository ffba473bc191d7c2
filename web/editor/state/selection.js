/**
 * The objects and keys that commands act on.
 *
 * @import {EditorState} from "./state.js"
 * @import {Trajectory} from "../../trajectory/document.js"
 * @import {KeyRef} from "../../trajectory/keys.js"
 */

import { keyIndexAt, setVisible, trackOf, visibleAt } from "../../trajectory/model.js";

/** Objects that move: the editable selected ones, or with the camera all unlocked ones. @param {EditorState} editor */
export function movedIds(editor) {
  if (!editor.isCameraSelected) return editor.editable;
  return editor.trajectory.objects.map(({ id }) => id).filter((id) => !editor.locked.has(id));
}

/**
 * Add ids to a set, or remove them if it has all of them.
 *
 * @param {Set<string>} set
 * @param {string[]} ids
 */
export function toggled(set, ids) {
  const isAll = ids.every((id) => set.has(id));
  return new Set(isAll ? [...set].filter((id) => !ids.includes(id)) : [...set, ...ids]);
}

/** The selected keys of unlocked objects. @param {EditorState} editor */
export function editableKeys(editor) {
  return editor.selectedKeys.filter(({ id }) => !editor.locked.has(id));
}

/** The keys whose easing changes: the selected ones, else those at or before the playhead, one per object. */
export function easedKeys(editor) {
  const chosen = editableKeys(editor);
  if (chosen.length) return chosen;
  return editor.editable.map((id) => {
    const { keys } = trackOf(editor.trajectory, id);
    return { id, frame: keys[keyIndexAt(keys, editor.frame)].frame };
  });
}

/**
 * Show objects from the playhead to their next key or the end; hide them there if all are visible.
 *
 * @param {EditorState} editor
 * @param {string[]} ids
 */
export function toggleVisible(editor, ids) {
  const { frame } = editor;
  const isShown = ids.every((id) => visibleAt(trackOf(editor.trajectory, id), frame));
  editor.apply(isShown ? "step.hide" : "step.show", (trajectory) =>
    ids.reduce((result, id) => {
      const next = trackOf(trajectory, id).keys.find((key) => key.frame > frame);
      return setVisible(result, [id], frame, (next?.frame ?? trajectory.frames) - 1, !isShown);
    }, trajectory),
  );
}

/**
 * Apply an operation that adds objects, and select them.
 *
 * @param {EditorState} editor
 * @param {string} label
 * @param {(trajectory: Trajectory) => Trajectory} operation
 */
export function applyAndSelectAdded(editor, label, operation) {
  const before = new Set(editor.trajectory.objects.map(({ id }) => id));
  if (!editor.apply(label, operation)) return;
  editor.select(editor.trajectory.objects.map(({ id }) => id).filter((id) => !before.has(id)));
}

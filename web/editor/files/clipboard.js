/**
 * Copy, cut and paste through the browser's own events, so that it works between editors and with other programs. What
 * is copied is the JSON text of a document.
 *
 * @import {Context} from "../view.js"
 */

import * as model from "../../trajectory/model.js";
import { listen, take } from "../kit/dom.js";
import { importFiles, importText } from "./files.js";
import { applyAndSelectAdded, editableKeys, movedIds } from "../state/selection.js";

// Tells keys of objects from whole objects. Other programs see the text only, which is a trajectory either way.
const KEYS_TYPE = "application/x-smcd-keys";
const OFFSET = 10; // pixels that a copy is put beside its original

/**
 * Listen on the editor's element.
 *
 * @param {Context} context
 * @returns {() => void} ends it
 */
export function listenToClipboard(context) {
  const { editor, root } = context;
  const copy = (event) => {
    if (isTyping(event) || editor.problem || !editor.selected.size) return false;
    const keys = model.copyKeys(editor.trajectory, editor.selectedKeys);
    const copied = keys ?? model.copyTracks(editor.trajectory, orderedSelection(editor));
    event.clipboardData.setData("text/plain", model.serialiseTrajectory(copied));
    if (keys) event.clipboardData.setData(KEYS_TYPE, "1");
    take(event);
    return true;
  };
  return listen(root, {
    copy,
    cut(event) {
      if (!copy(event)) return;
      const keys = editableKeys(editor);
      if (keys.length) editor.apply("step.cut", (trajectory) => model.deleteKeys(trajectory, keys));
      else editor.apply("step.cut", (trajectory) => model.removeTracks(trajectory, editor.editable));
    },
    paste(event) {
      if (isTyping(event) || editor.problem) return;
      const { files } = event.clipboardData;
      const text = event.clipboardData.getData("text/plain");
      take(event);
      if (files.length) importFiles(context, [...files]);
      else if (text) pasteText(context, text, event.clipboardData.types.includes(KEYS_TYPE));
    },
  });
}

/** Copy or cut from a menu: focus, then let the browser fire its event. @param {Context} context */
export function copyByEvent({ root }, name) {
  root.focus({ preventScroll: true });
  document.execCommand(name); // deprecated, and the only way without asking for a permission
}

/** Paste from a menu. Browsers may not allow it; then it says which keys do. @param {Context} context */
export async function pasteFromClipboard(context) {
  let text;
  try {
    text = await navigator.clipboard.readText();
  } catch {
    context.editor.notify("info", context.t("clipboard.useKeys"));
    return;
  }
  if (text) pasteText(context, text, false);
}

/**
 * @param {Context} context
 * @param {string} text
 * @param {boolean} isKeys  whether it is of keys of objects, to be put into the selected ones
 */
function pasteText(context, text, isKeys) {
  const { editor } = context;
  if (!/^\s*\{/.test(text)) return importText(context, text, context.t("clipboard.name"));
  let copied;
  try {
    copied = model.parseTrajectory(text);
  } catch (error) {
    return editor.refuse(error);
  }
  if (isKeys && movedIds(editor).length) {
    const { frame } = editor;
    return editor.apply("step.paste", (trajectory) => model.pasteKeys(trajectory, copied, frame, movedIds(editor)));
  }
  const { width, height } = editor.trajectory;
  const by = hasSameBoxes(editor.trajectory, copied) ? OFFSET : 0;
  return applyAndSelectAdded(editor, "step.paste", (trajectory) =>
    model.pasteTracks(trajectory, copied, by / width, by / height),
  );
}

function orderedSelection(editor) {
  return editor.trajectory.objects.map(({ id }) => id).filter((id) => editor.selected.has(id));
}

function hasSameBoxes(trajectory, copied) {
  const taken = new Set(trajectory.objects.map(({ keys }) => JSON.stringify(keys)));
  return copied.objects.some(({ keys }) => taken.has(JSON.stringify(keys)));
}

/** Whether the event belongs to a text field, or to a selection of text. */
function isTyping({ target }) {
  return target instanceof Element && target.closest("input, textarea, .smcd-dialog") !== null;
}

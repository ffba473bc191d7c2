/**
 * Copy, cut and paste by the browser's clipboard events, so they work across editors and with other programs. The
 * clipboard holds the JSON text of a trajectory.
 *
 * @import {Context} from "../view.js"
 */

import * as model from "../../trajectory/model.js";
import { listen, take } from "../kit/dom.js";
import { applyAndSelectAdded, editableKeys, movedIds } from "../state/selection.js";
import { importFiles, importText } from "./files.js";

// Marks copied keys, as opposed to whole objects. Other programs only see the text, a trajectory in both cases.
const KEYS_TYPE = "application/x-smcd-keys";
const OFFSET = 10; // pixels between a copy and its original

/**
 * Listen to clipboard events of the editor.
 *
 * @param {Context} context
 * @returns {() => void} stops listening
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

/** Copy or cut from a menu: focus the editor and let the browser fire its event. @param {Context} context */
export function copyByEvent({ root }, name) {
  root.focus({ preventScroll: true });
  document.execCommand(name); // deprecated, but the only way without a permission
}

/** Paste from a menu. If the browser forbids it, tell the user which keys to press. @param {Context} context */
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
 * @param {boolean} isKeys  whether it holds keys, which are pasted into the selected objects
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
  for (const remark of model.shorterThan(editor.trajectory, copied)) editor.notify("info", remark);
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

/** Whether the event belongs to a text field or dialog. */
function isTyping({ target }) {
  return target instanceof Element && target.closest("input, textarea, .smcd-dialog") !== null;
}

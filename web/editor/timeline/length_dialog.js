/**
 * Changing the clip length, with a dialog that asks what should happen to the keys.
 *
 * @import {Context} from "../view.js"
 */

import { lastKeyFrame, withFrames } from "../../trajectory/model.js";
import { openDialog } from "../kit/dialogs.js";
import { h } from "../kit/dom.js";

/**
 * Change the length. Only ask if there are keys after the first frame.
 *
 * @param {Pick<Context, "editor" | "t" | "root">} context
 * @param {number} frames
 */
export async function changeLength({ editor, t, root }, frames) {
  const { trajectory } = editor;
  if (frames === trajectory.frames) return;
  const late = lastKeyFrame(trajectory);
  const isValid = Number.isInteger(frames) && frames > 0;
  const mode = isValid && late > 0 ? await askForMode({ t, root }, trajectory.frames, frames, late) : "keep";
  if (mode) editor.apply("step.length", (current) => withFrames(current, frames, /** @type {any} */ (mode)));
}

function askForMode({ t, root }, from, to, late) {
  const isShorter = to < from;
  const isPast = late >= to;
  const explained = (mode, text) => h("li", {}, h("strong", {}, t(`length.${mode}`)), " ", text);
  const body = h(
    "div",
    { class: "smcd-length" },
    h("p", {}, t("length.question", { from, count: to })),
    h(
      "ul",
      {},
      explained("keep", isPast ? t("length.keepNot", { late, last: to - 1 }) : t("length.keepText")),
      explained("stretch", t("length.stretchText")),
      isShorter ? explained("crop", t("length.cropText")) : null,
    ),
  );
  const actions = [
    { id: "cancel", label: t("dialog.cancel") },
    ...(isShorter ? [{ id: "crop", label: t("length.crop") }] : []),
    { id: "keep", label: t("length.keep"), isDisabled: isPast, isPrimary: !isPast },
    { id: "stretch", label: t("length.stretch"), isPrimary: isPast },
  ];
  return openDialog(root, { title: t("length.title"), body, actions }).then((answer) =>
    answer === "cancel" ? null : answer,
  );
}

/**
 * What a screen reader says of changes that are only drawn: the selection, the frame, and where the selected box is.
 * Messages and refusals are said by the status line.
 *
 * @import {Context, Part} from "../view.js"
 */

import * as model from "../../trajectory/model.js";
import { h, watch } from "../kit/dom.js";

const DELAY = 300; // milliseconds without changes, as a held key or a drag makes many

/**
 * @param {Context} context
 * @returns {Part}
 */
export function createAnnouncer({ editor, t }) {
  const element = h("div", { class: "smcd-spoken", "aria-live": "polite" });
  const isOther = watch();
  const isOtherSelection = watch();
  let before = boxNow(); // what is there at first is not news
  let timer = 0;
  isOther(editor.trajectory, editor.selected, editor.isCameraSelected, editor.frame);
  isOtherSelection(selectedNow());

  function boxNow() {
    const { frame, selected, trajectory } = editor;
    if (selected.size !== 1) return t("spoken.frame", { frame });
    const [x, y, right, bottom] = model.boxAt(model.trackOf(trajectory, [...selected][0]), frame, trajectory);
    const [across, down] = [trajectory.width, trajectory.height];
    const pixels = { x: x * across, y: y * down, width: (right - x) * across, height: (bottom - y) * down };
    const rounded = Object.entries(pixels).map(([name, value]) => [name, Math.round(value)]);
    return t("spoken.box", { frame, ...Object.fromEntries(rounded) });
  }

  function selectedNow() {
    return JSON.stringify([editor.isCameraSelected, ...editor.selected]);
  }

  function selection() {
    if (editor.isCameraSelected) return t("spoken.selected", { names: t("objects.camera") });
    const names = editor.trajectory.objects.flatMap(({ id, phrase }, n) =>
      editor.selected.has(id) ? [phrase.trim() || t("objects.unnamed", { number: n + 1 })] : [],
    );
    return names.length ? t("spoken.selected", { names: names.join(", ") }) : t("spoken.none");
  }

  function say() {
    const news = [];
    if (isOtherSelection(selectedNow())) news.push(selection());
    const box = boxNow();
    if (box !== before) news.push(box);
    before = box;
    if (news.length) element.textContent = news.join(". ");
  }

  return {
    element,
    render() {
      if (editor.isPlaying || !isOther(editor.trajectory, editor.selected, editor.isCameraSelected, editor.frame)) return;
      clearTimeout(timer);
      timer = setTimeout(say, DELAY);
    },
    destroy: () => clearTimeout(timer),
  };
}

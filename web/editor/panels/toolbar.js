/**
 * The toolbar: menus of all commands, and buttons for the most used ones.
 *
 * @import {Context, Part} from "../view.js"
 */

import { commandButton, nameButton } from "../actions/command_button.js";
import { canRun, commandOf } from "../actions/commands.js";
import { createMenu } from "../actions/menu.js";
import { h, watch } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { rove } from "../kit/roving.js";

export const MENUS = {
  edit: [
    ...["undo", "redo", null, "cut", "copy", "paste", "duplicate", "delete", null],
    ...["selectAll", "selectNone", "selectNext", "selectPrevious", "selectCamera"],
  ],
  object: [
    ...["addBox", "objectBox", "fitBox", "editPhrase", null, "toggleEnabled", "toggleLock", "toggleSolo", "raise", "lower", null],
    ...["align.left", "align.center", "align.right", "align.top", "align.middle", "align.bottom"],
    ...["distribute.x", "distribute.y", null, "motion", "simplify"],
  ],
  time: [
    ...["play", "record", "setting.loop", null, "previousFrame", "nextFrame", "previousKey", "nextKey", "firstFrame"],
    ...["lastFrame", null, "addKey", "selectKey", "selectKeys", "keysEarlier", "keysLater", "keysToPlayhead"],
    ...["keysStretch", "keysSqueeze", "keysReverse", "smooth", "toggleVisible", null],
    ...["workAreaStart", "workAreaEnd", "workAreaClear", "marker", "nameMarker", "markerEarlier", "markerLater", "previousMarker", "nextMarker", null],
    ...["ease.linear", "ease.in", "ease.out", "ease.in_out", "ease.hold"],
  ],
  view: [
    ...["zoomIn", "zoomOut", "zoomSelection", "zoomFit", null, "toggleGrid", "setting.snapToFrame", "setting.snapToBoxes"],
    ...["setting.keepAspect", "setting.wholePath", "setting.bendFree", "setting.addByTouch", null, "setting.animatic", "setting.onionSkin", "setting.paths", "setting.crop", null],
    ...["toggleResult", "fullScreen", "help"],
  ],
  file: [
    ...["run", null, "import", null, "export.json", "export.csv", "export.mot", "export.got10k", "export.bbox"],
    ...[null, "export.bboxAnimator", "export.trailblazer", "export.freetraj", "export.sgI2v", "export.wanMove"],
    ...[null, "export.card"],
  ],
};

/** Icons of the buttons to the left and right of the menus, by command. */
const LEFT = { undo: "undo", redo: "redo", addBox: "add" };
const RIGHT = { run: "run", toggleResult: "compare", zoomOut: "zoomOut", zoomFit: "fit", zoomIn: "zoomIn", fullScreen: "popOut", help: "help" };

/**
 * @param {Context} context
 * @returns {Part}
 */
export function createToolbar(context) {
  const { editor, t, view } = context;
  const buttons = new Map();

  function button([id, iconName]) {
    const element = commandButton(context, id, "smcd-tool", iconName);
    buttons.set(id, element);
    return element;
  }

  const progress = h("progress", { class: "smcd-run", max: "1", "aria-label": t("run.progress"), hidden: true });
  const menus = Object.entries(MENUS).map(([name, ids]) => createMenu(context, t(`menu.${name}`), ids));
  const element = h(
    "div",
    { class: "smcd-toolbar", role: "toolbar", "aria-label": t("toolbar.name") },
    h("div", { class: "smcd-tools" }, ...Object.entries(LEFT).map(button)),
    h("div", { class: "smcd-tools smcd-menus" }, ...menus.map((menu) => menu.element)),
    h("div", { class: "smcd-tools smcd-tools-end" }, progress, ...Object.entries(RIGHT).map(button)),
  );
  const stopRoving = rove(element, ".smcd-tool, .smcd-menu-button", element.querySelector(".smcd-menu-button"));
  const commands = [...buttons.keys()].map(commandOf);
  let isPoppedOut = false;
  const isOtherStep = watch();
  const isOtherState = watch();

  return {
    element,
    render() {
      const { run, result, isResultShown, onRun } = editor;
      const enabled = commands.map((command) => canRun(editor, command));
      if (isOtherStep(editor.undoLabel, editor.redoLabel)) {
        for (const id of ["undo", "redo"]) nameButton(buttons.get(id), id, commandOf(id).name(editor, t), t);
      }
      if (!isOtherState(run, result, isResultShown, onRun, view.isPoppedOut, ...enabled)) return; // as in each frame of a drag
      [...buttons.values()].forEach((control, n) => (control.disabled = !enabled[n]));
      progress.hidden = run === null;
      progress.value = run?.share ?? 0;
      buttons.get("run").hidden = !view.isPoppedOut || onRun === null; // the host's own is behind
      buttons.get("toggleResult").style.visibility = result === null ? "hidden" : ""; // nothing moves with the first result
      buttons.get("toggleResult").setAttribute("aria-pressed", String(isResultShown));
      if (isPoppedOut === view.isPoppedOut) return;
      isPoppedOut = view.isPoppedOut;
      buttons.get("fullScreen").replaceChildren(icon(isPoppedOut ? "popIn" : "popOut"));
      buttons.get("fullScreen").setAttribute("aria-pressed", String(isPoppedOut));
    },
    destroy() {
      stopRoving();
      for (const menu of menus) menu.destroy();
    },
  };
}

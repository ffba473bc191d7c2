/**
 * The one gate for keys that are pressed in the editor. Controls and parts come first, then commands. The host gets
 * only those of `OF_HOST`, as all others would act on the graph behind.
 *
 * @import {Context} from "../view.js"
 */

import { isComposed, listen, take } from "../kit/dom.js";
import { canRun, commandFor } from "./commands.js";
import { combinationOf, isMac, keyText } from "./keys.js";

// While Cmd is down a Mac does not report that another key is released.
const MODIFIERS = new Set(["Meta", "Control", "Shift"]);

/** What the host may have: queue, interrupt, save and settings. */
const QUEUES = ["Mod+Enter", "Mod+Shift+Enter"];
const OF_HOST = new Set([...QUEUES, "Mod+Alt+Enter", "Mod+S", "Mod+Shift+S", "Mod+,"]);
const OF_OBJECTS = new Set(["move", "object", "time"]); // groups of commands
const TYPED = "textarea, input:not([type=checkbox], [type=range], [type=color])";

/**
 * @param {Context} context
 * @returns {() => void} stops listening
 */
export function listenToKeys(context) {
  const { editor, t, root, view, onKey } = context;
  /** The held key of a repeating command; its repeats are one gesture. */
  let held = null;

  function finish() {
    held?.gesture.commit();
    held = null;
  }

  function press(command, event) {
    if (!canRun(editor, command)) return refuse(command);
    if (!event.repeat || held?.command !== command) {
      finish();
      if (editor.isInGesture) return; // of the pointer
      const change = command.step.start(editor);
      held = { command, key: event.key, times: 0, change, gesture: editor.begin(command.step.label) };
    }
    held.times += 1;
    held.gesture.preview(held.change(held.times));
  }

  /** Say why a key does nothing where that is not to be seen. @param {import("./commands.js").Command} command */
  function refuse({ group, isEnabled, refusal }) {
    if (refusal && !isEnabled(editor)) editor.notify("info", t(refusal), false, () => !isEnabled(editor));
    if (OF_OBJECTS.has(group) && editor.selected.size && !editor.editable.length) editor.notify("info", t("status.locked"));
  }

  /** Run a command, and say what a single key did, which may have been pressed by mistake. */
  function runBy(combination, command) {
    const { trajectory } = editor;
    const wasOn = command.isOn?.(editor, view);
    context.run(command.id);
    if (combination.includes("Mod+") || editor.notice?.kind === "error") return;
    const key = keyText(combination, isMac(), t);
    const isOn = command.isOn?.(editor, view);
    if (editor.trajectory !== trajectory) {
      editor.notify("info", t("status.done", { step: t(editor.undoLabel), key }), true);
    } else if (isOn !== wasOn) {
      const holds = () => command.isOn(editor, view) === isOn;
      editor.notify("info", t(isOn ? "status.on" : "status.off", { name: t(command.label), key }), false, holds);
    }
  }

  const endWindow = listen(window, { blur: finish });
  const endPointer = listen(root, { pointerdown: finish }, { capture: true });
  const endKeys = listen(root, {
    keydown(event) {
      const { target } = event;
      const combination = combinationOf(event);
      const isInDialog = target.closest(".smcd-backdrop") !== null;
      if (OF_HOST.has(combination) && !isInDialog) {
        // The host is about to queue or save what the field holds.
        if (target.matches(TYPED)) target.dispatchEvent(new window.Event("change"));
        if (QUEUES.includes(combination)) editor.set({ isQueued: true });
        return;
      }
      event.stopPropagation();
      onKey(event);
      if (event.defaultPrevented || isInDialog || isComposed(event)) return;
      if (isOfControl(target, combination)) {
        if (combination !== "Escape") return;
        root.focus({ preventScroll: true });
        take(event);
        return;
      }
      const command = commandFor(combination);
      if (!command || command.isNative) return;
      event.preventDefault();
      if (command.step) return press(command, event);
      finish();
      if (canRun(editor, command)) runBy(combination, command);
      else refuse(command);
    },
    keyup(event) {
      if (event.key === held?.key || MODIFIERS.has(event.key)) finish();
    },
    focusout: finish,
  });
  return () => [endWindow, endPointer, endKeys].forEach((end) => end());
}

/** Whether the focused control needs the key itself. */
function isOfControl(target, combination) {
  if (target.matches(TYPED)) return true;
  if (combination.startsWith("Mod+")) return false;
  if (target.matches("select")) return true;
  if (target.matches("input")) return combination !== "Escape";
  return target.matches("button, summary") && (combination === "Enter" || combination === "Space");
}

/**
 * The status line: whether a run waits or its video is old, the latest message, and a list of warnings that lead to their objects and frames.
 *
 * @import {Notice} from "../state/state.js"
 * @import {Finding} from "../../trajectory/checks.js"
 * @import {Context, Part} from "../view.js"
 */

import * as model from "../../trajectory/model.js";
import { h, listen, watch } from "../kit/dom.js";
import { icon } from "../kit/icons.js";

const DELAY = 250; // milliseconds without changes before the trajectory is checked

/**
 * @param {Context} context
 * @returns {Part}
 */
export function createStatus({ editor, t, run, root }) {
  const state = h("span", { class: "smcd-state", role: "status", "aria-live": "polite" });
  const message = h("span", { class: "smcd-notice", role: "status", "aria-live": "polite" });
  const clip = h("span", { class: "smcd-clip" });
  const count = h("span", {});
  const button = h(
    "button",
    { type: "button", class: "smcd-checks-button", "aria-label": t("checks.name"), "aria-expanded": "false" },
    icon("warning"),
    count,
  );
  const list = h("ul", { class: "smcd-checks", "aria-label": t("checks.name"), hidden: true });
  const undo = h("button", { type: "button", class: "smcd-undo", hidden: true, onclick: () => run("undo") });
  undo.textContent = t("command.undo");
  const element = h("div", { class: "smcd-status" }, state, message, undo, clip, button, list);
  button.addEventListener("click", () => toggle());
  let drawn = [];
  const isUnchecked = watch();
  let isResultOld = false;
  const isOtherClip = watch();
  const isOtherState = watch();
  let timer = 0;
  let warning = "";

  function toggle(isOpen = list.hidden) {
    list.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
  }

  const stopListening = listen(element, {
    keydown(event) {
      if (event.key !== "Escape" || list.hidden) return;
      event.preventDefault();
      toggle(false);
      button.focus();
    },
  });

  /** What holds at present, beside the message. */
  function stateNow() {
    const { waiting, isResultShown } = editor;
    if (!waiting) return isResultShown && isResultOld ? t("run.old") : "";
    return waiting.ahead ? t("run.ahead", { count: waiting.ahead }) : t("run.queued");
  }

  function showState() {
    const text = stateNow();
    if (isOtherState(text)) state.textContent = text;
  }

  /** The latest message; without one, the first warning, which a run would otherwise tell too late. */
  function showMessage() {
    const { notice } = editor;
    const found = editor.problem ? "" : warning; // of the trajectory from before
    const text = notice ? textOf(notice) : found;
    message.textContent = text;
    message.title = text;
    message.dataset.kind = notice?.kind ?? (found && "warning");
    undo.hidden = !notice?.isUndoable;
  }

  function check() {
    timer = 0;
    const findings = model.checkTrajectory(editor.trajectory, { ...editor.facts, picture: editor.background });
    const isGood = findings.length === 0;
    const summary = isGood ? t("checks.none") : t("checks.count", { count: findings.length });
    count.textContent = isGood ? summary : String(findings.length);
    button.setAttribute("aria-label", summary);
    button.title = summary;
    button.classList.toggle("smcd-is-good", isGood);
    button.replaceChild(icon(isGood ? "check" : "warning"), button.firstChild);
    button.disabled = isGood;
    warning = isGood ? "" : sentenceOf(findings[0]);
    showMessage();
    isResultOld = editor.isResultOld;
    showState();
    const hadFocus = list.contains(document.activeElement);
    list.replaceChildren(...findings.map(entry));
    if (isGood) toggle(false);
    if (hadFocus) (isGood ? root : list.querySelector("button"))?.focus({ preventScroll: true });
  }

  /** @param {Finding} finding */
  function sentenceOf({ key, values, id }) {
    const number = editor.trajectory.objects.findIndex((track) => track.id === id) + 1;
    const phrase = editor.trajectory.objects[number - 1]?.phrase.trim();
    // Named as in the list, because ids mean nothing to users.
    return t(key, { ...values, object: phrase || t("objects.unnamed", { number }) });
  }

  /** @param {Finding} finding */
  function entry(finding) {
    const { id, frames } = finding;
    const swatch = h("span", { class: "smcd-swatch" });
    if (id) swatch.style.background = model.trackOf(editor.trajectory, id).color;
    const goThere = () => {
      if (editor.trajectory.objects.some((track) => track.id === id)) editor.select([id]);
      if (frames) editor.seek(frames[0]);
    };
    return h("li", {}, h("button", { type: "button", onclick: goThere }, swatch, sentenceOf(finding)));
  }

  /** @param {Notice} notice */
  function textOf({ text }) {
    return typeof text === "string" ? text : t(text);
  }

  return {
    element,
    render() {
      if (editor.notice?.holds() === false) editor.set({ notice: null });
      const { trajectory, notice, problem, facts, background, result, isResultShown } = editor;
      if (notice !== drawn[0] || problem !== drawn[1]) showMessage();
      showState();
      const { width, height, frames, fps } = trajectory;
      if (isOtherClip(width, height, frames, fps)) clip.textContent = t("status.clip", { width, height, count: frames, fps });
      drawn = [notice, problem];
      if (!isUnchecked(trajectory, facts, background, result, isResultShown)) return;
      clearTimeout(timer);
      timer = setTimeout(check, DELAY);
    },
    destroy() {
      clearTimeout(timer);
      stopListening();
    },
  };
}

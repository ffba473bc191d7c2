/**
 * The names beside the rows of the timeline, which are the list of objects: whether it is in the video, color, phrase
 * and toggles of each, and one row for all of them.
 *
 * @import {Context, Part} from "../view.js"
 * @import {OpenGesture} from "../state/state.js"
 * @import {Track} from "../../trajectory/document.js"
 * @import {Layout} from "./layout.js"
 */

import * as model from "../../trajectory/model.js";
import { openContextMenu } from "../actions/context_menu.js";
import { h, isComposed, listen, take, watch } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { toggled, toggleVisible } from "../state/selection.js";
import { RULER } from "./layout.js";

/**
 * @param {Context} context
 * @returns {Part & {editPhrase: () => void, place: (layout: Layout) => void}} place: keeps the names at their rows
 */
export function createObjects(context) {
  const { editor, t, run } = context;
  const grid = { role: "grid", "aria-multiselectable": "true", "aria-label": t("objects.name") };
  const list = h("div", { class: "smcd-rows", ...grid });
  const camera = createCameraRow(context);
  const element = h("div", { class: "smcd-names" }, list);
  /** @type {Map<string, ReturnType<typeof createRow>>} */
  const rows = new Map();
  const isOther = watch();
  const isOtherList = watch();
  const isOtherPlace = watch();

  const ids = () => editor.trajectory.objects.map(({ id }) => id);

  /** Rows in list order: the camera, then the objects. */
  const elements = () => [camera.element, ...ids().map((id) => rows.get(id).element)];

  function focusRow(by, event) {
    const all = elements();
    const here = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.min(Math.max(here + by, 0), all.length - 1)];
    next.focus({ preventScroll: true });
    if (next === camera.element) editor.selectCamera();
    else editor.select([next.dataset.id], event.shiftKey ? "add" : "only");
  }

  /** Move the focus between a row and its controls. Returns whether there is one on that side. */
  function focusInRow(by) {
    const row = /** @type {HTMLElement} */ (document.activeElement.closest("[role=row]"));
    const stops = [row, .../** @type {NodeListOf<HTMLElement>} */ (row.querySelectorAll("input, button:not(:disabled)"))];
    const next = stops[stops.findIndex((stop) => stop === document.activeElement) + by];
    next?.focus({ preventScroll: true });
    return next !== undefined;
  }

  const stopListening = listen(list, {
    keydown(event) {
      const { target } = event;
      const along = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (along && !target.matches("[type=text]") && focusInRow(along)) return take(event);
      if (!target.matches("[role=row]")) return;
      const id = target.dataset.id;
      const actions = {
        ArrowUp: () => (event.altKey ? run("lower") : focusRow(-1, event)),
        ArrowDown: () => (event.altKey ? run("raise") : focusRow(1, event)),
        Enter: () => (id ? edit(id) : editor.selectCamera()),
        F2: () => id && edit(id),
        " ": () => (id ? editor.select([id], "toggle") : editor.selectCamera()),
      };
      const isModified = event.ctrlKey || event.metaKey;
      if (!Object.hasOwn(actions, event.key) || isModified) return;
      take(event);
      actions[event.key]();
    },
  });

  function edit(id) {
    rows.get(id)?.edit();
  }

  function render() {
    const { trajectory, selected, locked, solo, isCameraSelected, frame } = editor;
    if (!isOther(trajectory.objects, selected, locked, solo, isCameraSelected, frame)) return;
    if (isOtherList(trajectory.objects)) updateRows(trajectory.objects);
    const current = isCameraSelected ? null : ids().find((id) => selected.has(id)) ?? null;
    camera.update(isCameraSelected, current === null);
    trajectory.objects.forEach((track, n) => {
      const { id } = track;
      const state = { isSelected: selected.has(id), isLocked: locked.has(id), isSolo: solo.has(id) };
      const isVisible = model.visibleAt(track, frame);
      rows.get(id).update(track, n, { ...state, isVisible, isHere: id === current, isHidden: !editor.isShown(id) });
    });
  }

  function updateRows(objects) {
    const kept = new Set(objects.map(({ id }) => id));
    for (const [id, row] of rows) {
      if (kept.has(id)) continue;
      row.destroy();
      rows.delete(id);
    }
    for (const { id } of objects) if (!rows.has(id)) rows.set(id, createRow(context, id));
    const wanted = elements();
    wanted.forEach((row, n) => {
      if (list.children[n] !== row) list.insertBefore(row, list.children[n] ?? null);
    });
  }

  return {
    element,
    render,
    place({ label, row, scroll, bottom }) {
      if (!isOtherPlace(label, row, scroll, bottom)) return;
      Object.assign(element.style, { top: `${RULER}px`, width: `${label - 1}px`, height: `${bottom - RULER}px` });
      element.style.setProperty("--smcd-row", `${row}px`);
      list.style.transform = `translateY(${-scroll}px)`;
    },
    editPhrase() {
      const first = ids().find((id) => editor.selected.has(id));
      if (first) edit(first);
    },
    destroy() {
      stopListening();
      for (const row of rows.values()) row.destroy();
    },
  };
}

function createCameraRow({ editor, t }) {
  const mark = h("span", { class: "smcd-all-mark" }, icon("all"));
  const name = h("span", { role: "gridcell", class: "smcd-phrase" }, t("objects.camera"));
  const hint = t("objects.cameraHint");
  const element = h("div", { class: "smcd-row-item smcd-row-all", role: "row", title: hint }, mark, name);
  element.addEventListener("click", () => editor.selectCamera());
  return {
    element,
    update(isSelected, isHere) {
      element.setAttribute("aria-selected", String(isSelected));
      element.tabIndex = isHere ? 0 : -1;
    },
  };
}

/** The row of an object. Tab reaches the current row, and arrow keys its controls. */
function createRow(context, id) {
  const { editor, t } = context;
  let track = model.trackOf(editor.trajectory, id);
  const isOther = watch();
  const use = h("input", { type: "checkbox", class: "smcd-use" });
  const color = h("input", { type: "color", class: "smcd-color" });
  const phrase = h("span", { class: "smcd-phrase", dir: "auto" });
  const phraseCell = h("span", { role: "gridcell", class: "smcd-phrase-cell" }, phrase);
  const strength = h("span", { role: "gridcell", class: "smcd-strength", title: t("inspector.strength") });
  const toggles = {
    eye: toggle(() => toggleVisible(editor, [id])),
    lock: toggle(() => editor.set({ locked: toggled(editor.locked, [id]) })),
    solo: toggle(() => editor.set({ solo: toggled(editor.solo, [id]) })),
  };
  for (const control of [use, color, ...Object.values(toggles).map(({ button }) => button)]) control.tabIndex = -1;
  const element = h(
    "div",
    { class: "smcd-row-item", role: "row", "data-id": id, draggable: "true" },
    h("span", { role: "gridcell" }, use),
    h("span", { role: "gridcell" }, color),
    phraseCell,
    strength,
    ...Object.values(toggles).map(({ button }) => h("span", { role: "gridcell" }, button)),
  );

  const stopListening = listen(element, {
    click(event) {
      if (event.target.closest("button, input")) return;
      editor.select([id], event.shiftKey || event.ctrlKey || event.metaKey ? "toggle" : "only");
      element.focus();
    },
    dblclick: (event) => event.target.closest("button, input") || edit(),
    contextmenu(event) {
      if (event.target.closest("input")) return;
      take(event); // the host's menu is about the node, not about an object
      if (!editor.selected.has(id)) editor.select([id]);
      openContextMenu(context, "row", event);
    },
    dragstart(event) {
      if (event.target !== element) return event.preventDefault();
      if (!editor.selected.has(id)) editor.select([id]);
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("application/x-smcd-row", id);
      event.stopPropagation();
    },
    dragover(event) {
      if (!event.dataTransfer.types.includes("application/x-smcd-row")) return;
      take(event);
      element.dataset.drop = isLowerHalf(event, element) ? "after" : "before";
    },
    dragleave: () => delete element.dataset.drop,
    drop(event) {
      delete element.dataset.drop;
      if (!event.dataTransfer.types.includes("application/x-smcd-row")) return;
      take(event);
      const index = editor.trajectory.objects.findIndex((object) => object.id === id);
      const place = index + (isLowerHalf(event, element) ? 1 : 0);
      editor.apply("step.reorder", (trajectory) => model.reorderTracks(trajectory, editor.selected, place));
    },
  });
  use.addEventListener("change", () => {
    const { checked } = use;
    const step = checked ? "step.enable" : "step.disable";
    editor.apply(step, (trajectory) => model.setEnabled(trajectory, [id], checked));
  });
  color.addEventListener("change", () => {
    editor.apply("step.color", (trajectory) => model.setColor(trajectory, [id], color.value));
  });

  function toggle(onclick) {
    const button = h("button", { type: "button", class: "smcd-toggle", onclick });
    let shown = null;
    return {
      button,
      update(isOn, iconName, label) {
        button.setAttribute("aria-pressed", String(isOn));
        button.setAttribute("aria-label", label);
        button.title = label;
        if (shown !== iconName) button.replaceChildren(icon(iconName));
        shown = iconName;
      },
    };
  }

  /** Replace the phrase by a text field. */
  function edit() {
    const limit = { maxlength: model.LIMITS.phrase };
    const input = h("input", { type: "text", class: "smcd-phrase-input", dir: "auto", ...limit });
    input.value = track.phrase;
    input.setAttribute("aria-label", phrase.dataset.label);
    let isDone = false; // removing the field blurs it, which must not finish twice
    const finish = (isKept) => {
      if (isDone) return;
      isDone = true;
      const hadFocus = document.activeElement === input;
      if (isKept) open?.commit();
      else open?.cancel();
      phraseCell.replaceChildren(phrase);
      if (hadFocus) element.focus();
    };
    /** @type {OpenGesture | null} */
    let open = null;
    input.addEventListener("input", () => {
      open ??= editor.begin("step.phrase");
      open.preview((trajectory) => model.setPhrase(trajectory, id, input.value));
    });
    for (const name of ["blur", "change"]) input.addEventListener(name, () => finish(true));
    input.addEventListener("keydown", (event) => {
      if (isComposed(event) || event.ctrlKey || event.metaKey || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      finish(event.key === "Enter");
    });
    phraseCell.replaceChildren(input);
    input.select();
    input.focus();
  }

  return {
    element,
    edit,
    update(next, place, { isSelected, isLocked, isSolo, isVisible, isHere, isHidden }) {
      track = next;
      const { phrase: text, color: shade, strength: force, enabled } = next;
      // A drag changes only the keys of a track, many times a second.
      const flags = [isSelected, isLocked, isSolo, isVisible, isHere, isHidden];
      if (!isOther(text, shade, force, enabled, place, ...flags)) return;
      const name = track.phrase || t("objects.unnamed", { number: place + 1 });
      const classes = { "smcd-is-disabled": !track.enabled, "smcd-is-hidden": isHidden };
      for (const [className, isOn] of Object.entries(classes)) element.classList.toggle(className, isOn);
      element.setAttribute("aria-selected", String(isSelected));
      element.setAttribute("aria-label", name);
      element.tabIndex = isHere ? 0 : -1;
      if (phrase.textContent !== name) phrase.textContent = name;
      phrase.classList.toggle("smcd-is-unnamed", !track.phrase);
      phrase.title = name;
      phrase.dataset.label = t("objects.phraseOf", { number: place + 1 });
      use.checked = track.enabled;
      use.setAttribute("aria-label", t("objects.use", { name }));
      use.title = t("objects.use", { name });
      color.value = track.color;
      color.setAttribute("aria-label", t("objects.colorOf", { name }));
      strength.textContent = track.strength === 1 ? "" : `×${Math.round(track.strength * 100) / 100}`;
      toggles.eye.update(isVisible, isVisible ? "eye" : "eyeOff", t("objects.eye", { name }));
      toggles.eye.button.disabled = isLocked;
      toggles.lock.update(isLocked, isLocked ? "lock" : "unlock", t("objects.lock", { name }));
      toggles.solo.update(isSolo, "solo", t("objects.solo", { name }));
    },
    destroy() {
      stopListening();
      element.remove();
    },
  };
}

function isLowerHalf(event, element) {
  const { top, height } = element.getBoundingClientRect();
  return event.clientY > top + height / 2;
}

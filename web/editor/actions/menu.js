/**
 * A button that opens a menu of commands, following the ARIA menu button pattern.
 *
 * @import {Context} from "../view.js"
 */

import { h, listen } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { canRun, commandOf } from "./commands.js";
import { isMac, keyText } from "./keys.js";

/**
 * @param {Context} context
 * @param {string} label  shown on the button
 * @param {(string | null)[]} ids  commands; null for a separator
 * @returns {{element: HTMLElement, destroy: () => void}}
 */
export function createMenu(context, label, ids) {
  const { root } = context;
  const button = h("button", { type: "button", class: "smcd-menu-button", "aria-haspopup": "menu" }, label);
  const element = h("div", { class: "smcd-menu" }, button);
  let list = null;
  let stopListening = () => {};
  button.setAttribute("aria-expanded", "false");

  function open(place) {
    list = createList(context, label, ids, close);
    element.append(list);
    button.setAttribute("aria-expanded", "true");
    const pointerdown = (event) => element.contains(event.target) || close();
    stopListening = listen(root, { pointerdown }, { capture: true });
    keepInside(list, root);
    focusAt(place);
  }

  function close() {
    stopListening();
    list?.remove();
    list = null;
    button.setAttribute("aria-expanded", "false");
  }

  const focusAt = (n) => [...list.querySelectorAll("[role^=menuitem]")].at(n)?.focus({ preventScroll: true });

  button.addEventListener("click", () => (list ? close() : open(0)));
  element.addEventListener("focusout", ({ relatedTarget }) => {
    if (list && relatedTarget instanceof Node && !element.contains(relatedTarget)) close();
  });
  element.addEventListener("keydown", (event) => {
    const isArrow = event.key === "ArrowDown" || event.key === "ArrowUp";
    if (!list) {
      if (!isArrow || event.target !== button) return;
      open(event.key === "ArrowDown" ? 0 : -1);
      event.preventDefault();
    } else if (event.key === "Escape") {
      close();
      button.focus();
      event.preventDefault();
    } else if (event.key === "Tab") close();
    else if (event.key !== "Enter" && event.key !== " ") event.preventDefault();
  });

  return { element, destroy: close };
}

/**
 * A list of commands, in which arrow keys move the focus.
 *
 * @param {Context} context
 * @param {string} label
 * @param {(string | null)[]} ids  commands; null for a separator
 * @param {() => void} close  called before a command runs
 * @returns {HTMLElement}
 */
export function createList(context, label, ids, close) {
  const { editor, root } = context;
  const list = h("div", { class: "smcd-menu-list", role: "menu", "aria-label": label }, ...ids.map(entry));

  function entry(id) {
    if (id === null) return h("hr", {});
    const command = commandOf(id);
    const { label: key, name = () => context.t(key), keys, isOn } = command;
    const isEnabled = canRun(editor, command);
    const role = isOn ? "menuitemcheckbox" : "menuitem";
    const checked = isOn ? String(isOn(editor, context.view)) : null;
    const attributes = { type: "button", role, tabindex: "-1", "aria-checked": checked, "data-command": id };
    const choose = () => {
      close();
      root.focus({ preventScroll: true });
      context.run(id);
    };
    return h(
      "button",
      { ...attributes, "aria-disabled": isEnabled ? null : "true", onclick: () => isEnabled && choose() },
      h("span", { class: "smcd-menu-check" }, checked === "true" ? icon("check") : null),
      h("span", { class: "smcd-menu-label" }, name(editor, context.t)),
      h("kbd", {}, keys.length ? keyText(keys[0], isMac(), context.t) : ""),
    );
  }

  list.addEventListener("keydown", (event) => {
    const all = [...list.querySelectorAll("[role^=menuitem]")];
    const here = all.indexOf(document.activeElement);
    const next = { ArrowDown: (here + 1) % all.length, ArrowUp: here - 1, Home: 0, End: -1 }[event.key];
    if (next === undefined) return;
    all.at(next).focus({ preventScroll: true });
    event.preventDefault();
  });
  return list;
}

/** Shift a list that would overflow the editor on the right, and let it scroll if it would overflow below. */
function keepInside(list, root) {
  const scale = root.getBoundingClientRect().width / root.offsetWidth || 1;
  const [outer, inner] = [root.getBoundingClientRect(), list.getBoundingClientRect()];
  const over = (inner.right - outer.right) / scale + 4;
  if (over > 0) list.style.marginLeft = `${-over}px`;
  list.style.maxHeight = `${(outer.bottom - inner.top) / scale - 4}px`;
}

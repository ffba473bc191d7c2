/** Rings around what has the focus: only while the keyboard is used. */

import { listen } from "./dom.js";

const BY_POINTER = "smcd-by-pointer";
const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta"]);

/**
 * Mark an element while a pointer moves the focus in it, for the style sheet. Browsers ring a canvas that is focused by
 * a script even after a click.
 *
 * @param {HTMLElement} root
 * @returns {() => void} ends this
 */
export function ringForKeyboard(root) {
  const mark = (isByPointer) => root.classList.toggle(BY_POINTER, isByPointer);
  const keydown = ({ key, target }) => {
    if (key === "Tab" || !(MODIFIERS.has(key) || target === root || target.matches("canvas"))) mark(false);
  };
  return listen(root, { pointerdown: () => mark(true), keydown }, { capture: true });
}

/**
 * Full screen: the editor moves to the body, because a transform of the host would contain even fixed elements. A
 * placeholder stays behind.
 */

import { h, listen } from "./kit/dom.js";

/**
 * @param {HTMLElement} root
 * @param {(key: string) => string} t
 * @param {(event: KeyboardEvent) => void} onKey
 * @param {() => void} changed  called after a change
 * @returns {{element: HTMLElement, isOut: () => boolean, set: (isPoppedOut: boolean) => void, destroy: () => void}}
 *   element: for the host
 */
export function createPopOut(root, t, onKey, changed) {
  const element = h("div", { class: "smcd-host" }, root);
  const back = h("button", { type: "button", onclick: () => set(false) }, t("popOut.back"));
  const standIn = h("div", { class: "smcd-stand-in" }, h("p", {}, t("popOut.away")), back);
  const overlay = h("div", { class: "smcd-overlay" });
  let stopListening = () => {};
  let isOut = false;

  function set(isPoppedOut) {
    if (isPoppedOut === isOut) return;
    isOut = isPoppedOut;
    if (isOut) {
      element.replaceChildren(standIn);
      overlay.append(root);
      document.body.append(overlay);
      stopListening = listen(document, { keydown });
    } else {
      stopListening();
      element.replaceChildren(root);
      overlay.remove();
    }
    changed();
    root.focus({ preventScroll: true });
  }

  /** Handle keys that reach the body, as nobody can see what they would do to the page behind. */
  function keydown(event) {
    if (event.target !== document.body) return;
    root.focus({ preventScroll: true });
    // The browser keeps its own keys, such as F5.
    if (!root.dispatchEvent(new KeyboardEvent("keydown", event))) event.preventDefault();
    event.stopPropagation();
    onKey(event);
  }

  return {
    element,
    isOut: () => isOut,
    set,
    destroy() {
      stopListening();
      overlay.remove();
      element.remove();
    },
  };
}

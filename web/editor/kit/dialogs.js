/**
 * Dialogs inside the editor. They cover only the editor, also in full screen.
 *
 * @typedef {{id: string, label: string, isPrimary?: boolean, isDisabled?: boolean}} Action
 */

import { h } from "./dom.js";

/** What closes the dialogs of an editor. @type {WeakMap<Element, Set<() => void>>} */
const openOnes = new WeakMap();

const FOCUSABLE = "button:not([disabled]), input:not([disabled]), select, textarea, [tabindex='0']";

/**
 * Open a dialog. Enter chooses the primary action if all fields are valid; Escape or a click outside cancels.
 *
 *     const actions = [{ id: "keep", label: t("length.keep"), isPrimary: true }];
 *     const answer = await openDialog(root, { title: t("length.title"), body: field, actions });
 *
 * @param {HTMLElement} root  the editor's element, or any element in it
 * @param {{title: string, body: Node | string, actions: Action[]}} content
 * @returns {Promise<string | null>}  id of the action, or null; the fields keep their values
 */
export function openDialog(root, { title, body, actions }) {
  const editor = /** @type {HTMLElement} */ (root.closest(".smcd-editor") ?? root);
  const focusedBefore = document.activeElement;
  return new Promise((resolve) => {
    const own = openOnes.get(editor) ?? new Set();
    openOnes.set(editor, own);
    const dismiss = () => close(null);
    own.add(dismiss);
    const close = (answer) => {
      own.delete(dismiss);
      backdrop.remove();
      const hasFocus = focusedBefore instanceof HTMLElement && editor.contains(focusedBefore);
      (hasFocus ? focusedBefore : editor).focus({ preventScroll: true });
      resolve(answer);
    };
    const button = ({ id, label, isPrimary = false, isDisabled = false }) => {
      const attributes = { disabled: isDisabled, "data-action": id };
      if (isPrimary) return h("button", { type: "submit", class: "smcd-primary", ...attributes }, label);
      return h("button", { type: "button", onclick: () => close(id), ...attributes }, label);
    };
    const form = h(
      "form",
      { class: "smcd-dialog-form" },
      h("h2", {}, title),
      h("div", { class: "smcd-dialog-body" }, body),
      h("div", { class: "smcd-dialog-actions" }, ...actions.map(button)),
    );
    const attributes = { class: "smcd-dialog", role: "dialog", "aria-modal": "true", "aria-label": title };
    const dialog = h("div", { ...attributes, tabindex: "-1" }, form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      close(actions.find(({ isPrimary }) => isPrimary)?.id ?? null);
    });
    const backdrop = h("div", { class: "smcd-backdrop" }, dialog);
    backdrop.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      if (event.target !== backdrop) return;
      event.preventDefault(); // or the page would take the restored focus
      close(null);
    });
    backdrop.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.preventDefault();
        close(null);
      } else if (event.key === "Tab") {
        keepFocusInside(event, dialog);
      }
    });
    editor.append(backdrop);
    const [first] = dialog.querySelectorAll(`.smcd-dialog-body :is(${FOCUSABLE})`);
    (first ?? dialog.querySelector(".smcd-primary") ?? dialog).focus({ preventScroll: true });
  });
}

/** Dismiss the dialogs of an editor that goes away. @param {HTMLElement} editor */
export function closeDialogs(editor) {
  for (const dismiss of openOnes.get(editor) ?? []) dismiss();
}

function keepFocusInside(event, dialog) {
  const all = [...dialog.querySelectorAll(FOCUSABLE)].filter((element) => element.tabIndex >= 0);
  const [first, last] = [all[0], all.at(-1)];
  const isAtEnd = document.activeElement === (event.shiftKey ? first : last) || document.activeElement === dialog;
  if (!isAtEnd) return;
  event.preventDefault();
  (event.shiftKey ? last : first)?.focus();
}

/**
 * Menus at the pointer, about what is under it.
 *
 * @import {Context} from "../view.js"
 */

import { h, listen } from "../kit/dom.js";
import { createList } from "./menu.js";

const EASES = ["ease.linear", "ease.in", "ease.out", "ease.in_out", "ease.hold"];

/** Commands by what they are about; null for a separator. @type {Record<string, (string | null)[]>} */
export const CONTEXT_MENUS = {
  box: [
    ...["editPhrase", "motion", "fitBox", null, "addKey", "toggleVisible", null, "copy", "duplicate", "delete", null],
    ...["toggleEnabled", "toggleLock", "toggleSolo", "raise", "lower"],
  ],
  key: [
    ...[...EASES, null, "keysToPlayhead", "keysEarlier", "keysLater", "keysStretch", "keysSqueeze", "keysReverse"],
    ...[null, "copy", "delete"],
  ],
  segment: [...EASES, null, "addKey", "toggleVisible"],
  row: [
    ...["editPhrase", "toggleEnabled", "toggleLock", "toggleSolo", null, "selectKeys", "simplify", null],
    ...["duplicate", "delete", "raise", "lower"],
  ],
  stage: [
    ...["addBox", "objectBox", "paste", "selectAll", null, "setting.animatic", "setting.onionSkin", "setting.paths", "toggleGrid"],
    ...[null, "zoomFit", "fullScreen", "import"],
  ],
  ruler: ["workAreaStart", "workAreaEnd", "workAreaClear", null, "marker", "nameMarker", "markerEarlier", "markerLater", "previousMarker", "nextMarker"],
  time: ["play", "record", "setting.loop", null, "firstFrame", "lastFrame", null, "addKey", "selectKeys", "paste"],
};

/** What closes the open menu of an editor. @type {WeakMap<Element, () => void>} */
const closeOpen = new WeakMap();

/**
 * @param {Context} context
 * @param {keyof typeof CONTEXT_MENUS} name
 * @param {{clientX: number, clientY: number}} place  a corner of the menu
 */
export function openContextMenu(context, name, { clientX, clientY }) {
  const { root } = context;
  closeOpen.get(root)?.();
  const focused = document.activeElement;
  const list = createList(context, context.t(`context.${name}`), CONTEXT_MENUS[name], close);
  const element = h("div", { class: "smcd-context-menu", "data-menu": name }, list);
  const giveBack = () => focused instanceof HTMLElement && root.contains(focused) && focused.focus({ preventScroll: true });
  const isOutside = (target) => !(target instanceof Node && element.contains(target));
  const endings = [
    listen(root, { pointerdown: ({ target }) => isOutside(target) && close() }, { capture: true }),
    listen(element, {
      contextmenu: (event) => event.preventDefault(),
      focusout: ({ relatedTarget }) => relatedTarget && isOutside(relatedTarget) && close(),
      keydown(event) {
        if (event.key !== "Escape" && event.key !== "Tab") return;
        event.preventDefault();
        close();
        giveBack();
      },
    }),
  ];

  function close() {
    for (const end of endings) end();
    element.remove();
    closeOpen.delete(root);
  }

  closeOpen.set(root, close);
  root.append(element);
  const outer = root.getBoundingClientRect();
  const scale = outer.width / root.offsetWidth || 1;
  const fit = (at, side, room) => Math.max(Math.min(at, room - side - 4), 4);
  list.style.maxHeight = `${root.clientHeight - 8}px`;
  element.style.left = `${fit((clientX - outer.left) / scale, list.offsetWidth, root.clientWidth)}px`;
  element.style.top = `${fit((clientY - outer.top) / scale, list.offsetHeight, root.clientHeight)}px`;
  list.querySelector("button")?.focus({ preventScroll: true });
}

/** Whether a contextmenu event is about a place, not about what has the focus. @param {PointerEvent} event */
export function isAtPointer({ button, pointerType }) {
  return button === 2 || pointerType === "touch" || pointerType === "pen";
}

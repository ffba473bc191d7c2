/** One Tab stop for a row of buttons, in which arrow keys, Home and End move the focus: the ARIA toolbar pattern. */

import { listen, take } from "./dom.js";

/**
 * @param {HTMLElement} element
 * @param {string} selector  of the buttons
 * @param {HTMLElement} home  the one that Tab reaches, which is always enabled and shown
 * @returns {() => void} stops listening
 */
export function rove(element, selector, home) {
  const all = () => /** @type {HTMLButtonElement[]} */ ([...element.querySelectorAll(selector)]);
  const makeStop = (stop) => {
    for (const button of all()) button.tabIndex = button === stop ? 0 : -1;
  };
  makeStop(home);
  return listen(element, {
    focusin: ({ target }) => target.matches(selector) && makeStop(target),
    focusout({ relatedTarget }) {
      if (!(relatedTarget instanceof Node && element.contains(relatedTarget))) makeStop(home);
    },
    keydown(event) {
      const { target, key } = event;
      if (event.defaultPrevented || !target.matches(selector) || event.ctrlKey || event.metaKey || event.altKey) return;
      const usable = all().filter((button) => !button.disabled && button.offsetWidth > 0);
      const here = usable.indexOf(target);
      const last = usable.length - 1;
      const next = { ArrowRight: here === last ? 0 : here + 1, ArrowLeft: here - 1, Home: 0, End: last }[key];
      if (next === undefined) return;
      take(event);
      usable.at(next)?.focus({ preventScroll: true });
    },
  });
}

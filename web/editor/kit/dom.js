/** Building elements. Text from documents is only ever set as text, never as markup. */

/**
 * An element with properties, `data-*` and `aria-*` attributes, listeners and children.
 *
 *     h("button", { type: "button", class: "tool", "aria-label": t("command.undo"), onclick: undo }, "↶")
 *
 * @param {string} tag
 * @param {Record<string, any>} [attributes]  on*: a listener; undefined, null and false leave it out
 * @param {...(Node | string | null)} children  strings become text
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * Listen, to be ended together with everything else of a part.
 *
 * @param {EventTarget} target
 * @param {Record<string, (event: any) => void>} handlers  by event name
 * @param {AddEventListenerOptions} [options]
 * @returns {() => void} ends it
 */
export function listen(target, handlers, options) {
  const ending = new AbortController();
  for (const [name, handler] of Object.entries(handlers)) {
    target.addEventListener(name, handler, { ...options, signal: ending.signal });
  }
  return () => ending.abort();
}

/** Keep an event from the browser and from the host. @param {Event} event */
export function take(event) {
  event.preventDefault();
  event.stopPropagation();
}

/**
 * Tell whether any of some values is another than the time before; the first time it is so.
 *
 * @returns {(...values: any[]) => boolean}
 */
export function watch() {
  /** @type {any[] | null} */
  let before = null;
  return (...values) => {
    const isSame = before !== null && values.every((value, n) => value === before[n]);
    before = values;
    return !isSame;
  };
}

/**
 * Be told when an element gets another size, or the screen other pixels.
 *
 * @param {Element} element
 * @param {() => void} changed
 * @returns {() => void} ends it
 */
export function followSize(element, changed) {
  const observer = new ResizeObserver(() => changed());
  observer.observe(element);
  let stop = () => {};
  const followPixels = () => {
    stop();
    const change = () => {
      followPixels();
      changed();
    };
    stop = listen(matchMedia(`(resolution: ${devicePixelRatio}dppx)`), { change });
  };
  followPixels();
  return () => {
    observer.disconnect();
    stop();
  };
}

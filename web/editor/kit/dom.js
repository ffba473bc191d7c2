/** DOM helpers. Text is always set as text, never as markup. */

/**
 * Create an element with attributes, listeners and children.
 *
 *     h("button", { type: "button", class: "tool", "aria-label": t("command.undo"), onclick: undo }, "↶")
 *
 * @param {string} tag
 * @param {Record<string, any>} [attributes]  on*: a listener; undefined, null and false are skipped
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
 * Set the text of an element if it has another one, as each change makes the browser lay out again.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Add event listeners that are removed together.
 *
 * @param {EventTarget} target
 * @param {Record<string, (event: any) => void>} handlers  by event name
 * @param {AddEventListenerOptions} [options]
 * @returns {() => void} removes them
 */
export function listen(target, handlers, options) {
  const ending = new AbortController();
  for (const [name, handler] of Object.entries(handlers)) {
    target.addEventListener(name, handler, { ...options, signal: ending.signal });
  }
  return () => ending.abort();
}

/** Prevent the default action, and keep the event from the host. @param {Event} event */
export function take(event) {
  event.preventDefault();
  event.stopPropagation();
}

/**
 * Whether a key belongs to an input method. Safari sends the Enter that ends a composition after its end, marked only
 * by the key code.
 *
 * @param {KeyboardEvent} event
 */
export function isComposed(event) {
  return event.isComposing || event.keyCode === 229;
}

/**
 * Create a test whether any of its values has changed since the last call. True on the first call.
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

const MAX_ZOOM = 4; // a canvas of more pixels is slow

/**
 * Match a canvas to the pixels of the screen under it, which are more if the host shows it enlarged. Only then it is
 * cleared.
 *
 * @param {HTMLCanvasElement} canvas
 * @returns {boolean} whether it was cleared
 */
export function sharpen(canvas) {
  const { clientWidth, clientHeight, offsetWidth } = canvas;
  if (!clientWidth || !clientHeight) return false; // hidden
  const zoom = canvas.getBoundingClientRect().width / offsetWidth;
  const scale = devicePixelRatio * Math.min(Math.max(zoom, 1), MAX_ZOOM);
  const [width, height] = [Math.round(clientWidth * scale), Math.round(clientHeight * scale)];
  if (canvas.width === width && canvas.height === height) return false;
  [canvas.width, canvas.height] = [width, height];
  return true;
}

/**
 * Watch the size of an element and the device pixel ratio.
 *
 * @param {Element} element
 * @param {() => void} changed
 * @returns {() => void} removes them
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

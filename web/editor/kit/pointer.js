/**
 * Pointer positions on an element, and gestures that follow a pointer. A gesture is anything with `move`, `end` and
 * `cancel`.
 *
 * @typedef {{px: number, py: number, shift: boolean, alt: boolean, ctrl: boolean, isTouch: boolean}} Where  a pointer
 *   in CSS pixels of the element; ctrl: Ctrl or Cmd
 * @typedef {{move: (where: Where) => void, end: (where: Where) => void, cancel: () => void}} Followed
 */

import { listen, take } from "./dom.js";

/** Keys that modify a gesture. */
const MODIFIERS = new Set(["Shift", "Alt", "Control", "Meta"]);
const DRAG = { mouse: 3, touch: 8 }; // CSS pixels before a click becomes a drag

/**
 * The position of a pointer in the element's own CSS pixels, as the host may scale it by a transform.
 *
 * @param {{clientX: number, clientY: number}} event
 * @param {HTMLElement} element  without a border
 * @returns {[number, number]}
 */
function pointerPosition({ clientX, clientY }, element) {
  const rect = element.getBoundingClientRect();
  const scaleX = rect.width / element.offsetWidth || 1;
  const scaleY = rect.height / element.offsetHeight || 1;
  return [(clientX - rect.left) / scaleX, (clientY - rect.top) / scaleY];
}

/**
 * @param {PointerEvent | WheelEvent} event
 * @param {HTMLElement} element
 * @returns {Where}
 */
export function whereOf(event, element) {
  const [px, py] = pointerPosition(event, element);
  const isTouch = "pointerType" in event && event.pointerType === "touch";
  return { px, py, shift: event.shiftKey, alt: event.altKey, ctrl: event.ctrlKey || event.metaKey, isTouch };
}

/** A test whether the pointer has ever moved further than a click. @param {Where} press */
export function isDrag(press) {
  const least = press.isTouch ? DRAG.touch : DRAG.mouse;
  let isDragged = false;
  /** @param {Where} where */
  return ({ px, py }) => (isDragged ||= Math.hypot(px - press.px, py - press.py) >= least);
}

/**
 * Follow the pointers on an element. One pointer makes a gesture, a second finger turns it into a pinch. Escape, a lost
 * pointer and `cancel` cancel the gesture, another window ends it. Changes of modifier keys apply at once. The element
 * gets the focus; from a finger once its press is a tap or a drag, not the beginning of a pinch.
 *
 * @param {HTMLElement} element  with `touch-action: none`
 * @param {{press: (where: Where, button: number) => Followed, pinch?: (points: [Where, Where]) => {
 *   move: (points: [Where, Where]) => void}, hover?: (where: Where | null) => void, done?: () => void}} handlers
 *   press, pinch: start a gesture; hover: gets null when the pointer leaves; done: called after every gesture
 * @returns {{isActive: () => boolean, cancel: () => void, destroy: () => void}}
 */
export function followPointers(element, { press, pinch, hover = () => {}, done = () => {} }) {
  /** @type {Map<number, Where>} pointers that are down, by id */
  const down = new Map();
  /** @type {Followed | null} */
  let gesture = null;
  let pinched = null;
  let follower = -1; // the id of the pointer that the gesture follows
  let endKeys = () => {};
  /** @type {(where: Where) => boolean} */
  let isDragged = () => false;
  const takeFocus = () => element.focus({ preventScroll: true });

  const stop = () => {
    const stopped = gesture;
    gesture = null;
    endKeys();
    return stopped;
  };
  const cancel = () => {
    const stopped = stop();
    if (!stopped) return;
    stopped.cancel();
    done();
  };
  const changeModifiers = (event) => {
    if (!gesture || !MODIFIERS.has(event.key)) return;
    const last = down.get(follower);
    const where = { ...last, shift: event.shiftKey, alt: event.altKey, ctrl: event.ctrlKey || event.metaKey };
    down.set(follower, where);
    gesture.move(where);
    event.preventDefault(); // Alt would open the browser's menu
  };
  const keyDown = (event) => {
    if (event.key !== "Escape") return changeModifiers(event);
    take(event);
    cancel();
  };

  const windowLeft = (event) => {
    if (event.target !== window || !gesture) return; // the focus moved inside the page
    stop().end(down.get(follower)); // the release may go to another window
    done();
  };

  const pointerDown = (event) => {
    if (event.button === 2) return;
    if (event.button === 1) event.preventDefault(); // no automatic scrolling
    const where = whereOf(event, element);
    if (!where.isTouch) takeFocus();
    if (event.pointerType !== "touch" && gesture) return; // a second button
    element.setPointerCapture(event.pointerId);
    down.set(event.pointerId, where);
    if (down.size === 2 && pinch) {
      cancel();
      pinched = pinch(/** @type {[Where, Where]} */ ([...down.values()]));
    } else if (down.size === 1) {
      follower = event.pointerId;
      isDragged = isDrag(where);
      gesture = press(where, event.button);
      endKeys();
      const onWindow = { keydown: keyDown, keyup: changeModifiers, blur: windowLeft };
      endKeys = listen(window, onWindow, { capture: true });
    }
  };
  const pointerMove = (event) => {
    const where = whereOf(event, element);
    if (down.has(event.pointerId)) down.set(event.pointerId, where);
    if (pinched) {
      if (down.size === 2) pinched.move([...down.values()]);
    } else if (gesture && event.pointerId === follower) {
      if (where.isTouch && isDragged(where)) takeFocus();
      gesture.move(where);
    } else if (!down.size) hover(where);
  };
  const pointerUp = (event) => {
    down.delete(event.pointerId);
    if (!down.size) pinched = null;
    if (event.pointerId !== follower || !gesture) return;
    if (event.pointerType === "touch") takeFocus();
    stop().end(whereOf(event, element));
    done();
    if (event.pointerType !== "touch") hover(whereOf(event, element));
  };
  const pointerLost = (event) => {
    if (!down.delete(event.pointerId)) return;
    if (!down.size) pinched = null;
    if (event.pointerId === follower) cancel();
  };
  const endListening = listen(element, {
    pointerdown: pointerDown,
    pointermove: pointerMove,
    pointerup: pointerUp,
    pointercancel: pointerLost,
    lostpointercapture: pointerLost,
    pointerleave: () => down.size || hover(null),
  });
  return {
    isActive: () => gesture !== null || pinched !== null,
    cancel,
    destroy() {
      cancel();
      endListening();
    },
  };
}

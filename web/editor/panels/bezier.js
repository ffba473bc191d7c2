/**
 * The easing curve editor: two points that can be dragged or moved with arrow keys. Time runs right, progress up.
 *
 * @import {Ease} from "../../trajectory/document.js"
 */

import { easeAt, easeCurve, LIMITS } from "../../trajectory/model.js";
import { listen, take } from "../kit/dom.js";

const SVG = "http://www.w3.org/2000/svg";
const SIDE = 100; // of the unit square, in SVG units
const ROOM = 40; // above and below the square, for overshoot
const [LOW, HIGH] = LIMITS.ease_y;
const STEP = 0.02;
const SAMPLES = 48;

/**
 * @param {(key: string, values?: object) => string} t
 * @param {() => {preview: (ease: Ease) => void, commit: () => void, cancel: () => void}} begin  a gesture
 * @returns {{element: SVGElement, show: (ease: Ease | null) => void, destroy: () => void}}
 */
export function createBezier(t, begin) {
  const element = make("svg", {
    class: "smcd-bezier",
    viewBox: `-8 ${-ROOM} ${SIDE + 16} ${SIDE + 2 * ROOM}`,
    role: "group",
    "aria-label": t("bezier.name"),
  });
  const frame = make("rect", { x: 0, y: 0, width: SIDE, height: SIDE, class: "smcd-bezier-frame" });
  const path = make("path", { class: "smcd-bezier-curve" });
  const arms = [make("line", { class: "smcd-bezier-arm" }), make("line", { class: "smcd-bezier-arm" })];
  const points = [0, 1].map((n) =>
    make("circle", { r: 6, class: "smcd-bezier-point", role: "slider", tabindex: "0", "data-point": n }),
  );
  element.append(frame, ...arms, path, ...points);
  /** @type {Ease | null} */
  let shown = null;
  /** @type {[number, number, number, number]} */
  let curve = [1 / 3, 1 / 3, 2 / 3, 2 / 3]; // linear
  let dragged = null;
  let gesture = null;

  function draw() {
    const [x1, y1, x2, y2] = curve.map((v, n) => (n % 2 ? (1 - v) * SIDE : v * SIDE));
    const isHold = shown === "hold";
    const samples = Array.from({ length: SAMPLES + 1 }, (_, n) => n / SAMPLES);
    const way = samples.map((time) => `${time * SIDE},${(1 - easeAt(shown ?? "linear", time)) * SIDE}`).join("L");
    path.setAttribute("d", isHold ? `M0,${SIDE}H${SIDE}V0` : `M${way}`);
    [[x1, y1], [x2, y2]].forEach(([x, y], n) => {
      const seen = Math.min(Math.max(y, 4 - ROOM), SIDE + ROOM - 4);
      set(points[n], { cx: x, cy: seen });
      set(arms[n], { x1: n * SIDE, y1: (1 - n) * SIDE, x2: x, y2: seen });
      const [time, progress] = [curve[2 * n], curve[2 * n + 1]].map((v) => v.toFixed(2));
      const values = { number: n + 1, time, progress };
      set(points[n], { "aria-label": t("bezier.point", { number: n + 1 }) });
      set(points[n], { "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": time });
      set(points[n], { "aria-valuetext": t("bezier.value", values) });
    });
  }

  function moved(n, x, y) {
    /** @type {typeof curve} */
    const next = [...curve];
    next[2 * n] = tidy(Math.min(Math.max(x, 0), 1));
    next[2 * n + 1] = tidy(Math.min(Math.max(y, LOW), HIGH));
    return next;
  }

  const stopListening = listen(element, {
    pointerdown(event) {
      const n = points.indexOf(event.target);
      if (n < 0 || event.button !== 0) return;
      event.stopPropagation();
      points[n].focus({ preventScroll: true });
      points[n].setPointerCapture(event.pointerId);
      dragged = n;
      gesture = begin();
    },
    pointermove(event) {
      if (dragged === null) return;
      const { left, top, width, height } = frame.getBoundingClientRect();
      gesture.preview(moved(dragged, (event.clientX - left) / width, 1 - (event.clientY - top) / height));
    },
    pointerup() {
      if (dragged === null) return;
      dragged = null;
      gesture.commit();
    },
    lostpointercapture: give,
    pointercancel: give,
    keydown(event) {
      const n = points.indexOf(event.target);
      if (event.key === "Escape" && dragged !== null) {
        event.stopPropagation();
        return give();
      }
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (n < 0 || !way || event.ctrlKey || event.metaKey || event.altKey) return undefined;
      take(event);
      const step = event.shiftKey ? 5 * STEP : STEP;
      const whole = begin();
      whole.preview(moved(n, curve[2 * n] + way[0] * step, curve[2 * n + 1] + way[1] * step));
      return whole.commit();
    },
  });

  function give() {
    if (dragged === null) return;
    dragged = null;
    gesture.cancel();
  }

  return {
    element,
    show(ease) {
      if (ease === shown || (Array.isArray(ease) && `${ease}` === `${shown}`)) return;
      shown = ease;
      if (ease !== null) curve = easeCurve(ease) ?? [1 / 3, 1 / 3, 2 / 3, 2 / 3];
      draw();
    },
    destroy: stopListening,
  };
}

function tidy(v) {
  return Math.round(v * 1000) / 1000;
}

function make(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  set(element, attributes);
  return element;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
}

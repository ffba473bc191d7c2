/**
 * The path of the selection: smooth or a corner at the playhead, the places of its handles, and a graph of the speed.
 *
 * @import {EditorState} from "../state/state.js"
 * @import {Context} from "../view.js"
 * @import {Point, Track, Trajectory} from "../../trajectory/document.js"
 * @import {Side} from "../../trajectory/handles.js"
 */

import * as model from "../../trajectory/model.js";
import { h, setText, watch } from "../kit/dom.js";
import { common, numberField } from "./fields.js";

const SVG = "http://www.w3.org/2000/svg";
const HIGH = 1000; // of the graph, in its units; one unit across is a frame
const MARGIN = 25; // above and below it
const LEAST = 0.05; // widths per second at the top of the graph of a slow object

/** @type {{side: Side, axis: 0 | 1}[]} */
const NUMBERS = [{ side: 0, axis: 0 }, { side: 0, axis: 1 }, { side: 1, axis: 0 }, { side: 1, axis: 1 }];

/**
 * @param {Context} context
 * @returns {{element: HTMLElement, render: () => void}}
 */
export function createPathSection({ editor, t, run }) {
  const title = h("h3", {});
  const smooth = h("button", { type: "button", onclick: () => run("smooth") });
  const fields = NUMBERS.map(({ side, axis }) => {
    const operation = (value) => movedHandle(editor, side, axis, value);
    return numberField(t(`inspector.bend.${"xy"[axis]}${side}`), {}, { editor, step: "step.bend", operation });
  });
  const elements = fields.map((field) => field.element);
  const table = h("div", { class: "smcd-fields smcd-fields-four", title: t("inspector.bendHint") }, ...elements);
  const speed = createSpeedGraph(t);
  const line = h("div", { class: "smcd-line" }, title, smooth);
  const element = h("section", { class: "smcd-section" }, line, table, speed.element);
  const isOther = watch();

  return {
    element,
    render() {
      const { trajectory, frame, locked, selected, selectedKeys } = editor;
      const tracks = trajectory.objects.filter(({ id }) => selected.has(id));
      const [track] = tracks;
      speed.show(track, trajectory, frame);
      if (!isOther(frame, locked, selected, selectedKeys, trajectory.width, trajectory.height, ...tracks)) return;
      setText(title, t("inspector.path", { frame }));
      const key = keyAt(track, frame);
      const bent = editor.editable.flatMap((id) => keyAt(model.trackOf(trajectory, id), frame) ?? []);
      const isLocked = !editor.editable.length;
      setText(smooth, t(key?.handles ? "inspector.corner" : "inspector.smooth"));
      smooth.disabled = isLocked || track.keys.length < 2;
      table.hidden = !key?.handles;
      if (!key?.handles) return;
      const ends = [track.keys[0], track.keys.at(-1)];
      NUMBERS.forEach(({ side, axis }, n) => {
        const pixels = (bent.length ? bent : [key]).map((one) => {
          const units = model.handlesOf(one)[side][axis];
          return Math.round(units * (axis === 0 ? trajectory.width : trajectory.height) * 100) / 100;
        });
        const value = common(pixels);
        fields[n].show(value);
        fields[n].input.placeholder = value === null ? t("inspector.mixed") : "";
        fields[n].input.disabled = isLocked || key === ends[side];
      });
    },
  };
}

/** @param {Track} track @param {number} frame */
function keyAt(track, frame) {
  return track.keys.find((key) => key.frame === frame);
}

/**
 * Move a handle of each object that has a key at the playhead. A smooth key stays smooth, unless the setting says otherwise.
 *
 * @param {EditorState} editor
 * @param {Side} side
 * @param {0 | 1} axis
 * @param {number} value  pixels
 * @returns {(trajectory: Trajectory) => Trajectory}
 */
function movedHandle({ frame, editable, settings }, side, axis, value) {
  return (trajectory) => {
    const units = value / (axis === 0 ? trajectory.width : trajectory.height);
    return editable.reduce((result, id) => {
      const key = keyAt(model.trackOf(result, id), frame);
      if (!key) return result;
      const [x, y] = model.handlesOf(key)[side];
      /** @type {Point} */
      const point = axis === 0 ? [units, y] : [x, units];
      const link = model.isSmooth(key, result) && !settings.bendFree ? "turn" : "free";
      return model.setHandle(result, { id, frame }, side, point, link);
    }, trajectory);
  };
}

/** The speed from each frame to the next one, in per cent of the image's width per second. */
function createSpeedGraph(t) {
  const graph = document.createElementNS(SVG, "svg");
  const [area, now] = ["path", "path"].map((tag) => document.createElementNS(SVG, tag));
  graph.setAttribute("preserveAspectRatio", "none");
  graph.setAttribute("aria-hidden", "true");
  area.setAttribute("class", "smcd-speed-area");
  now.setAttribute("class", "smcd-speed-now");
  graph.append(area, now);
  const text = h("output", { class: "smcd-hint" });
  const element = h("div", { class: "smcd-speed" }, graph, text);
  const [isOtherTrack, isOther] = [watch(), watch()];
  /** @type {Float64Array} */
  let speeds = new Float64Array();
  let most = 0;

  return {
    element,
    show(track, trajectory, frame) {
      const { frames, fps, width, height } = trajectory;
      element.hidden = frames < 2;
      if (element.hidden) return;
      if (isOtherTrack(track.keys, frames, fps, width, height)) {
        speeds = model.speedsOf(track, trajectory);
        most = speeds.reduce((a, b) => Math.max(a, b), 0);
        const top = (speed) => Math.round(HIGH * (1 - speed / Math.max(most, LEAST)));
        const steps = Array.from(speeds, (speed, n) => `V${top(speed)}H${n + 1}`).join("");
        graph.setAttribute("viewBox", `0 ${-MARGIN} ${frames - 1} ${HIGH + 2 * MARGIN}`);
        area.setAttribute("d", `M0,${HIGH}${steps}V${HIGH}Z`);
        area.style.setProperty("--smcd-object", track.color);
      }
      if (!isOther(speeds, frame)) return;
      now.setAttribute("d", `M${frame},${-MARGIN}V${HIGH + MARGIN}`);
      const here = speeds[Math.min(frame, frames - 2)];
      setText(text, t("inspector.speed", { now: percent(here), most: percent(most) }));
    },
  };
}

function percent(share) {
  return (100 * share).toFixed(share < 0.1 ? 1 : 0);
}

/**
 * The path of the selection at the playhead: smooth or a corner, and the places of its handles.
 *
 * @import {Context} from "../view.js"
 * @import {Point} from "../../trajectory/document.js"
 * @import {Side} from "../../trajectory/handles.js"
 */

import * as model from "../../trajectory/model.js";
import { h, watch } from "../kit/dom.js";
import { numberField } from "./fields.js";

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
    return numberField(t(`inspector.bend.${"xy"[axis]}${side}`), {}, (value) => setNumber(side, axis, value));
  });
  const elements = fields.map((field) => field.element);
  const table = h("div", { class: "smcd-fields smcd-fields-four", title: t("inspector.bendHint") }, ...elements);
  const element = h("section", { class: "smcd-section" }, title, h("div", { class: "smcd-line" }, smooth), table);
  const isOther = watch();

  const keyAt = (track) => track.keys.find((key) => key.frame === editor.frame);

  /** Move a handle of each object that has a key here, in pixels. A smooth key stays smooth. */
  function setNumber(side, axis, value) {
    const { frame, editable } = editor;
    return editor.apply("step.bend", (trajectory) => {
      const units = value / (axis === 0 ? trajectory.width : trajectory.height);
      return editable.reduce((result, id) => {
        const key = keyAt(model.trackOf(result, id));
        if (!key) return result;
        const [x, y] = model.handlesOf(key)[side];
        /** @type {Point} */
        const point = axis === 0 ? [units, y] : [x, units];
        const link = model.isSmooth(key, result) ? "turn" : "free";
        return model.setHandle(result, { id, frame }, side, point, link);
      }, trajectory);
    });
  }

  return {
    element,
    render() {
      const { trajectory, frame, locked, selected, selectedKeys } = editor;
      const track = trajectory.objects.find(({ id }) => selected.has(id));
      if (!isOther(track, frame, locked, selected, selectedKeys, trajectory.width, trajectory.height)) return;
      title.textContent = t("inspector.path", { frame });
      const key = keyAt(track);
      const isLocked = !editor.editable.length;
      smooth.textContent = t(key?.handles ? "inspector.corner" : "inspector.smooth");
      smooth.disabled = isLocked || track.keys.length < 2;
      table.hidden = !key?.handles;
      if (!key?.handles) return;
      const ends = [track.keys[0], track.keys.at(-1)];
      NUMBERS.forEach(({ side, axis }, n) => {
        const pixels = key.handles[side][axis] * (axis === 0 ? trajectory.width : trajectory.height);
        fields[n].show(Math.round(pixels * 100) / 100);
        fields[n].input.disabled = isLocked || key === ends[side];
      });
    },
  };
}

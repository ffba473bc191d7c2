/**
 * The properties of the selection: object, box and path at the playhead, easing to the next key, motion presets.
 *
 * @import {Context, Part} from "../view.js"
 * @import {Box, NamedEase} from "../../trajectory/document.js"
 */

import * as model from "../../trajectory/model.js";
import { h, setText, watch } from "../kit/dom.js";
import { editAsTyped } from "../kit/typed.js";
import { freePhrases } from "../state/prompt_phrases.js";
import { easedKeys } from "../state/selection.js";
import { createBezier } from "./bezier.js";
import { choiceField, common, numberField } from "./fields.js";
import { createMotionForm } from "./motion_form.js";
import { createPathSection } from "./path.js";

const SIDES = { x: 0, y: 1, w: 2, h: 3 };
const MAX_CHIPS = 12;

/**
 * @param {Context} context
 * @returns {Part & {focusMotion: () => void}}
 */
export function createInspector(context) {
  const { editor, t } = context;
  const sections = [
    createObjectSection(context),
    createBoxSection(context),
    createPathSection(context),
    createEaseSection(context),
  ];
  const motion = createMotionForm(context);
  const hint = h("p", { class: "smcd-hint smcd-section" }, t("inspector.nothing"));
  const element = h(
    "section",
    { class: "smcd-inspector", "aria-label": t("inspector.name") },
    h("div", { class: "smcd-columns" }, ...sections.map((section) => section.element), motion.element, hint),
  );
  return {
    element,
    render() {
      const hasObject = editor.selected.size > 0;
      for (const section of sections) section.element.hidden = !hasObject;
      motion.element.hidden = !hasObject && !editor.isCameraSelected;
      hint.hidden = hasObject || editor.isCameraSelected;
      if (hasObject) for (const section of sections) section.render();
      if (!motion.element.hidden) motion.render();
    },
    focusMotion: () => motion.focus(),
    destroy() {
      for (const section of sections) section.destroy?.();
    },
  };
}

/** The selected objects. Their common values are shown, and changes apply to all of them. */
function chosenTracks({ trajectory, selected }) {
  return trajectory.objects.filter(({ id }) => selected.has(id));
}

/** The first selected object, which stands for all where only one can be shown. */
function firstTrack(editor) {
  return chosenTracks(editor)[0];
}

/** Show that the objects of a field differ. @param {HTMLInputElement} input @param {boolean} isMixed */
function markMixed(input, isMixed, t) {
  input.placeholder = isMixed ? t("inspector.mixed") : "";
}

function createObjectSection({ editor, t }) {
  const phrase = h("input", { type: "text", dir: "auto", maxlength: model.LIMITS.phrase });
  const [low, high] = model.LIMITS.strength;
  const strength = numberField(t("inspector.strength"), { min: low, max: high, step: 0.05 }, {
    editor,
    step: "step.strength",
    operation: withStrength,
  });
  const slider = h("input", { type: "range", min: low, max: high, step: 0.01, "aria-label": t("inspector.strength") });
  const chips = h("div", { class: "smcd-chips", role: "group", "aria-label": t("inspector.fromPrompt") });
  const chipTitle = h("span", { class: "smcd-hint" }, t("inspector.fromPrompt"));
  const element = h(
    "section",
    { class: "smcd-section" },
    h("label", { class: "smcd-field smcd-field-wide" }, h("span", {}, t("inspector.phrase")), phrase),
    chipTitle,
    chips,
    h("div", { class: "smcd-strength-fields" }, strength.element, slider),
  );
  const isOther = watch();
  const isOtherOffer = watch();
  let edited = []; // ids of the objects whose phrase is being edited, as the selection may change meanwhile

  function withStrength(value) {
    const ids = editor.selected;
    return (trajectory) => model.setStrength(trajectory, ids, value);
  }

  const withPhrase = (ids, text) => (trajectory) => ids.reduce((result, id) => model.setPhrase(result, id, text), trajectory);
  const idsOf = (tracks) => tracks.map(({ id }) => id);
  const phraseNow = () => common(chosenTracks(editor).map((track) => track.phrase)) ?? "";

  phrase.addEventListener("focus", () => {
    edited = idsOf(chosenTracks(editor));
  });
  editAsTyped(editor, phrase, {
    step: "step.phrase",
    operation() {
      const there = edited.filter((id) => editor.trajectory.objects.some((track) => track.id === id));
      return there.length ? withPhrase(there, phrase.value) : null;
    },
    restore: () => (phrase.value = phraseNow()),
  });
  editAsTyped(editor, slider, {
    step: "step.strength",
    operation: () => withStrength(slider.valueAsNumber),
    restore: () => (slider.value = String(firstTrack(editor)?.strength ?? 1)),
  });

  function choose(ids, text) {
    editor.apply("step.phrase", withPhrase(ids, text));
  }

  function showChips(ids) {
    const used = editor.trajectory.objects.map(({ phrase: text }) => text);
    if (!isOtherOffer(ids.join("\n"), editor.facts.prompt, used.join("\n"))) return; // as in each frame of a drag
    const free = freePhrases(editor.facts.prompt, used).slice(0, MAX_CHIPS);
    const chip = (text) => h("button", { type: "button", dir: "auto", onclick: () => choose(ids, text) }, text);
    chips.replaceChildren(...free.map(chip));
    chips.hidden = !free.length;
    chipTitle.hidden = !free.length;
  }

  return {
    element,
    render() {
      const tracks = chosenTracks(editor);
      const [track] = tracks;
      const phrases = tracks.map((one) => one.phrase);
      const strengths = tracks.map((one) => one.strength);
      if (!isOther(editor.facts.prompt, editor.selected, ...phrases, ...strengths)) return; // as in each frame of a drag
      const isMixed = common(phrases) === null;
      markMixed(phrase, isMixed, t);
      if (document.activeElement !== phrase) phrase.value = isMixed ? "" : track.phrase;
      const force = common(strengths);
      markMixed(strength.input, force === null, t);
      strength.show(force);
      if (!editor.isInGesture || document.activeElement !== slider) slider.value = String(track.strength);
      showChips(idsOf(tracks));
    },
  };
}

function createBoxSection({ editor, t, run }) {
  const title = h("h3", {});
  const fields = Object.fromEntries(
    Object.keys(SIDES).map((name) => {
      const limits = name === "w" || name === "h" ? { min: 0 } : {};
      const operation = (value) => withSide(name, value);
      return [name, numberField(t(`inspector.${name}`), limits, { editor, step: "step.box", operation })];
    }),
  );
  const key = h("button", { type: "button", onclick: toggleKey });
  const visible = h("input", { type: "checkbox", onchange: () => run("toggleVisible") });
  const element = h(
    "section",
    { class: "smcd-section" },
    title,
    h("div", { class: "smcd-fields smcd-fields-four" }, ...Object.values(fields).map((field) => field.element)),
    h("div", { class: "smcd-line" }, key, h("label", { class: "smcd-check" }, visible, t("inspector.visible"))),
  );
  const isOther = watch();

  function withSide(name, value) {
    const { frame, editable } = editor;
    const label = t(`inspector.${name}`);
    return (trajectory) => {
      if (SIDES[name] >= 2 && value < 0) {
        const most = SIDES[name] === 2 ? trajectory.width : trajectory.height;
        throw new model.TrajectoryError(model.say`${label} is ${value}: give a number from ${0} to ${most}`);
      }
      return editable.reduce((result, id) => {
        const [x1, y1, x2, y2] = model.boxAt(model.trackOf(result, id), frame, result);
        const axis = SIDES[name] % 2;
        const units = value / (axis === 0 ? trajectory.width : trajectory.height);
        /** @type {Box} */
        const box = [x1, y1, x2, y2];
        if (SIDES[name] < 2) box[axis] = units;
        box[axis + 2] = SIDES[name] < 2 ? units + (axis === 0 ? x2 - x1 : y2 - y1) : box[axis] + units;
        return model.setBox(result, id, frame, box);
      }, trajectory);
    };
  }

  function toggleKey() {
    const { frame, editable } = editor;
    if (!hasKey()) return run("addKey");
    const refs = editable.map((id) => ({ id, frame }));
    return editor.apply("step.deleteKeys", (trajectory) => model.deleteKeys(trajectory, refs));
  }

  /** What the fields are about: the objects that they change, or locked ones. */
  function shownTracks() {
    const ids = editor.editable;
    return ids.length ? ids.map((id) => model.trackOf(editor.trajectory, id)) : chosenTracks(editor);
  }

  function hasKey() {
    return shownTracks().every(({ keys }) => keys.some(({ frame }) => frame === editor.frame));
  }

  return {
    element,
    render() {
      const { trajectory, frame, locked, selected } = editor;
      const tracks = shownTracks();
      if (!isOther(frame, locked, selected, trajectory.width, trajectory.height, ...tracks)) return;
      setText(title, t("inspector.box", { frame }));
      const { width, height } = trajectory;
      const boxes = tracks.map((track) => {
        const [x1, y1, x2, y2] = model.boxAt(track, frame, trajectory);
        return { x: x1 * width, y: y1 * height, w: (x2 - x1) * width, h: (y2 - y1) * height };
      });
      const isLocked = !editor.editable.length;
      for (const [name, field] of Object.entries(fields)) {
        const value = common(boxes.map((box) => Math.round(box[name] * 100) / 100));
        field.show(value);
        markMixed(field.input, value === null, t);
        field.input.disabled = isLocked;
      }
      visible.disabled = isLocked;
      const isKey = hasKey();
      setText(key, t(isKey ? "inspector.deleteKey" : "inspector.addKey"));
      key.disabled = isLocked || (isKey && tracks.some(({ keys }) => keys.length === 1));
      const isSeen = common(tracks.map((track) => model.visibleAt(track, frame)));
      visible.checked = isSeen === true;
      visible.indeterminate = isSeen === null;
    },
  };
}

function createEaseSection({ editor, t }) {
  const names = [...model.NAMED_EASES, "bezier"];
  const choice = choiceField(t("inspector.ease"), names.map((name) => [name, t(`motion.ease.${name}`)]));
  choice.input.append(h("option", { value: "", hidden: true, disabled: true }, t("inspector.mixed")));
  const numbers = h("output", { class: "smcd-hint" });
  const hint = h("p", { class: "smcd-hint" });
  const bezier = createBezier(t, () => {
    const refs = easedKeys(editor);
    const open = editor.begin("step.ease");
    const preview = (ease) => open.preview((trajectory) => model.setEase(trajectory, refs, ease));
    return { preview, commit: open.commit.bind(open), cancel: open.cancel.bind(open) };
  });
  const element = h(
    "section",
    { class: "smcd-section smcd-ease" },
    h("div", { class: "smcd-ease-fields" }, choice.element, numbers, hint),
    bezier.element,
  );
  const isOther = watch();

  choice.input.addEventListener("change", () => {
    const name = /** @type {NamedEase | "bezier"} */ (choice.input.value);
    const chosen = easedKeys(editor);
    const [now] = easesOf(chosen);
    const ease = name === "bezier" ? model.easeCurve(now) ?? [0.333, 0.333, 0.667, 0.667] : name;
    editor.apply("step.ease", (trajectory) => model.setEase(trajectory, chosen, ease));
  });

  function easesOf(refs) {
    return refs.map((ref) => model.trackOf(editor.trajectory, ref.id).keys.find(({ frame }) => frame === ref.frame).ease);
  }

  return {
    element,
    render() {
      const refs = easedKeys(editor);
      const eases = easesOf(refs);
      const ends = refs.map((ref) => {
        return model.trackOf(editor.trajectory, ref.id).keys.find(({ frame }) => frame > ref.frame)?.frame;
      });
      // A drag of boxes changes none of these.
      if (!isOther(refs.length, ...refs.map(({ frame }) => frame), ...ends, ...eases)) return;
      const ease = eases[0] ?? null;
      const isMixed = refs.length > 0 && common(eases.map(String)) === null;
      choice.input.disabled = ease === null;
      choice.input.value = isMixed ? "" : Array.isArray(ease) ? "bezier" : ease ?? "linear";
      setText(numbers, isMixed ? "" : (model.easeCurve(ease) ?? []).join(", "));
      const [from, to] = [refs.map(({ frame }) => frame), ends].map((frames) => (frames.length ? common(frames) : null));
      const hasWay = ends.some((end) => end !== undefined);
      if (!hasWay) setText(hint, t("inspector.noWay"));
      else setText(hint, from === null || to === null ? "" : t("inspector.way", { from, to }));
      bezier.element.classList.toggle("smcd-is-disabled", !hasWay);
      bezier.show(ease ?? "linear");
    },
    destroy: () => bezier.destroy(),
  };
}

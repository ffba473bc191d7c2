/**
 * The field for the phrase of a box that was just drawn, beside the box. It offers the nouns of the prompt.
 *
 * @import {Context} from "../view.js"
 */

import * as model from "../../trajectory/model.js";
import { h, isComposed, listen, take, watch } from "../kit/dom.js";
import { editAsTyped } from "../kit/typed.js";
import { freePhrases } from "../state/prompt_phrases.js";
import { rectangle, shownBox } from "./scene.js";

const MAX_OFFERS = 6;
const MARGIN = 4; // CSS pixels to the edges of the stage
const LOW = 380; // CSS pixels of a stage where a field beside the box would be in the way of the next one

/**
 * @param {Context} context
 * @param {HTMLElement} canvas  gets the focus back
 * @returns {{element: HTMLElement, render: () => void, destroy: () => void}}
 */
export function createPhraseField({ editor, t, run }, canvas) {
  const name = t("naming.name");
  const limit = { maxlength: model.LIMITS.phrase };
  const input = h("input", { type: "text", dir: "auto", placeholder: name, "aria-label": name, ...limit });
  const offers = h("div", { class: "smcd-chips", role: "group", "aria-label": t("inspector.fromPrompt") });
  const element = h("div", { class: "smcd-naming", hidden: true }, input, offers);
  let shown = null;
  let isTouched = false;
  const isOtherOffer = watch();

  const withPhrase = (id, text) => (trajectory) => model.setPhrase(trajectory, id, text);
  editAsTyped(editor, input, {
    step: "step.phrase",
    operation: () => (shown === null ? null : withPhrase(shown, input.value)),
    restore: () => (input.value = ""),
  });

  function close() {
    if (editor.naming !== null) editor.set({ naming: null });
    if (element.contains(document.activeElement)) canvas.focus({ preventScroll: true });
    show(null);
  }

  function choose(text) {
    editor.apply("step.phrase", withPhrase(shown, text));
    close();
  }

  function show(id) {
    if (id === shown) return;
    shown = id;
    isTouched = false;
    element.hidden = id === null;
    input.value = "";
  }

  /** Offer what the prompt names now, without the phrases of other objects. */
  function showOffers() {
    const others = editor.trajectory.objects.filter(({ id }) => id !== shown).map(({ phrase }) => phrase);
    if (!isOtherOffer(shown, editor.facts.prompt, others.join("\n"))) return;
    const free = freePhrases(editor.facts.prompt, others).slice(0, MAX_OFFERS);
    const offer = (text) => h("button", { type: "button", dir: "auto", onclick: () => choose(text) }, text);
    offers.replaceChildren(...free.map(offer));
    offers.hidden = !free.length;
  }

  const end = listen(element, {
    pointerdown: (event) => event.stopPropagation(), // keeps the host from dragging the node
    input: () => (isTouched = true),
    focusout: ({ relatedTarget }) => {
      if (!(relatedTarget instanceof Node && element.contains(relatedTarget))) close();
    },
    keydown(event) {
      if (isComposed(event)) return;
      const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
      if (event.key === "Escape" || (event.key === "Enter" && event.target === input && !event.ctrlKey && !event.metaKey)) {
        take(event);
        close();
      } else if (!isTouched && event.target === input && (isUndo || event.key === "Delete")) {
        take(event); // about the box, as nothing is typed yet
        close();
        run(isUndo ? "undo" : "delete");
      }
    },
  });

  return {
    element,
    render() {
      const isNew = editor.naming !== shown;
      show(editor.naming);
      if (shown === null) return;
      showOffers();
      const track = model.trackOf(editor.trajectory, shown);
      const [left, top, , height] = rectangle(shownBox(editor, track), editor.shownViewport);
      const { width: stageWidth, height: stageHeight } = editor.stageSize;
      const x = Math.max(Math.min(left, stageWidth - element.offsetWidth - MARGIN), MARGIN);
      const y = topBeside([top, top + height], element.offsetHeight, stageHeight);
      element.style.transform = `translate(${x}px, ${y}px)`;
      if (isNew) input.focus({ preventScroll: true });
    },
    destroy: end,
  };
}

/** Where the field goes: below the box, else above it, or in a low stage at the edge that is further away. */
function topBeside([top, bottom], height, stageHeight) {
  const last = stageHeight - height - MARGIN;
  if (stageHeight < LOW) return (top + bottom) / 2 < stageHeight / 2 ? last : MARGIN;
  const below = bottom + 2 * MARGIN;
  return below <= last ? below : Math.max(top - height - 2 * MARGIN, MARGIN);
}

/**
 * The whole editor as one element. It draws its parts together, once per animation frame, and handles keys, dropped
 * files and full screen.
 *
 * Each part is made by `createPart(context)` and is `{element, render, destroy}`, with `draw` if it has a canvas. Both are
 * called after every change of the state, at most once per animation frame, and must be fast if nothing that they show
 * has changed. `draw` changes nothing but the canvas, as all canvases are drawn before parts change the page.
 *
 * @import {Said} from "../trajectory/refusal.js"
 * @import {EditorState} from "./state/state.js"
 * @typedef {object} View  services for commands and parts
 * @property {() => void} invalidate  redraws all parts in the next animation frame
 * @property {boolean} isPoppedOut  whether the editor is in full screen
 * @property {(isPoppedOut: boolean) => void} setPoppedOut
 * @property {() => void} editPhrase  edits that of the first selected object
 * @property {() => void} focusMotion  focuses the form of motion presets or camera moves
 * @property {() => void} boxFromObject  adds a box where the pointer was last on the image, else in its middle
 * @property {() => void} fitBox  fits the selected boxes to what is in them
 * @property {() => void} nameMarker  asks for the name of the marker at the playhead
 * @property {() => void} openHelp
 * @typedef {{editor: EditorState, t: (key: string | Said, values?: object) => string, run: (id: string) => void,
 *   root: HTMLElement, view: View, onKey: (event: KeyboardEvent) => void}} Context  root: the editor's element, which
 *   holds its dialogs
 * @typedef {{element: HTMLElement, render: () => void, destroy: () => void, restyle?: () => void,
 *   draw?: () => void}} Part  restyle: the host's colours have changed
 */

import { canRun, commandOf } from "./actions/commands.js";
import { openHelp } from "./actions/help.js";
import { listenToKeys } from "./actions/keyboard.js";
import { listenToClipboard } from "./files/clipboard.js";
import { listenToDrops } from "./files/drops.js";
import { closeDialogs } from "./kit/dialogs.js";
import { h, listen } from "./kit/dom.js";
import { ringForKeyboard } from "./kit/focus_ring.js";
import { createAnnouncer } from "./panels/announcer.js";
import { createProblem } from "./panels/problem.js";
import { createSide } from "./panels/side.js";
import { createStatus } from "./panels/status.js";
import { createToolbar } from "./panels/toolbar.js";
import { createPopOut } from "./pop_out.js";
import { addObjectAt, fitToObjects } from "./stage/object_box.js";
import { createStage } from "./stage/stage.js";
import { translator } from "./strings/strings.js";
import { nameMarker } from "./timeline/marks.js";
import { createTimeline } from "./timeline/timeline.js";

/** @type {Record<string, (context: Context) => Part>} in Tab order */
const PARTS = {
  toolbar: createToolbar,
  stage: createStage,
  side: createSide,
  timeline: createTimeline,
  status: createStatus,
  announcer: createAnnouncer,
};

/**
 * @param {EditorState} editor
 * @param {{language?: string, onKey?: (event: KeyboardEvent) => void}} [options]  onKey: called for each key event
 *   that the editor handles
 * @returns {{element: HTMLElement, restyle: () => void, destroy: () => void}} element: for the host; holds the editor
 *   unless it is in full screen; restyle: to be called when the host's colours have changed
 */
export function createView(editor, { language = "en", onKey = () => {} } = {}) {
  adoptStyles();
  const t = translator(language);
  const layout = h("div", { class: "smcd-layout" });
  const root = h(
    "div",
    { class: "smcd-editor", role: "group", "aria-label": t("editor.name"), tabindex: "0" },
    layout,
  );
  let scheduled = 0;
  const render = () => {
    scheduled = 0;
    // Canvases come first. What they ask for, such as a font, would make the browser lay out again what parts changed.
    for (const part of Object.values(parts)) if (part.draw) attempt(part, part.draw);
    const hadFocus = root.contains(document.activeElement);
    for (const part of Object.values(parts)) attempt(part, part.render);
    // The host would get the next keys, and Delete there removes nodes.
    if (hadFocus && !canHaveFocus(root, document.activeElement)) root.focus({ preventScroll: true });
  };
  /** Parts that failed, each of which is reported once. @type {Set<Part>} */
  const failed = new Set();
  /** An error in one part must not stop the others. @param {Part} part @param {() => void} run */
  function attempt(part, run) {
    try {
      run();
    } catch (error) {
      if (failed.has(part)) return;
      failed.add(part);
      console.error(error);
      editor.notify("error", t("problem.part", { message: error.message }));
    }
  }
  const invalidate = () => {
    scheduled ||= requestAnimationFrame(render);
  };
  const popOut = createPopOut(root, t, onKey, invalidate);
  /** @type {Context} */
  const context = {
    editor,
    t,
    root,
    onKey,
    run(id) {
      const command = commandOf(id);
      if (canRun(editor, command)) command.run(context);
    },
    view: {
      invalidate,
      get isPoppedOut() {
        return popOut.isOut();
      },
      setPoppedOut: popOut.set,
      editPhrase: () => parts.timeline.editPhrase(),
      focusMotion: () => parts.side.focusMotion(),
      boxFromObject: () => addObjectAt(editor, t),
      fitBox: () => fitToObjects(editor, t),
      nameMarker: () => void nameMarker(context),
      openHelp: () => openHelp(context),
    },
  };
  const parts = createParts(context);
  layout.append(...Object.values(parts).map((part) => part.element));
  const isDrawn = Boolean(parts.toolbar);
  const pointerdown = ({ pointerType }) => editor.set({ isTouched: pointerType === "touch" });
  const endings = [listen(root, { pointerdown }, { capture: true }), listenToDrops(context), ringForKeyboard(root), ...(isDrawn ? [listenToKeys(context), listenToClipboard(context)] : [])];

  const unsubscribe = editor.subscribe(invalidate);
  invalidate();
  return {
    element: popOut.element,
    restyle() {
      for (const part of Object.values(parts)) part.restyle?.();
      invalidate();
    },
    destroy() {
      unsubscribe();
      cancelAnimationFrame(scheduled);
      closeDialogs(root);
      for (const end of endings) end();
      for (const part of Object.values(parts)) part.destroy();
      if (editor.isInGesture) editor.commit(); // of a field
      popOut.destroy();
    },
  };
}

/** Whether an element is in the editor, shown and enabled. */
function canHaveFocus(root, element) {
  return root.contains(element) && !element.closest("[hidden]") && !element.matches(":disabled");
}

/** Create all parts. If one fails, or the browser has no canvas, only the text can be edited. */
function createParts(context) {
  /** @type {Record<string, any>} */
  const parts = {};
  try {
    if (!document.createElement("canvas").getContext("2d")) throw new Error(context.t("problem.noCanvas"));
    for (const [name, create] of Object.entries(PARTS)) parts[name] = create(context);
  } catch (error) {
    console.error(error);
    for (const part of Object.values(parts)) part.destroy();
    return { problem: createProblem(context, error.message) };
  }
  return { ...parts, problem: createProblem(context) };
}

/** Add the style sheet, once per page. It stays for later editors. */
function adoptStyles() {
  const href = new URL("./editor.css", import.meta.url).href;
  /** @type {NodeListOf<HTMLLinkElement>} */
  const links = document.head.querySelectorAll("link[rel=stylesheet]");
  if (![...links].some((link) => link.href === href)) document.head.append(h("link", { rel: "stylesheet", href }));
}

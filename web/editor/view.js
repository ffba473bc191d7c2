/**
 * The editor as one element: its parts, drawn together once per animation frame, and what belongs to none of them:
 * keys, dropped files, the full-screen view.
 *
 * A part is made by `createPart(context)` and is `{element, render, destroy}`. `render` is called after any change of
 * the state, at most once per animation frame, and is quick where nothing that it shows has changed.
 *
 * @import {Said} from "../trajectory/refusal.js"
 * @import {EditorState} from "./state/state.js"
 * @typedef {object} View  what commands and parts ask of the view
 * @property {() => void} invalidate  draws all parts in the next animation frame
 * @property {boolean} isPoppedOut  whether it is over the whole page
 * @property {(isPoppedOut: boolean) => void} setPoppedOut
 * @property {() => void} editPhrase  of the first selected object
 * @property {() => void} focusMotion  the form of presets, or of the camera
 * @property {() => void} openHelp
 * @typedef {{editor: EditorState, t: (key: string | Said, values?: object) => string, run: (id: string) => void,
 *   root: HTMLElement, view: View, onKey: (event: KeyboardEvent) => void}} Context  root: the editor's element, which
 *   dialogs are opened in
 * @typedef {{element: HTMLElement, render: () => void, destroy: () => void}} Part
 */

import { listenToClipboard } from "./files/clipboard.js";
import { canRun, commandOf } from "./actions/commands.js";
import { h } from "./kit/dom.js";
import { listenToDrops } from "./files/drops.js";
import { openHelp } from "./actions/help.js";
import { listenToKeys } from "./actions/keyboard.js";
import { createPopOut } from "./pop_out.js";
import { createProblem } from "./panels/problem.js";
import { createSide } from "./panels/side.js";
import { createStage } from "./stage/stage.js";
import { createStatus } from "./panels/status.js";
import { translator } from "./strings/strings.js";
import { createTimeline } from "./timeline/timeline.js";
import { createToolbar } from "./panels/toolbar.js";

/** @type {Record<string, (context: Context) => Part>} in the order of the Tab key */
const PARTS = {
  toolbar: createToolbar,
  stage: createStage,
  side: createSide,
  timeline: createTimeline,
  status: createStatus,
};

/**
 * @param {EditorState} editor
 * @param {{language?: string, onKey?: (event: KeyboardEvent) => void}} [options]  onKey: is told of each key that the
 *   editor has taken
 * @returns {{element: HTMLElement, destroy: () => void}} element: stays where the host puts it, with the editor in it
 *   while that is not popped out
 */
export function createView(editor, { language = "en", onKey = () => {} } = {}) {
  adoptStyles();
  const t = translator(language);
  const layout = h("div", { class: "smcd-layout" });
  const root = h(
    "div",
    { class: "smcd-editor", role: "application", "aria-label": t("editor.name"), tabindex: "0" },
    layout,
  );
  let scheduled = 0;
  const render = () => {
    scheduled = 0;
    for (const part of Object.values(parts)) part.render();
  };
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
      editPhrase: () => parts.side.editPhrase(),
      focusMotion: () => parts.side.focusMotion(),
      openHelp: () => openHelp(context),
    },
  };
  const parts = createParts(context);
  layout.append(...Object.values(parts).map((part) => part.element));
  const isDrawn = Boolean(parts.toolbar);
  const endings = [listenToDrops(context), ...(isDrawn ? [listenToKeys(context), listenToClipboard(context)] : [])];

  const unsubscribe = editor.subscribe(invalidate);
  invalidate();
  return {
    element: popOut.element,
    destroy() {
      unsubscribe();
      cancelAnimationFrame(scheduled);
      for (const end of endings) end();
      for (const part of Object.values(parts)) part.destroy();
      popOut.destroy();
    },
  };
}

/** All parts. Where one cannot start, or the browser gives no canvas, the text stays to be edited. */
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

/** The style sheet is one for all editors of the page, and stays, as another may come. */
function adoptStyles() {
  const href = new URL("./editor.css", import.meta.url).href;
  const links = [.../** @type {NodeListOf<HTMLLinkElement>} */ (document.head.querySelectorAll("link[rel=stylesheet]"))];
  if (!links.some((link) => link.href === href)) document.head.append(h("link", { rel: "stylesheet", href }));
}

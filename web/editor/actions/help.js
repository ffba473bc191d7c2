/**
 * The help dialog: the shortcuts of all commands that have one, and all pointer gestures.
 *
 * @import {Context} from "../view.js"
 */

import { openDialog } from "../kit/dialogs.js";
import { h } from "../kit/dom.js";
import { COMMANDS } from "./commands.js";
import { isMac, keyText } from "./keys.js";

/** Pointer gestures, by the suffix of the message keys `gesture.` and `gesture.keys.`. */
export const GESTURES = [
  ...["draw", "object", "drawOver", "move", "moveTrack", "resize", "resizeSquare", "resizeCentre", "add", "below", "marquee"],
  ...["pan", "zoom", "noSnap", "pathPoint", "bend", "bendFree", "smooth", "pull", "record", "timelineKey", "workArea"],
  ...["timelineCopy", "timelineZoom"],
];

/** @param {Context} context */
export function openHelp({ root, t }) {
  const groups = [...new Set(COMMANDS.filter(({ keys }) => keys.length).map(({ group }) => group))];
  const row = ([name, ...shown]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, ...shown));
  const table = (title, rows) => {
    return h("section", {}, h("h3", {}, title), h("table", {}, h("tbody", {}, ...rows.map(row))));
  };
  const keysOf = ({ keys }) => keys.flatMap((key) => [h("kbd", {}, keyText(key, isMac(), t)), " "]);
  const body = h(
    "div",
    { class: "smcd-help", tabindex: "0", "aria-label": t("help.title") },
    table(t("help.pointer"), GESTURES.map((name) => [t(`gesture.${name}`), t(`gesture.keys.${name}`)])),
    ...groups.map((group) => {
      const commands = COMMANDS.filter((command) => command.group === group && command.keys.length);
      return table(t(`menu.${group}`), commands.map((command) => [t(command.label), ...keysOf(command)]));
    }),
  );
  const actions = [{ id: "close", label: t("dialog.close"), isPrimary: true }];
  return openDialog(root, { title: t("help.title"), body, actions });
}

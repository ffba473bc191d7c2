/**
 * A button for a command.
 *
 * @import {Context} from "../view.js"
 */

import { h } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { commandOf } from "./commands.js";
import { isMac, keyText } from "./keys.js";

/**
 * @param {Pick<Context, "t" | "run">} context
 * @param {string} id  of the command
 * @param {string} className
 * @param {string} iconName
 * @returns {HTMLButtonElement}
 */
export function commandButton({ t, run }, id, className, iconName) {
  const { label, keys } = commandOf(id);
  const hint = keys.length ? ` (${keyText(keys[0], isMac())})` : "";
  const attributes = { type: "button", class: className, "aria-label": t(label), title: t(label) + hint };
  return h("button", { ...attributes, "data-command": id, onclick: () => run(id) }, icon(iconName));
}

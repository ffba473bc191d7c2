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
  const attributes = { type: "button", class: className, "data-command": id, onclick: () => run(id) };
  const button = h("button", attributes, icon(iconName));
  nameButton(button, id, t(commandOf(id).label), t);
  return button;
}

/** Name a button of a command, with its key in the tooltip. @param {HTMLButtonElement} button @param {string} id */
export function nameButton(button, id, name, t) {
  const { keys } = commandOf(id);
  button.setAttribute("aria-label", name);
  button.title = keys.length ? `${name} (${keyText(keys[0], isMac(), t)})` : name;
}

/**
 * Files and text dropped on the editor.
 *
 * @import {Context} from "../view.js"
 */

import { listen, take } from "../kit/dom.js";
import { importFiles, importText } from "./files.js";

/**
 * @param {Context} context
 * @returns {() => void} stops listening
 */
export function listenToDrops(context) {
  const { root, t } = context;
  const isWanted = ({ dataTransfer }) => ["Files", "text/plain"].some((type) => dataTransfer.types.includes(type));
  const show = (isOver) => root.classList.toggle("smcd-is-dropping", isOver);
  root.dataset.dropHint = t("drop.hint");
  const accept = (event) => {
    if (!isWanted(event)) return false;
    take(event); // or the host would open the file as a workflow
    return true;
  };
  return listen(root, {
    dragenter: (event) => accept(event) && show(true),
    dragover: accept,
    dragleave: (event) => root.contains(event.relatedTarget) || show(false),
    drop(event) {
      show(false);
      if (!accept(event)) return;
      const files = [...event.dataTransfer.files];
      const text = event.dataTransfer.getData("text/plain");
      if (files.length) importFiles(context, files);
      else if (text) importText(context, text, t("drop.text"));
    },
  });
}

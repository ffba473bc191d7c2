/**
 * The masks of the last run, by which the animatic cuts objects out.
 *
 * @import {EditorState} from "../editor/state/state.js"
 * @import {Mask} from "../trajectory/cuts.js"
 * @import {Api} from "./host.js"
 * @typedef {{id: string, box: Mask["box"], file: Record<string, string>}} MaskFile
 */

import { fileUrl } from "./picture.js";

/** The files of the masks that an editor shows, by its masks. @type {WeakMap<Map<string, Mask>, MaskFile[]>} */
const filesOf = new WeakMap();

/** Where the masks of an editor came from. @param {EditorState} editor @returns {MaskFile[]} */
export function shownFiles(editor) {
  return filesOf.get(editor.masks) ?? [];
}

/**
 * Show the masks of a run once all are loaded, unless others have come or gone since.
 *
 * @param {EditorState} editor
 * @param {MaskFile[]} files
 * @param {Api} api
 */
export async function showMasks(editor, files, api) {
  const load = async ({ id, box, file }) => {
    const image = new Image();
    image.src = fileUrl(file, api);
    await image.decode();
    return /** @type {const} */ ([id, { box, image }]);
  };
  const before = new Map(editor.masks);
  editor.set({ masks: before });
  try {
    const masks = new Map(await Promise.all(files.map(load)));
    filesOf.set(masks, files);
    if (editor.masks === before) editor.set({ masks });
  } catch (error) {
    console.warn("SMCD: the masks of the last run are gone, so whole boxes move:", error);
  }
}

/**
 * Images and videos dropped on the editor: upload to the host's input folder, and connection through a loader node, so
 * that a run uses them too.
 *
 * @import {Host} from "./host.js"
 */

import { inputIndex, searchUp } from "./links.js";

const GAP = 40; // between nodes, in graph units
const LOADERS = { image: ["LoadImage", "image"], video: ["LoadVideo", "file"] };

/**
 * @param {any} node
 * @param {File} file
 * @param {Host} host
 */
export async function connectFile(node, file, { api }) {
  const value = await upload(file, api);
  const [type, widget] = LOADERS[file.type.startsWith("video/") ? "video" : "image"];
  const loader = connectedLoader(node, type) ?? addLoader(node, type);
  choose(loader.widgets.find(({ name }) => name === widget), value);
}

/** Upload a file. @returns {Promise<string>} the value for a loader's widget */
async function upload(file, api) {
  const body = new FormData();
  body.append("image", file); // the host's name for any file
  const response = await api.fetchApi("/upload/image", { method: "POST", body });
  if (!response.ok) throw new Error(`uploading ${file.name}: ${response.status} ${response.statusText}`);
  const { name, subfolder } = await response.json();
  return subfolder ? `${subfolder}/${name}` : name;
}

function connectedLoader(node, type) {
  return searchUp(node, inputIndex(node, "background"), ({ node: found }) => {
    if (found.type === type) return found;
    return found.type === "GetVideoComponents" ? inputIndex(found, "video") : -1;
  });
}

function addLoader(node, type) {
  const loader = addLeft(node, type);
  const last = type === "LoadVideo" ? addLeft(node, "GetVideoComponents") : loader;
  if (last !== loader) {
    loader.pos = [last.pos[0] - loader.size[0] - GAP, last.pos[1]];
    loader.connect(0, last, 0);
  }
  last.connect(0, node, inputIndex(node, "background"));
  return loader;
}

function addLeft(node, type) {
  const added = globalThis.LiteGraph.createNode(type);
  node.graph.add(added);
  added.pos = [node.pos[0] - added.size[0] - GAP, node.pos[1]];
  return added;
}

function choose(widget, value) {
  const { values } = widget.options;
  if (Array.isArray(values) && !values.includes(value)) values.push(value);
  widget.value = value;
  widget.callback?.(value);
}

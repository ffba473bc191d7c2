/**
 * Images and videos dropped on the editor: upload to the host's input folder, and connection through a loader node, so
 * that a run uses them too.
 *
 * @import {Host} from "./host.js"
 * @import {End} from "./links.js"
 */

import { firstFrameOf } from "./facts.js";
import { inputIndex, searchUp, source, targets } from "./links.js";

const GAP = 40; // between nodes, in graph units
const TITLE = 30; // height of a node's title, which is above its position
const STILLS = ["first_frame", "start_image", "image"]; // inputs for one picture, ours and the host's
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
  const before = source(node, inputIndex(node, "background"));
  last.connect(0, node, inputIndex(node, "background"));
  for (const end of firstFrames(node, before)) last.connect(0, end.node, end.slot);
  return loader;
}

/**
 * The inputs of a run that get the new background too, so that the run starts from it: all for one picture that had its
 * source, or that of the node's own run if both were free.
 *
 * @param {any} node  SMCD Trajectory
 * @param {End | null} before  the source of its background
 * @returns {End[]}
 */
export function firstFrames(node, before) {
  const own = firstFrameOf(node);
  const free = own && own.node.inputs[own.slot].link == null ? [own] : [];
  const found = before ? targets(before.node, before.slot) : free;
  return found.filter((end) => end.node.graph === node.graph && isStill(end));
}

function isStill({ node, slot }) {
  return STILLS.includes(node.inputs[slot]?.name);
}

function addLeft(node, type) {
  const added = globalThis.LiteGraph.createNode(type);
  node.graph.add(added);
  added.pos = [node.pos[0] - added.size[0] - GAP, node.pos[1]];
  // Below what is there already.
  for (let there; (there = node.graph.nodes.find((other) => other !== added && isOver(other, added))); ) {
    added.pos = [added.pos[0], there.pos[1] + there.size[1] + TITLE + GAP];
  }
  return added;
}

function isOver(a, b) {
  const isApart = (axis, more) =>
    a.pos[axis] + a.size[axis] + more <= b.pos[axis] || b.pos[axis] + b.size[axis] + more <= a.pos[axis];
  return !isApart(0, 0) && !isApart(1, TITLE);
}

function choose(widget, value) {
  const { values } = widget.options;
  if (Array.isArray(values) && !values.includes(value)) values.push(value);
  widget.value = value;
  widget.callback?.(value);
}

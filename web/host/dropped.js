/**
 * Images and videos dropped on the editor: upload to the host's input folder, and connection through a loader node, so
 * that a run uses them too.
 *
 * @import {Host} from "./host.js"
 * @import {End} from "./links.js"
 * @typedef {{links: {id: any, slot: number, before: any[] | null, after: any[]}[],
 *   file: {graph: any, id: any, widget: string, before: string, after: string} | null}} Change  what a file changed in the graph:
 *   inputs with what they were and are linked to, or the value of a loader. Plain data, as the host makes nodes anew
 */

import { firstFrameOf } from "./facts.js";
import { ask } from "./host.js";
import { allNodes, inputIndex, linkTo, originOf, searchUp, source, targets } from "./links.js";

const GAP = 40; // between nodes, in graph units
const TITLE = 30; // height of a node's title, which is above its position
const REMARK = 70; // by which a node grows when a run says something on it
const STILLS = ["first_frame", "start_image", "image"]; // inputs for one picture, ours and the host's
const LOADERS = { image: ["LoadImage", "image"], video: ["LoadVideo", "file"] };

/**
 * @param {any} node
 * @param {File} file
 * @param {Host} host
 * @returns {Promise<Change>}
 */
export async function connectFile(node, file, host) {
  const after = await upload(file, host);
  const [type, widget] = LOADERS[file.type.startsWith("video/") ? "video" : "image"];
  const there = connectedLoader(node, type);
  const { loader, links } = there ? { loader: there, links: [] } : addLoader(node, type);
  const before = choose(loader, widget, after);
  return { links, file: there && { graph: loader.graph.id, id: loader.id, widget, before, after } };
}

/**
 * Take a change back, or make it again, where the graph is still as it left it. An added loader stays.
 *
 * @param {any} graph
 * @param {Change} change
 * @param {boolean} isUndo
 */
export function applyChange(graph, { links, file }, isUndo) {
  const turned = (one) => (isUndo ? [one.after, one.before] : [one.before, one.after]);
  for (const link of links) {
    const [from, to] = turned(link);
    const node = graph.getNodeById(link.id);
    if (node && String(originOf(node, link.slot)) === String(from)) linkTo(node, link.slot, to);
  }
  const loader = file && allNodes(graph).find((one) => one.id === file.id && one.graph.id === file.graph);
  if (!loader) return;
  const [from, to] = turned(file);
  if (loader.widgets.find(({ name }) => name === file.widget)?.value === from) choose(loader, file.widget, to);
}

/** Upload a file. @returns {Promise<string>} the value for a loader's widget */
async function upload(file, host) {
  const body = new FormData();
  body.append("image", file); // the host's name for any file
  const response = await ask(host, "/upload/image", { method: "POST", body });
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
  const added = [type, ...(type === "LoadVideo" ? ["GetVideoComponents"] : [])].map((name) => {
    const one = globalThis.LiteGraph.createNode(name);
    node.graph.add(one);
    return one;
  });
  place(added, node);
  const [loader, last = loader] = added;
  if (last !== loader) loader.connect(0, last, 0);
  const background = { node, slot: inputIndex(node, "background") };
  const ends = [background, ...firstFrames(node, source(node, background.slot))];
  const links = ends.map((end) => {
    return { id: end.node.id, slot: end.slot, before: originOf(end.node, end.slot), after: [last.id, 0] };
  });
  for (const end of ends) last.connect(0, end.node, end.slot);
  return { loader, links };
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

/** Nodes in a row: below the group of another node, or left of that node; and below what is there already. */
function place(added, node) {
  const { groups, nodes } = node.graph;
  const width = added.reduce((sum, { size }) => sum + size[0] + GAP, -GAP);
  const group = groups.find((one) => holds(one, node));
  const pos = group ? [group.pos[0], bottom(group) + GAP + TITLE] : [node.pos[0] - width - GAP, node.pos[1]];
  const row = { pos, size: [width, Math.max(...added.map(({ size }) => size[1]))] };
  const others = [...groups, ...nodes.filter((one) => !added.includes(one))];
  for (let there; (there = others.find((other) => isOver(other, row))); ) {
    row.pos = [row.pos[0], bottom(there) + REMARK + GAP + TITLE];
  }
  let [left, top] = row.pos;
  for (const one of added) {
    one.pos = [left, top];
    left += one.size[0] + GAP;
  }
}

function bottom({ pos, size }) {
  return pos[1] + size[1];
}

function holds(group, { pos }) {
  return [0, 1].every((axis) => group.pos[axis] <= pos[axis] && pos[axis] < group.pos[axis] + group.size[axis]);
}

function isOver(a, b) {
  const isApart = (axis, more) =>
    a.pos[axis] + a.size[axis] + more <= b.pos[axis] || b.pos[axis] + b.size[axis] + more <= a.pos[axis];
  return !isApart(0, 0) && !isApart(1, TITLE);
}

/** Give a loader a file. @returns {string} the one that it had */
function choose(loader, name, value) {
  const widget = loader.widgets.find((one) => one.name === name);
  const { value: before, options } = widget;
  if (Array.isArray(options.values) && !options.values.includes(value)) options.values.push(value);
  widget.value = value;
  widget.callback?.(value);
  return before;
}

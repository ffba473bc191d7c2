/**
 * Who is connected to whom, through reroutes, resizing nodes and the walls of subgraphs.
 *
 * @typedef {{node: any, slot: number}} End  a node and the index of its output, or of its input
 */

const SUBGRAPH_INPUT = -10; // the host's id of what leads into a subgraph
const SUBGRAPH_OUTPUT = -20;
const MAX_STEPS = 100; // of a walk, should a graph be a ring

/**
 * The output that feeds an input.
 *
 * @param {any} node
 * @param {number} slot  of the input
 * @returns {End | null}
 */
export function source(node, slot) {
  return origin(node.graph, node.inputs?.[slot]?.link);
}

function origin(graph, linkId) {
  const link = linkOf(graph, linkId);
  if (!link) return null;
  if (link.origin_id === SUBGRAPH_INPUT) {
    const outside = holderOf(graph);
    return outside && source(outside, link.origin_slot);
  }
  const node = graph.getNodeById(link.origin_id);
  if (!node?.subgraph) return node ? { node, slot: link.origin_slot } : null;
  return origin(node.subgraph, node.subgraph.outputs[link.origin_slot]?.linkIds?.[0]);
}

/**
 * The inputs that an output feeds.
 *
 * @param {any} node
 * @param {number} slot  of the output
 * @returns {End[]}
 */
export function targets(node, slot) {
  return (node.outputs?.[slot]?.links ?? []).flatMap((id) => target(node.graph, id));
}

function target(graph, linkId) {
  const link = linkOf(graph, linkId);
  if (!link) return [];
  if (link.target_id === SUBGRAPH_OUTPUT) {
    const outside = holderOf(graph);
    return outside ? targets(outside, link.target_slot) : [];
  }
  const node = graph.getNodeById(link.target_id);
  if (!node) return [];
  if (node.subgraph) {
    const inner = node.subgraph.inputs[link.target_slot]?.linkIds ?? [];
    return inner.flatMap((id) => target(node.subgraph, id));
  }
  return node.type === "Reroute" ? targets(node, 0) : [{ node, slot: link.target_slot }];
}

/**
 * Walk up from an input, at each node through its first input of one of `types`, until `find` has an answer.
 *
 * @template T
 * @param {any} node
 * @param {number} slot
 * @param {string[]} types  of the inputs to follow, such as IMAGE
 * @param {(node: any) => T | null} find
 * @returns {T | null}
 */
export function searchUp(node, slot, types, find) {
  let end = source(node, slot);
  for (let step = 0; end && step < MAX_STEPS; step += 1) {
    const found = find(end.node);
    if (found !== null) return found;
    const next = (end.node.inputs ?? []).findIndex(({ type, link }) => link != null && types.includes(type));
    end = next < 0 ? null : source(end.node, next);
  }
  return null;
}

/** The value of a node's widget, undefined where there is none. @param {any} node @param {string} name */
export function widgetValue(node, name) {
  return node.widgets?.find((widget) => widget.name === name)?.value;
}

/** The index of an input by its name, -1 where there is none. @param {any} node @param {string} name */
export function inputIndex(node, name) {
  return (node.inputs ?? []).findIndex((input) => input.name === name);
}

function linkOf(graph, id) {
  return id == null ? null : (graph?.getLink?.(id) ?? graph?.links?.get?.(id) ?? null);
}

/** The node that stands for a subgraph in the graph around it; null for the outermost graph. */
function holderOf(graph) {
  const root = graph.rootGraph;
  if (!root || root === graph) return null;
  const graphs = [root, ...(root.subgraphs?.values() ?? [])];
  return graphs.flatMap((one) => one.nodes).find((node) => node.subgraph === graph) ?? null;
}

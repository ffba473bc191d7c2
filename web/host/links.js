/**
 * Connections between nodes, through reroutes, bypassed nodes and subgraph boundaries.
 *
 * @typedef {{node: any, slot: number}} End  a node and the index of its output, or of its input
 */

// The host's ids of the inputs and outputs of a subgraph. Some front ends have ids as strings.
const SUBGRAPH_INPUT = -10;
const SUBGRAPH_OUTPUT = -20;
const MUTED = 2; // node modes
const BYPASSED = 4;
const MAX_STEPS = 100; // stops at cycles
const PRIMITIVES = /^(Primitive|String)/; // types of nodes whose output is their widget

/**
 * The output connected to an input; null if there is none, or if its node is muted.
 *
 * @param {any} node
 * @param {number} slot  of the input
 * @returns {End | null}
 */
export function source(node, slot) {
  return origin(node.graph, node.inputs?.[slot]?.link, MAX_STEPS);
}

function origin(graph, linkId, steps) {
  const link = linkOf(graph, linkId);
  if (!link || steps === 0) return null;
  const follow = (node, slot) => origin(node.graph, node.inputs?.[slot]?.link, steps - 1);
  if (Number(link.origin_id) === SUBGRAPH_INPUT) {
    const outside = holderOf(graph);
    return outside && follow(outside, link.origin_slot);
  }
  const node = graph.getNodeById(link.origin_id);
  if (!node || node.mode === MUTED) return null;
  if (node.mode === BYPASSED || node.type === "Reroute") return follow(node, passedInput(node, link.origin_slot));
  if (node.subgraph) {
    return origin(node.subgraph, node.subgraph.outputs[link.origin_slot]?.linkIds?.[0], steps - 1);
  }
  return { node, slot: link.origin_slot };
}

/**
 * The inputs connected to an output.
 *
 * @param {any} node
 * @param {number} slot  of the output
 * @returns {End[]}
 */
export function targets(node, slot) {
  return targetsOf(node, slot, MAX_STEPS);
}

function targetsOf(node, slot, steps) {
  return (node.outputs?.[slot]?.links ?? []).flatMap((id) => target(node.graph, id, steps));
}

function target(graph, linkId, steps) {
  const link = linkOf(graph, linkId);
  if (!link || steps === 0) return [];
  if (Number(link.target_id) === SUBGRAPH_OUTPUT) {
    const outside = holderOf(graph);
    return outside ? targetsOf(outside, link.target_slot, steps - 1) : [];
  }
  const node = graph.getNodeById(link.target_id);
  if (!node || node.mode === MUTED) return [];
  if (node.mode === BYPASSED || node.type === "Reroute") {
    const passed = (node.outputs ?? []).findIndex((_, output) => passedInput(node, output) === link.target_slot);
    return targetsOf(node, passed, steps - 1);
  }
  if (node.subgraph) {
    const inner = node.subgraph.inputs[link.target_slot]?.linkIds ?? [];
    return inner.flatMap((id) => target(node.subgraph, id, steps - 1));
  }
  return [{ node, slot: link.target_slot }];
}

/** What an input is linked to itself, as the id of a node and its output. @param {any} node @param {number} slot  of the input */
export function originOf(node, slot) {
  const link = linkOf(node.graph, node.inputs[slot].link);
  return link && [link.origin_id, link.origin_slot];
}

/**
 * Link an input to an output of the same graph, or to nothing.
 *
 * @param {any} node
 * @param {number} slot  of the input
 * @param {any[] | null} end  as of `originOf`
 */
export function linkTo(node, slot, end) {
  const { graph, inputs } = node;
  if (!end) node.disconnectInput(slot);
  else if (Number(end[0]) === SUBGRAPH_INPUT) graph.inputs[end[1]]?.connect(inputs[slot], node);
  else graph.getNodeById(end[0])?.connect(end[1], node, slot);
}

/** Whether what two nodes make goes into the same node, or one is that of the other. @param {any} node @param {any} other */
export function meet(node, other) {
  const below = fedBy(node);
  return [...fedBy(other)].some((one) => below.has(one));
}

/** A node and all that it gives something to, also through others. */
function fedBy(node) {
  const found = new Set([node]);
  for (const one of found) {
    const ends = (one.outputs ?? []).flatMap((_, slot) => targets(one, slot));
    for (const end of ends) found.add(end.node); // which the loop gets to as well
  }
  return found;
}

/** The node that a run calls by an id such as 4, or 9:4 inside the subgraph of 9; null if it is not in this graph. */
export function nodeOfRun({ graph, rootGraph = graph }, id) {
  const [last, ...holders] = String(id).split(":").reverse();
  const inside = holders.reverse().reduce((outer, holder) => outer?.getNodeById(holder)?.subgraph, rootGraph);
  return inside?.getNodeById(last) ?? null;
}

/** The input that a bypassed node passes on. The host takes the one at the same index, else the first of the type. */
function passedInput(node, output) {
  if (node.type === "Reroute") return 0;
  const { type } = node.outputs[output];
  if (node.inputs?.[output]?.type === type) return output;
  return (node.inputs ?? []).findIndex((input) => input.type === type);
}

/**
 * Walk upstream from an input until `find` returns an answer.
 *
 * @template T
 * @param {any} node
 * @param {number} slot  of the input
 * @param {(end: End) => T | number} find  the answer, or the index of the input to continue from; -1 stops
 * @returns {T | null}
 */
export function searchUp(node, slot, find) {
  let end = source(node, slot);
  for (let step = 0; end && step < MAX_STEPS; step += 1) {
    const found = find(end);
    if (typeof found !== "number") return found;
    end = found < 0 ? null : source(end.node, found);
  }
  return null;
}

/**
 * The value of a node's widget; undefined if there is none, or if a link replaces it.
 *
 * @param {any} node
 * @param {string} name
 */
export function widgetValue(node, name) {
  const isLinked = node.inputs?.some((input) => (input.widget?.name ?? input.name) === name && input.link != null);
  return isLinked ? undefined : node.widgets?.find((widget) => widget.name === name)?.value;
}

/**
 * The value that a node is given: of its widget, or of the primitive node that is linked to it.
 *
 * @param {any} node
 * @param {string} name
 */
export function givenValue(node, name) {
  const linked = source(node, inputIndex(node, name));
  if (!linked) return widgetValue(node, name);
  return PRIMITIVES.test(linked.node.type) ? widgetValue(linked.node, "value") : undefined;
}

/** The index of an input by name, or -1. @param {any} node @param {string} name */
export function inputIndex(node, name) {
  return (node.inputs ?? []).findIndex((input) => input.name === name);
}

function linkOf(graph, id) {
  return id == null ? null : (graph?.getLink?.(id) ?? graph?.links?.get?.(id) ?? null);
}

/** The node of a subgraph in its parent graph; null for the root graph. */
function holderOf(graph) {
  if ((graph.rootGraph ?? graph) === graph) return null;
  return allNodes(graph).find((node) => node.subgraph === graph) ?? null;
}

/** The nodes of a workflow, also those in its subgraphs. @param {any} graph  one of its graphs */
export function allNodes(graph) {
  const root = graph.rootGraph ?? graph;
  return [root, ...(root.subgraphs?.values() ?? [])].flatMap((one) => one.nodes);
}

import { readFileSync } from "node:fs";
import { addTexts, LANGUAGES } from "../../web/editor/strings/strings.js";
import { readTrajectory } from "../../web/trajectory/model.js";

const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf-8"));

export const golden = read("../golden/trajectory.json");
export const twin = read("./python_twin.json");

export const A = [0.1, 0.2, 0.3, 0.5];
export const B = [0.6, 0.25, 0.9, 0.75];

/** The file of a language. @returns {import("../../web/editor/strings/strings.js").Texts} */
export const textsOf = (language) => read(`../../web/editor/strings/${language}.json`);

/** The plural forms of a language, such as one and other. */
export const pluralsOf = (language) => new Intl.PluralRules(language).resolvedOptions().pluralCategories;

/** Make the texts of all languages known, which a page would fetch. */
export function knowAllTexts() {
  for (const language of LANGUAGES) addTexts(language, textsOf(language));
}

/** One object named by each entry, with keys given as [frame, box], with or without ease, visible, handles behind. */
export function trajectory(objects, { frames = 8, ...head } = {}) {
  const names = ["frame", "box", "ease", "visible", "handles"];
  const tracks = Object.entries(objects).map(([id, keys]) => ({
    id,
    phrase: id,
    keys: keys.map((key) => Object.fromEntries(key.map((value, n) => [names[n], value]))),
  }));
  return frozen(readTrajectory({ version: 2, width: 64, height: 48, frames, objects: tracks, ...head }));
}

/** The same value, in which nothing can be changed: operations that try throw. */
export function frozen(value) {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  Object.values(value).forEach(frozen);
  return value;
}

export function keysOf(document, id) {
  return document.objects.find((track) => track.id === id).keys;
}

export function framesOf(document, id) {
  return keysOf(document, id).map((key) => key.frame);
}

/** Keys as [frame, box, ease, visible] with or without handles per object, as the recording of Python has them. */
export function plainKeys(document) {
  return document.objects.map(({ keys }) => keys.map(({ frame, box, ease, visible, handles }) => {
    return [frame, box, ease, visible, ...(handles ? [handles] : [])];
  }));
}

/** The largest distance of two equally nested arrays of numbers. */
export function distance(a, b) {
  if (typeof a === "number") return Math.abs(a - b);
  if (a.length !== b.length) return Infinity;
  return a.reduce((worst, value, n) => Math.max(worst, distance(value, b[n])), 0);
}

/** A graph like the host's: nodes by id as {type, inputs: {name: [id, output]}, widgets}, each input of its own link. */
export function graphOf(nodes, { id = "root", inputs = 0, outputs = [] } = {}) {
  const links = new Map();
  const graph = { id, nodes: [], subgraphs: new Map(), getLink: (n) => links.get(n) ?? null };
  graph.rootGraph = graph;
  graph.getNodeById = (n) => graph.nodes.find((node) => String(node.id) === String(n)) ?? null;
  graph.inputs = Array.from({ length: inputs }, () => ({ linkIds: [] }));
  for (const [key, { type, inputs: from = {}, widgets = {}, outputs: kinds = ["IMAGE"], ...more }] of Object.entries(nodes)) {
    graph.nodes.push({
      id: Number(key),
      type,
      graph,
      mode: 0,
      inputs: Object.keys(from).map((name) => ({ name, type: kinds[0], link: null })),
      outputs: kinds.map((kind) => ({ name: kind, type: kind, links: [] })),
      widgets: Object.entries(widgets).map(([name, value]) => ({ name, value })),
      ...more,
    });
  }
  const connect = (origin_id, origin_slot, target_id, target_slot) => {
    const link = { id: links.size + 1, origin_id, origin_slot, target_id, target_slot };
    links.set(link.id, link);
    graph.getNodeById(origin_id)?.outputs[origin_slot].links.push(link.id);
    if (origin_id === -10) graph.inputs[origin_slot].linkIds.push(link.id);
    return link.id;
  };
  for (const [key, { inputs: from = {} }] of Object.entries(nodes)) {
    Object.values(from).forEach((end, n) => {
      if (end) graph.getNodeById(Number(key)).inputs[n].link = connect(...end, Number(key), n);
    });
  }
  graph.outputs = outputs.map((end, n) => ({ linkIds: [connect(...end, -20, n)] }));
  return graph;
}

/** Put a subgraph on node 9 of a graph. */
export function nested(outer, inner) {
  outer.nodes.find(({ id }) => id === 9).subgraph = inner;
  outer.subgraphs.set(inner.id, inner);
  inner.rootGraph = outer;
}

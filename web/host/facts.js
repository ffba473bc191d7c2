/**
 * What the run will be given besides the boxes, where the graph tells it.
 *
 * @import {ModelFacts} from "../editor/state.js"
 */

import { inputIndex, searchUp, targets, widgetValue } from "./links.js";

const CELL = 8; // pixels of a latent
const CONSUMERS = ["SMCD_Conditioning", "SMCD_Motion", "SMCD_Generate"];
const PROMPTS = ["text", "prompt"]; // widgets that hold one

/**
 * @param {any} node  SMCD Trajectory
 * @returns {Partial<ModelFacts>} null for what is not known
 */
export function modelFacts(node) {
  const consumer = targets(node, 0)
    .map((end) => end.node)
    .find(({ comfyClass }) => CONSUMERS.includes(comfyClass));
  if (!consumer) return { prompt: null, width: null, height: null, numFrames: null };
  const size = (name) => positive(widgetValue(consumer, name));
  const [width, height] = [size("width"), size("height")];
  return {
    prompt: promptOf(consumer),
    width,
    height,
    numFrames: size("frames"),
    ...(width && height ? { columns: Math.ceil(width / CELL), rows: Math.ceil(height / CELL) } : {}),
  };
}

function promptOf(consumer) {
  const own = widgetValue(consumer, "prompt");
  const isLinked = consumer.inputs?.some(({ name, link }) => name === "prompt" && link != null);
  if (typeof own === "string" && !isLinked) return own;
  return searchUp(consumer, inputIndex(consumer, "positive"), ["CONDITIONING"], (found) => {
    const texts = PROMPTS.map((name) => widgetValue(found, name));
    const isText = /textencode/i.test(found.comfyClass ?? "");
    return isText ? (texts.find((text) => typeof text === "string") ?? null) : null;
  });
}

/** 0 and "not a number" mean that the node decides for itself. */
function positive(value) {
  return typeof value === "number" && value > 0 ? value : null;
}

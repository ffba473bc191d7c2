/**
 * The inputs of a run besides the boxes, as far as they can be read from the graph.
 *
 * @import {ModelFacts} from "../editor/state/state.js"
 * @import {Api} from "./host.js"
 * @import {End} from "./links.js"
 */

import { givenValue, inputIndex, searchUp, source, targets, widgetValue } from "./links.js";
import { connectedPicture } from "./picture.js";

const CELL = 8; // pixels per latent cell
const GRID = { columns: 32, rows: 32 }; // cells, if the size is unknown
const MULTIPLE = 64; // pixels that the sides of a video are multiples of, for the released model
const UNKNOWN = { prompt: null, width: null, height: null, multiple: MULTIPLE, numFrames: null, cropTo: null, ...GRID };
const CONSUMERS = ["SMCD_Conditioning", "SMCD_Motion", "SMCD_Generate"];
const GUIDES = ["SMCD_Tracks", "SMCD_CutAndDrag", "SMCD_GuideVideo", "SMCD_RegionalPrompt"]; // for other models
const TEXTS = ["CLIPTextEncode", "CLIPTextEncodeSDXL"];

/**
 * @typedef {{name: string, multiple: number, examples: string[] | null}} Bundled  the examples that a checkpoint was
 *   made for, null for any
 */

/** @type {Record<string, Bundled>} by their names in the list of Load SMCD */
let bundled = {};

/** Learn about the bundled checkpoints from the definition of Load SMCD. @param {any} definition */
export function learnBundled(definition) {
  bundled = definition.input.required.checkpoint[1].bundled;
}

/**
 * @param {any} node  SMCD Trajectory
 * @returns {Partial<ModelFacts>} null if unknown
 */
export function modelFacts(node) {
  const consumer = consumerOf(node);
  if (!consumer) return { ...UNKNOWN, ...factsOfGuide(node) };
  const sized = sizedBy(consumer);
  const [width, height] = [positive(sized, "width"), positive(sized, "height")];
  return {
    prompt: promptOf(consumer),
    width,
    height,
    cropTo: factsOfGuide(node).cropTo,
    multiple: multipleOf(sized),
    numFrames: positive(consumer, "frames") ?? (sized === consumer ? null : positive(sized, "frames")),
    ...(width && height ? gridOf(width, height) : GRID),
  };
}

/** What a node knows that makes a guide of the boxes for the video of another model. @param {any} node */
function factsOfGuide(node) {
  const guide = targets(node, 0).find((end) => GUIDES.includes(end.node.type))?.node;
  const [width, height, numFrames] = ["width", "height", "length"].map((name) => positive(guide, name));
  if (!width || !height) return { numFrames, cropTo: null };
  const cropTo = widgetValue(guide, "fit") === "crop" ? { width, height } : null;
  // Which sizes the other model takes, the guide says in a run.
  return { width, height, multiple: 1, numFrames, cropTo, ...gridOf(width, height) };
}

function gridOf(width, height) {
  return { columns: Math.ceil(width / CELL), rows: Math.ceil(height / CELL) };
}

/**
 * Whether a run is known to start from another file than that of the background.
 *
 * @param {any} node  SMCD Trajectory
 * @param {Api} api
 */
export function isOtherPicture(node, api) {
  const end = firstFrameOf(node);
  const [shown, first] = [connectedPicture(node, "background", api), end && connectedPicture(end.node, "first_frame", api)];
  return Boolean(shown && first && shown.url !== first.url);
}

/**
 * The bundled checkpoint of a run that is known to start from another picture than it is at its best with.
 *
 * @param {any} node  SMCD Trajectory
 * @param {Api} api
 * @returns {Bundled | null}
 */
export function bundledAway(node, api) {
  const end = firstFrameOf(node);
  const picture = end && connectedPicture(end.node, "first_frame", api);
  const found = picture && bundledOf(end.node);
  const example = found && picture.url.match(/\/smcd\/examples\/(.*)\.png$/)?.[1];
  const isAtHome = example && (found.examples?.includes(decodeURIComponent(example)) ?? true);
  return isAtHome ? null : found;
}

/**
 * Whether words have to do with what is made: those of the bundled checkpoint for any picture hardly count.
 *
 * @param {any} node  SMCD Trajectory
 */
export function wordsCount(node) {
  const found = bundledOf(firstFrameOf(node)?.node);
  return !found || found.examples !== null;
}

/** The input for the first frame of the run that a trajectory goes to. @param {any} node @returns {End | null} */
export function firstFrameOf(node) {
  const consumer = consumerOf(node);
  const sized = consumer && sizedBy(consumer);
  const slot = sized ? inputIndex(sized, "first_frame") : -1;
  return slot < 0 ? null : { node: sized, slot };
}

function consumerOf(node) {
  const found = targets(node, 0).map((end) => end.node);
  return found.find(({ type }) => CONSUMERS.includes(type));
}

/** The node with the size and first frame of a run. */
function sizedBy(consumer) {
  return consumer.type === "SMCD_Motion" ? imageNodeOf(consumer) : consumer;
}

/** Find SMCD Image, before or after SMCD Motion in the conditioning chain. */
function imageNodeOf(motion) {
  const isImage = ({ node }) => node.type === "SMCD_Image";
  const above = searchUp(motion, inputIndex(motion, "positive"), (end) => (isImage(end) ? end.node : promptInput(end)));
  return above ?? targets(motion, 0).find(isImage)?.node ?? null;
}

function promptOf(consumer) {
  if (inputIndex(consumer, "prompt") >= 0) return textOf(consumer, "prompt");
  return searchUp(consumer, inputIndex(consumer, "positive"), (end) =>
    TEXTS.includes(end.node.type) ? textOf(end.node, "text") : promptInput(end),
  );
}

/** The input that a node passes its conditioning from: with the output's name, or the only one. @param {End} end */
function promptInput({ node, slot }) {
  const isLinked = ({ type, link }) => type === "CONDITIONING" && link != null;
  const inputs = (node.inputs ?? []).flatMap((input, n) => (isLinked(input) ? [n] : []));
  const named = inputs.find((n) => node.inputs[n].name === node.outputs?.[slot]?.name?.toLowerCase());
  return named ?? (inputs.length === 1 ? inputs[0] : -1);
}

/** The text that a node is given, or null if it is not known. */
function textOf(node, name) {
  const value = givenValue(node, name);
  return typeof value === "string" ? value : null;
}

/**
 * The number that the sides of a video are multiples of, by the checkpoint that the VAE comes from, as it is the bundled
 * ones that differ.
 *
 * @param {any} sized  the node with the size, null if unknown
 */
export function multipleOf(sized) {
  return bundledOf(sized)?.multiple ?? MULTIPLE;
}

/** The bundled checkpoint that the VAE comes from, null for another one. @returns {Bundled | null} */
function bundledOf(sized) {
  const loader = sized && source(sized, inputIndex(sized, "vae"))?.node;
  return loader?.type === "SMCD_Load" ? (bundled[String(widgetValue(loader, "checkpoint"))] ?? null) : null;
}

/** The number that a node is given, or null for 0, which lets the node choose. */
function positive(node, name) {
  const value = node && givenValue(node, name);
  return typeof value === "number" && value > 0 ? value : null;
}

/**
 * Import and export of trajectories, share cards and background images.
 *
 * @import {Context} from "../view.js"
 * @import {Trajectory} from "../../trajectory/document.js"
 * @import {Format} from "../../trajectory/read_files.js"
 * @typedef {"json" | "csv" | "mot" | "got10k" | "bbox" | "bboxAnimator" | "trailblazer" | "freetraj" | "sgI2v" |
 *   "wanMove" | "card"} ExportFormat
 */

import * as model from "../../trajectory/model.js";
import { openDialog } from "../kit/dialogs.js";
import { h } from "../kit/dom.js";
import { isPng } from "./png.js";
import { readBytes } from "./read_bytes.js";
import { makeCard, readCard } from "./share_card.js";

const MAX_BYTES = 64 * 2 ** 20;
const TYPES = ".json,.txt,.csv,.tsv,.bbox,.yaml,.yml,.npy,image/*,video/*";
const OF_ANY_SIZE = ["json", "trailblazer", "freetraj"]; // formats with shares of the frame

/** Let the user choose files to import. @param {Context} context */
export function importByDialog(context) {
  const input = h("input", { type: "file", multiple: true, accept: TYPES });
  input.addEventListener("change", () => importFiles(context, [...input.files]));
  input.click();
}

/**
 * @param {Context} context
 * @param {File[]} files  imported one by one, as each may open a dialog, but for Wan-Move's tracks.npy and visibility.npy
 */
export async function importFiles(context, files) {
  const besideOf = ({ name }) =>
    /tracks.*\.npy$/.test(name) ? files.find((other) => other.name === name.replace("tracks", "visibility")) : undefined;
  const beside = new Set(files.map(besideOf));
  for (const file of files) if (!beside.has(file)) await importFile(context, file, besideOf(file));
}

/** @param {Context} context @param {File} file @param {File} [beside]  when the points of the file are visible */
async function importFile(context, file, beside) {
  const { editor, t } = context;
  if (file.type.startsWith("video/")) return takeVideo(context, file); // of any size, as only the host reads it
  if (file.size > MAX_BYTES) {
    const megabytes = Math.ceil(file.size / 2 ** 20);
    return editor.notify("error", t("file.tooLarge", { name: file.name, megabytes, limit: MAX_BYTES / 2 ** 20 }));
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (!file.type.startsWith("image/")) {
    const visibility = beside && new Uint8Array(await beside.arrayBuffer());
    return importBoxes(context, (options) => readBytes(bytes, { ...options, visibility }), file.name);
  }
  let text;
  try {
    text = isPng(bytes) ? readCard(bytes) : null;
  } catch (error) {
    return refuse(context, file.name, error);
  }
  return text === null ? takeImage(context, file) : importText(context, text, file.name);
}

/** Use an image as the background and pass it to the host. */
async function takeImage({ editor, t }, file) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    return editor.notify("error", t("file.noPicture", { name: file.name }));
  }
  const { width, height } = picture;
  editor.set({ background: { width, height, part: [0, 0, width, height], isStill: true, imageAt: () => picture } });
  editor.notify("info", t("file.image", { name: file.name, width, height }));
  editor.onBackgroundFile?.(file);
}

function takeVideo({ editor, t }, file) {
  if (editor.onBackgroundFile) editor.onBackgroundFile(file);
  else editor.notify("info", t("file.noVideo"));
}

function refuse({ editor, t }, name, error) {
  if (!(error instanceof model.TrajectoryError)) throw error;
  editor.notify("error", t("file.refused", { name, message: t(error.said) }));
}

/**
 * Import the text of a file, after asking for what it does not contain.
 *
 * @param {Context} context
 * @param {string} text
 * @param {string} name  of the file, for messages
 */
export async function importText(context, text, name) {
  return importBoxes(context, (options) => model.readFile(text, options), name);
}

/** @param {(options: import("../../trajectory/read_files.js").Options) => ReturnType<typeof model.readFile>} read */
async function importBoxes(context, read, name) {
  const { editor } = context;
  const { width, height } = editor.background ?? editor.trajectory;
  const { fps } = editor.trajectory;
  try {
    let question = null;
    let found = null;
    try {
      found = read({ width, height, fps, name });
    } catch (error) {
      if (error instanceof model.FormatQuestion) question = error.choices;
      else if (!(error instanceof model.SizeQuestion)) throw error;
    }
    const isOfAnySize = OF_ANY_SIZE.includes(found?.reading.format) || Boolean(found?.reading.hasSize);
    const isEmpty = !editor.trajectory.objects.length && !editor.problem;
    if (isOfAnySize && isEmpty) return take(context, found, "replace", name);
    const answer = await ask(context, { name, choices: question, size: isOfAnySize ? null : { width, height }, isEmpty });
    if (!answer) return undefined;
    if (!isOfAnySize) found = read({ ...answer, fps });
    return take(context, found, answer.action, name);
  } catch (error) {
    return refuse(context, name, error);
  }
}

function take({ editor, t }, { trajectory, reading }, action, name) {
  if (action === "add") editor.apply("step.import", (before) => model.pasteTracks(before, trajectory));
  // It keeps the source, so that boxes of the same source do not replace it in the next run.
  else editor.replace("step.import", model.withSource(trajectory, editor.trajectory.source));
  const format = t(`format.${reading.format}`);
  const { objects, frames, leftOut } = reading;
  const key = leftOut ? "file.readPart" : "file.read";
  const said = t(key, { name, format, objects, frames, leftOut });
  const remarks = [...(reading.remarks ?? []), ...(action === "add" ? model.shorterThan(editor.trajectory, trajectory) : [])];
  editor.notify("info", [said, ...remarks.map((remark) => t(remark))].join(" "));
}

/** @returns {Promise<{action: string, format: Format | null, width: number, height: number} | null>} */
async function ask({ root, t }, { name, choices, size, isEmpty }) {
  const limits = { min: 1, max: model.LIMITS.side, step: 1, required: true };
  const number = (value) => h("input", { type: "number", ...limits, value });
  const [width, height] = size ? [number(size.width), number(size.height)] : [null, null];
  const options = (choices ?? []).map((choice) => h("option", { value: choice }, t(`format.${choice}`)));
  const format = choices ? h("select", {}, ...options) : null;
  const row = (label, ...fields) => h("label", { class: "smcd-row" }, h("span", {}, label), ...fields);
  const body = h(
    "div",
    { class: "smcd-form" },
    h("p", {}, t(size ? "import.pixels" : "import.question", { name })),
    format && row(t("import.format"), format),
    size && row(t("import.width"), width),
    size && row(t("import.height"), height),
  );
  const actions = [
    { id: "cancel", label: t("dialog.cancel") },
    ...(isEmpty ? [] : [{ id: "add", label: t("import.add") }]),
    { id: "replace", label: t(isEmpty ? "import.open" : "import.replace"), isPrimary: true },
  ];
  const action = await openDialog(root, { title: t("import.title"), body, actions });
  if (action === null || action === "cancel") return null;
  return { action, format: format?.value ?? null, width: Number(width?.value), height: Number(height?.value) };
}

/**
 * Save the trajectory as one or more files.
 *
 * @param {Context} context
 * @param {ExportFormat} format
 */
export async function exportTrajectory(context, format) {
  const { editor, t } = context;
  const { trajectory } = editor;
  try {
    const files = await filesOf(context, trajectory, format);
    for (const [name, content] of Object.entries(files)) download(name, content);
    editor.notify("info", t("file.saved", { names: Object.keys(files).join(", ") }));
  } catch (error) {
    editor.refuse(error);
  }
}

/** @returns {Promise<Record<string, string | Uint8Array>>} by name */
async function filesOf(context, trajectory, format) {
  switch (format) {
    case "csv":
      return { "boxes.csv": model.writeCsv(trajectory) };
    case "mot":
      return { "mot.txt": model.writeMot(trajectory) };
    case "got10k":
      return model.writeGot10k(trajectory, chosenId(context));
    case "bbox":
      return { "bbox.txt": model.writeBboxTxt(trajectory, chosenId(context)) };
    case "bboxAnimator":
      return { "bbox_animator.json": model.writeBboxAnimator(trajectory) };
    case "trailblazer":
      return { "trailblazer.yaml": model.writeTrailBlazer(trajectory, chosenId(context)) };
    case "freetraj":
      return { "freetraj.txt": model.writeFreeTraj(trajectory, chosenId(context)) };
    case "sgI2v":
      return { "traj.npy": model.writeSgI2v(trajectory) };
    case "wanMove":
      return model.writeWanMove(trajectory);
    case "card":
      return { "trajectory.png": await makeCard(context) };
    default:
      return { "trajectory.json": model.serialiseTrajectory(trajectory) };
  }
}

/** The object to save in a format that holds only one. */
function chosenId({ editor }) {
  const { objects } = editor.trajectory;
  const ids = editor.selected.size ? [...editor.selected] : objects.map(({ id }) => id);
  if (ids.length !== 1) {
    throw new model.TrajectoryError(model.say`this format holds one object: select the one to save`);
  }
  return ids[0];
}

function download(name, content) {
  const url = URL.createObjectURL(new Blob([content]));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser reads it later
}

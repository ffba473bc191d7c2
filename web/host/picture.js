/**
 * The image or video connected to a node, as far as the graph shows it without a run: the file of the loader, and how
 * the nodes between change its size. The search stops at unknown nodes, as they may do anything.
 *
 * @import {Api} from "./host.js"
 * @typedef {{kind: "image" | "video", url: string, timing: Timing, steps: Step[], isComing?: boolean}} Picture  plain
 *   data, equal as JSON if it looks the same; isComing: its file is still being uploaded
 * @typedef {{rate: number, skip: number, every: number}} Timing  of a video. rate: frames per second, 0 for that of
 *   the trajectory; skip: frames skipped at the start; every: use every n-th
 * @typedef {{name: keyof typeof STEPS, values: any[]}} Step
 * @typedef {{width: number, height: number, part: [number, number, number, number]}} View  size in pixels; part: the
 *   visible part of the file, as left, top, width, height in its own pixels
 */

import { inputIndex, searchUp, widgetValue } from "./links.js";

export const PLAIN = { rate: 0, skip: 0, every: 1 };

/** Files of loaders, by node type. @type {Record<string, (node: any, api: Api) => Omit<Picture, "steps"> | null>} */
const LOADERS = {
  LoadImage: (node, api) => fileOf(node, "image", api),
  LoadImageOutput: (node, api) => fileOf(node, "image", api),
  LoadVideo: (node, api) => fileOf(node, "file", api),
  VHS_LoadVideo(node, api) {
    const [rate, skip, every] = ["force_rate", "skip_first_frames", "select_every_nth"].map((name) =>
      widgetValue(node, name),
    );
    return fileOf(node, "video", api, { rate: rate || 0, skip: skip || 0, every: every || 1 });
  },
  SMCD_Example(node, api) {
    const name = widgetValue(node, "example");
    if (!name) return null;
    return { kind: "image", url: api.fileURL(`/smcd/examples/${encodeURIComponent(name)}.png`), timing: PLAIN };
  },
};

/** Nodes that pass an image on, by type: the input, the step that changes the size, and the widgets for it. */
const PASSES = {
  GetVideoComponents: ["video"],
  RepeatImageBatch: ["image"],
  ImageUpscaleWithModel: ["image"],
  ImageScaleToTotalPixels: ["image"],
  ImageScaleToMaxDimension: ["image"],
  ImageScaleBy: ["image", "by", "scale_by"],
  ImageScale: ["image", "to", "width", "height", "crop"],
  ImageResizeKJ: ["image", "fit", "width", "height", "keep_proportion"],
  ImageResizeKJv2: ["image", "fit", "width", "height", "keep_proportion"],
  ImageCrop: ["image", "crop", "x", "y", "width", "height"],
};

/** How nodes change a view. @type {Record<string, (view: View, ...values: any[]) => View | null>} */
const STEPS = {
  by: (view, factor) => ({ ...view, width: view.width * factor, height: view.height * factor }),
  to: (view, width, height, crop) => scaled(view, width, height, crop === "center"),
  fit(view, width, height, keep) {
    if (keep === false || keep === "stretch") return scaled(view, width, height, false);
    if (keep === "crop") return scaled(view, width, height, true);
    if (keep !== true && keep !== "resize") return null; // adds bars
    const factor = Math.min(width / view.width || Infinity, height / view.height || Infinity);
    return Number.isFinite(factor) ? STEPS.by(view, factor) : view;
  },
  crop(view, x, y, width, height) {
    const left = Math.min(x, view.width - 1);
    const top = Math.min(y, view.height - 1);
    return cut(view, left, top, Math.min(width, view.width - left), Math.min(height, view.height - top));
  },
};

/**
 * @param {any} node
 * @param {string} input  name
 * @param {Api} api
 * @returns {Picture | null} null if only a run can tell
 */
export function connectedPicture(node, input, api) {
  const steps = [];
  return searchUp(node, inputIndex(node, input), ({ node: found }) => {
    const load = LOADERS[found.type];
    if (load) {
      const file = load(found, api);
      return file && { ...file, steps: steps.reverse() };
    }
    const [passed, name, ...widgets] = PASSES[found.type] ?? [];
    if (!passed) return null;
    const values = widgets.map((widget) => widgetValue(found, widget));
    if (values.includes(undefined)) return null; // given by a link
    if (name) steps.push({ name, values });
    return inputIndex(found, passed);
  });
}

/**
 * The view of a file of a given size after some steps.
 *
 * @param {number} width  pixels
 * @param {number} height
 * @param {Step[]} steps
 * @returns {View | null} null if unknown
 */
export function viewOf(width, height, steps) {
  /** @type {View} */
  const whole = { width, height, part: [0, 0, width, height] };
  const view = steps.reduce((before, { name, values }) => before && STEPS[name](before, ...values), whole);
  return view && { ...view, width: Math.max(Math.round(view.width), 1), height: Math.max(Math.round(view.height), 1) };
}

/** Whether a file is shown as a video: one that browsers play. @param {string} name */
export function isVideoFile(name) {
  return /\.(mp4|webm|mov|m4v|mkv|ogv)$/i.test(name);
}

/** The URL of a file that a run or a widget names. @param {Record<string, string>} file @param {Api} api */
export function fileUrl({ filename, subfolder, type }, api) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder: subfolder ?? "", type })}`);
}

/**
 * The file that a widget names, such as "folder/image.png [output]".
 *
 * @returns {Omit<Picture, "steps"> | null}
 */
function fileOf(node, widget, api, timing = PLAIN) {
  const value = widgetValue(node, widget);
  if (typeof value !== "string" || !value) return null;
  const [, path, type = "input"] = /^(.*?)(?:\s*\[(input|output|temp)\])?$/s.exec(value);
  const parts = path.split("/");
  const filename = parts.pop();
  const kind = isVideoFile(filename) ? "video" : "image";
  const url = fileUrl({ filename, subfolder: parts.join("/"), type }, api);
  // Loaders drop transparency, in which the mask editor saves masks: what is below it is seen.
  const seen = /\.png$/i.test(filename) ? `${url}&channel=rgb` : url;
  return { kind, url: seen, timing, ...(node.isUploading && { isComing: true }) };
}

/** Scale a view. 0 for one side keeps the aspect ratio, 0 for both keeps the size. */
function scaled(view, width, height, isCropped) {
  if (!width && !height) return view;
  const to = [width || (view.width * height) / view.height, height || (view.height * width) / view.width];
  if (!isCropped) return { ...view, width: to[0], height: to[1] };
  const aspect = to[0] / to[1];
  const [w, h] = [Math.min(view.width, view.height * aspect), Math.min(view.height, view.width / aspect)];
  return { ...cut(view, (view.width - w) / 2, (view.height - h) / 2, w, h), width: to[0], height: to[1] };
}

/** @returns {View} */
function cut({ width, height, part: [left, top, w, h] }, x, y, newWidth, newHeight) {
  const [sx, sy] = [w / width, h / height];
  return { width: newWidth, height: newHeight, part: [left + x * sx, top + y * sy, newWidth * sx, newHeight * sy] };
}

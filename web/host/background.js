/**
 * The picture or video behind the boxes: what is connected, found without a run, else what the last run showed.
 *
 * @import {Background, EditorState} from "../editor/state.js"
 * @typedef {{kind: "image" | "video", url: string}} Medium
 */

import { inputIndex, searchUp, widgetValue } from "./links.js";

const VIDEO_FILE = /\.(mp4|webm|mov|m4v|mkv|ogv)$/i;
// Loaders by the widget that names their file. Others are found by a run.
const FILE_WIDGETS = ["image", "video", "file"];

/**
 * The file that feeds the node's background: of a LoadImage, LoadVideo or VHS_LoadVideo, however many resizing nodes
 * are between.
 *
 * @param {any} node
 * @param {{apiURL: (path: string) => string}} api
 * @returns {Medium | null}
 */
export function connectedMedium(node, api) {
  return searchUp(node, inputIndex(node, "background"), ["IMAGE", "VIDEO", "*"], (found) => {
    if (!/load/i.test(found.comfyClass ?? "")) return null;
    for (const name of FILE_WIDGETS) {
      const value = widgetValue(found, name);
      if (typeof value === "string" && value) return { kind: kindOf(value), url: urlOf(value, api) };
    }
    return null;
  });
}

/** Where the host serves a file that a run reports. @param {Record<string, string>} file @param {any} api */
export function resultUrl({ filename, subfolder, type }, api) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder: subfolder ?? "", type })}`);
}

/** A widget's value, such as "folder/picture.png [output]". */
function urlOf(value, api) {
  const [, path, type = "input"] = /^(.*?)(?:\s*\[(input|output|temp)\])?$/.exec(value);
  const parts = path.split("/");
  return resultUrl({ filename: parts.pop(), subfolder: parts.join("/"), type }, api);
}

function kindOf(value) {
  return VIDEO_FILE.test(value.replace(/\s*\[\w+\]$/, "")) ? "video" : "image";
}

/**
 * Put a medium behind the boxes. What cannot be shown leaves the background as it was.
 *
 * @param {EditorState} editor
 * @param {Medium} medium
 * @returns {() => void} lets go of it
 */
export function showMedium(editor, { kind, url }) {
  return kind === "video" ? showVideo(editor, url) : showImages(editor, [url]);
}

/**
 * Pictures that are spread evenly over the clip.
 *
 * @param {EditorState} editor
 * @param {string[]} urls
 * @returns {() => void}
 */
export function showImages(editor, urls) {
  let isShown = true;
  const images = urls.map((url) => {
    const image = new Image();
    image.onload = () => isShown && draw();
    image.src = url;
    return image;
  });
  const draw = () => {
    const ready = images.find((image) => image.naturalWidth);
    const imageAt = (time) => {
      const share = time / Math.max(editor.document.frames - 1, 1);
      const image = images[Math.round(share * (images.length - 1))];
      return image?.naturalWidth ? image : null;
    };
    editor.set({ background: { width: ready.naturalWidth, height: ready.naturalHeight, imageAt } });
  };
  return () => {
    isShown = false;
  };
}

/** A video whose time is that of the playhead. */
function showVideo(editor, url) {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, preload: "auto", playsInline: true, src: url });
  let wanted = 0;
  const seek = () => {
    // One seek at a time: a browser drops those that come too fast.
    if (!video.seeking && Math.abs(video.currentTime - wanted) > 0.001) video.currentTime = wanted;
  };
  const imageAt = (time) => {
    const end = Math.max((video.duration || 0) - 0.001, 0);
    wanted = Math.min(time / editor.document.fps, end);
    seek();
    return video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA ? video : null;
  };
  const draw = () => {
    editor.set({ background: { width: video.videoWidth, height: video.videoHeight, imageAt } });
    seek();
  };
  video.onloadeddata = draw;
  video.onseeked = draw;
  return () => {
    video.onloadeddata = video.onseeked = null;
    video.removeAttribute("src");
    video.load();
  };
}

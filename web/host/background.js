/**
 * Loading the background image or video, and syncing it with the playhead.
 *
 * @import {EditorState} from "../editor/state/state.js"
 * @import {Picture, View} from "./picture.js"
 */

import { viewOf } from "./picture.js";

/**
 * Show an image or video behind the boxes. If it cannot be loaded, there is no background.
 *
 * @param {EditorState} editor
 * @param {Picture} picture
 * @param {(size: {width: number, height: number}) => void} onReady
 * @returns {() => void} releases it
 */
export function showPicture(editor, picture, onReady) {
  const { kind, url, steps } = picture;
  return kind === "video" ? showVideo(editor, picture, onReady) : showImages(editor, [url], steps, onReady);
}

/**
 * Show images, spread evenly over the clip.
 *
 * @param {EditorState} editor
 * @param {string[]} urls
 * @param {Picture["steps"]} [steps]
 * @param {(size: {width: number, height: number}) => void} [onReady]  called when the first is loaded
 * @returns {() => void}
 */
export function showImages(editor, urls, steps = [], onReady = () => {}) {
  let isShown = true;
  let ready = null;
  const images = urls.map((url) => {
    const image = new Image();
    image.onload = () => isShown && draw(image);
    image.src = url;
    return image;
  });
  const draw = (image) => {
    const { naturalWidth: width, naturalHeight: height } = image;
    const view = width && height ? viewOf(width, height, steps) : null;
    if (!view) return;
    const imageAt = (time) => {
      const share = time / Math.max(editor.trajectory.frames - 1, 1);
      const chosen = images[Math.round(share * (images.length - 1))];
      return chosen?.complete && chosen.naturalWidth ? partOf(chosen, view) : null;
    };
    editor.set({ background: { width: view.width, height: view.height, imageAt } });
    if (!ready) onReady(view);
    ready = image;
  };
  return () => {
    isShown = false;
    if (ready) editor.set({ background: null });
  };
}

/** Show a video at the time of the playhead. */
function showVideo(editor, { url, timing, steps }, onReady) {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, preload: "auto", playsInline: true, src: url });
  let wanted = 0;
  let isReady = false;
  // One seek at a time, because browsers drop seeks that come too fast.
  const seek = () => {
    if (!video.seeking && Math.abs(video.currentTime - wanted) > 0.001) video.currentTime = wanted;
  };
  const draw = () => {
    const view = video.videoWidth ? viewOf(video.videoWidth, video.videoHeight, steps) : null;
    if (!view) return;
    const imageAt = (time) => {
      const seconds = (timing.skip + time * timing.every) / (timing.rate || editor.trajectory.fps);
      wanted = Math.min(seconds, Math.max((video.duration || 0) - 0.001, 0));
      seek();
      return video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA ? partOf(video, view) : null;
    };
    editor.set({ background: { width: view.width, height: view.height, imageAt } });
    if (!isReady) onReady(view);
    isReady = true;
  };
  video.onloadeddata = draw;
  video.onseeked = draw;
  return () => {
    video.onloadeddata = video.onseeked = null;
    video.removeAttribute("src");
    video.load();
    if (isReady) editor.set({ background: null });
  };
}

/** The image itself if all of it is visible, else a canvas with the visible part. */
function partOf(image, { part: [left, top, width, height] }) {
  const [w, h] = [image.naturalWidth || image.videoWidth, image.naturalHeight || image.videoHeight];
  if (left === 0 && top === 0 && width === w && height === h) return image;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.max(Math.round(width), 1), Math.max(Math.round(height), 1)];
  canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/**
 * Loading the background image or video, and syncing it with the playhead.
 *
 * @import {EditorState} from "../editor/state/state.js"
 * @import {Picture, View} from "./picture.js"
 * @typedef {"background" | "result"} Slot
 */

import { viewOf } from "./picture.js";

/**
 * Show an image or video behind the boxes.
 *
 * @param {EditorState} editor
 * @param {Picture} picture
 * @param {{onReady?: (size: {width: number, height: number}) => void, onError?: () => void, slot?: Slot}} calls  onReady:
 *   once it is loaded; onError: the browser cannot load or decode it; slot: where the editor gets it
 * @returns {() => void} releases it
 */
export function showPicture(editor, picture, calls) {
  const { kind, url, steps } = picture;
  return kind === "video" ? showVideo(editor, picture, calls) : showImages(editor, [url], { ...calls, steps });
}

/**
 * Show images, spread evenly over the clip.
 *
 * @param {EditorState} editor
 * @param {string[]} urls
 * @param {{steps?: Picture["steps"], onReady?: (size: {width: number, height: number}) => void,
 *   onError?: () => void, slot?: Slot}} options  onReady: called when the first is loaded
 * @returns {() => void}
 */
export function showImages(editor, urls, { steps = [], onReady = () => {}, onError = () => {}, slot = "background" }) {
  let isShown = true;
  let ready = null;
  const images = urls.map((url) => {
    const image = new Image();
    image.onload = () => isShown && draw(image);
    image.onerror = () => isShown && onError();
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
      return chosen?.complete && chosen.naturalWidth ? chosen : null;
    };
    editor.set({ [slot]: { ...view, isStill: images.length === 1, imageAt } });
    if (!ready) onReady(view);
    ready = image;
  };
  return () => {
    isShown = false;
    if (ready) editor.set({ [slot]: null });
  };
}

/**
 * Show a video at the time of the playhead.
 *
 * @param {EditorState} editor
 * @param {Picture} picture
 * @param {Parameters<typeof showPicture>[2]} calls
 */
function showVideo(editor, { url, timing, steps }, { onReady, onError, slot = "background" }) {
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
      return video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA ? video : null;
    };
    editor.set({ [slot]: { ...view, imageAt } });
    if (!isReady) onReady?.(view);
    isReady = true;
  };
  video.onloadeddata = draw;
  video.onseeked = draw;
  video.onerror = () => onError?.();
  return () => {
    video.onloadeddata = video.onseeked = video.onerror = null;
    video.removeAttribute("src");
    video.load();
    if (isReady) editor.set({ [slot]: null });
  };
}

/**
 * The share card: a PNG image that shows a trajectory and contains it. An editor loads it when it is dropped there.
 *
 * @import {Context} from "../view.js"
 * @import {Trajectory} from "../../trajectory/document.js"
 */

import * as model from "../../trajectory/model.js";
import { fittedText } from "../kit/canvas_text.js";
import { readPngText, withPngText } from "./png.js";

const KEYWORD = "smcd_trajectory";
const WIDTH = 960; // pixels
const MARGIN = 24;
const GAP = 12;
const MAX_HEIGHT = 640; // of the large image
const STILLS = 4;
const LINE = 26; // per phrase
const [PAPER, INK, FAINT] = ["#16181b", "#f0f0f0", "#9aa0a6"];

/**
 * @param {Context} context
 * @returns {Promise<Uint8Array>} the PNG file
 */
export async function makeCard(context) {
  const { trajectory, background } = context.editor;
  const canvas = document.createElement("canvas");
  drawCard(canvas, trajectory, background, context.t);
  const bytes = await bytesOf(canvas).catch(() => {
    // The browser shows images of other sites but does not let scripts read them.
    drawCard(canvas, trajectory, null, context.t);
    return bytesOf(canvas);
  });
  return withPngText(bytes, KEYWORD, model.serialiseTrajectory(trajectory));
}

/**
 * The trajectory text in a PNG file, or null.
 *
 * @param {Uint8Array} bytes
 * @throws {model.TrajectoryError} for a damaged file
 */
export function readCard(bytes) {
  return readPngText(bytes, KEYWORD);
}

async function bytesOf(canvas) {
  const blob = await new Promise((resolve, reject) => {
    const failed = new model.TrajectoryError(model.say`the card could not be drawn: save the JSON file instead`);
    canvas.toBlob((made) => (made ? resolve(made) : reject(failed)), "image/png");
  });
  return new Uint8Array(await blob.arrayBuffer());
}

/** Draw a large image with all paths, stills below it, then the phrases. */
function drawCard(canvas, trajectory, background, t) {
  const { width, height, frames, fps } = trajectory;
  const tracks = trajectory.objects.filter((track) => track.enabled);
  const room = WIDTH - 2 * MARGIN;
  const large = fitted(width, height, [room, MAX_HEIGHT]);
  const count = Math.min(STILLS, frames);
  const stillWidth = (room - GAP * (STILLS - 1)) / STILLS;
  const stillHeight = Math.min((stillWidth * height) / width, MAX_HEIGHT / 2);
  const stillTop = MARGIN + large[1] + GAP;
  const listTop = stillTop + stillHeight + 2 * GAP;
  const columns = 2;
  const lines = Math.ceil(tracks.length / columns);
  canvas.width = WIDTH;
  canvas.height = Math.ceil(listTop + (lines + 1) * LINE + MARGIN / 2);
  const context = canvas.getContext("2d");
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width, canvas.height);

  within(context, (WIDTH - large[0]) / 2, MARGIN, large, () => {
    drawBackground(context, background, 0, large);
    for (const track of tracks) drawPath(context, track, trajectory, large);
  });
  for (let n = 0; n < count; n += 1) {
    const frame = Math.round((n * (frames - 1)) / Math.max(count - 1, 1));
    const size = fitted(width, height, [stillWidth, stillHeight]);
    within(context, MARGIN + n * (stillWidth + GAP) + (stillWidth - size[0]) / 2, stillTop, size, () => {
      drawBackground(context, background, frame, size);
      for (const track of tracks) {
        if (!model.visibleAt(track, frame)) continue;
        drawBox(context, model.boxAt(track, frame, trajectory), track.color, size, 2);
      }
      context.fillStyle = INK;
      context.font = "bold 13px system-ui, sans-serif";
      context.fillText(String(frame), 6, 17);
    });
  }
  context.font = "15px system-ui, sans-serif";
  tracks.forEach((track, n) => {
    const x = MARGIN + (n % columns) * (room / columns);
    const y = listTop + Math.floor(n / columns) * LINE;
    context.fillStyle = track.color;
    context.fillRect(x, y, 14, 14);
    context.fillStyle = INK;
    context.fillText(fittedText(context, track.phrase || track.id, room / columns - 40).text, x + 22, y + 12);
  });
  context.fillStyle = FAINT;
  context.fillText(t("card.footer", { width, height, count: frames, fps }), MARGIN, listTop + lines * LINE + 12);
}

/** Scale a size to fit into another. @returns {[number, number]} */
function fitted(width, height, [roomX, roomY]) {
  const scale = Math.min(roomX / width, roomY / height);
  return [width * scale, height * scale];
}

/** Draw inside a rectangle, with its corner as the origin. */
function within(context, x, y, [width, height], draw) {
  context.save();
  context.translate(x, y);
  context.beginPath();
  context.rect(0, 0, width, height);
  context.clip();
  draw();
  context.restore();
}

/** Draw the background, stretched over the frame as on the stage and for the model. */
function drawBackground(context, background, frame, [width, height]) {
  context.fillStyle = "#2a2d31";
  context.fillRect(0, 0, width, height);
  const image = background?.imageAt(frame);
  if (image) context.drawImage(image, ...background.part, 0, 0, width, height);
}

/** Draw the first and last box, and the path of the centre between them. */
function drawPath(context, track, trajectory, size) {
  const { frames } = trajectory;
  const dense = model.denseBoxes(track, trajectory);
  context.strokeStyle = track.color;
  context.lineWidth = 3;
  context.beginPath();
  for (let frame = 0; frame < frames; frame += 1) {
    const [x, y] = model.centreOf(model.boxOf(dense, frame));
    context.lineTo(x * size[0], y * size[1]);
  }
  context.stroke();
  context.fillStyle = track.color;
  for (const { frame, box } of track.keys) {
    const [x, y] = model.centreOf(box);
    context.beginPath();
    context.arc(x * size[0], y * size[1], frame === 0 ? 6 : 4, 0, 2 * Math.PI);
    context.fill();
  }
  context.setLineDash([8, 5]);
  drawBox(context, model.boxOf(dense, 0), track.color, size, 2);
  context.setLineDash([]);
  drawBox(context, model.boxOf(dense, frames - 1), track.color, size, 3);
}

function drawBox(context, [x1, y1, x2, y2], color, [width, height], line) {
  context.strokeStyle = color;
  context.lineWidth = line;
  context.strokeRect(x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height);
}

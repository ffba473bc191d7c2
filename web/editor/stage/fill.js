/** Filling holes in a picture from what is around them, as smcd_core/guides/fill.py does. */

const PUSHED = 4; // times that a size is put onto the next, over itself: one known pixel of four is nearly enough

/**
 * A small square picture without holes.
 *
 * Push and pull, by the browser: halving a canvas makes means of colours by how opaque they are, so that holes count
 * for nothing; then each size is put under the one above it. Pixels are not read: a browser may forbid or falsify that.
 *
 * @param {number} side  pixels, a power of two
 * @param {(context: CanvasRenderingContext2D) => void} draw  leaves the holes transparent
 * @returns {HTMLCanvasElement}
 */
export function filledCopy(side, draw) {
  const copy = canvasOf(side, side);
  copy.imageSmoothingQuality = "high";
  draw(copy);
  const sizes = [copy];
  for (let size = side / 2; size >= 1; size /= 2) {
    const half = scratchOf(size);
    for (let n = 0; n < PUSHED; n += 1) half.drawImage(sizes.at(-1).canvas, 0, 0, size, size);
    sizes.push(half);
  }
  for (let n = sizes.length - 2; n >= 0; n -= 1) {
    const { width, height } = sizes[n].canvas;
    sizes[n].globalCompositeOperation = "destination-over";
    sizes[n].drawImage(sizes[n + 1].canvas, 0, 0, width, height);
  }
  return copy.canvas;
}

/** @param {number} width  pixels @param {number} height */
export function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return canvas.getContext("2d");
}

/** @type {Map<number, CanvasRenderingContext2D>} by side */
const scratch = new Map();

/** An empty canvas until the next call. @param {number} side  pixels */
function scratchOf(side) {
  if (!scratch.has(side)) scratch.set(side, canvasOf(side, side));
  const context = scratch.get(side);
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, side, side);
  return context;
}

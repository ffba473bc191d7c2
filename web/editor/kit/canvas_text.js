/** Text on a canvas: fitted to its room, in the direction that it is read. */

const LONGEST = 200; // characters that are measured
const MAX_CACHED = 4000;

const RIGHT_TO_LEFT = /^[^\p{L}]*[\p{sc=Arab}\p{sc=Hebr}\p{sc=Syrc}\p{sc=Thaa}\p{sc=Nkoo}]/u;

/**
 * Draw a line of text from its left end, in the direction of its first letter.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} x
 * @param {number} y
 */
export function drawText(context, text, x, y) {
  context.textAlign = "left";
  context.direction = RIGHT_TO_LEFT.test(text) ? "rtl" : "ltr";
  context.fillText(text, x, y);
}

/** @type {Map<string, {text: string, width: number}>} by font, room and text, because measuring is slow */
const cache = new Map();

/**
 * Shorten a text to fit, with an ellipsis. At least one character remains.
 *
 * @param {CanvasRenderingContext2D} context  with the font set
 * @param {string} text
 * @param {number} room  CSS pixels
 * @returns {{text: string, width: number}}  width: CSS pixels
 */
export function fittedText(context, text, room) {
  const name = `${context.font}/${room}/${text}`;
  const known = cache.get(name);
  if (known) return known;
  if (cache.size >= MAX_CACHED) cache.clear();
  const measure = (shown) => context.measureText(shown).width;
  const characters = [...text.replace(/\s+/g, " ")];
  const start = (count) => characters.slice(0, count).join("");
  let fitted = start(LONGEST);
  if (characters.length > LONGEST || measure(fitted) > room) {
    let [low, high] = [0, Math.min(characters.length, LONGEST)]; // `low` characters fit, `high` do not
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (measure(`${start(middle)}…`) <= room) low = middle;
      else high = middle;
    }
    fitted = `${start(Math.max(low, 1)).trimEnd()}…`;
  }
  const result = { text: fitted, width: measure(fitted) };
  cache.set(name, result);
  return result;
}

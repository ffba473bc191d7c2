/**
 * The editor's colours and font, for canvases. They come from the host and may change while the editor is open.
 *
 * @typedef {{text: string, faint: string, line: string, surface: string, background: string, accent: string,
 *   font: string, scheme: "dark" | "light"}} Theme  scheme: for the browser's own parts of controls
 */

const DARK = "#000000";
const LIGHT = "#ffffff";
const UNKNOWN = "#808080"; // until the style sheet is loaded

/**
 * @param {Element} element  in the editor
 * @returns {Theme}
 */
export function themeOf(element) {
  const style = getComputedStyle(element);
  const color = (name) => style.getPropertyValue(`--smcd-${name}`).trim() || UNKNOWN;
  return {
    text: color("text"),
    faint: color("faint"),
    line: color("line"),
    surface: color("surface"),
    background: color("background"),
    accent: color("accent"),
    font: `11px ${style.fontFamily}`,
    scheme: isBright(style.color) ? "dark" : "light",
  };
}

/** @param {string} color  rgb(...), as computed; empty while the element is not on the page */
function isBright(color) {
  const [red, green, blue] = (color.match(/[\d.]+/g) ?? []).map(Number);
  return red + green + blue > 1.5 * 255;
}

/** Dark or light, whichever stands out from a colour, by at least 4.5:1. @param {string} color  #rrggbb */
export function contrastTo(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return luminance > 0.179 ? DARK : LIGHT; // where both contrasts are equal
}

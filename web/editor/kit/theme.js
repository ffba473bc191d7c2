/**
 * The editor's colours and font, for canvases. They come from the host and may change while the editor is open.
 *
 * @typedef {{text: string, faint: string, line: string, surface: string, background: string, accent: string,
 *   font: string}} Theme
 */

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
  };
}

/** Error messages that can be translated: templates with values. */

/** An English text with values, which may be such texts themselves. */
export class Said {
  #parts;

  /** @param {readonly string[]} parts @param {unknown[]} values */
  constructor(parts, values) {
    this.#parts = parts;
    this.values = values;
  }

  /** The text with {0}, {1} ... in place of the values. */
  get template() {
    return this.#parts.reduce((text, part, n) => `${text}{${n - 1}}${part}`);
  }

  toString() {
    return this.#parts.reduce((text, part, n) => `${text}${this.values[n - 1]}${part}`);
  }
}

/**
 * Make a text from a template literal: say`frame ${frame} is taken`.
 *
 * @param {TemplateStringsArray} parts
 * @param {...unknown} values
 */
export function say(parts, ...values) {
  return new Said(parts, values);
}

/** An invalid trajectory or file, or an impossible operation. The message says where and why. */
export class TrajectoryError extends Error {
  name = "TrajectoryError";

  /** @param {Said} said */
  constructor(said) {
    super(String(said));
    this.said = said;
  }
}

/** Why something is refused: a text that other languages can say, as template and values. */

/** English text around values, which may be of this kind themselves. */
export class Said {
  #parts;

  /** @param {readonly string[]} parts @param {unknown[]} values */
  constructor(parts, values) {
    this.#parts = parts;
    this.values = values;
  }

  /** The text with {0}, {1} ... where the values go. */
  get template() {
    return this.#parts.reduce((text, part, n) => `${text}{${n - 1}}${part}`);
  }

  toString() {
    return this.#parts.reduce((text, part, n) => `${text}${this.values[n - 1]}${part}`);
  }
}

/**
 * The text of a template literal: say`frame ${frame} is taken`.
 *
 * @param {TemplateStringsArray} parts
 * @param {...unknown} values
 */
export function say(parts, ...values) {
  return new Said(parts, values);
}

/** A text or a file that is no trajectory, or an operation that is not possible. The message says where and why. */
export class TrajectoryError extends Error {
  name = "TrajectoryError";

  /** @param {Said} said */
  constructor(said) {
    super(String(said));
    this.said = said;
  }
}

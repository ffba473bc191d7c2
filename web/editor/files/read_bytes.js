/** Box files as the bytes that they are. */

import * as model from "../../trajectory/model.js";

/**
 * Read a trajectory from the bytes of a file: text, or an array of numpy.
 *
 * @param {Uint8Array} bytes
 * @param {import("../../trajectory/read_files.js").Options} options
 * @returns {ReturnType<typeof model.readFile>}
 * @throws {model.TrajectoryError}  a FormatQuestion or SizeQuestion if an answer in `options` settles it
 */
export function readBytes(bytes, options) {
  return model.isArray(bytes) ? model.readArrayFile(bytes, options) : model.readFile(textOf(bytes), options);
}

/** Text in another encoding is refused, as names would come out wrong; so are zeros, which no text holds. */
function textOf(bytes) {
  const notText = new model.TrajectoryError(model.say`the file is not UTF-8 text: save it as UTF-8`);
  if (bytes.includes(0)) throw notText;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw notText;
  }
}

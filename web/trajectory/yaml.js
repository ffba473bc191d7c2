/** The part of YAML that settings are written in: block maps and lists, lists in brackets, texts, numbers. */

import { say, TrajectoryError } from "./refusal.js";

const KEY = /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'#&*!|>%@`[\]{},][^#]*?)\s*:(?:\s+(.*))?$/;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;
const CONSTANTS = new Map([["true", true], ["false", false], ["null", null], ["~", null]]);

/**
 * @typedef {{indent: number, text: string, number: number}} Line  text: without indent and comment
 *
 * @param {string} text
 * @returns {unknown}
 * @throws {TrajectoryError} for what is not YAML, and for YAML beyond that part
 */
export function readYaml(text) {
  const lines = text.split("\n").map(lineOf).filter((line) => line.text && line.text !== "---");
  const reader = { lines, at: 0 };
  const value = lines.length ? readBlock(reader) : null;
  if (reader.at < lines.length) throw refusal(lines[reader.at]);
  return value;
}

/** @returns {Line} */
function lineOf(line, index) {
  const bare = withoutComment(line);
  const text = bare.trim();
  return { indent: bare.length - bare.trimStart().length, text, number: index + 1 };
}

function withoutComment(line) {
  let quote = "";
  for (let at = 0; at < line.length; at += 1) {
    const isStart = at === 0 || /[\s[,]/.test(line[at - 1]);
    const isEscaped = line[at] === "\\" ? quote === '"' : quote === "'" && line.startsWith("''", at);
    if (quote && isEscaped) at += 1;
    else if (quote) quote = line[at] === quote ? "" : quote;
    else if (isStart && /["']/.test(line[at])) quote = line[at];
    else if (isStart && line[at] === "#") return line.slice(0, at);
  }
  return line;
}

function refusal({ number, text }) {
  if (/(^|[\s[,])[&*]\w/.test(text)) {
    return new TrajectoryError(say`line ${number}: has aliases (*): write out what they stand for`);
  }
  return new TrajectoryError(say`line ${number}: is not YAML of plain lists, texts and numbers: ${text.slice(0, 40)}`);
}

function readBlock(reader) {
  const { indent, text } = reader.lines[reader.at];
  return isItem(text) ? readList(reader, indent) : readMap(reader, indent);
}

function isItem(text) {
  return text === "-" || text.startsWith("- ");
}

function readList(reader, indent) {
  const items = [];
  for (let line; (line = reader.lines[reader.at])?.indent === indent && isItem(line.text); ) {
    const rest = line.text.slice(1).trimStart();
    if (!rest) {
      reader.at += 1;
      items.push(readDeeper(reader, indent));
    } else if (isItem(rest) || KEY.test(rest)) {
      reader.lines[reader.at] = { ...line, indent: indent + line.text.length - rest.length, text: rest };
      items.push(readBlock(reader));
    } else items.push(readScalar(reader, rest, indent));
  }
  return items;
}

function readMap(reader, indent) {
  const entries = [];
  for (let line; (line = reader.lines[reader.at])?.indent === indent && !isItem(line.text); ) {
    const [, name, value] = KEY.exec(line.text) ?? [];
    if (name === undefined) throw refusal(line);
    if (value) entries.push([name, readScalar(reader, value, indent)]);
    else {
      reader.at += 1;
      const next = reader.lines[reader.at];
      // A list may stand right under its name.
      const isBelow = next?.indent === indent && isItem(next.text);
      entries.push([scalarOf(name, line), isBelow ? readList(reader, indent) : readDeeper(reader, indent)]);
    }
  }
  return Object.fromEntries(entries);
}

function readDeeper(reader, indent) {
  const next = reader.lines[reader.at];
  return next?.indent > indent ? readBlock(reader) : null;
}

/** A value on the current line, which goes on in the lines that are deeper. */
function readScalar(reader, text, indent) {
  const line = reader.lines[reader.at];
  reader.at += 1;
  let whole = text;
  for (let next; (next = reader.lines[reader.at])?.indent > indent; reader.at += 1) whole += ` ${next.text}`;
  return scalarOf(whole, { ...line, text: whole });
}

/** @param {string} text @param {Line} line */
function scalarOf(text, line) {
  if (/^"(?:[^"\\]|\\.)*"$/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      throw refusal(line);
    }
  }
  if (/^'(?:[^']|'')*'$/.test(text)) return text.slice(1, -1).replaceAll("''", "'");
  if (/^\[[^[\]{}]*\]$/.test(text)) {
    const inner = text.slice(1, -1).trim();
    return inner ? inner.split(",").map((part) => scalarOf(part.trim(), line)) : [];
  }
  if (/^["'&*!|>%@`[\]{},]|: |:$/.test(text)) throw refusal(line);
  if (CONSTANTS.has(text)) return CONSTANTS.get(text);
  return NUMBER.test(text) ? Number(text) : text;
}

/** The files of tests/cases, which Python reads too: each gives the same boxes here, or is refused. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { readBytes } from "../../web/editor/files/read_bytes.js";
import { boxesAt, TrajectoryError } from "../../web/trajectory/model.js";
import { distance } from "./helpers.js";

const FOLDER = new URL("../cases/", import.meta.url);
const TABLES = readdirSync(FOLDER).filter((name) => name.endsWith(".json")).sort();
const SIZE = { width: 100, height: 50 };
// Read by the nodes and the command line only: refused here, never taken for something else.
const NODES_ONLY = ["cvat", "kitti", "yolo"];
const JSON_READ = /^our document/;

/** Whether what lies beside the file counts, or its size is not known, which it always is here. */
const needsMore = (table, { name, files = {} }) =>
  / without a size$/.test(name) || (Object.keys(files).length > 1 && !NODES_ONLY.includes(table));

for (const file of TABLES) {
  const table = file.replace(".json", "");
  for (const row of JSON.parse(readFileSync(new URL(file, FOLDER), "utf-8"))) {
    if (needsMore(table, row)) continue;
    const { name, files = {}, hex, read = "a.txt", options = SIZE, boxes, visible, phrases, frames, error, choices, remark } = row;
    const given = { width: 576, height: 320, name: read, ...options };
    const text = files[read] ?? Object.values(files)[0];
    const bytes = hex === undefined ? new TextEncoder().encode(text) : Uint8Array.from(Buffer.from(hex, "hex"));
    const open = () => readBytes(bytes, given);
    const isRead = table === "json" ? JSON_READ.test(name) : !NODES_ONLY.includes(table);
    if (error || !isRead) {
      test(`${table}: refused: ${name}`, () => {
        const place = (isRead && error.match(/^(line|keyframe|object) \d+/)?.[0]) || "";
        assert.throws(open, (found) => found instanceof TrajectoryError && found.message.startsWith(place) &&
          (!choices || found.choices.join() === choices.join()));
      });
      continue;
    }
    test(`${table}: as in Python: ${name}`, () => {
      const { trajectory, reading } = open();
      const all = boxesAt(trajectory);
      const first = visible.map((_, n) => {
        const [x1, y1, x2, y2] = all.boxes[all.mask.findIndex((seen) => seen[n])][n];
        return [x1 * 100, y1 * 50, x2 * 100, y2 * 50];
      });
      assert.ok(distance(first, boxes) < 1e-6, JSON.stringify(first));
      assert.deepEqual(visible.map((_, n) => all.mask.filter((seen) => seen[n]).length), visible);
      assert.deepEqual(trajectory.objects.map(({ phrase }) => phrase), phrases);
      assert.equal(trajectory.frames, frames ?? trajectory.frames);
      const said = (reading.remarks ?? []).join(" ");
      if (remark !== undefined) assert.ok(remark ? new RegExp(remark).test(said) : !said, said);
    });
  }
}

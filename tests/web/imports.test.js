import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";

// From the page down to the model. A folder may import from itself and from those after it that it names here.
const BELOW_ACTIONS = ["editor/files", "editor/kit", "editor/state", "editor/strings", "trajectory"];
const PARTS = ["editor/stage", "editor/timeline", "editor/panels"];
const MAY_IMPORT = {
  ".": ["host"],
  host: ["editor", "editor/kit", "editor/state", "editor/strings", "trajectory"],
  editor: [...PARTS, "editor/actions", ...BELOW_ACTIONS],
  "editor/stage": ["editor/actions", ...BELOW_ACTIONS],
  "editor/timeline": ["editor/actions", ...BELOW_ACTIONS],
  "editor/panels": ["editor/actions", ...BELOW_ACTIONS],
  "editor/actions": BELOW_ACTIONS,
  "editor/files": BELOW_ACTIONS.slice(1),
  "editor/kit": [],
  "editor/state": ["trajectory"],
  "editor/strings": ["trajectory"],
  trajectory: [],
};
const WEB = new URL("../../web/", import.meta.url);
const FILES = readdirSync(WEB, { recursive: true })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".js"))
  .sort();

/** Paths under web/ that the text of the file `name` imports or exports from; those of ComfyUI start with "..". */
function importsOf(name, text) {
  const statements = /^(?:import (?:[^"';]* from )?|export [^"';=()]* from )"([^"]+)";$|\bimport\("([^"]+)"\)/gm;
  return [...text.matchAll(statements)].map(([, early, late]) => posix.join(posix.dirname(name), early ?? late));
}

const IMPORTS = new Map(FILES.map((name) => [name, importsOf(name, readFileSync(new URL(name, WEB), "utf-8"))]));

test("every kind of import is seen", () => {
  const text = [
    'import { a } from "./a.js";',
    "import {",
    "  b,",
    '} from "../host/b.js";',
    'import "./c.js";',
    'export * from "./d.js";',
    'const e = await import("../e.js");',
    'import { app } from "../../../scripts/app.js";',
  ].join("\n");
  const expected = ["editor/a.js", "host/b.js", "editor/c.js", "editor/d.js", "e.js", "../../scripts/app.js"];
  assert.deepEqual(importsOf("editor/view.js", text), expected);
});

test("folders import in one direction", () => {
  assert.deepEqual(Object.keys(MAY_IMPORT).sort(), [...new Set(FILES.map((name) => posix.dirname(name)))].sort());
  for (const [name, imported] of IMPORTS) {
    for (const other of imported.filter((path) => !path.startsWith(".."))) {
      const [from, to] = [posix.dirname(name), posix.dirname(other)];
      assert.ok(IMPORTS.has(other), `${name} imports ${other}, which does not exist`);
      assert.ok(from === to || MAY_IMPORT[from].includes(to), `${name} must not import ${other}`);
    }
  }
});

test("no folder allows one that comes earlier", () => {
  const order = Object.keys(MAY_IMPORT);
  for (const [from, allowed] of Object.entries(MAY_IMPORT)) {
    for (const to of allowed) assert.ok(order.indexOf(to) > order.indexOf(from), `${from} may import ${to}`);
  }
});

test("only smcd.js imports from ComfyUI", () => {
  const outside = [...IMPORTS].filter(([, imported]) => imported.some((path) => path.startsWith("..")));
  assert.deepEqual(outside.map(([name]) => name), ["smcd.js"]);
});

test("no files import each other in a circle", () => {
  const done = new Set();
  const visit = (name, path) => {
    assert.ok(!path.includes(name), [...path, name].join(" -> "));
    if (done.has(name)) return;
    for (const other of IMPORTS.get(name) ?? []) visit(other, [...path, name]);
    done.add(name);
  };
  for (const name of FILES) visit(name, []);
});

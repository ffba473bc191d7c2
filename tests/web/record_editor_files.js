/**
 * Write tests/golden/editor_files.json: what the editor writes of some trajectories, for Python to read.
 *
 * Run it from the root after a change of web/trajectory: node tests/web/record_editor_files.js
 */

import { writeFileSync } from "node:fs";
import { recorded } from "./written_files.js";

writeFileSync(new URL("../golden/editor_files.json", import.meta.url), `${JSON.stringify(recorded())}\n`);

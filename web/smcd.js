/**
 * The ComfyUI extension: the trajectory editor on SMCD Trajectory, with the scores of SMCD Metrics in its timeline and
 * the masks of SMCD Cut and Drag in its animatic; the download button on Load SMCD, the text of SMCD Check, and
 * what numbers mean.
 */

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { attachDownload } from "./host/download.js";
import { attachMasks } from "./host/dragged.js";
import { learnBundled } from "./host/facts.js";
import { loadLanguage } from "./host/host.js";
import { attachEditor, menuItems } from "./host/node.js";
import { explainNumbers, hasNumbers } from "./host/numbers.js";
import { attachReport } from "./host/report.js";
import { attachScores } from "./host/scores.js";

app.registerExtension({
  name: "smcd.trajectory",
  // ComfyUI waits for this before it makes nodes.
  init: () => loadLanguage({ app, api }),
  beforeRegisterNodeDef(_type, definition) {
    if (definition.name === "SMCD_Load") learnBundled(definition);
  },
  nodeCreated(node) {
    if (node.comfyClass === "SMCD_Trajectory") attachEditor(node, { app, api });
    if (node.comfyClass === "SMCD_Metrics") attachScores(node);
    if (node.comfyClass === "SMCD_CutAndDrag") attachMasks(node, api);
    if (node.comfyClass === "SMCD_Load") attachDownload(node, { app, api });
    if (hasNumbers(node.comfyClass)) explainNumbers(node, { app, api });
    if (node.comfyClass === "SMCD_Check") attachReport(node);
  },
  getNodeMenuItems: menuItems,
});

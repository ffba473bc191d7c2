/** ComfyUI's way in: the trajectory editor on SMCD Trajectory, and the scores of SMCD Metrics under its timeline. */

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { attachEditor, menuItems } from "./host/node.js";
import { attachScores } from "./host/scores.js";

app.registerExtension({
  name: "smcd.trajectory",
  nodeCreated(node) {
    if (node.comfyClass === "SMCD_Trajectory") attachEditor(node, { app, api });
    if (node.comfyClass === "SMCD_Metrics") attachScores(node);
  },
  getNodeMenuItems: menuItems,
});

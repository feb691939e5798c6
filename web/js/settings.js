/** The pack's entries in ComfyUI's settings dialog, and what they do to new nodes. */

import { app } from "../../../scripts/app.js";
import { DETECTOR, PREVIEW_RATE, PREVIEW_SIZE, defaultDetector } from "./preferences.js";

app.registerExtension({
  name: "DisPose.Settings",
  settings: [
    {
      id: PREVIEW_RATE,
      name: "Frame rate of previews",
      tooltip: "Frames a second at which the views in our nodes and the pose editor start to play.",
      type: "slider",
      attrs: { min: 1, max: 60, step: 1 },
      defaultValue: 12,
    },
    {
      id: PREVIEW_SIZE,
      name: "Size of previews",
      tooltip: "Height of the view inside a new node, in pixels. Nodes in the graph keep theirs.",
      type: "slider",
      attrs: { min: 160, max: 1024, step: 16 },
      defaultValue: 320,
    },
    {
      id: DETECTOR,
      name: "Default pose detector",
      tooltip:
        "What a new Pose Detector Loader starts with. Nodes in the graph and in saved workflows " +
        "keep theirs.",
      type: "combo",
      options: ["dwpose", "openpose", "mediapipe"],
      defaultValue: "dwpose",
    },
  ],

  /**
   * Runs before a saved node gets its own values back, so it only decides what new nodes show.
   * @param {{comfyClass?: string, widgets?: {name: string, value: unknown}[]}} node
   */
  nodeCreated(node) {
    if (node.comfyClass !== "DisPosePoseDetectorLoader") return;
    const backend = node.widgets?.find((widget) => widget.name === "backend");
    if (backend) backend.value = defaultDetector();
  },
});

/** The pack's entries in ComfyUI's settings dialog, and what they do to new nodes. */

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { DETECTOR, PREVIEW_RATE, PREVIEW_SIZE, defaultDetector } from "./preferences.js";

const DEFAULT = "dwpose";

/** The backends that the node offers, from the library's registry; the default alone if it cannot be asked. */
async function backends() {
  const name = "DisPosePoseDetectorLoader";
  try {
    const response = await api.fetchApi(`/object_info/${name}`);
    const [type, details] = (await response.json())[name].input.required.backend;
    return Array.isArray(type) ? type : details.options;
  } catch {
    return [DEFAULT];
  }
}

const detectors = await backends();

app.registerExtension({
  name: "dispose.Settings",
  settings: [
    {
      id: PREVIEW_RATE,
      name: "Frame rate of previews",
      tooltip: "Initial playback speed of the views in the nodes and of the pose editor, in frames per second.",
      type: "slider",
      attrs: { min: 1, max: 60, step: 1 },
      defaultValue: 12,
    },
    {
      id: PREVIEW_SIZE,
      name: "Size of previews",
      tooltip: "Height of the view in new nodes, in pixels. Existing nodes keep their size.",
      type: "slider",
      attrs: { min: 160, max: 1024, step: 16 },
      defaultValue: 320,
    },
    {
      id: DETECTOR,
      name: "Default pose detector",
      tooltip:
        "Backend of new Pose Detector Loader nodes. Existing nodes and saved workflows keep their " +
        "backend.",
      type: "combo",
      options: detectors,
      defaultValue: DEFAULT,
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

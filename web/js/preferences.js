/**
 * What the user chose for this pack in ComfyUI's settings dialog. `settings.js` registers the
 * settings; the views read them here.
 */

import { app } from "../../../scripts/app.js";

export const DETECTOR = "DisPose.Detector.Backend";
export const PREVIEW_SIZE = "DisPose.Preview.Size";
export const PREVIEW_RATE = "DisPose.Preview.FrameRate";

/** The detector that a new Pose Detector Loader starts with. @returns {string} */
export const defaultDetector = () => app.extensionManager.setting.get(DETECTOR);

/** Height of a view inside a new node, in pixels. @returns {number} */
export const previewSize = () => Number(app.extensionManager.setting.get(PREVIEW_SIZE));

/** Frames a second at which views start to play. @returns {number} */
export const previewRate = () => Number(app.extensionManager.setting.get(PREVIEW_RATE));

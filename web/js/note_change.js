import { app } from "../../../scripts/app.js";

/**
 * Tells the front end that the workflow has changed. It looks for changes after clicks and keys on the
 * page, of which our windows and views keep their own; without this, saving at once would save the
 * old values.
 */
export function noteChange() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  if (tracker?.captureCanvasState) tracker.captureCanvasState();
  else tracker?.checkState?.(); // its name before 2026
}

/** Entry: puts the button that opens the pose editor on its node. */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { openEditor } from "./editor/open.js";
import { make } from "./make.js";
import { say } from "./words.js";
import { noteChange } from "./note_change.js";

const NODE = "DisPosePoseEditor";
const RUN = "dispose_pose_editor_run"; // property of the node: where the last run's files are

app.registerExtension({
  name: "dispose.PoseEditor",
  nodeCreated(node) {
    if (node.comfyClass === NODE) equip(node);
  },
});

function equip(node) {
  const ended = new AbortController();
  let open = null; // the promise of an open window
  const opener = make("button", { type: "button" }, say("Open pose editor"));
  const status = make("div");
  const place = make("div", {}, opener, status);
  place.style.cssText = "display:flex;flex-direction:column;gap:4px;min-height:52px;font:12px Inter,Arial,sans-serif";
  opener.style.cssText =
    "flex:none;padding:5px 8px;border-radius:6px;cursor:pointer;font:inherit;" +
    "color:var(--input-text);background:var(--comfy-input-bg);border:1px solid var(--border-color)";
  status.style.cssText = "color:var(--descrip-text);overflow:hidden;text-overflow:ellipsis;white-space:nowrap";
  opener.addEventListener(
    "click",
    () => {
      open ??= openEditor(host(node, place, () => (open = null))).then(
        (window) => {
          if (ended.signal.aborted) window.close();
          return window;
        },
        (error) => {
          open = null; // the button works again
          throw error;
        },
      );
    },
    { signal: ended.signal },
  );
  const widget = node.addDOMWidget("open_editor", "dispose_open_editor", place, {
    serialize: false,
    hideOnZoom: false, // a template opens zoomed out, so that all of it is seen
    hideInPanel: true, // the element is in one place at a time, and that is the node
    getMinHeight: () => 56,
    getMaxHeight: () => 64,
  });
  widget.serialize = false; // `options` keeps it out of the prompt, this out of the workflow

  const { onExecuted, onRemoved } = node;
  node.onExecuted = function (output) {
    onExecuted?.apply(this, arguments);
    const [run] = output?.dispose_pose_editor ?? [];
    if (run) node.properties[RUN] = run.subfolder;
    status.textContent = output?.dispose_report?.[0] ?? "";
    status.title = (output?.dispose_report ?? []).join("\n");
  };
  node.onRemoved = function () {
    ended.abort();
    open?.then((window) => window.close());
    onRemoved?.apply(this, arguments);
  };
}

/**
 * @param {HTMLElement} place
 * @param {() => void} onClose
 * @returns {import("./editor/open.js").Host}
 */
function host(node, place, onClose) {
  const edits = node.widgets.find(({ name }) => name === "edits");
  const slot = node.inputs?.findIndex(({ name }) => name === "edits") ?? -1;
  return {
    title: node.title || say("Pose Editor"),
    place,
    run: String(node.properties[RUN] ?? ""),
    text: String(edits.value ?? ""),
    linked: slot >= 0 && node.isInputConnected(slot),
    write(text) {
      edits.value = text;
      edits.callback?.(text);
    },
    apiURL: (route) => api.apiURL(route),
    onClose() {
      node.graph?.setDirtyCanvas(true, true); // once: the window covers the graph until now
      noteChange();
      onClose();
    },
  };
}

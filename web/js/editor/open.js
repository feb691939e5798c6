/** From the node to the editor: reads its edits and the files of its last run, or says what lacks. */
import { make } from "../make.js";
import { say } from "../words.js";
import { button } from "./button.js";
import { Editor } from "./editor.js";
import { EditsError, parseEdits, writeEdits } from "./edits_text.js";
import { loadPoses, Images } from "./run_files.js";
import { STYLE } from "./style.js";
import { showWindow } from "./window.js";

const RUN_FIRST =
  "There are no poses to edit yet. Run the workflow once, then open the editor: it shows the poses and " +
  "images of the last run. They are lost when ComfyUI restarts.";
const NO_ANSWER = "ComfyUI does not answer. Check that it is running, then open the editor again.";

/**
 * @typedef {object} Host what the editor needs of the node and of ComfyUI
 * @property {string} title
 * @property {HTMLElement} place in the node, where the window is put
 * @property {string} run subfolder of ComfyUI's temp folder, "" before the first run
 * @property {string} text of the edits
 * @property {boolean} linked whether the edits come from another node
 * @property {(text: string) => void} write
 * @property {(route: string) => string} apiURL
 * @property {() => void} onClose
 *
 * @param {Host} host
 * @returns {Promise<{close: () => void}>} the open window
 */
export async function openEditor(host) {
  if (host.linked) {
    return tell(host, say("The edits of this node come from another node. Disconnect them to edit here."));
  }
  let told;
  try {
    told = parseEdits(host.text);
  } catch (error) {
    if (!(error instanceof EditsError)) throw error;
    // The text stays as it is, for its owner to repair, unless it is given up here.
    return tell(host, error.message, say("Clear the edits"), () => host.write(""));
  }
  let found = null;
  try {
    if (host.run) found = await loadPoses(host.apiURL, host.run);
  } catch {
    return tell(host, say(NO_ANSWER));
  }
  if (!found) return tell(host, say(RUN_FIRST));
  return new Editor({
    title: host.title,
    place: host.place,
    poses: found.poses,
    edits: told.edits,
    images: (onLoad) => new Images(host.apiURL, host.run, found.images, onLoad),
    onEdit: (session) => host.write(writeEdits(session.edits, session.madeFor)),
    onClose: host.onClose,
  });
}

/** A message in a window of its own, with a way on where there is one. */
function tell({ title, place, onClose }, text, action, run) {
  const ended = new AbortController();
  const close = () => {
    if (ended.signal.aborted) return;
    ended.abort();
    dialog.remove();
    onClose();
  };
  const buttons = make("div", {}, button(say("Close"), "Escape", close, ended.signal));
  if (action) {
    buttons.append(button(action, say("Deletes the text"), () => { run(); close(); }, ended.signal));
  }
  const dialog = make(
    "dialog", { class: "dispose-editor dp-message", "aria-label": title },
    make("style", {}, STYLE), make("h2", {}, title), make("p", {}, text), buttons,
  );
  dialog.addEventListener("close", close, { signal: ended.signal });
  showWindow(dialog, place, ended.signal);
  return { close };
}

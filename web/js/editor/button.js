/** The buttons of the editor's windows. */
import { make } from "../make.js";

/**
 * An `<input type="button">`. ComfyUI undoes the graph on Ctrl+Z unless an input has the focus, so
 * everything in the editor that can have it is one. A click leaves the focus where it is, so that
 * the Space key goes on playing; with the Tab key a button gets it as ever.
 */
export function button(label, title, onClick, signal) {
  const made = make("input", { type: "button", value: label, title });
  made.addEventListener("click", onClick, { signal });
  made.addEventListener("mousedown", (event) => event.preventDefault(), { signal });
  return made;
}

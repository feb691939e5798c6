/** Small helpers for elements. Texts are set as text: nothing is ever read as HTML. */

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * An `<input type="button">`. ComfyUI undoes the graph on Ctrl+Z unless an input has the focus, so
 * everything in the editor that can have it is one. A click leaves the focus where it is, so that
 * the Space key goes on playing; with the Tab key a button gets it as ever.
 */
export function button(label, title, onClick, signal) {
  const made = element("input", { type: "button", value: label, title });
  made.addEventListener("click", onClick, { signal });
  made.addEventListener("mousedown", (event) => event.preventDefault(), { signal });
  return made;
}

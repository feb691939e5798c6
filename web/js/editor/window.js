/** How the editor's windows open: inside the element of the node's button, over the whole page. */

// The window lies inside the node, which would be dragged, selected or get its menu by these.
const KEPT = [
  "keydown", "keyup", "keypress", "copy", "cut", "paste", "wheel", "pointerdown", "pointermove",
  "pointerup", "mousedown", "mouseup", "click", "dblclick", "contextmenu",
];

// With it, Nodes 2.0 leaves the wheel to the window, so that its lists scroll.
const KEEPS_WHEEL = "data-capture-wheel";

/**
 * Shows a dialog and keeps its events from the graph. A modal dialog is in the browser's top layer,
 * so that it covers the page although its element is inside a node that is scaled and clipped.
 * @param {HTMLDialogElement} dialog
 * @param {HTMLElement} parent
 * @param {AbortSignal} signal ends its listeners
 */
export function showWindow(dialog, parent, signal) {
  for (const type of KEPT) dialog.addEventListener(type, (event) => event.stopPropagation(), { signal });
  dialog.setAttribute(KEEPS_WHEEL, "true");
  parent.append(dialog);
  dialog.showModal();
}

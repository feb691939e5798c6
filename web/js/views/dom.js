/** Small pieces of a view: its frame with the styles, images of the temp folder. */

import { api } from "../../../../scripts/api.js";
import { make } from "../make.js";

// Colours are the front end's own, so a view follows light and dark themes.
const STYLE = `
  :host { display: block; }
  .view { box-sizing: border-box; width: 100%; height: 100%; min-height: 0; display: flex;
    flex-direction: column; gap: 4px; font: 12px/1.3 Inter, Arial, sans-serif;
    color: var(--input-text, #ddd); user-select: none; }
  .row { display: flex; flex-wrap: wrap; gap: 4px; align-items: center; }
  .images { flex: 1 1 0; min-height: 0; display: flex; gap: 4px; }
  canvas { flex: 1 1 0; min-width: 0; min-height: 0; width: 100%; height: 100%;
    object-fit: contain; border-radius: 4px; background: var(--comfy-input-bg, #222); }
  canvas[role=button] { cursor: pointer; }
  button, select { font: inherit; color: inherit; background: var(--comfy-input-bg, #222);
    border: 1px solid var(--border-color, #4e4e4e); border-radius: 4px; padding: 2px 7px;
    min-height: 24px; cursor: pointer; }
  button[aria-pressed=true] { background: #0b6bcb; border-color: #0b6bcb; color: #fff; }
  button:focus-visible, select:focus-visible, input:focus-visible, canvas:focus-visible {
    outline: 2px solid #4aa3ff; outline-offset: 1px; }
  .play { min-width: 32px; }
  input[type=range] { flex: 1 1 60px; min-width: 40px; margin: 0; accent-color: #0b6bcb; }
  .count { min-width: 8ch; text-align: right; font-variant-numeric: tabular-nums; }
  .said { min-height: 1.3em; }
  .said:empty { display: none; }
`;

// What the graph must not hear: it would drag the node, or take our keys as its shortcuts.
const KEPT = ["pointerdown", "mousedown", "click", "dblclick"];
const KEPT_KEYS = new Set([
  " ", "Enter", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown",
]);

/**
 * The outer element of a view, its inside closed off from the page's styles.
 * @param {string} name class of the element
 * @param {AbortSignal} signal ends its listeners
 * @param {...Node} parts
 */
export function frame(name, signal, ...parts) {
  const host = make("div", { class: name });
  const style = make("style");
  style.textContent = STYLE;
  host.attachShadow({ mode: "open" }).append(style, make("div", { class: "view" }, ...parts));
  for (const type of KEPT) host.addEventListener(type, (event) => event.stopPropagation(), { signal });
  for (const type of ["keydown", "keyup"]) {
    host.addEventListener(type, (event) => {
      if (KEPT_KEYS.has(event.key) && !event.ctrlKey && !event.metaKey) event.stopPropagation();
    }, { signal });
  }
  return host;
}

/**
 * @param {string} subfolder of the temp folder
 * @param {string} filename
 */
export function temporaryFile(subfolder, filename) {
  return api.apiURL(`/view?${new URLSearchParams({ type: "temp", subfolder, filename })}`);
}

/**
 * @param {string} address
 * @returns {Promise<HTMLImageElement>} ready to draw
 */
export function loadImage(address) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error(address));
    image.src = address;
  });
}

/** What a view says where its files are no longer there. */
export const GONE = "The images of this run have been deleted. Run the workflow again to see them.";

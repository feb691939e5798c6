/** Drawing buffers of the editor's canvases. */

/**
 * Fits the drawing buffer to the place that the page gives a canvas.
 * @param {HTMLCanvasElement} canvas
 * @returns {number} pixels of the buffer for one of the page
 */
export function fitBuffer(canvas) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  return ratio;
}

/**
 * Where a frame is in the sheets that `dispose_core/strips.py` makes.
 *
 * @typedef {object} Strips
 * @property {number} frames
 * @property {[number, number]} size width and height of a frame
 * @property {[number, number]} step from one frame's corner to the next one's
 * @property {number} columns
 * @property {number} rows of a full sheet
 * @property {string[]} files the sheets, in order
 */

/**
 * @param {Strips} strips
 * @param {number} frame
 * @returns {{sheet: number, x: number, y: number}} which sheet, and the frame's corner in it
 */
export function placeOf(strips, frame) {
  const ofSheet = frame % (strips.columns * strips.rows);
  return {
    sheet: Math.floor(frame / (strips.columns * strips.rows)),
    x: (ofSheet % strips.columns) * strips.step[0],
    y: Math.floor(ofSheet / strips.columns) * strips.step[1],
  };
}

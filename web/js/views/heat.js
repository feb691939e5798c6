/** Colours of similarity and places in fitted images: numbers only, nothing of the page. */

// Cold to hot, as HEAT of `dispose_core/features/matching.py`.
const HEAT = [
  [13, 13, 64],
  [115, 26, 115],
  [230, 77, 51],
  [255, 217, 51],
];

/** Share of the heat over the grey image. */
export const SHOWN = 0.6;

/**
 * @param {number} level 0…1
 * @returns {[number, number, number]} red, green, blue, 0…255
 */
export function heat(level) {
  const place = Math.min(Math.max(level, 0), 1) * (HEAT.length - 1);
  const below = Math.min(Math.floor(place), HEAT.length - 2);
  const part = place - below;
  return HEAT[below].map((low, i) => Math.round(low + (HEAT[below + 1][i] - low) * part));
}

/**
 * Grey pixels to heat, in place.
 * @param {Uint8ClampedArray} pixels RGBA, red counts
 */
export function colourGrey(pixels) {
  const table = Array.from({ length: 256 }, (_, level) => heat(level / 255));
  for (let i = 0; i < pixels.length; i += 4) {
    [pixels[i], pixels[i + 1], pixels[i + 2]] = table[pixels[i]];
  }
}

/**
 * The place in an image under a place in a box that shows it whole and centred.
 * @param {[number, number]} place in the box
 * @param {[number, number]} box width and height
 * @param {[number, number]} image width and height
 * @returns {[number, number]} in pixels of the image; beside it they leave its size
 */
export function inImage(place, box, image) {
  const scale = Math.min(box[0] / image[0], box[1] / image[1]);
  return [0, 1].map((i) => (place[i] - (box[i] - image[i] * scale) / 2) / scale);
}

/**
 * @param {{at: [number, number]}[]} joints places as fractions
 * @param {[number, number]} place in pixels
 * @param {[number, number]} image width and height
 * @returns {number} index of the nearest
 */
export function nearest(joints, place, image) {
  const away = joints.map(({ at }) =>
    Math.hypot(at[0] * image[0] - place[0], at[1] * image[1] - place[1]),
  );
  return away.indexOf(Math.min(...away));
}

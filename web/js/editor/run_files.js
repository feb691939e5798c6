/** The last run's poses and images, from ComfyUI's temp folder. */
import { N_POINTS } from "./skeleton.js";

/** Images kept decoded: a window around the current frame and what play back passed. */
const KEPT = 96;

/**
 * @param {(route: string) => string} apiURL ComfyUI's way to build an address
 * @param {string} run subfolder of the temp folder
 */
function addressOf(apiURL, run, filename) {
  const place = new URLSearchParams({ filename, subfolder: run, type: "temp" });
  return apiURL(`/view?${place}`);
}

/**
 * @returns {Promise<{poses: import("./apply.js").Poses, images: number} | null>} null when the
 *   files are gone; rejected when there is no answer
 */
export async function loadPoses(apiURL, run) {
  const reply = await fetch(addressOf(apiURL, run, "poses.json"));
  if (!reply.ok) return null;
  const told = await reply.json();
  const people = told.people.map(figureOf);
  if (people.some((figure) => figure.length !== told.frames * N_POINTS * 3)) return null;
  const { width, height, frames, crowd, images } = told;
  const reference = told.reference ? figureOf(told.reference) : null;
  return { poses: { width, height, frames, people, crowd, reference }, images };
}

function figureOf(values) {
  const figure = Float64Array.from(values);
  for (let i = 0; i < figure.length; i += 3) {
    if (!(figure[i + 2] > 0)) figure.set([NaN, NaN, 0], i);
  }
  return figure;
}

/** Images by frame: loaded when wanted, the next ones ahead, the oldest forgotten. */
export class Images {
  /** @param {() => void} onLoad called when an image that was asked for has come */
  constructor(apiURL, run, count, onLoad) {
    this.apiURL = apiURL;
    this.run = run;
    this.count = count;
    this.onLoad = onLoad;
    /** @type {Map<number, HTMLImageElement>} in the order of their last use */
    this.images = new Map();
  }

  /** @returns {HTMLImageElement | null} the image of a frame once it is there */
  of(frame) {
    if (!this.count) return null;
    const wanted = Math.min(frame, this.count - 1);
    for (let ahead = Math.min(3, this.count - 1 - wanted); ahead >= 0; ahead--) this.#want(wanted + ahead);
    const image = this.images.get(wanted);
    return image.complete && image.naturalWidth ? image : null;
  }

  /** Lets go of all images. */
  clear() {
    for (const image of this.images.values()) image.onload = null;
    this.images.clear();
  }

  #want(number) {
    let image = this.images.get(number);
    this.images.delete(number);
    if (!image) {
      image = new Image();
      image.onload = this.onLoad;
      image.src = addressOf(this.apiURL, this.run, `${String(number).padStart(5, "0")}.jpg`);
    }
    this.images.set(number, image);
    if (this.images.size > KEPT) {
      const [oldest] = this.images.keys();
      this.images.get(oldest).onload = null;
      this.images.delete(oldest);
    }
  }
}

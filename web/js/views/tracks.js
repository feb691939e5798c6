/**
 * Paths over the image, on which own points are added and removed with a click.
 *
 * @typedef {object} TracksData
 * @property {string} subfolder of the temp folder
 * @property {string} file paths over the image
 */

import { make } from "../make.js";
import { noteChange } from "../note_change.js";
import { say } from "../words.js";
import { GONE, frame, loadImage, temporaryFile } from "./dom.js";
import { inImage, nearest } from "./heat.js";

const RING = 0.015; // radius, of the image's shorter side
const REACH = 2; // radii within which a click means a point that is there

/**
 * @param {object} node
 * @returns {import("./node_view.js").View}
 */
export function tracksView(node) {
  const ending = new AbortController();
  const { signal } = ending;
  const canvas = make("canvas", {
    role: "button", "aria-label": say("Image: click to add a point, click a point to remove it"),
  });
  const said = make("span", { class: "said", role: "status" });
  const element = frame(
    "dispose-tracks-view", signal, make("div", { class: "images" }, canvas),
    make("div", { class: "row" }, said),
  );
  const widget = (name) => node.widgets?.find((one) => one.name === name);
  let image;
  let shown;

  /** @returns {[number, number][]} fractions; none while the points come from elsewhere */
  function ownPoints() {
    if (widget("points")?.value !== "own points") return [];
    const pairs = String(widget("own_points")?.value ?? "").matchAll(/([\d.]+)\s*,\s*([\d.]+)/g);
    return [...pairs].map(([, x, y]) => [Number(x), Number(y)]);
  }

  function draw() {
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const radius = Math.max(RING * Math.min(canvas.width, canvas.height), 3);
    for (const [x, y] of ownPoints()) {
      context.beginPath();
      context.arc(x * canvas.width, y * canvas.height, radius, 0, 2 * Math.PI);
      for (const [style, line] of [["#000000", radius / 1.2], ["#ffd933", radius / 2]]) {
        context.strokeStyle = style;
        context.lineWidth = line;
        context.stroke();
      }
    }
    element.dataset.points = `${ownPoints().length}`;
  }

  function set(name, value) {
    const one = widget(name);
    if (!one) return;
    one.value = value;
    one.callback?.(value);
  }

  canvas.addEventListener(
    "click",
    (event) => {
      if (!image) return;
      const size = [canvas.width, canvas.height];
      const box = [canvas.clientWidth, canvas.clientHeight];
      const place = inImage([event.offsetX, event.offsetY], box, size);
      if (place.some((at, i) => at < 0 || at >= size[i])) return;
      const points = ownPoints();
      const index = nearest(points.map((at) => ({ at })), place, size);
      const away = index < 0
        ? Infinity
        : Math.hypot(...points[index].map((at, i) => at * size[i] - place[i]));
      if (away < REACH * Math.max(RING * Math.min(...size), 3)) points.splice(index, 1);
      else points.push([place[0] / size[0], place[1] / size[1]]);
      set("own_points", points.map((at) => at.map((v) => v.toFixed(4)).join(",")).join(" "));
      set("points", "own points");
      draw();
      said.textContent = say("{count} own points; run again to see their paths", {
        count: points.length,
      });
      node.graph?.setDirtyCanvas(true, true);
      noteChange();
    },
    { signal },
  );

  return {
    element,
    async show(given) {
      shown = given;
      said.textContent = "";
      try {
        const loaded = await loadImage(temporaryFile(given.subfolder, given.file));
        if (shown !== given || signal.aborted) return; // another run was quicker
        image = loaded;
        draw();
      } catch {
        if (shown === given) said.textContent = say(GONE);
      }
    },
    close() {
      ending.abort();
      image = undefined;
      element.remove();
    },
  };
}

/**
 * Joints of the reference to click, and where each is found again in the target.
 *
 * @typedef {object} PointsData
 * @property {string} subfolder of the temp folder
 * @property {{reference: string, target: string, maps: string}} files
 * @property {[number, number]} map_size width and height of a joint's map
 * @property {number} columns maps beside each other
 * @property {{name: string, at: [number, number], match: [number, number], similarity: number,
 *   lowest: number}[]} joints places as fractions
 */

import { make } from "../make.js";
import { say } from "../words.js";
import { GONE, frame, loadImage, temporaryFile } from "./dom.js";
import { SHOWN, colourGrey, inImage, nearest } from "./heat.js";

const RING = 0.02; // radius, of the image's shorter side
const LEAST_RING = 5; // pixels

/** @returns {import("./node_view.js").View} */
export function pointsView() {
  const ending = new AbortController();
  const { signal } = ending;
  const left = make("canvas", { role: "button", "aria-label": say("Reference: click a joint") });
  const right = make("canvas", { role: "img", "aria-label": say("Target: matches of the joint") });
  const choice = make("select", { "aria-label": say("Joint"), title: say("Joint") });
  const said = make("span", { class: "said", role: "status" });
  const element = frame(
    "dispose-point-view", signal,
    make("div", { class: "images" }, left, right), make("div", { class: "row" }, choice, said),
  );

  /** @type {PointsData} */
  let data;
  let images; // [reference, target, maps] once they are here

  function choose(index) {
    const joint = data.joints[index];
    choice.value = `${index}`;
    element.dataset.joint = joint.name;
    said.textContent = say("similarity {best}, lowest elsewhere {lowest}", {
      best: joint.similarity.toFixed(2), lowest: joint.lowest.toFixed(2),
    });
    const [reference, target, maps] = images;

    const onLeft = drawImage(left, reference);
    for (const { at } of data.joints) ring(onLeft, at, "#ffffff", 1);
    ring(onLeft, joint.at, "#ffd933", 1.6);

    const onRight = drawImage(right, target, "grayscale(1)");
    onRight.globalAlpha = SHOWN;
    onRight.drawImage(heatOf(maps, index), 0, 0, right.width, right.height);
    onRight.globalAlpha = 1;
    ring(onRight, joint.match, "#ffffff", 1.6);
  }

  /** The coloured map of a joint, on a canvas of its own that the page never sees. */
  function heatOf(maps, index) {
    const [width, height] = data.map_size;
    const canvas = make("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const x = (index % data.columns) * width;
    const y = Math.floor(index / data.columns) * height;
    context.drawImage(maps, x, y, width, height, 0, 0, width, height);
    const map = context.getImageData(0, 0, width, height);
    colourGrey(map.data);
    context.putImageData(map, 0, 0);
    return canvas;
  }

  left.addEventListener(
    "click",
    (event) => {
      if (!images) return;
      const box = [left.clientWidth, left.clientHeight];
      const size = [left.width, left.height];
      const place = inImage([event.offsetX, event.offsetY], box, size);
      choose(nearest(data.joints, place, size));
    },
    { signal },
  );
  choice.addEventListener("change", () => images && choose(Number(choice.value)), { signal });

  return {
    element,
    async show(given) {
      const before = element.dataset.joint;
      data = given;
      images = undefined;
      said.textContent = "";
      choice.replaceChildren(
        ...data.joints.map(({ name }, i) => make("option", { value: `${i}` }, name.replaceAll("_", " "))),
      );
      const { reference, target, maps } = data.files;
      try {
        const loaded = await Promise.all(
          [reference, target, maps].map((file) => loadImage(temporaryFile(data.subfolder, file))),
        );
        if (data !== given || signal.aborted) return; // another run was quicker
        images = loaded;
      } catch {
        if (data === given) said.textContent = say(GONE);
        return;
      }
      choose(Math.max(data.joints.findIndex(({ name }) => name === before), 0));
    },
    close() {
      ending.abort();
      images = undefined;
      element.remove();
    },
  };
}

function drawImage(canvas, image, filter = "none") {
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.filter = filter;
  context.drawImage(image, 0, 0);
  context.filter = "none";
  return context;
}

/** A ring with a dark rim, so that it shows on any colour. */
function ring(context, [x, y], colour, scale) {
  const { width, height } = context.canvas;
  const radius = Math.max(RING * Math.min(width, height), LEAST_RING) * scale;
  context.beginPath();
  context.arc(x * width, y * height, radius, 0, 2 * Math.PI);
  for (const [style, line] of [["#000000", radius / 1.6], [colour, radius / 3]]) {
    context.strokeStyle = style;
    context.lineWidth = line;
    context.stroke();
  }
}

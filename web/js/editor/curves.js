/**
 * The curves of one point below the timeline: x above, y below, over the same frames. Thin is what
 * came into the node, thick is what the edits make of it; keys and placed points can be dragged.
 */
import { at } from "./apply.js";
import { fitBuffer } from "./buffer.js";
import { keysOf } from "./keys.js";

const GAP = 4; // CSS pixels between the two bands
const MARGIN = 9; // in a band above and below its curve
const REACH = 9;
const LEAST = 0.02; // of the image; a band never shows less, so that noise stays small

export class Curves {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.point = null;
    this.spans = [[0, 1], [0, 1]];
    /** @type {{frame: number, isKey: boolean}[]} */
    this.dots = [];
  }

  resize() {
    this.ratio = fitBuffer(this.canvas);
  }

  /** Works out point, scales and dots again. While something is dragged it is not called. */
  update(session) {
    const [point = null] = session.selection;
    this.point = point;
    if (point === null) return;
    this.spans = [0, 1].map((axis) => spanOf(session, point, axis));
    const keys = new Set(keysOf(session.edits, session.person, point).map(([frame]) => frame));
    this.dots = [
      ...session.movedFrames(point).filter((frame) => !keys.has(frame)).map((frame) => ({ frame, isKey: false })),
      ...[...keys].filter((frame) => frame < session.given.frames).map((frame) => ({ frame, isKey: true })),
    ];
  }

  /** The frame at a place, in CSS pixels. */
  frameAt(x, frames) {
    return Math.max(0, Math.min(frames - 1, Math.floor((x / this.canvas.clientWidth) * frames)));
  }

  /** How much of the image one pixel of a band is, upwards: right for x, up for y. */
  unit(axis) {
    const [low, high] = this.spans[axis];
    return ((axis ? -1 : 1) * (high - low)) / (this.#bandHeight() - 2 * MARGIN);
  }

  /** @returns {{axis: number, frame: number} | null} the nearest point that can be dragged */
  under(x, y, session) {
    let best = null;
    let nearest = REACH;
    for (const { frame } of this.point === null ? [] : this.dots) {
      const place = session.pointAt(this.point, frame);
      for (const [axis, value] of [place.x, place.y].entries()) {
        const distance = Math.hypot(this.#x(frame, session) - x, this.#y(axis, value) - y);
        if (distance < nearest) [best, nearest] = [{ axis, frame }, distance];
      }
    }
    return best;
  }

  /** Where a frame's value is, in CSS pixels of the canvas. */
  placeOf(axis, frame, session) {
    const { x, y } = session.pointAt(this.point, frame);
    return [this.#x(frame, session), this.#y(axis, axis ? y : x)];
  }

  /** @param {Record<string, string>} colours quiet, text, current, range, curveX, curveY */
  draw(session, colours) {
    const { context } = this;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const band = this.#bandHeight();
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.fillStyle = colours.quiet;
    for (const axis of [0, 1]) context.fillRect(0, axis * (band + GAP), width, band);
    const step = width / session.given.frames;
    if (session.chosen) {
      const [first, last] = session.chosen;
      context.globalAlpha = 0.12;
      context.fillStyle = colours.range;
      context.fillRect(first * step, 0, (last - first + 1) * step, height);
      context.globalAlpha = 1;
    }
    if (this.point === null) return;
    context.globalAlpha = 0.5;
    context.fillStyle = colours.current;
    context.fillRect(this.#x(session.frame, session) - 0.5, 0, 1, height);
    context.globalAlpha = 1;
    for (const axis of [0, 1]) {
      const colour = axis ? colours.curveY : colours.curveX;
      context.save();
      context.beginPath();
      context.rect(0, axis * (band + GAP), width, band);
      context.clip();
      this.#line(session.given.people[session.person], axis, session, colours.text, 1);
      this.#line(session.figure, axis, session, colour, 2);
      for (const dot of this.dots) this.#dot(dot, axis, session, colour, colours);
      context.fillStyle = colour;
      context.font = "600 11px Inter, Arial, sans-serif";
      context.fillText(axis ? "y" : "x", 4, axis * (band + GAP) + 12);
      context.restore();
    }
  }

  #line(figure, axis, session, colour, thickness) {
    const { context } = this;
    context.beginPath();
    let drawing = false;
    for (let frame = 0; frame < session.given.frames; frame++) {
      const i = at(frame, this.point);
      const seen = figure[i + 2] > 0;
      const place = [this.#x(frame, session), this.#y(axis, figure[i + axis])];
      if (seen && drawing) context.lineTo(...place);
      else if (seen) {
        context.moveTo(...place);
        context.lineTo(place[0] + 0.5, place[1]); // a frame alone is a dot
      }
      drawing = seen;
    }
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.stroke();
  }

  #dot({ frame, isKey }, axis, session, colour, colours) {
    const { context } = this;
    const [x, y] = this.placeOf(axis, frame, session);
    context.beginPath();
    if (isKey) diamond(context, x, y, 5.5);
    else context.arc(x, y, 3.5, 0, 2 * Math.PI);
    context.fillStyle = frame === session.frame ? colours.current : colour;
    context.fill();
    context.strokeStyle = colours.quiet;
    context.lineWidth = 1;
    context.stroke();
  }

  #bandHeight() {
    return (this.canvas.clientHeight - GAP) / 2;
  }

  #x(frame, session) {
    return ((frame + 0.5) / session.given.frames) * this.canvas.clientWidth;
  }

  #y(axis, value) {
    const band = this.#bandHeight();
    const [low, high] = this.spans[axis];
    const share = (value - low) / (high - low);
    return axis * (band + GAP) + MARGIN + (axis ? share : 1 - share) * (band - 2 * MARGIN);
  }
}

/** Adds a diamond to the path. */
export function diamond(context, x, y, radius) {
  context.moveTo(x, y - radius);
  context.lineTo(x + radius, y);
  context.lineTo(x, y + radius);
  context.lineTo(x - radius, y);
  context.closePath();
}

/** Least and greatest value of a point, as it came and as it is. */
function spanOf(session, point, axis) {
  let [low, high] = [Infinity, -Infinity];
  for (const figure of [session.given.people[session.person], session.figure]) {
    for (let frame = 0; frame < session.given.frames; frame++) {
      const i = at(frame, point);
      if (!(figure[i + 2] > 0)) continue;
      low = Math.min(low, figure[i + axis]);
      high = Math.max(high, figure[i + axis]);
    }
  }
  if (low > high) return [0, 1];
  const lacks = Math.max(0, LEAST - (high - low)) / 2;
  return [low - lacks, high + lacks];
}

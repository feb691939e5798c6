/** The large canvas: image, skeleton, zoom and pan, and which point is under the pointer. */
import { at } from "./apply.js";
import { fitBuffer } from "./buffer.js";
import { colourOf, FOOT_EDGES, GROUPS, HAND_EDGES, LIMBS, VISIBLE } from "./skeleton.js";

const REACH = 14; // pixels from a joint at which it is taken hold of
const MARGIN = 24;
const GHOSTS = 3; // frames before, and after, of the onion skin
const BEFORE = "#ff9d4d";
const AFTER = "#4db8ff";

export class Stage {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.zoom = 1;
    this.pan = { x: 0, y: 0 };
    this.shown = { hands: true, face: true, image: true, onion: false, reference: true };
    this.opacity = 0.4; // of what lies under the figure: onion skin and reference
    this.silhouette = document.createElement("canvas");
  }

  resize() {
    this.ratio = fitBuffer(this.canvas);
  }

  /** Where the image lies, in CSS pixels of the canvas. */
  frameOf({ width, height }) {
    const { clientWidth, clientHeight } = this.canvas;
    const room = Math.min((clientWidth - 2 * MARGIN) / width, (clientHeight - 2 * MARGIN) / height);
    const scale = Math.max(room, 1e-3) * this.zoom;
    return {
      x: (clientWidth - width * scale) / 2 + this.pan.x,
      y: (clientHeight - height * scale) / 2 + this.pan.y,
      width: width * scale,
      height: height * scale,
    };
  }

  /** Zooms so that what is under (x, y) stays there. */
  zoomAt(factor, x, y, poses) {
    const before = this.frameOf(poses);
    this.zoom = Math.max(0.2, Math.min(20, this.zoom * factor));
    const after = this.frameOf(poses);
    this.pan.x += x - after.x - ((x - before.x) / before.width) * after.width;
    this.pan.y += y - after.y - ((y - before.y) / before.height) * after.height;
  }

  fit() {
    this.zoom = 1;
    this.pan = { x: 0, y: 0 };
  }

  /** CSS pixels of the canvas to fractions of the image. */
  toFractions(x, y, poses) {
    const frame = this.frameOf(poses);
    return [(x - frame.x) / frame.width, (y - frame.y) / frame.height];
  }

  /** @returns {number | null} the shown point nearest to (x, y), body before feet, hands and face */
  pointUnder(x, y, session) {
    const frame = this.frameOf(session.given);
    let best = null;
    let nearest = REACH;
    for (const point of this.points()) {
      const { x: px, y: py, score } = session.pointAt(point);
      if (!(score > 0)) continue;
      const distance = Math.hypot(frame.x + px * frame.width - x, frame.y + py * frame.height - y);
      if (distance < nearest - 0.5) [best, nearest] = [point, distance];
    }
    return best;
  }

  points() {
    return [
      ...GROUPS.body,
      ...GROUPS.left_foot,
      ...GROUPS.right_foot,
      ...(this.shown.hands ? [...GROUPS.left_hand, ...GROUPS.right_hand] : []),
      ...(this.shown.face ? GROUPS.face : []),
    ];
  }

  /**
   * @param {import("./session.js").Session} session
   * @param {CanvasImageSource | null} image
   * @param {{x: number, y: number, width: number, height: number} | null} box being drawn around points
   */
  draw(session, image, box = null) {
    const { context } = this;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    const frame = this.frameOf(session.given);
    context.fillStyle = "#000";
    context.fillRect(frame.x, frame.y, frame.width, frame.height);
    if (image && this.shown.image) {
      context.drawImage(image, frame.x, frame.y, frame.width, frame.height);
    }
    if (this.shown.reference && session.given.reference) this.#drawReference(session.given.reference, frame);
    if (this.shown.onion) this.#drawOnion(session, frame);
    session.poses.people.forEach((figure, person) => {
      context.globalAlpha = person === session.person ? 1 : 0.3;
      this.#drawFigure(figure, session, frame, person === session.person);
    });
    context.globalAlpha = 1;
    if (box) {
      context.setLineDash([4, 3]);
      context.strokeStyle = "#fff";
      context.strokeRect(box.x, box.y, box.width, box.height);
      context.setLineDash([]);
    }
  }

  /** The figure in the frames around, before in orange and after in blue. */
  #drawOnion(session, frame) {
    const { context } = this;
    const edges = [...LIMBS, ...(this.shown.hands ? HAND_EDGES.flat() : [])];
    context.lineCap = "round";
    for (let away = GHOSTS; away > 0; away--) {
      for (const [side, colour] of [[-1, BEFORE], [1, AFTER]]) {
        const other = session.frame + side * away;
        if (other < 0 || other >= session.given.frames) continue;
        const start = at(other, 0);
        context.globalAlpha = this.opacity * (1 - (away - 1) / GHOSTS);
        context.strokeStyle = colour;
        context.lineWidth = 3;
        context.beginPath();
        for (const edge of edges) traceEdge(context, session.figure, start, edge, frame);
        context.stroke();
      }
    }
    context.globalAlpha = 1;
    context.lineCap = "butt";
  }

  /** The reference as one even shape: limbs as thick as half its shoulders are wide, trunk and head. */
  #drawReference(figure, frame) {
    const { silhouette, context } = this;
    const seen = (point) => figure[3 * point + 2] > 0;
    const place = (point) => [frame.x + figure[3 * point] * frame.width, frame.y + figure[3 * point + 1] * frame.height];
    const apart = (a, b) => Math.hypot(place(a)[0] - place(b)[0], place(a)[1] - place(b)[1]);
    Object.assign(silhouette, { width: this.canvas.width, height: this.canvas.height });
    const shape = silhouette.getContext("2d");
    shape.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    shape.strokeStyle = shape.fillStyle = "#fff";
    shape.lineCap = shape.lineJoin = "round";
    shape.lineWidth = seen(2) && seen(5) ? Math.max(6, apart(2, 5) / 2.5) : frame.height / 30;
    shape.beginPath();
    // Up to the neck: the head's points are a circle.
    for (const edge of LIMBS.slice(0, 12)) traceEdge(shape, figure, 0, edge, frame);
    shape.stroke();
    if ([2, 5, 11, 8].every(seen)) {
      shape.beginPath();
      for (const point of [2, 5, 11, 8]) shape.lineTo(...place(point));
      shape.closePath();
      shape.fill();
      shape.stroke();
    }
    if (seen(0) && seen(1)) {
      shape.beginPath();
      shape.ellipse(...place(0), apart(0, 1) * 0.55, apart(0, 1) * 0.7, 0, 0, 2 * Math.PI);
      shape.fill();
    }
    context.globalAlpha = this.opacity;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(silhouette, 0, 0);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.globalAlpha = 1;
  }

  #drawFigure(figure, session, frame, current) {
    const { context } = this;
    const start = at(session.frame, 0);
    const place = (point) => {
      const i = start + 3 * point;
      return [frame.x + figure[i] * frame.width, frame.y + figure[i + 1] * frame.height, figure[i + 2]];
    };
    const line = ([a, b], colour, width) => {
      const [ax, ay, as] = place(a);
      const [bx, by, bs] = place(b);
      if (!(as > 0 && bs > 0)) return;
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.setLineDash(Math.min(as, bs) < VISIBLE ? [3, 4] : []);
      context.beginPath();
      context.moveTo(ax, ay);
      context.lineTo(bx, by);
      context.stroke();
    };
    LIMBS.forEach((limb, i) => line(limb, colourOf(i), 4));
    FOOT_EDGES.forEach((edge) => line(edge, colourOf(edge[1]), 1.5));
    if (this.shown.hands) {
      HAND_EDGES.forEach((edges) => edges.forEach((edge) => line(edge, colourOf(edge[1]), 1.5)));
    }
    context.setLineDash([]);
    for (const point of this.points()) {
      const [x, y, score] = place(point);
      if (!(score > 0)) continue;
      const chosen = current && session.selection.has(point);
      context.beginPath();
      context.arc(x, y, (point < 18 ? 5 : 2.5) + (chosen ? 2 : 0), 0, 2 * Math.PI);
      context.fillStyle = score < VISIBLE ? "#0008" : colourOf(point);
      context.fill();
      context.lineWidth = chosen ? 3 : 1;
      context.strokeStyle = chosen ? "#fff" : score < VISIBLE ? colourOf(point) : "#000";
      context.stroke();
    }
  }
}

/** Adds an edge to the path where both ends are seen; `start` is where the frame's numbers begin. */
function traceEdge(context, figure, start, [a, b], frame) {
  const [i, k] = [start + 3 * a, start + 3 * b];
  if (!(figure[i + 2] > 0 && figure[k + 2] > 0)) return;
  context.moveTo(frame.x + figure[i] * frame.width, frame.y + figure[i + 1] * frame.height);
  context.lineTo(frame.x + figure[k] * frame.width, frame.y + figure[k + 1] * frame.height);
}

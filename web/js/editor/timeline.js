/** The strip of frames: where watched points are missing or doubtful, edits, keys, selected frames. */
import { fitBuffer } from "./buffer.js";
import { diamond } from "./curves.js";

/** Heights in CSS pixels: doubts above, edits below. */
const EDITS_HEIGHT = 6;

export class Timeline {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.doubts = new Uint8Array(0);
    this.edited = new Uint8Array(0);
    this.keys = [];
  }

  resize() {
    this.ratio = fitBuffer(this.canvas);
  }

  /** Works out the marks again: after an edit or with other points selected. */
  update(session) {
    this.doubts = session.doubts();
    this.edited = session.edited();
    this.keys = session.keyFrames();
  }

  /** The frame at a place of the strip, in CSS pixels. */
  frameAt(x, frames) {
    return Math.max(0, Math.min(frames - 1, Math.floor((x / this.canvas.clientWidth) * frames)));
  }

  /** @param {Record<string, string>} colours quiet, missing, doubtful, edited, current, range */
  draw(session, colours) {
    const { context } = this;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const step = width / session.given.frames;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.fillStyle = colours.quiet;
    context.fillRect(0, 0, width, height);
    const bar = (frame, colour, y, h, least = 1) => {
      context.fillStyle = colour;
      context.fillRect(frame * step, y, Math.max(least, step - (step > 4 ? 1 : 0)), h);
    };
    this.doubts.forEach((doubt, frame) => {
      if (doubt) bar(frame, doubt === 2 ? colours.missing : colours.doubtful, 0, height - EDITS_HEIGHT);
    });
    this.edited.forEach((edited, frame) => {
      if (edited) bar(frame, colours.edited, height - EDITS_HEIGHT, EDITS_HEIGHT, 2);
    });
    if (session.chosen) this.#drawChosen(session, step, height, colours);
    bar(session.frame, colours.current, 0, height, 3);
    for (const frame of this.keys) {
      context.beginPath();
      diamond(context, (frame + 0.5) * step, height - EDITS_HEIGHT - 1, 5);
      context.fillStyle = frame === session.frame ? colours.edited : colours.current;
      context.fill();
      context.strokeStyle = colours.quiet;
      context.lineWidth = 1;
      context.stroke();
    }
  }

  /** A frame around the selected frames; a broken one where the current frame is not of them. */
  #drawChosen(session, step, height, colours) {
    const { context } = this;
    const [first, last] = session.chosen;
    const [x, width] = [first * step, (last - first + 1) * step];
    context.globalAlpha = 0.25;
    context.fillStyle = colours.range;
    context.fillRect(x, 0, width, height);
    context.globalAlpha = 1;
    context.strokeStyle = colours.range;
    context.lineWidth = 2;
    const isActive = first <= session.frame && session.frame <= last;
    context.setLineDash(isActive ? [] : [4, 3]);
    context.strokeRect(x + 1, 1, Math.max(1, width - 2), height - 2);
    context.setLineDash([]);
  }
}

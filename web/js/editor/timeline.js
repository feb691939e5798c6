/** The strip of frames: where watched points are missing or doubtful, where edits are, the range. */

/** Heights in CSS pixels: doubts above, edits below. */
const EDITS_HEIGHT = 6;

export class Timeline {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.doubts = new Uint8Array(0);
    this.edited = new Uint8Array(0);
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    this.ratio = ratio;
  }

  /** Works out the marks again: after an edit or with other points selected. */
  update(session) {
    this.doubts = session.doubts();
    this.edited = session.edited();
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
    const [first, last] = session.range;
    if (session.mark !== null) {
      context.strokeStyle = colours.range;
      context.lineWidth = 2;
      context.strokeRect(first * step + 1, 1, (last - first + 1) * step - 2, height - 2);
    }
    bar(session.frame, colours.current, 0, height, 3);
  }
}

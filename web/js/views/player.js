/** Which frame of a clip shows when: time in, frame number out; nothing of the page in here. */

export const SPEEDS = [0.25, 0.5, 1, 2];

export class Player {
  /**
   * @param {number} frames at least one
   * @param {number} rate frames a second at speed 1
   */
  constructor(frames, rate) {
    this.frames = frames;
    this.rate = rate;
    this.speed = 1;
    this.frame = 0;
    this.playing = false;
    this.since = 0; // when this.from was shown, in milliseconds
    this.from = 0;
  }

  /** @param {number} now milliseconds */
  play(now) {
    this.playing = true;
    this.#hold(now);
  }

  pause() {
    this.playing = false;
  }

  /** @param {number} speed @param {number} now milliseconds */
  setSpeed(speed, now) {
    this.speed = speed;
    this.#hold(now);
  }

  /** @param {number} frame kept inside the clip @param {number} now milliseconds */
  seek(frame, now) {
    this.frame = Math.min(Math.max(Math.round(frame), 0), this.frames - 1);
    this.#hold(now);
  }

  /**
   * Moves on to the frame of this moment; after the last comes the first.
   * @param {number} now milliseconds
   * @returns {boolean} whether another frame shows than before
   */
  advance(now) {
    if (!this.playing) return false;
    const passed = Math.floor((Math.max(now - this.since, 0) / 1000) * this.rate * this.speed);
    const frame = (this.from + passed) % this.frames;
    const moved = frame !== this.frame;
    this.frame = frame;
    return moved;
  }

  /** Time counts anew from the frame that shows. */
  #hold(now) {
    this.from = this.frame;
    this.since = now;
  }
}

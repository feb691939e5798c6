/**
 * What the editor knows: the poses as they came, the edits made, which frame and points are meant.
 * Pure logic; `onChange` tells whoever draws.
 *
 * @typedef {import("./edits_text.js").Edit} Edit
 * @typedef {import("./apply.js").Poses} Poses
 */
import { applyEdits, applyOne, at } from "./apply.js";
import { framesOf, namePoints } from "./edits_text.js";
import { History } from "./history.js";
import { DOUBTFUL, GROUPS, groupOf, N_POINTS } from "./skeleton.js";

/** Why a command did nothing, with the way out. */
export const NO_RANGE =
  "Mark a range first: go to one end, press Mark range (B), and go to the other end. There must be at " +
  "least one frame in between.";
export const NO_FRAME_BEFORE = "This is the first frame; there is no previous frame to copy from.";
export const NOBODY = "None of these points is in this frame.";
export const NOTHING_DONE = "Nothing was changed: {problem}.";
export const NO_DOUBT = "There are no more frames with missing or doubtful points.";

/** Five decimals are a fiftieth of a pixel of an image of 2000; further out nothing is drawn. */
const rounded = (value) => Math.round(Math.max(-10, Math.min(10, value)) * 1e5) / 1e5;

export class Session {
  /**
   * @param {Poses} given
   * @param {Edit[]} edits
   * @param {() => void} [onChange] called after every change of edits, frame, person or selection
   */
  constructor(given, edits = [], onChange = () => {}) {
    this.given = given;
    this.history = new History(edits);
    this.onChange = onChange;
    this.frame = 0;
    this.person = 0;
    /** @type {Set<number>} points that keys and buttons act on; empty means the whole figure */
    this.selection = new Set();
    /** @type {number | null} the other end of a range of frames */
    this.mark = null;
    this.hint = ""; // why the last command did nothing, and the values in it
    this.hintValues = {};
    this.reapply();
  }

  get edits() {
    return this.history.edits;
  }

  /** Numbers of the current person: x, y, score of every point and frame. */
  get figure() {
    return this.poses.people[this.person];
  }

  /** @returns {{x: number, y: number, score: number}} */
  pointAt(point, frame = this.frame) {
    const i = at(frame, point);
    return { x: this.figure[i], y: this.figure[i + 1], score: this.figure[i + 2] };
  }

  /** The selected points; all of them where none is selected. */
  get points() {
    return this.selection.size ? [...this.selection] : GROUPS.all;
  }

  /** First and last frame between the mark and the current frame. */
  get range() {
    const other = this.mark ?? this.frame;
    return [Math.min(other, this.frame), Math.max(other, this.frame)];
  }

  goTo(frame) {
    this.frame = Math.max(0, Math.min(this.given.frames - 1, Math.round(frame)));
    this.#changed();
  }

  choosePerson(person) {
    this.person = Math.max(0, Math.min(this.given.people.length - 1, person));
    this.#changed();
  }

  select(points, { add = false } = {}) {
    if (!add) this.selection.clear();
    for (const point of points) this.selection.add(point);
    this.#changed();
  }

  /** The selected point's whole group: a hand, the face, the body. */
  selectGroup() {
    const [first] = this.selection;
    if (first !== undefined) this.select(GROUPS[groupOf(first)]);
  }

  /** Selects the point before or after the selected one. */
  selectNext(step) {
    const [first] = this.selection;
    this.select([first === undefined ? 0 : (first + step + N_POINTS) % N_POINTS]);
  }

  setMark(frame = this.frame) {
    this.mark = this.mark === frame ? null : frame;
    this.#changed();
  }

  /** Puts one point at a place. */
  move(point, x, y) {
    this.add({ do: "move", frames: this.frame, points: namePoints([point]), to: [rounded(x), rounded(y)] });
  }

  /**
   * Shifts the selection, or the whole figure, in the range of frames. A missing point that is
   * selected alone is put beside where it was last seen.
   */
  shift(dx, dy) {
    if (this.selection.size === 1 && this.mark === null) {
      const [x, y] = this.placeOf(this.points[0]);
      this.move(this.points[0], x + dx, y + dy);
      return;
    }
    this.add({ do: "transform", ...this.meant(), shift: [rounded(dx), rounded(dy)] });
  }

  /**
   * Where a point is; if it is missing, where it is in the nearest frame that has it, or the middle
   * of the figure.
   * @returns {[number, number]}
   */
  placeOf(point) {
    for (let away = 0; away < this.given.frames; away++) {
      for (const frame of [this.frame - away, this.frame + away]) {
        if (frame < 0 || frame >= this.given.frames) continue;
        const { x, y, score } = this.pointAt(point, frame);
        if (score > 0) return [x, y];
      }
    }
    return this.middle(GROUPS.all) ?? [0.5, 0.5];
  }

  /** Scales the selection, or the whole figure, about its middle in the current frame. */
  scale(factor) {
    const about = this.middle();
    if (!about) return this.tell(NOBODY);
    this.add({ do: "transform", ...this.meant(), about, scale: rounded(factor) });
  }

  /** @returns {[number, number] | null} middle of the box around the meant points */
  middle(points = this.points) {
    const seen = points.map((point) => this.pointAt(point)).filter(({ score }) => score > 0);
    if (!seen.length) return null;
    const span = (values) => rounded((Math.min(...values) + Math.max(...values)) / 2);
    return [span(seen.map(({ x }) => x)), span(seen.map(({ y }) => y))];
  }

  hide() {
    this.add({ do: "hide", ...this.meant() });
  }

  restore() {
    this.add({ do: "restore", ...this.meant() });
  }

  /** Takes the meant points from the frame before; a point that was never found is made so. */
  copyPrevious() {
    if (this.range[0] === 0) return this.tell(NO_FRAME_BEFORE);
    this.add({ do: "copy", ...this.meant(), from: this.range[0] - 1 });
  }

  /** Puts the meant points on a straight line between the ends of the range. */
  interpolate() {
    const [first, last] = this.range;
    if (last - first < 2) return this.tell(NO_RANGE);
    this.add({ do: "interpolate", ...this.meant() });
  }

  mirror() {
    const about = this.middle(GROUPS.all);
    if (!about) return this.tell(NOBODY);
    this.add({ do: "mirror", frames: this.frames(), about: about[0] });
  }

  swap() {
    this.add({ do: "swap", frames: this.frames() });
  }

  undo() {
    if (this.history.undo()) this.reapply();
  }

  redo() {
    if (this.history.redo()) this.reapply();
  }

  /**
   * Makes an edit of the current person; one that would do nothing is not kept, and said.
   * @param {Edit} edit
   */
  add(edit) {
    const whole = { ...edit, ...(this.person ? { person: this.person } : {}) };
    const problem = applyOne(this.poses, this.given, whole);
    if (problem) return this.tell(NOTHING_DONE, { problem });
    this.history.push(whole);
    this.#changed();
  }

  /**
   * @param {string} hint shown until the next change, with {name} where a value goes
   * @param {Record<string, string>} [values]
   */
  tell(hint, values = {}) {
    this.hint = hint;
    this.hintValues = values;
    this.onChange();
  }

  #changed() {
    this.tell("");
  }

  /** Works all edits out again. */
  reapply() {
    const { poses, problems } = applyEdits(this.given, this.edits);
    this.poses = poses;
    this.problems = problems;
    this.#changed();
  }

  /** The clip that edits are made for, as it is written beside them. */
  get madeFor() {
    const { frames, crowd, width, height } = this.given;
    return { frames, people: crowd, width, height };
  }

  /**
   * How sure the watched points are in every frame.
   * @returns {Uint8Array} 0 sure, 1 doubtful, 2 missing
   */
  doubts() {
    const watched = this.watched();
    const doubts = new Uint8Array(this.given.frames);
    for (let frame = 0; frame < doubts.length; frame++) {
      for (const point of watched) {
        const score = this.figure[at(frame, point) + 2];
        doubts[frame] = Math.max(doubts[frame], score <= 0 ? 2 : score < DOUBTFUL ? 1 : 0);
      }
    }
    return doubts;
  }

  /** The selected points; without a selection the body's that are seen in half of the frames. */
  watched() {
    if (this.selection.size) return this.points;
    const { frames } = this.given;
    return GROUPS.body.filter((point) => {
      let seen = 0;
      for (let frame = 0; frame < frames; frame++) seen += this.figure[at(frame, point) + 2] > 0;
      return 2 * seen >= frames;
    });
  }

  /** @returns {Uint8Array} 1 where an edit of this person names the frame */
  edited() {
    const edited = new Uint8Array(this.given.frames);
    for (const edit of this.edits) {
      if ((edit.person ?? 0) !== this.person) continue;
      const [first, last] = framesOf(edit);
      edited.fill(1, first, last + 1);
    }
    return edited;
  }

  /** The next frame in a direction in which a watched point is missing or doubtful. */
  nextDoubt(step) {
    const doubts = this.doubts();
    for (let frame = this.frame + step; frame >= 0 && frame < doubts.length; frame += step) {
      if (doubts[frame]) return this.goTo(frame);
    }
    this.tell(NO_DOUBT);
  }

  meant() {
    return { frames: this.frames(), points: namePoints(this.points) };
  }

  frames() {
    const [first, last] = this.range;
    return first === last ? first : [first, last];
  }
}

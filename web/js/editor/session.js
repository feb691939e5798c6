/**
 * What the editor knows: the poses as they came, the edits made, which frame and points are meant.
 * Pure logic; `onChange` tells whoever draws.
 *
 * @typedef {import("./edits_text.js").Edit} Edit
 * @typedef {import("./apply.js").Poses} Poses
 */
import { applyEdits, applyOne, at } from "./apply.js";
import { framesOf, KEY_EASES, namePoints, pointsOf } from "./edits_text.js";
import { appended, History } from "./history.js";
import { easeAt, isKeyed, keysOf, rounded, withEase, withKey, withoutKey } from "./keys.js";
import { DOUBTFUL, GROUPS, groupOf, N_POINTS } from "./skeleton.js";

/** Why a command did nothing, with the way out. */
export const NO_RANGE =
  "Mark a range first: go to one end, press Mark range (B), and go to the other end. There must be at " +
  "least one frame in between.";
export const NO_FRAME_BEFORE = "This is the first frame; there is no previous frame to copy from.";
export const NOBODY = "None of these points is in this frame.";
export const NOTHING_DONE = "Nothing was changed: {problem}.";
export const NO_DOUBT = "There are no more frames with missing or doubtful points.";
export const NO_FRAMES =
  "Select several frames first: drag on the timeline with Shift, or press Mark range (B) at both ends.";
export const NO_KEY = "These points have no key in this frame. Set one with Set key (K).";
export const NO_MORE_KEYS = "There are no more keys.";
export const COPIED = "Copied {count} points of frames {first}–{last}. Paste (Ctrl+V) puts them at the current frame.";
export const NOTHING_COPIED = "Copy a pose or selected frames first (Ctrl+C).";
export const OTHER_PERSON = "What was copied belongs to person {person}. Go to that person (P), or copy again.";

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
    /** @type {number | null} one end of the selected frames */
    this.mark = null;
    /** @type {number | null} the other end; null while it is the current frame */
    this.end = null;
    this.ease = "linear"; // of new keys and of interpolation
    /** @type {{person: number, frames: [number, number], points: number[]} | null} */
    this.copied = null;
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

  /** @returns {[number, number] | null} first and last of the selected frames */
  get chosen() {
    if (this.mark === null) return null;
    const other = this.end ?? this.frame;
    return [Math.min(other, this.mark), Math.max(other, this.mark)];
  }

  /** First and last frame that changes apply to: the selected ones, if the current one is of them. */
  get range() {
    const { chosen, frame } = this;
    return chosen && chosen[0] <= frame && frame <= chosen[1] ? chosen : [frame, frame];
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

  /** Begins to select frames here, ends it at the next call, and selects none at the third. */
  setMark() {
    if (this.mark === null) this.mark = this.frame;
    else if (this.end === null && this.mark !== this.frame) this.end = this.frame;
    else this.mark = this.end = null;
    this.#changed();
  }

  /** Selects the frames from one to another, and goes to the other. */
  selectFrames(from, to) {
    this.mark = from;
    this.end = to;
    this.goTo(to);
  }

  clearFrames() {
    this.mark = this.end = null;
    this.#changed();
  }

  /** Puts one point at a place: its key, where keys say where it is, so that the way there follows. */
  move(point, x, y, frame = this.frame) {
    if (!this.isKeyed(point, frame)) {
      const edit = { do: "move", frames: frame, points: namePoints([point]), to: [rounded(x), rounded(y)] };
      return this.add(edit);
    }
    this.#set(this.#withKey(this.edits, point, frame, [x, y]));
  }

  /** Shows what `move` would do without making an edit of it; `reapply` takes it back. */
  preview(point, x, y, frame = this.frame) {
    if (!this.isKeyed(point, frame)) return this.figure.set([x, y, 1], at(frame, point));
    const edits = this.#withKey(this.edits, point, frame, [x, y]);
    this.poses = applyEdits(this.given, edits).poses;
  }

  isKeyed(point, frame = this.frame) {
    return isKeyed(keysOf(this.edits, this.person, point), frame);
  }

  #withKey(edits, point, frame, to) {
    return withKey(edits, this.figure, { person: this.person, point, frame, to, ease: this.ease });
  }

  /** Sets a key for the meant points where they are: in this frame, or at both ends of the range. */
  setKey() {
    let edits = this.edits;
    for (const frame of new Set(this.range)) {
      for (const point of this.points) {
        const { x, y, score } = this.pointAt(point, frame);
        if (score > 0) edits = this.#withKey(edits, point, frame, [x, y]);
      }
    }
    if (edits === this.edits) return this.tell(NOBODY);
    this.#set(edits);
  }

  /** Removes the keys of the meant points in the range. */
  removeKey() {
    let edits = this.edits;
    const [first, last] = this.range;
    for (const point of this.points) {
      for (const [frame] of keysOf(edits, this.person, point)) {
        if (frame < first || frame > last) continue;
        edits = withoutKey(edits, this.figure, this.person, point, frame);
      }
    }
    if (edits === this.edits) return this.tell(NO_KEY);
    this.#set(edits);
  }

  /** The ease around this frame: of the first meant point that has keys here, else of new keys. */
  easeHere() {
    for (const point of this.points) {
      const keys = keysOf(this.edits, this.person, point);
      const i = easeAt(keys, this.frame);
      if (i >= 0) return keys[i][3] ?? "linear";
    }
    return this.ease;
  }

  /** Chooses the ease of new keys, and gives it to the meant points' keys around this frame. */
  setEase(ease) {
    this.ease = ease;
    let edits = this.edits;
    for (const point of this.points) {
      const keys = keysOf(edits, this.person, point);
      const i = easeAt(keys, this.frame);
      if (i < 0 || (keys[i][3] ?? "linear") === ease) continue;
      edits = withEase(edits, this.figure, this.person, point, this.frame, ease);
    }
    if (edits === this.edits) this.#changed();
    else this.#set(edits);
  }

  nextEase() {
    this.setEase(KEY_EASES[(KEY_EASES.indexOf(this.easeHere()) + 1) % KEY_EASES.length]);
  }

  /** Frames with keys of the selected points; without a selection, of all points of the person. */
  keyFrames() {
    const frames = new Set();
    for (const edit of this.edits) {
      if (edit.do !== "keys" || (edit.person ?? 0) !== this.person) continue;
      if (this.selection.size && !this.selection.has(pointsOf(edit.points)[0])) continue;
      for (const [frame] of edit.keys) if (frame < this.given.frames) frames.add(frame);
    }
    return [...frames].sort((a, b) => a - b);
  }

  /** Frames in which a point was placed by hand without a key. */
  movedFrames(point) {
    const frames = new Set();
    for (const edit of this.edits) {
      if (edit.do !== "move" || (edit.person ?? 0) !== this.person) continue;
      if (!pointsOf(edit.points).includes(point)) continue;
      const [first, last] = framesOf(edit);
      for (let frame = first; frame <= Math.min(last, this.given.frames - 1); frame++) frames.add(frame);
    }
    return [...frames];
  }

  nextKey(step) {
    const frames = this.keyFrames().filter((frame) => (frame - this.frame) * step > 0);
    if (!frames.length) return this.tell(NO_MORE_KEYS);
    this.goTo(step > 0 ? frames[0] : frames.at(-1));
  }

  /**
   * Shifts the selection, or the whole figure, in the range of frames. A missing point that is
   * selected alone is put beside where it was last seen.
   */
  shift(dx, dy) {
    const [first, last] = this.range;
    if (this.selection.size === 1 && first === last) {
      const [x, y] = this.placeOf(this.points[0]);
      this.move(this.points[0], x + dx, y + dy);
      return;
    }
    this.#transform({ shift: [rounded(dx), rounded(dy)] }, ([x, y]) => [x + dx, y + dy]);
  }

  /** Moves the meant points; in a single frame those between keys get a key instead. */
  #transform(change, moved) {
    const edit = { do: "transform", ...this.meant(), ...change };
    const [first, last] = this.range;
    const keyed = first === last ? this.points.filter((point) => this.isKeyed(point)) : [];
    if (!keyed.length) return this.add(edit);
    const others = this.points.filter((point) => !keyed.includes(point) && this.pointAt(point).score > 0);
    let { edits } = this;
    for (const point of keyed) {
      const { x, y } = this.pointAt(point);
      edits = this.#withKey(edits, point, this.frame, moved([x, y]));
    }
    if (others.length) edits = appended(edits, this.#ours({ ...edit, points: namePoints(others) }));
    this.#set(edits);
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
    const scaled = (value, i) => about[i] + (value - about[i]) * rounded(factor);
    this.#transform({ about, scale: rounded(factor) }, (place) => place.map(scaled));
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
    const ease = this.ease === "linear" || this.ease === "keep" ? {} : { ease: this.ease };
    this.add({ do: "interpolate", ...this.meant(), ...ease });
  }

  /** Plays the meant points backwards in the range. */
  reverse() {
    const [first, last] = this.range;
    if (first === last) return this.tell(NO_FRAMES);
    this.add({ do: "reverse", ...this.meant() });
  }

  /** Remembers the meant points of the range, for `paste`. */
  copy() {
    const { person, range, points } = this;
    this.copied = { person, frames: range, points };
    this.tell(COPIED, { count: points.length, first: range[0], last: range[1] });
  }

  /** Puts what was copied at the current frame on, or into all of the range, again and again. */
  paste() {
    if (!this.copied) return this.tell(NOTHING_COPIED);
    const { person, frames, points } = this.copied;
    if (person !== this.person) return this.tell(OTHER_PERSON, { person });
    const [from, to] = frames;
    const [first, end] = this.range;
    const last = end > first ? end : Math.min(this.given.frames - 1, first + to - from);
    this.add({
      do: "copy",
      frames: first === last ? first : [first, last],
      points: namePoints(points),
      from: from === to ? from : [from, to],
    });
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
    const whole = this.#ours(edit);
    const problem = applyOne(this.poses, this.given, whole);
    if (problem) return this.tell(NOTHING_DONE, { problem });
    this.history.push(whole);
    this.#changed();
  }

  #ours(edit) {
    return { ...edit, ...(this.person ? { person: this.person } : {}) };
  }

  /** Other edits in place of those that are there, as one step to undo. */
  #set(edits) {
    this.history.set(edits);
    this.reapply();
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

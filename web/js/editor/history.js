/** A list of edits with undo and redo. */

const MOST_STEPS = 1000;

export class History {
  /** @param {import("./edits_text.js").Edit[]} edits that are there already */
  constructor(edits = []) {
    this.edits = edits;
    this.past = [];
    this.future = [];
  }

  /** @param {import("./edits_text.js").Edit} edit */
  push(edit) {
    this.set(appended(this.edits, edit));
  }

  /** @param {import("./edits_text.js").Edit[]} edits in place of those that are there */
  set(edits) {
    this.past.push(this.edits);
    if (this.past.length > MOST_STEPS) this.past.shift();
    this.future = [];
    this.edits = edits;
  }

  /** @returns {boolean} whether there was a step to take back */
  undo() {
    return this.#step(this.past, this.future);
  }

  /** @returns {boolean} */
  redo() {
    return this.#step(this.future, this.past);
  }

  #step(from, to) {
    if (!from.length) return false;
    to.push(this.edits);
    this.edits = from.pop();
    return true;
  }
}

/** Edits and one more, made one with the last of them where that does the same. */
export function appended(edits, edit) {
  const together = merged(edits.at(-1), edit);
  return together ? [...edits.slice(0, -1), together] : [...edits, edit];
}

/**
 * One edit that does what two in a row do: a second move of the same point, a further shift of the
 * same points. Otherwise ten presses of an arrow key would be ten lines.
 * @returns {import("./edits_text.js").Edit | null}
 */
export function merged(before, edit) {
  if (before?.do !== edit.do || !same(before, edit, ["frames", "points", "person"])) return null;
  if (edit.do === "move") return edit;
  const shiftsOnly = [before, edit].every((e) => "shift" in e && !("scale" in e));
  if (edit.do !== "transform" || !shiftsOnly) return null;
  const shift = before.shift.map((value, i) => Math.round((value + edit.shift[i]) * 1e5) / 1e5);
  return { ...edit, shift };
}

function same(a, b, keys) {
  return keys.every((key) => JSON.stringify(a[key]) === JSON.stringify(b[key]));
}

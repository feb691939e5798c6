/**
 * Keys of a point: the edit `keys`, of which the editor keeps one a point, replaced at every change
 * so that what lies between the keys follows. Pure: a list of edits goes in, another comes out.
 *
 * @typedef {import("./edits_text.js").Edit} Edit
 * @typedef {import("./edits_text.js").Key} Key
 */
import { at } from "./apply.js";
import { framesOf, namePoints, pointsOf } from "./edits_text.js";

/** Five decimals are a fiftieth of a pixel of an image of 2000; further out nothing is drawn. */
export const rounded = (value) => Math.round(Math.max(-10, Math.min(10, value)) * 1e5) / 1e5;

const belongs = (edit, person) => (edit.person ?? 0) === person;
const isKeysOf = (edit, person, point) =>
  edit.do === "keys" && belongs(edit, person) && pointsOf(edit.points)[0] === point;

/** @returns {Key[]} the keys of a point, in the order of their frames; empty without */
export function keysOf(edits, person, point) {
  return edits.findLast((edit) => isKeysOf(edit, person, point))?.keys ?? [];
}

/** Where the key is that says how a point moves in a frame, or -1 where no key says it. */
export function keyBefore(keys, frame) {
  const i = keys.findLastIndex((key) => key[0] <= frame);
  return i + 1 < keys.length || keys[i]?.[0] === frame ? i : -1;
}

/** Whether a frame is a key, or is worked out from the keys around it. */
export function isKeyed(keys, frame) {
  const i = keyBefore(keys, frame);
  return i >= 0 && (keys[i][0] === frame || keys[i][3] !== "keep");
}

/** Where the key is whose ease a frame shows: of the last key, that of the way to it. */
export function easeAt(keys, frame) {
  const i = keyBefore(keys, frame);
  return i > 0 && i === keys.length - 1 ? i - 1 : i;
}

/**
 * Edits with one more key, or with one put elsewhere.
 * @param {Edit[]} edits
 * @param {Float64Array} figure of the person, as the edits leave it
 * @param {{person: number, point: number, frame: number, to: [number, number], ease: string}} key
 *   `ease` is for a key before or behind the others; one in between goes on as the key before it
 */
export function withKey(edits, figure, { person, point, frame, to, ease }) {
  const before = keysOf(edits, person, point);
  const i = keyBefore(before, frame);
  const own = i >= 0 ? (before[i][3] ?? "linear") : ease;
  const keys = before.filter(([other]) => other !== frame);
  const isBehind = keys.length && keys.length === before.length && keys.at(-1)[0] < frame;
  if (isBehind) keys.push(eased(keys.pop(), ease)); // how the new one is reached
  keys.push(eased([frame, rounded(to[0]), rounded(to[1])], own));
  keys.sort(([a], [b]) => a - b);
  return withKeys(edits, figure, person, point, keys, frame);
}

/** Edits without the key of a point in a frame. */
export function withoutKey(edits, figure, person, point, frame) {
  const keys = keysOf(edits, person, point).filter(([other]) => other !== frame);
  return withKeys(edits, figure, person, point, keys, null);
}

/** Edits in which a frame is reached, or left, with another ease. */
export function withEase(edits, figure, person, point, frame, ease) {
  const keys = keysOf(edits, person, point);
  const i = easeAt(keys, frame);
  return withKeys(edits, figure, person, point, keys.with(i, eased(keys[i], ease)), null);
}

const eased = ([frame, x, y], ease) => (ease === "linear" ? [frame, x, y] : [frame, x, y, ease]);

/**
 * The keys stand where they stood, or last if later edits change the same frames: then they are
 * taken from what is seen, all but the one in frame `set`.
 */
function withKeys(edits, figure, person, point, keys, set) {
  const index = edits.findLastIndex((edit) => isKeysOf(edit, person, point));
  const kept = edits.filter((_, i) => i !== index);
  if (!keys.length) return kept;
  const whole = { do: "keys", points: namePoints([point]), keys, ...(person ? { person } : {}) };
  const first = Math.min(keys[0][0], edits[index]?.keys[0][0] ?? Infinity);
  const last = Math.max(keys.at(-1)[0], edits[index]?.keys.at(-1)[0] ?? 0);
  const changes = (edit) => {
    const [from, to] = framesOf(edit);
    const points = "points" in edit ? pointsOf(edit.points) : null; // mirror and swap: all
    return belongs(edit, person) && from <= last && to >= first && (points?.includes(point) ?? true);
  };
  if (index >= 0 && !edits.slice(index + 1).some(changes)) return kept.toSpliced(index, 0, whole);
  const seen = ([frame, x, y, ease]) => {
    const i = at(frame, point);
    if (frame === set || !(figure[i + 2] > 0)) return eased([frame, x, y], ease ?? "linear");
    return eased([frame, rounded(figure[i]), rounded(figure[i + 1])], ease ?? "linear");
  };
  return [...kept, { ...whole, keys: keys.map(seen) }];
}

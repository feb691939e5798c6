/**
 * The text in which edits are kept. Reads what `dispose_core/pose/edits_text.py` reads and refuses
 * what it refuses, with the same words; `tests/web/edits_cases.json` holds both to it.
 */
import { GROUPS, NAMED, NAMES, N_POINTS, PARTS } from "./skeleton.js";

const VERSIONS = [1, 2];
const MOST_CHARACTERS = 4_000_000;
const MOST_EDITS = 20_000;
const LAST_FRAME = 1_000_000;
const FARTHEST = 10;
/** How a point goes from one place to the next; between keys it may also stay as it is. */
export const EASES = ["linear", "smooth", "hold"];
export const KEY_EASES = [...EASES, "keep"];

/** What each kind takes beside do, frames (keys have their own) and person: needed, then optional. */
const KEYS = {
  move: [["points", "to"], []],
  hide: [["points"], []],
  restore: [["points"], []],
  copy: [["points", "from"], []],
  interpolate: [["points"], ["ease"]],
  transform: [["points"], ["about", "scale", "shift"]],
  mirror: [["about"], []],
  swap: [[], []],
  reverse: [["points"], []],
  keys: [["points", "keys"], []],
};

/**
 * @typedef {object} Edit as in the text
 * @property {keyof KEYS} do
 * @property {number | [number, number]} [frames] one, or the first and the last
 * @property {number} [person]
 * @property {string | number | (string | number)[]} [points]
 * @property {[number, number]} [to]
 * @property {number | [number, number]} [from]
 * @property {[number, number] | number} [about]
 * @property {number} [scale]
 * @property {[number, number]} [shift]
 * @property {string} [ease]
 * @property {Key[]} [keys] in the order of their frames
 *
 * @typedef {[number, number, number, string?]} Key frame, x, y, and the ease to the next one
 *
 * @typedef {{frames?: number, people?: number, width?: number, height?: number}} MadeFor
 */

/** What is wrong with a text of edits, in words for the user. */
export class EditsError extends Error {}

/**
 * @param {string} text an empty one has no edits
 * @returns {{edits: Edit[], madeFor: MadeFor}}
 */
export function parseEdits(text) {
  if (!text.trim()) return { edits: [], madeFor: {} };
  if ([...text].length > MOST_CHARACTERS) fail(`edits: ${text.length} characters, at most ${MOST_CHARACTERS}.`);
  let told;
  try {
    told = JSON.parse(text);
  } catch (error) {
    fail(`edits: not valid JSON (${error.message}). Undo the last change to this text, or clear it to start again.`);
  }
  if (!isObject(told) || !Array.isArray(told.edits)) {
    fail('edits: needed {"version": 1, "edits": [ … ]}. Clear it to start again.');
  }
  known(told, ["version", "made_for", "edits"], "edits");
  if (!VERSIONS.includes(told.version)) {
    fail(`edits: version ${shown(told.version)}, needed ${VERSIONS.join(" or ")}. Update the pack if the workflow is newer than it.`);
  }
  if (told.edits.length > MOST_EDITS) fail(`edits: ${told.edits.length} of them, at most ${MOST_EDITS}.`);
  told.edits.forEach((edit, i) => check(edit, `edit ${i + 1}`));
  return { edits: told.edits, madeFor: madeFor(told.made_for ?? {}) };
}

/** Whether versions of the pack that know only version 1 of the text cannot read an edit. */
const isNew = (edit) => edit.do === "keys" || edit.do === "reverse" || "ease" in edit || Array.isArray(edit.from);

/**
 * One edit a line, so that people can read and change them.
 * @param {Edit[]} edits
 * @param {MadeFor} madeFor
 */
export function writeEdits(edits, madeFor) {
  if (!edits.length) return "";
  const lines = edits.map((edit) => ` ${JSON.stringify(edit)}`).join(",\n");
  const version = edits.some(isNew) ? 2 : 1;
  return `{"version":${version},"made_for":${JSON.stringify(madeFor)},"edits":[\n${lines}\n]}`;
}

/** Indices of points named one by one or by group, in the order they were named. */
export function pointsOf(named) {
  const list = Array.isArray(named) ? named : [named];
  return [...new Set(list.flatMap((name) => (typeof name === "number" ? [name] : NAMED.get(name))))];
}

/**
 * The shortest names for some points: a group where all of it is meant.
 * @param {number[]} points
 */
export function namePoints(points) {
  const rest = new Set(points);
  if (rest.size === N_POINTS) return "all";
  const names = [];
  for (const group of PARTS) {
    if (GROUPS[group].every((point) => rest.has(point))) {
      names.push(group);
      GROUPS[group].forEach((point) => rest.delete(point));
    }
  }
  for (const point of rest) names.push(NAMES[point]);
  return names.length === 1 ? names[0] : names;
}

/** First and last frame of an edit. */
export function framesOf(edit) {
  if (edit.do === "keys") return [edit.keys[0][0], edit.keys.at(-1)[0]];
  return pairOf(edit.frames);
}

/** First and last of what is given as one or as both. */
export const pairOf = (frames) => (Array.isArray(frames) ? frames : [frames, frames]);

function check(edit, where) {
  if (!isObject(edit)) fail(`${where}: ${shown(edit)} is not an object such as {"do": "hide", … }.`);
  const kind = edit.do;
  if (typeof kind !== "string" || !Object.hasOwn(KEYS, kind)) {
    fail(`${where}: do ${shown(kind)}, needed one of ${Object.keys(KEYS).join(", ")}.`);
  }
  const [needed, optional] = KEYS[kind];
  const frames = kind === "keys" ? [] : ["frames"];
  known(edit, ["do", ...frames, "person", ...needed, ...optional], where);
  for (const key of [...frames, ...needed]) {
    if (!(key in edit)) fail(`${where} (${kind}): ${key} is missing.`);
  }
  if (kind === "keys") checkKeys(edit.keys, `${where}, keys`);
  else checkFrames(edit.frames, `${where}, frames`);
  const [first, last] = framesOf(edit);
  if (kind === "interpolate" && last - first < 2) {
    fail(`${where}: frames ${first} and ${last} have none between them.`);
  }
  if (kind === "reverse" && first === last) {
    fail(`${where}: frame ${first} alone cannot be reversed, needed [first, last].`);
  }
  if ("points" in edit) checkPoints(edit.points, where);
  if (kind === "keys" && pointsOf(edit.points).length !== 1) {
    fail(`${where}: keys are of one point, not ${pointsOf(edit.points).length}.`);
  }
  if ("from" in edit) checkFrames(edit.from, `${where}, from`);
  if ("ease" in edit) checkEase(edit.ease, EASES, where);
  if ("scale" in edit) number(edit.scale, `${where}, scale`, 0.01, 100);
  if (kind === "mirror") number(edit.about, `${where}, about`);
  else if ("about" in edit) point(edit.about, `${where}, about`);
  for (const key of ["to", "shift"]) if (key in edit) point(edit[key], `${where}, ${key}`);
  integer("person" in edit ? edit.person : 0, `${where}, person`);
}

function checkFrames(told, where) {
  const pair = pairOf(told);
  if (pair.length !== 2) fail(`${where}: ${shown(told)}, needed a frame or [first, last].`);
  pair.forEach((frame) => integer(frame, where));
  if (pair[0] > pair[1]) fail(`${where}: ${shown(told)}, needed the first one first.`);
}

function checkKeys(told, where) {
  if (!Array.isArray(told) || !told.length) fail(`${where}: ${shown(told)}, needed [[frame, x, y, ease], … ].`);
  let before = null;
  for (const key of told) {
    if (!Array.isArray(key) || (key.length !== 3 && key.length !== 4)) {
      fail(`${where}: ${shown(key)}, needed [frame, x, y, ease].`);
    }
    const [frame, x, y] = key;
    integer(frame, where);
    if (before !== null && frame <= before) fail(`${where}: frame ${frame} after ${before}, needed in order.`);
    before = frame;
    if (key.length === 4) checkEase(key[3], KEY_EASES, where);
    number(x, where);
    number(y, where);
  }
}

function checkEase(told, eases, where) {
  if (!eases.includes(told)) fail(`${where}: ease ${shown(told)}, needed one of ${eases.join(", ")}.`);
}

function checkPoints(named, where) {
  const list = Array.isArray(named) ? named : [named];
  for (const name of list) {
    const isIndex = Number.isInteger(name) && name >= 0 && name < N_POINTS;
    if (!isIndex && !(typeof name === "string" && NAMED.has(name))) {
      fail(`${where}: no point is called ${shown(name)}. Use a joint such as RWrist, left_hand.4, face.30, ` +
        `an index from 0 to ${N_POINTS - 1}, or a group: ${Object.keys(GROUPS).join(", ")}.`);
    }
  }
  if (!list.length) fail(`${where}: points is empty.`);
}

function madeFor(told) {
  if (!isObject(told)) fail(`edits: made_for ${shown(told)} is not an object.`);
  known(told, ["frames", "people", "width", "height"], "edits, made_for");
  for (const [key, value] of Object.entries(told)) integer(value, `edits, made_for, ${key}`);
  return told;
}

function known(told, keys, where) {
  for (const key of Object.keys(told)) {
    if (!keys.includes(key)) fail(`${where}: unknown key ${shown(key)}. Known are ${keys.join(", ")}.`);
  }
}

function integer(told, where) {
  if (!Number.isInteger(told) || told < 0 || told > LAST_FRAME) {
    fail(`${where}: ${shown(told)}, needed a whole number from 0 to ${LAST_FRAME}.`);
  }
}

function number(told, where, low = -FARTHEST, high = FARTHEST) {
  if (typeof told !== "number" || !(told >= low && told <= high)) {
    fail(`${where}: ${shown(told)}, needed a number from ${low} to ${high}.`);
  }
}

function point(told, where) {
  if (!Array.isArray(told) || told.length !== 2) {
    fail(`${where}: ${shown(told)}, needed [x, y] as fractions of the image.`);
  }
  told.forEach((value) => number(value, where));
}

function isObject(told) {
  return typeof told === "object" && told !== null && !Array.isArray(told);
}

function shown(value) {
  const text = JSON.stringify(value) ?? "null";
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}

/** @returns {never} */
function fail(message) {
  throw new EditsError(message);
}

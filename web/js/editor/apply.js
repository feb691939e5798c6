/**
 * Edits applied to poses, by the rules of `dispose_core/pose/edits/apply.py`.
 *
 * @typedef {object} Poses
 * @property {number} width of the canvas in pixels
 * @property {number} height
 * @property {number} frames
 * @property {Float64Array[]} people one a person: x, y as fractions and score of 134 points a
 *   frame; a missing point is NaN, NaN, 0
 * @property {number} crowd people there are; the editor shows the first of them
 * @property {Float64Array | null} [reference] one frame to compare with, as those of a person
 */
import { framesOf, pairOf, pointsOf } from "./edits_text.js";
import { MIRROR, N_POINTS, SWAP } from "./skeleton.js";

/** Numbers a frame of one person takes. */
export const STRIDE = N_POINTS * 3;
export const at = (frame, point) => frame * STRIDE + point * 3;

/**
 * @param {Poses} given
 * @param {import("./edits_text.js").Edit[]} edits
 * @returns {{poses: Poses, problems: {edit: number, text: string, lost: boolean}[]}} `edit` counts
 *   from 1; `lost` ones were not applied at all
 */
export function applyEdits(given, edits) {
  const poses = { ...given, people: given.people.map((person) => person.slice()) };
  const problems = [];
  edits.forEach((edit, i) => {
    const [text, applies] = problemOf(edit, given);
    const failed = applies ? applyOne(poses, given, edit) : "";
    if (text || failed) problems.push({ edit: i + 1, text: failed || text, lost: !applies || Boolean(failed) });
  });
  return { poses, problems };
}

/**
 * Applies one edit that fits the clip, in place.
 * @returns {string} why nothing could be done, "" when it was
 */
export function applyOne(poses, given, edit) {
  const person = edit.person ?? 0;
  const figure = poses.people[person];
  const [first, end] = framesOf(edit);
  const last = Math.min(end, poses.frames - 1);
  const points = "points" in edit ? pointsOf(edit.points) : [];
  if (edit.do === "interpolate") return interpolate(figure, first, last, points, edit.ease);
  if (edit.do === "copy") return copy(figure, pairOf(edit.from), first, last, points);
  if (edit.do === "reverse") return reverse(figure, first, last, points);
  if (edit.do === "keys") return setKeys(figure, poses.frames, points[0], edit.keys);
  if (edit.do === "mirror" || edit.do === "swap") {
    for (let frame = first; frame <= last; frame++) turn(figure, frame, edit);
    return "";
  }
  const [cx, cy] = edit.about ?? [0.5, 0.5];
  const [dx, dy] = edit.shift ?? [0, 0];
  const scale = edit.scale ?? 1;
  for (let frame = first; frame <= last; frame++) {
    for (const point of points) {
      const i = at(frame, point);
      if (edit.do === "move") figure.set([edit.to[0], edit.to[1], 1], i);
      else if (edit.do === "hide") figure.set([NaN, NaN, 0], i);
      else if (edit.do === "restore") figure.set(given.people[person].subarray(i, i + 3), i);
      else {
        figure[i] = cx + (figure[i] - cx) * scale + dx;
        figure[i + 1] = cy + (figure[i + 1] - cy) * scale + dy;
      }
    }
  }
  return "";
}

/** @returns {[string, boolean]} what has nothing to hold on to, and whether the rest applies */
function problemOf(edit, { people, crowd, frames }) {
  const [first, last] = framesOf(edit);
  const person = edit.person ?? 0;
  if (person >= crowd) {
    const there = crowd === 1 ? "is 1 person" : `are ${crowd} people`;
    return [`there ${there}, counted from 0`, false];
  }
  if (person >= people.length) return ["", false]; // not shown here; the node makes it
  const end = `the clip ends at frame ${frames - 1}`;
  const needsLast = edit.do === "interpolate" || edit.do === "reverse";
  if (first >= frames || (needsLast && last >= frames)) return [end, false];
  if (edit.do === "copy" && pairOf(edit.from)[1] >= frames) {
    return [`frame ${pairOf(edit.from)[1]} to copy from is gone, ${end}`, false];
  }
  return [last >= frames ? end : "", true];
}

/** The share of the way at a share of the time, from 0 to 1. */
const EASE = {
  linear: (time) => time,
  smooth: (time) => time * time * (3 - 2 * time),
  hold: Math.floor,
};

function copy(figure, [from, to], first, last, points) {
  const source = figure.slice(at(from, 0), at(to + 1, 0));
  const count = to - from + 1;
  let found = false;
  for (let i = 0; i < count; i++) found ||= points.some((point) => source[at(i, point) + 2] > 0);
  if (!found) return count === 1 ? `missing in frame ${from}` : `missing in frames ${from}–${to}`;
  for (let frame = first; frame <= last; frame++) {
    for (const point of points) {
      const i = at((frame - first) % count, point);
      if (source[i + 2] > 0) figure.set(source.subarray(i, i + 3), at(frame, point));
    }
  }
  return "";
}

function reverse(figure, first, last, points) {
  const source = figure.slice(at(first, 0), at(last + 1, 0));
  for (let frame = first; frame <= last; frame++) {
    for (const point of points) {
      const i = at(last - frame, point);
      figure.set(source.subarray(i, i + 3), at(frame, point));
    }
  }
  return "";
}

function setKeys(figure, frames, point, keys) {
  keys.forEach(([start, x, y, ease = "linear"], i) => {
    if (start >= frames) return;
    figure.set([x, y, 1], at(start, point));
    if (i + 1 === keys.length || ease === "keep") return;
    const [end, nextX, nextY] = keys[i + 1];
    for (let frame = start + 1; frame < Math.min(end, frames); frame++) {
      const share = EASE[ease]((frame - start) / (end - start));
      figure.set([x + (nextX - x) * share, y + (nextY - y) * share, 1], at(frame, point));
    }
  });
  return "";
}

function interpolate(figure, first, last, points, ease = "linear") {
  const seen = (frame) => points.filter((point) => figure[at(frame, point) + 2] > 0);
  const before = seen(first);
  const after = new Set(seen(last));
  const there = before.filter((point) => after.has(point));
  if (!there.length) return `missing in frame ${before.length ? last : first}`;
  for (const point of there) {
    const a = at(first, point);
    const b = at(last, point);
    for (let frame = first + 1; frame < last; frame++) {
      const share = EASE[ease]((frame - first) / (last - first));
      const i = at(frame, point);
      figure[i] = figure[a] + (figure[b] - figure[a]) * share;
      figure[i + 1] = figure[a + 1] + (figure[b + 1] - figure[a + 1]) * share;
      figure[i + 2] = Math.min(figure[a + 2], figure[b + 2]);
    }
  }
  return "";
}

function turn(figure, frame, edit) {
  const start = at(frame, 0);
  const before = figure.slice(start, start + STRIDE);
  const sides = edit.do === "mirror" ? MIRROR : SWAP;
  sides.forEach((other, point) => {
    const x = before[3 * other];
    figure[start + 3 * point] = edit.do === "mirror" ? 2 * edit.about - x : x;
    figure[start + 3 * point + 1] = before[3 * other + 1];
    figure[start + 3 * point + 2] = before[3 * other + 2];
  });
}

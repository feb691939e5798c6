/** The JavaScript side of the edits does what the Python side does: the same cases for both. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { applyEdits, at, STRIDE } from "../../web/js/editor/apply.js";
import { EditsError, namePoints, parseEdits, pointsOf, writeEdits } from "../../web/js/editor/edits_text.js";
import { GROUPS, MIRROR, NAMED, SWAP } from "../../web/js/editor/skeleton.js";

const cases = JSON.parse(readFileSync(new URL("edits_cases.json", import.meta.url), "utf8"));

function posesOf({ width, height, people }) {
  const frames = people[0].length;
  return {
    width, height, frames, crowd: people.length,
    people: people.map((listed) => {
      const figure = new Float64Array(frames * STRIDE);
      for (let i = 0; i < figure.length; i += 3) figure.set([NaN, NaN, 0], i);
      listed.forEach((points, frame) => {
        for (const [name, value] of Object.entries(points)) figure.set(value, at(frame, NAMED.get(name)[0]));
      });
      return figure;
    }),
  };
}

for (const { name, version = 1, edits, changed, problems = [] } of cases.applied) {
  test(name, () => {
    const given = posesOf(cases.given);
    const expected = posesOf(cases.given);
    for (const { person = 0, frame, points } of changed) {
      for (const [point, value] of Object.entries(points)) {
        expected.people[person].set(value ?? [NaN, NaN, 0], at(frame, NAMED.get(point)[0]));
      }
    }
    const parsed = parseEdits(JSON.stringify({ version, edits }));
    const result = applyEdits(given, parsed.edits);
    result.poses.people.forEach((figure, person) => {
      figure.forEach((value, i) => {
        const wanted = expected.people[person][i];
        assert.ok(Object.is(value, wanted) || Math.abs(value - wanted) < 1e-12, `number ${i}: ${value}, not ${wanted}`);
      });
    });
    assert.deepEqual(result.problems.map(({ edit, text, lost }) => [edit, text, lost]), problems);
    assert.deepEqual(given, posesOf(cases.given)); // what came in is left alone
  });
}

for (const [text, message] of cases.refused) {
  test(`refuses ${text.slice(-60)}`, () => {
    assert.throws(
      () => parseEdits(text),
      (error) => error instanceof EditsError && error.message.includes(message),
    );
  });
}

test("a written text is read back, one edit a line", () => {
  const edits = cases.applied.flatMap((c) => c.edits);
  const madeFor = { frames: 5, people: 2, width: 200, height: 100 };
  const text = writeEdits(edits, madeFor);
  assert.equal(text.split("\n").length, edits.length + 2);
  assert.deepEqual(parseEdits(text), { edits, madeFor });
  assert.equal(writeEdits([], madeFor), "");
  for (const { edits, version = 1 } of cases.applied) { // older packs read what they know
    assert.ok(writeEdits(edits, madeFor).startsWith(`{"version":${version},`));
  }
  assert.deepEqual(parseEdits(""), { edits: [], madeFor: {} });
});

test("points are named as briefly as can be", () => {
  assert.equal(namePoints([4]), "RWrist");
  assert.equal(namePoints(GROUPS.all), "all");
  assert.deepEqual(namePoints([...GROUPS.left_hand, 4]), ["left_hand", "RWrist"]);
  assert.deepEqual(pointsOf(["left_hand.1", 4, "RWrist"]), [19, 4]);
});

test("both tables of sides are pairs", () => {
  for (const table of [MIRROR, SWAP]) table.forEach((other, point) => assert.equal(table[other], point));
});

/** The editor's logic without a page: commands, undo and redo, what the timeline marks, keys. */
import assert from "node:assert/strict";
import test from "node:test";

import { at, STRIDE } from "../../web/js/editor/apply.js";
import { COMMANDS, comboOf, commandFor, keyName } from "../../web/js/editor/commands.js";
import {
  COPIED, NOBODY, NO_DOUBT, NO_FRAME_BEFORE, NO_FRAMES, NO_KEY, NO_MORE_KEYS, NO_RANGE, NOTHING_COPIED, NOTHING_DONE,
  OTHER_PERSON, Session,
} from "../../web/js/editor/session.js";

const RWRIST = 4;
const NECK = 1;

/** A body whose points stand still, its right wrist moving 0.01 a frame. */
function clip(frames = 10, people = 1) {
  const figure = new Float64Array(frames * STRIDE);
  for (let i = 0; i < figure.length; i += 3) figure.set([NaN, NaN, 0], i);
  for (let frame = 0; frame < frames; frame++) {
    for (let point = 0; point < 18; point++) figure.set([0.4 + point / 100, 0.5, 0.9], at(frame, point));
    figure.set([0.2 + frame / 100, 0.3, 0.9], at(frame, RWRIST));
  }
  const figures = Array.from({ length: people }, () => figure.slice());
  return { width: 100, height: 200, frames, crowd: people, people: figures };
}

const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-9, `${actual}, not ${expected}`);

test("dragging on three frames and interpolating between them, undone and made again", () => {
  const session = new Session(clip());
  for (const [frame, x] of [[0, 0.1], [4, 0.5], [8, 0.1]]) {
    session.goTo(frame);
    session.move(RWRIST, x, 0.9);
  }
  session.select([RWRIST]);
  session.goTo(0);
  session.setMark();
  session.goTo(4);
  session.interpolate();
  near(session.pointAt(RWRIST, 1).x, 0.2);
  near(session.pointAt(RWRIST, 5).x, 0.25); // beyond the range
  assert.deepEqual(session.edits.at(-1), { do: "interpolate", frames: [0, 4], points: "RWrist" });

  session.undo();
  near(session.pointAt(RWRIST, 1).x, 0.21);
  session.redo();
  near(session.pointAt(RWRIST, 1).x, 0.2);
  for (let i = 0; i < 9; i++) session.undo();
  assert.deepEqual(session.edits, []);
  near(session.pointAt(RWRIST, 4).x, 0.24);
});

test("a new change takes the place of what was undone", () => {
  const session = new Session(clip());
  session.move(RWRIST, 0.1, 0.1);
  session.undo();
  session.hide();
  session.redo();
  assert.deepEqual(session.edits.map((edit) => edit.do), ["hide"]);
});

test("presses of an arrow key become one line, each undone by itself", () => {
  const session = new Session(clip());
  session.select([0, 1]);
  session.shift(0.01, 0);
  session.shift(0.01, 0);
  assert.deepEqual(session.edits, [{ do: "transform", frames: 0, points: ["Nose", "Neck"], shift: [0.02, 0] }]);
  near(session.pointAt(NECK).x, 0.43);
  session.undo();
  near(session.pointAt(NECK).x, 0.42);
  session.select([RWRIST]);
  session.shift(0.01, 0);
  session.shift(0.01, 0);
  assert.deepEqual(session.edits.at(-1), { do: "move", frames: 0, points: "RWrist", to: [0.22, 0.3] });
  assert.equal(session.edits.length, 2);
});

test("changes go to the whole figure without a selection, and to the marked range", () => {
  const session = new Session(clip());
  session.setMark();
  session.goTo(2);
  session.hide();
  assert.deepEqual(session.edits, [{ do: "hide", frames: [0, 2], points: "all" }]);
  session.restore();
  assert.equal(session.pointAt(NECK, 1).score, 0.9);
  session.setMark(); // ends it here
  session.goTo(1);
  assert.deepEqual(session.range, [0, 2]);
  session.goTo(4); // outside: only what is seen is changed
  assert.deepEqual([session.range, session.chosen], [[4, 4], [0, 2]]);
  session.goTo(2);
  session.setMark(); // no range any more
  session.copyPrevious();
  assert.deepEqual(session.edits.at(-1), { do: "copy", frames: 2, points: "all", from: 1 });
});

test("scaling and mirroring go about the middle of the figure", () => {
  const session = new Session(clip());
  const middle = (0.2 + 0.57) / 2;
  session.scale(2);
  near(session.pointAt(RWRIST).x, middle + (0.2 - middle) * 2);
  session.undo();
  session.mirror();
  near(session.pointAt(7).x, 2 * middle - 0.2); // the left wrist is where the right one is mirrored to
});

test("the other person's edits say whose they are", () => {
  const session = new Session(clip(3, 2));
  session.choosePerson(1);
  session.move(RWRIST, 0.9, 0.9);
  assert.equal(session.edits[0].person, 1);
  session.choosePerson(0);
  near(session.pointAt(RWRIST).x, 0.2);
  assert.deepEqual([...session.edited()], [0, 0, 0]);
});

test("of a crowd the edits of people who are not shown are kept and taken for good", () => {
  const hidden = [2, 3].map((person) => ({ do: "hide", frames: 0, points: "all", person }));
  const session = new Session({ ...clip(3, 2), crowd: 3 }, hidden);
  assert.deepEqual(session.problems, [{ edit: 2, text: "there are 3 people, counted from 0", lost: true }]);
  session.hide();
  assert.deepEqual(session.edits.slice(0, 2), hidden);
  assert.deepEqual(session.madeFor, { frames: 3, people: 3, width: 100, height: 200 });
});

test("the timeline marks missing and doubtful frames of what is selected", () => {
  const given = clip(5);
  given.people[0].set([NaN, NaN, 0], at(2, RWRIST));
  given.people[0][at(3, NECK) + 2] = 0.4;
  const session = new Session(given);
  assert.deepEqual([...session.doubts()], [0, 0, 2, 1, 0]);
  session.select([NECK]);
  assert.deepEqual([...session.doubts()], [0, 0, 0, 1, 0]);
  session.nextDoubt(1);
  assert.equal(session.frame, 3);
  session.select([]);
  session.nextDoubt(-1);
  assert.equal(session.frame, 2);
  session.select([RWRIST]);
  session.copyPrevious();
  assert.deepEqual([...session.doubts()], [0, 0, 0, 0, 0]);
  assert.deepEqual([...session.edited()], [0, 0, 1, 0, 0]);
});

test("a command that can do nothing says why, makes no edit, and is forgotten with the next", () => {
  const given = clip(5);
  given.people[0].set([NaN, NaN, 0], at(0, RWRIST));
  given.people[0].set([NaN, NaN, 0], at(1, RWRIST));
  const session = new Session(given);
  session.copyPrevious();
  assert.equal(session.hint, NO_FRAME_BEFORE);
  session.interpolate();
  assert.equal(session.hint, NO_RANGE);
  session.select([RWRIST]);
  assert.equal(session.hint, "");
  session.scale(2);
  assert.equal(session.hint, NOBODY);
  session.goTo(1);
  session.copyPrevious();
  assert.equal(session.hint, NOTHING_DONE);
  assert.deepEqual(session.hintValues, { problem: "missing in frame 0" });
  session.select([NECK]);
  session.nextDoubt(1);
  assert.equal(session.hint, NO_DOUBT);
  assert.deepEqual([session.frame, session.edits, session.problems], [1, [], []]);
});

test("a missing point is put by the keyboard, beside where it was last seen", () => {
  const given = clip(5);
  for (const frame of [2, 3]) given.people[0].set([NaN, NaN, 0], at(frame, RWRIST));
  const session = new Session(given);
  session.select([RWRIST]);
  session.goTo(2);
  session.shift(0, 0.01);
  assert.deepEqual(session.edits, [{ do: "move", frames: 2, points: "RWrist", to: [0.21, 0.31] }]);
  session.select([20]); // a hand that no frame has: the middle of the figure
  session.goTo(0);
  session.shift(0, 0);
  assert.deepEqual(session.edits[1].to, [0.385, 0.4]);
});

test("a move never leaves what the text may hold", () => {
  const session = new Session(clip());
  session.move(RWRIST, 80, -1 / 3);
  assert.deepEqual(session.edits[0].to, [10, -0.33333]);
});

test("groups are selected whole, points one after the other", () => {
  const session = new Session(clip());
  session.select([20]);
  session.selectGroup();
  assert.equal(session.selection.size, 21);
  session.select([133]);
  session.selectNext(1);
  assert.deepEqual([...session.selection], [0]);
  session.selectNext(-1);
  assert.deepEqual([...session.selection], [133]);
});

test("every key means one thing and every button has one", () => {
  const keys = COMMANDS.flatMap((command) => command.keys);
  assert.equal(new Set(keys).size, keys.length);
  for (const command of COMMANDS) assert.ok(command.keys.length && (!command.group || command.label));
  const press = (key, held = {}) => comboOf({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });
  assert.equal(press("Z", { metaKey: true, shiftKey: true }), "Ctrl+Shift+Z");
  assert.equal(press("?", { shiftKey: true }), "?");
  assert.equal(press("ArrowLeft", { altKey: true, shiftKey: true }), "Alt+Shift+ArrowLeft");
  assert.equal(commandFor({ key: "+", shiftKey: true }).label, "Larger");
  assert.equal(keyName(commandFor({ key: "z", ctrlKey: true })), "Ctrl+Z");
  assert.equal(press("р", { code: "KeyH" }), "h"); // Cyrillic
  assert.equal(press("Я", { code: "KeyZ", ctrlKey: true, shiftKey: true }), "Ctrl+Shift+Z");
  assert.equal(press("a", { code: "KeyQ" }), "a"); // a Latin keyboard of another layout
});

const keysAt = (session) => session.edits.filter((edit) => edit.do === "keys").map(({ keys }) => keys);

test("between keys the point follows them, and placing it there sets another", () => {
  const session = new Session(clip());
  session.select([RWRIST]);
  session.setEase("smooth");
  session.move(RWRIST, 0.1, 0.1);
  session.setKey();
  session.goTo(8);
  session.move(RWRIST, 0.5, 0.9);
  session.setKey();
  assert.deepEqual(keysAt(session), [[[0, 0.1, 0.1, "smooth"], [8, 0.5, 0.9, "smooth"]]]);
  near(session.pointAt(RWRIST, 2).x, 0.1 + 0.4 * 0.15625); // t = 1/4: t^2 (3 - 2t)
  session.goTo(4);
  near(session.pointAt(RWRIST).y, 0.5);
  session.shift(0, 0.1);
  assert.deepEqual(keysAt(session)[0][1], [4, 0.3, 0.6, "smooth"]);
  near(session.pointAt(RWRIST, 2).y, 0.1 + 0.5 * 0.5);
  assert.deepEqual(session.keyFrames(), [0, 4, 8]);
  session.goTo(9); // behind the keys
  session.move(RWRIST, 0.9, 0.9);
  assert.equal(session.edits.at(-1).do, "move");
  assert.deepEqual(session.movedFrames(RWRIST), [0, 8, 9]);
  session.undo();
  session.undo();
  assert.deepEqual(session.keyFrames(), [0, 8]);
  session.redo();
  assert.deepEqual(session.keyFrames(), [0, 4, 8]);
});

test("the ease around a frame is changed, that of the last key's way too; keep leaves what was found", () => {
  const session = new Session(clip());
  session.select([RWRIST]);
  session.setMark();
  session.goTo(8);
  session.setKey(); // at both ends
  assert.deepEqual(keysAt(session), [[[0, 0.2, 0.3], [8, 0.28, 0.3]]]);
  assert.deepEqual([session.easeHere(), session.edits.length], ["linear", 1]);
  session.nextEase();
  session.nextEase();
  assert.equal(session.edits[0].keys[0][3], "hold");
  near(session.pointAt(RWRIST, 7).x, 0.2);
  session.nextEase();
  near(session.pointAt(RWRIST, 7).x, 0.27);
  session.goTo(4);
  session.clearFrames();
  session.move(RWRIST, 0.9, 0.9); // no key where frames are kept
  assert.equal(session.edits.at(-1).do, "move");
  session.select([NECK]);
  assert.equal(session.easeHere(), "keep"); // of new keys
});

test("keys move behind later edits of the same frames, as they are seen", () => {
  const session = new Session(clip());
  session.select([RWRIST]);
  session.setMark();
  session.goTo(8);
  session.setKey();
  session.shift(0.1, 0); // the whole range
  session.clearFrames();
  session.select([NECK]);
  session.shift(0.1, 0); // another point
  session.select([RWRIST]);
  session.goTo(4);
  session.shift(0, 0.1);
  assert.deepEqual(session.edits.map((edit) => edit.do), ["transform", "move", "keys"]);
  assert.deepEqual(keysAt(session), [[[0, 0.3, 0.3], [4, 0.34, 0.4], [8, 0.38, 0.3]]]);
  session.shift(0, 0.1); // nothing behind them now: they stay where they are
  session.select([NECK]);
  session.hide();
  session.select([RWRIST]);
  session.shift(0, 0.1);
  assert.deepEqual(session.edits.map((edit) => edit.do), ["transform", "move", "keys", "hide"]);
  near(session.pointAt(RWRIST, 2).y, 0.45);
});

test("a group between keys is keyed where it is dragged, the others of it are shifted", () => {
  const session = new Session(clip());
  session.select([RWRIST, 3]);
  session.setMark();
  session.goTo(8);
  session.setKey();
  session.setMark();
  session.setMark();
  session.goTo(4);
  session.select([RWRIST, 3, NECK]);
  session.shift(0.1, 0);
  assert.deepEqual(session.edits.map((edit) => edit.do), ["keys", "keys", "transform"]);
  assert.deepEqual(session.edits[2].points, "Neck");
  near(session.pointAt(3).x, 0.53);
  near(session.pointAt(RWRIST, 2).x, 0.27);
  session.undo();
  assert.deepEqual(session.edits.map((edit) => edit.do), ["keys", "keys"]);
  session.removeKey();
  assert.equal(session.hint, NO_KEY);
  session.goTo(8);
  session.removeKey();
  assert.deepEqual(keysAt(session).map((keys) => keys.length), [1, 1]);
  session.goTo(0);
  session.removeKey();
  assert.deepEqual(session.edits, []);
});

test("previous and next key are those of the selection", () => {
  const session = new Session(clip(10, 2));
  session.select([RWRIST]);
  session.goTo(3);
  session.setKey();
  session.select([NECK]);
  session.goTo(6);
  session.setKey();
  session.select([]);
  session.nextKey(-1);
  assert.equal(session.frame, 3);
  session.select([RWRIST]);
  session.nextKey(1);
  assert.deepEqual([session.frame, session.hint], [3, NO_MORE_KEYS]);
  session.choosePerson(1);
  assert.deepEqual(session.keyFrames(), []);
  session.setKey();
  assert.deepEqual([session.edits.at(-1).person, session.keyFrames()], [1, [3]]);
});

test("selected frames are reversed, copied, and pasted again and again", () => {
  const session = new Session(clip(10, 2));
  session.select([RWRIST]);
  session.paste();
  assert.equal(session.hint, NOTHING_COPIED);
  session.reverse();
  assert.equal(session.hint, NO_FRAMES);
  session.selectFrames(1, 3);
  session.reverse();
  near(session.pointAt(RWRIST, 1).x, 0.23);
  near(session.pointAt(RWRIST, 3).x, 0.21);
  session.copy();
  assert.deepEqual([session.hint, session.hintValues], [COPIED, { count: 1, first: 1, last: 3 }]);
  session.goTo(8);
  session.paste(); // up to the end of the clip
  assert.deepEqual(session.edits.at(-1), { do: "copy", frames: [8, 9], points: "RWrist", from: [1, 3] });
  session.selectFrames(4, 8);
  session.paste();
  assert.deepEqual([4, 5, 6, 7, 8].map((frame) => Math.round(100 * session.pointAt(RWRIST, frame).x)), [23, 22, 21, 23, 22]);
  session.clearFrames();
  session.goTo(0);
  session.copy();
  session.goTo(5);
  session.paste();
  assert.deepEqual(session.edits.at(-1), { do: "copy", frames: 5, points: "RWrist", from: 0 });
  session.choosePerson(1);
  session.paste();
  assert.deepEqual([session.hint, session.hintValues], [OTHER_PERSON, { person: 0 }]);
});

test("a preview shows the way to a key, and is taken back", () => {
  const session = new Session(clip());
  session.select([RWRIST]);
  session.selectFrames(0, 8);
  session.setKey();
  session.goTo(4);
  session.preview(RWRIST, 0.24, 0.7);
  near(session.pointAt(RWRIST, 2).y, 0.5);
  session.reapply();
  near(session.pointAt(RWRIST, 2).y, 0.3);
  assert.equal(session.edits.length, 1);
  session.setEase("hold");
  session.interpolate();
  assert.equal(session.edits.at(-1).ease, "hold");
});

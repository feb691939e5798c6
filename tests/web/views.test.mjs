/** The pure parts of the views, under Node's own test runner: `node --test tests/web/`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { colourGrey, heat, inImage, nearest } from "../../web/js/views/heat.js";
import { Player } from "../../web/js/views/player.js";
import { placeOf } from "../../web/js/views/strips.js";

test("a clip plays at its rate and starts again after its end", () => {
  const player = new Player(5, 10);
  assert.equal(player.advance(1000), false);
  player.play(1000);
  assert.equal(player.advance(1099), false);
  assert.equal(player.advance(1101), true);
  assert.equal(player.frame, 1);
  player.advance(1650);
  assert.equal(player.frame, 1); // 6 frames on: past the end, at 1
});

test("another speed goes on from the frame that shows", () => {
  const player = new Player(100, 10);
  player.play(0);
  player.advance(1000);
  player.setSpeed(0.5, 1000);
  player.advance(2000);
  assert.equal(player.frame, 15);
  player.pause();
  assert.equal(player.advance(9000), false);
});

test("seeking stays inside the clip", () => {
  const player = new Player(5, 10);
  player.seek(99, 0);
  assert.equal(player.frame, 4);
  player.seek(-3, 0);
  assert.equal(player.frame, 0);
  player.play(0);
  player.advance(-50); // a clock that is behind
  assert.equal(player.frame, 0);
});

test("frames are found in reading order, sheet after sheet", () => {
  const strips = { columns: 4, rows: 4, step: [32, 48] };
  assert.deepEqual(placeOf(strips, 0), { sheet: 0, x: 0, y: 0 });
  assert.deepEqual(placeOf(strips, 6), { sheet: 0, x: 64, y: 48 });
  assert.deepEqual(placeOf(strips, 17), { sheet: 1, x: 32, y: 0 });
});

test("heat runs from cold to hot", () => {
  assert.deepEqual(heat(-1), [13, 13, 64]);
  assert.deepEqual(heat(0.5), [173, 52, 83]);
  assert.deepEqual(heat(2), [255, 217, 51]);
  const pixels = new Uint8ClampedArray([0, 0, 0, 255, 255, 255, 255, 255]);
  colourGrey(pixels);
  assert.deepEqual([...pixels], [13, 13, 64, 255, 255, 217, 51, 255]);
});

test("a click finds its place in an image that is shown whole and centred", () => {
  assert.deepEqual(inImage([150, 50], [300, 100], [50, 50]), [25, 25]);
  assert.deepEqual(inImage([100, 0], [300, 100], [50, 50]), [0, 0]);
  assert.deepEqual(inImage([50, 40], [100, 200], [50, 50]), [25, -5]);
});

test("the nearest joint counts in pixels, not in shares of the sides", () => {
  const joints = [{ at: [0.5, 0.1] }, { at: [0.9, 0.5] }];
  assert.equal(nearest(joints, [50, 500], [100, 1000]), 1);
  assert.equal(nearest(joints, [50, 250], [100, 1000]), 0);
});

/** Texts of the editor and the views: all of them in Chinese, none left over, values filled in. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

import { COMMANDS } from "../../web/js/editor/commands.js";
import { CHINESE, translate } from "../../web/js/words_zh.js";

const FOLDERS = ["", "editor/", "views/"].map((name) => new URL(`../../web/js/${name}`, import.meta.url));
const STRING = /"((?:[^"\\]|\\.)*)"/g;

/** Everything that the code shows by way of `say`. */
function shown() {
  const source = FOLDERS.flatMap((folder) =>
    readdirSync(folder).filter((name) => name.endsWith(".js")).map((name) => readFileSync(new URL(name, folder), "utf8")),
  ).join("\n");
  const texts = [...source.matchAll(/\bsay\(\s*"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text);
  // Texts that are named first: sentences, perhaps in pieces, or rows of them.
  for (const [, pieces] of source.matchAll(/const [A-Z_]+ =\s*((?:"(?:[^"\\]|\\.)*"[\s+]*)+);/g)) {
    const text = [...pieces.matchAll(STRING)].map(([, piece]) => piece).join("");
    if (text.includes(" ")) texts.push(text);
  }
  const [, rows] = source.match(/const MODES = \[([^;]+)\];/);
  for (const [, row] of rows.matchAll(/\[([^\]]+)\]/g)) {
    texts.push(...[...row.matchAll(STRING)].slice(1).map(([, text]) => text));
  }
  const [, eases] = source.match(/const EASE_NAMES = \{([^;]+)\};/);
  texts.push(...[...eases.matchAll(STRING)].map(([, text]) => text));
  for (const { label, help, group } of COMMANDS) texts.push(label, help, group);
  return new Set(texts.filter(Boolean));
}

test("every text is there in Chinese, and none that nobody shows", () => {
  assert.deepEqual(Object.keys(CHINESE).sort(), [...shown()].sort());
});

test("both languages have the same places for values", () => {
  const places = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const [english, chinese] of Object.entries(CHINESE)) {
    assert.deepEqual(places(chinese), places(english), english);
    const onlyPlaces = english.replace(/\{\w+\}/g, "").match(/[a-z]/i) === null;
    assert.ok(onlyPlaces || /[\u4e00-\u9fff]/.test(chinese), english);
  }
});

test("values are filled in, and what is unknown stays English", () => {
  assert.equal(translate("en", "{count} edits", { count: 3 }), "3 edits");
  assert.equal(translate("zh", "{count} edits", { count: 3 }), "3 条修改");
  assert.equal(translate("zh", "Undo"), "撤销");
  assert.equal(translate("fr", "Undo"), "Undo");
  assert.equal(translate(undefined, "Undo"), "Undo");
  assert.equal(translate("zh", "nobody translated {this}", {}), "nobody translated {this}");
});

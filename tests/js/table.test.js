import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.location = { hash: "" };
const { compareKeys, keyOf, numberOf } = await import("../../bench/worldstrat_bench/site/assets/js/sort.js");
const { countText, passes } = await import("../../bench/worldstrat_bench/site/assets/js/filter.js");
const { picked, pickedHash } = await import("../../bench/worldstrat_bench/site/assets/js/picks.js");
const { formatHash, parseHash } = await import("../../bench/worldstrat_bench/site/assets/js/link.js");
const { differences, meanOf, turned } = await import("../../bench/worldstrat_bench/site/assets/js/compare.js");
const { signed } = await import("../../bench/worldstrat_bench/site/assets/js/numbers.js");

test("a cell sorts by its number, its words, or last", () => {
  assert.equal(numberOf("\u22120.25 dB"), -0.25);
  assert.equal(keyOf(" 3\u20134 "), 3);
  assert.equal(keyOf("\u2013"), null);
  assert.equal(keyOf(""), null);
  assert.equal(keyOf("Bicubic"), "bicubic");
  assert.equal(keyOf("0"), 0);
});

test("missing values come last in both directions, words in order", () => {
  const sorted = (keys, direction) => [...keys].sort((a, b) => compareKeys(a, b, direction));
  assert.deepEqual(sorted([2, null, 10, -1], 1), [-1, 2, 10, null]);
  assert.deepEqual(sorted([2, null, 10, -1], -1), [10, 2, -1, null]);
  assert.deepEqual(sorted(["b", "a", 5], 1), [5, "a", "b"]);
});

test("an address keeps its row beside the view, and gives both back", () => {
  for (const hash of ["", "#r-sen2sr", "#board-sort=ssim-", "#r-sen2sr&board-sort=ssim-&q=a+b"]) {
    const { anchor, params } = parseHash(hash);
    assert.equal(formatHash(anchor, params), hash);
  }
  const { anchor, params } = parseHash("#m&c=212,340");
  assert.equal(anchor, "m");
  assert.equal(params.get("c"), "212,340");
  assert.equal(formatHash(anchor, params), "#m&c=212,340");
});

test("a row passes if its words and all choices fit", () => {
  const own = { family: "cnn", frames: "8" };
  assert.ok(passes("", "SEN2SR", {}, own));
  assert.ok(passes(" sen ", "SEN2SR base", { family: "cnn", frames: "" }, own));
  assert.ok(!passes("gan", "SEN2SR", {}, own));
  assert.ok(!passes("", "SEN2SR", { family: "gan" }, own));
  assert.equal(countText(1, 1), "1 model");
  assert.equal(countText(3, 10), "3 of 10 models");
  assert.equal(countText(0, 2), "0 of 2 models");
});

test("differences leave out what one of two lacks", () => {
  const found = differences([100, null, 50, 0], [90, 5, null, 2], 10);
  assert.deepEqual(found, [
    { value: 1, tile: 0 },
    { value: -0.2, tile: 3 },
  ]);
  assert.deepEqual(meanOf(found), [0.4, 2]);
  assert.deepEqual(meanOf([]), [0, 0]);
});

test("two models at most are ticked, the oldest goes first", () => {
  assert.deepEqual(picked([], "x", true), ["x"]);
  assert.deepEqual(picked(["x", "y"], "z", true), ["y", "z"]);
  assert.deepEqual(picked(["x", "y"], "x", false), ["y"]);
  assert.deepEqual(picked(["x"], "x", true), ["x"]);
  assert.equal(pickedHash(["x", "y"]), "#a=x&b=y");
});

test("signs are a true minus, and turn", () => {
  assert.equal(signed(-0.1264, 3), "\u22120.126");
  assert.equal(signed(0, 2), "0.00");
  assert.equal(turned("+0.5"), "\u22120.5");
  assert.equal(turned("\u22120.5"), "+0.5");
  assert.equal(turned("0.000"), "0.000");
});

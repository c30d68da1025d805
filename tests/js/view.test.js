import assert from "node:assert/strict";
import { test } from "node:test";
import * as view from "../../bench/worldstrat_bench/site/assets/js/view.js";

const tile = { detail: [212, 340] };
const models = ["sen2sr", "highresnet", "bicubic"];
const first = view.firstView(tile, models);
const read = (address) => view.readView((key) => new URLSearchParams(address).get(key), first, models, 632);

test("an address without a word is the first view, and says nothing", () => {
  assert.deepEqual(read(""), first);
  assert.deepEqual([first.a, first.b, first.x, first.y, first.pair], ["sen2sr", "highresnet", 212, 340, "at"]);
  assert.ok(Object.values(view.viewWords(first, first)).every((word) => word === ""));
  assert.equal(view.firstView(tile, []).pair, "it");
  assert.equal(view.firstView(tile, ["one"]).b, "one");
});

test("a whole view goes into an address and comes back", () => {
  const other = { a: "bicubic", b: "sen2sr", mode: "flip", pair: "ab", z: 4, x: 0, y: 631 };
  const full = { ...other, as: "delivered", tone: "own", cut: 33 };
  const words = new URLSearchParams(view.viewWords(full, first));
  assert.equal(words.get("c"), "0,631");
  assert.deepEqual(read(words.toString()), full);
});

test("what an address says wrongly is as in the first view, and numbers stay in their range", () => {
  assert.deepEqual(read("a=evil&b=&mode=x&pair=tt&z=NaN&c=,&as=x&tone=x&cut=x"), first);
  const far = read("z=99&c=-5,9999&cut=-1");
  assert.deepEqual([far.z, far.x, far.y, far.cut], [8, 0, 631, 0]);
});

test("zoom goes up and down the levels and ends at the whole tile", () => {
  const steps = [];
  for (let z = 0, n = 0; n < 5; n += 1) {
    z = view.stepZoom(z, 0.5, 1);
    steps.push(z);
  }
  assert.deepEqual(steps, [1, 2, 4, 8, 8]);
  assert.equal(view.stepZoom(1, 0.5, -1), 0);
  assert.equal(view.stepZoom(4, 3, -1), 0); // a small tile: 3 shows all of it
  assert.equal(view.stepZoom(2.7, 0.5, -1), 2);
  assert.equal(view.stepZoom(0, 9, 1), 0);
});

test("a picture is placed around a point and leaves no gap", () => {
  assert.equal(view.placed(500, 1000, 300), -350);
  assert.equal(view.placed(0, 1000, 300), 0);
  assert.equal(view.placed(999, 1000, 300), -700);
  assert.equal(view.placed(50, 100, 300), 100);
});

test("crops are those that the window shows", () => {
  const cells = [0, 256, 512].flatMap((y) => [0, 256, 512].map((x) => [x, y]));
  assert.deepEqual(view.cropsSeen(cells, 256, 2, 0, 0, 300), [[0, 0]]);
  assert.equal(view.cropsSeen(cells, 256, 2, -400, -400, 300).length, 4);
  assert.deepEqual(view.cropAt(cells, 256, 256, 255), [256, 0]);
  assert.equal(view.cropAt([[100, 100]], 256, 99, 100), undefined);
});

test("a scale bar is the longest round length that fits", () => {
  assert.deepEqual(view.scaleBar(2.5, 100), [200, 80]);
  assert.deepEqual(view.scaleBar(0.3125, 100), [20, 64]);
  assert.equal(view.scaleBar(2.5, 60)[0], 100);
});

test("histograms and profiles are of the pixels", () => {
  const pixels = [0, 128, 255, 255, 255, 128, 0, 255, 10, 20, 30, 255, 0, 0, 0, 255];
  assert.deepEqual(view.histogram(pixels, 0, 2), [3, 1]);
  assert.deepEqual(view.histogram(pixels, 2, 4), [3, 0, 0, 1]);
  assert.deepEqual(view.profile(pixels, 2, 0), [383 / 765, 383 / 765]);
  assert.deepEqual(view.profile(pixels, 2, 1), [60 / 765, 0]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.location = { hash: "" };
const { crossedTiles, openTiles } = await import("../../bench/worldstrat_bench/site/assets/js/crossed.js");
const { decide, timeOn, unmet } = await import("../../bench/worldstrat_bench/site/assets/js/decide.js");
const { many, threeDigits } = await import("../../bench/worldstrat_bench/site/assets/js/numbers.js");

const strata = [
  ["IPCC class", "Forest", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "ipcc", "forest"],
  ["IPCC class", "Water", [12, 13, 14], "ipcc", "water"],
  ["Cloud", "0\u20135 %", [0, 1, 2, 12], "cloud", "0-5"],
  ["Cloud", "5\u201320 %", [3, 4, 13], "cloud", "5-20"],
  ["Cloud", "20\u201350 %", [5, 6, 7, 8, 9, 10, 11, 14], "cloud", "20-50"],
];

test("strata of one axis are joined, those of several are crossed", () => {
  assert.deepEqual(crossedTiles(strata, { ipcc: "", cloud: "" }, 3), { tiles: [0, 1, 2], words: "" });
  assert.deepEqual(crossedTiles(strata, { ipcc: "water", cloud: "5-20,20-50" }, 15), {
    tiles: [13, 14],
    words: "IPCC class Water, Cloud 5\u201320 % or 20\u201350 %",
  });
  assert.deepEqual(crossedTiles(strata, { ipcc: "water", cloud: "0-5" }, 15).tiles, [12]);
  assert.deepEqual(crossedTiles(strata, { ipcc: "evil" }, 15), { tiles: [], words: "ipcc evil" });
});

test("an option says how many tiles it leaves with what is chosen on the other axes", () => {
  const chosen = { ipcc: "water", cloud: "0-5" };
  assert.equal(openTiles(strata, chosen, "cloud", "5-20", 15), 1);
  assert.equal(openTiles(strata, chosen, "ipcc", "forest", 15), 3);
  assert.equal(openTiles(strata, { ipcc: "water", cloud: "" }, "cloud", "0-5,5-20", 15), 2);
  assert.equal(openTiles(strata.slice(0, 3), chosen, "cloud", "5-20", 15), 0);
});

const model = (title, more) => ({
  slug: title.toLowerCase(),
  title,
  ranked: true,
  verified: true,
  frames: 8,
  declared: true,
  licence: "MIT",
  terms: "permissive",
  ms: [10, null],
  ...more,
});
// The noise of tile t: it never repeats, and its mean is near 0.
const noise = (t, k) => Math.round(400 * Math.sin(7 * t + 3 * k));
const row = (mean, spread, k) => Array.from({ length: 15 }, (_, t) => mean + Math.round((spread * noise(t, k)) / 400));
const data = {
  strata,
  groups: Array.from({ length: 15 }, (_, t) => t),
  fewest: 5,
  drawn: 10,
  scale: 1000,
  tolerance: 0.1,
  unit: "dB",
  decimals: 2,
  tiles: 15,
  devices: ["H100", "CPU"],
  models: [
    model("Best", { ms: [100, 4000] }),
    model("Near", { ms: [20, null], frames: 4 }),
    model("Wide", { ms: [1, null], frames: 1 }),
    model("Poor", { ms: [1, null], frames: 1 }),
    model("Equal", { ms: [null, null], frames: 4 }),
    model("Theirs", { ranked: false, verified: false }),
  ],
  values: [row(33000, 0, 1), row(32990, 20, 2), row(32950, 900, 3), row(31000, 50, 4), row(33000, 0, 1), []],
};
const any = { frames: null, device: "", licence: "", most: null, status: "", crossed: {} };
const reasons = (found) => Object.fromEntries(found.out.map(([i, text]) => [data.models[i].title, text]));

test("the cheapest of those near the best is named, every other one with its reason", () => {
  const found = decide(data, { ...any, device: "H100" });
  assert.deepEqual([found.best.model.title, found.pick.model.title], ["Best", "Near"]);
  assert.ok(found.difference.low > -0.1);
  const why = reasons(found);
  assert.match(why.Best, /^The best; slower: 100 ms a tile against 20\.$/);
  assert.match(why.Wide, /^Not shown to be within 0\.1 dB of the best: \S+ dB \[.*\]\.$/);
  assert.match(why.Poor, /^Worse than the best by more than 0\.1 dB: \u22121\.99 dB/);
  assert.match(
    why.Equal,
    /^Within 0\.1 dB of the best, 0\.00 dB \[0\.00,\s0\.00\]; no valid time on H100, so it may be/,
  );
  assert.match(why.Theirs, /^Self-reported/);
});

test("without a device class frames are the cost, and the higher mean decides between equals", () => {
  const found = decide(data, any);
  assert.equal(found.pick.model.title, "Equal");
  assert.match(reasons(found).Near, /costs the same as far as is known, and its mean is lower\.$/);
  assert.equal(found.pick.ms, null);
});

test("conditions: what is not met or not known drops out, and what that costs is said", () => {
  const found = decide(data, { ...any, frames: 2 });
  assert.equal(found.best.model.title, "Wide");
  assert.equal(reasons(found).Best, "Uses up to 8 frames, you have 2; with fewer it was not measured.");
  assert.equal(found.top.model.title, "Best");
  assert.ok(found.top.difference.value > 0);
  const none = decide(data, { ...any, frames: 1, device: "CPU", most: 5 });
  assert.deepEqual([none.best, none.pick], [null, null]);
  assert.equal(reasons(none).Poor, "No valid time on CPU.");
  assert.equal(none.out.length, data.models.length);
  const slow = decide(data, { ...any, device: "H100", most: 50 });
  assert.equal(reasons(slow).Best, "Takes 100 ms a tile, more than 50.");
});

test("licences and status", () => {
  const said = (more, want) => unmet(model("M", more), { ...any, ...want }, 1);
  assert.equal(said({ terms: "copyleft", licence: "AGPL-3.0" }, { licence: "commercial" }), "");
  assert.match(said({ terms: "copyleft", licence: "AGPL-3.0" }, { licence: "permissive" }), /AGPL-3.0: not permissive/);
  assert.match(said({ terms: "non-commercial", licence: "X-NC" }, { licence: "commercial" }), /no commercial use/);
  assert.match(said({ terms: "unknown", licence: "" }, { licence: "commercial" }), /not stated: not known/);
  assert.match(said({ verified: false }, { status: "verified" }), /not verified/);
  assert.match(said({ frames: null }, { frames: 8 }), /not known/);
  assert.match(said({ declared: false }, { frames: 1 }), /^Frames needed not stated \(8 offered\), you have 1\.$/);
});

test("too few groups name no model, and no tile no best", () => {
  const few = decide(data, { ...any, crossed: { ipcc: "water" } });
  assert.deepEqual([few.effective, few.pick, few.tiles], [3, null, [12, 13, 14]]);
  assert.ok(few.best);
  const none = decide(data, { ...any, crossed: { ipcc: "water", cloud: "0-5", x: "y" } });
  assert.deepEqual([none.tiles, none.best, none.out], [[], null, []]);
});

test("a model without a score on one of the tiles drops out there only", () => {
  const holes = structuredClone(data);
  holes.values[1][0] = null;
  const out = decide(holes, any).out.find(([i]) => i === 1);
  assert.equal(out[1], "It has no score on some of these tiles.");
  assert.ok(!decide(holes, { ...any, crossed: { cloud: "20-50,5-20" } }).out.some(([, text]) => /no score/.test(text)));
});

test("times and numbers as pages print them", () => {
  assert.equal(timeOn({ ms: [5, 3] }, ["a", "b"], ""), 3);
  assert.equal(timeOn({ ms: [5, 3] }, ["a", "b"], "a"), 5);
  assert.equal(timeOn({ ms: [null, 3] }, ["a", "b"], "a"), null);
  assert.deepEqual([0.8123, 12.34, 1312, 5].map(threeDigits), ["0.812", "12.3", "1312", "5"]);
  assert.deepEqual([many(1, "tile"), many(2, "tile")], ["1 tile", "2 tiles"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.location = { hash: "" };
const { verdict } = await import("../../bench/worldstrat_bench/site/assets/js/compare.js");
const { noTile } = await import("../../bench/worldstrat_bench/site/assets/js/crossed.js");
const { licenceText } = await import("../../bench/worldstrat_bench/site/assets/js/decide.js");

const psnr = { margin: 0.05, unit: "dB", sign: 1, level: "0.00026" };
const lpips = { margin: 0, unit: "", sign: -1, level: "0.00026" };
const names = ["A", "B"];

test("a verdict says which model is better, or why that is not known", () => {
  const clear = { value: "+1.292", low: "+0.939", high: "+3.160" };
  assert.equal(verdict(psnr, 1, clear, names), "A is better.");
  assert.equal(verdict(psnr, -1, clear, names), "B is better.");
  assert.equal(verdict(psnr, 0, clear, names), "A looks better, but a verdict needs p \u2264 0.00026.");
  const small = { value: "\u22120.034", low: "\u22120.041", high: "\u22120.020" };
  assert.equal(verdict(psnr, 0, small, names), "Too small to count: a verdict needs 0.05 dB.");
  assert.equal(verdict(lpips, 0, small, names), "A looks better, but a verdict needs p \u2264 0.00026.");
  const open = { value: "+0.129", low: "\u22122.463", high: "+0.606" };
  assert.equal(verdict(psnr, 0, open, names), "Neither is shown to be better.");
  assert.equal(
    verdict(psnr, 0, { value: "0.000", low: "0.000", high: "+0.606" }, names),
    "Neither is shown to be better.",
  );
  assert.equal(verdict(psnr, 0, { value: "+0.400" }, names), "Neither is shown to be better.");
});

test("no tile, and what a licence allows, are said in words", () => {
  assert.match(
    noTile("Cloud 0\u20135 %, Continent Africa"),
    /^No tile of the list has all of these at once: .*"any"\.$/,
  );
  const said = (licence, terms) => licenceText({ licence, terms });
  assert.equal(said("MIT", "permissive"), "licence MIT, which allows commercial use");
  assert.match(said("AGPL-3.0-only", "copyleft"), /under the same terms$/);
  assert.match(said("CC-BY-NC-4.0", "non-commercial"), /allows no commercial use$/);
  assert.match(said("Own", "unknown"), /does not know whether it allows commercial use$/);
  assert.match(said("", "unknown"), /^licence not stated, so it is not known/);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { linePath, stepPath } from "../../bench/worldstrat_bench/site/assets/js/chart.js";

test("a line goes through the middles of its steps", () => {
  assert.equal(linePath([0, 1, 0.5], 30, 10), "M5.0 10.0L15.0 0.0L25.0 5.0");
});

test("a histogram begins and ends on the ground and is flat over each step", () => {
  assert.equal(stepPath([0.5, 1], 20, 10), "M0 10V5.0H10.0V0.0H20.0V10");
  assert.equal(stepPath([], 20, 10), "M0 10V10");
});

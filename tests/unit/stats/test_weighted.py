"""Metrics that are ratios of sums over tiles, weighted by a column: aggregated, compared, and never without weights."""

from __future__ import annotations

import numpy as np
import pytest

from factories import invented_facts, score_rows
from statistics_reference import answer
from worldstrat_bench.artefacts.tiles import TileTable, Value, format_tiles, parse_tiles
from worldstrat_bench.measures import MEASURES, WEIGHTS
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.aggregate import aggregate, metric_names, metric_weights
from worldstrat_bench.stats.estimate import estimate, group_sums
from worldstrat_bench.stats.paired import compare

PROTOCOL = load_protocol("wsb-1")
FACTS = invented_facts(40)


def table_of(seed: int, **changes: Value) -> TileTable:
    """Forty tiles with `missed` and its weight; `changes` set cells of the first row."""
    rng, energies = np.random.default_rng(seed), np.random.default_rng(0)
    rows = score_rows(FACTS, f"m{seed}")
    for row in rows:
        row.update(missed=float(rng.uniform(0.3, 1.2)), detail_energy=float(energies.lognormal(8, 1.5)))
    rows[0].update(changes)
    return parse_tiles(format_tiles(rows))


def test_a_weight_is_not_a_metric_and_belongs_to_one() -> None:
    assert {MEASURES[name].weight for name in ("missed", "invented")} == WEIGHTS
    assert set(table_of(1).numbers) >= WEIGHTS
    assert not WEIGHTS & set(metric_names(table_of(1)))


def test_the_mean_of_a_run_is_a_ratio_of_sums() -> None:
    table = table_of(1)
    scores = aggregate(table, {"test": frozenset(table.tiles)}, PROTOCOL)["test"]
    values, weights = table.numbers["missed"], table.numbers["detail_energy"]
    own = scores.micro["missed"]
    assert own.mean == pytest.approx(float((values * weights).sum() / weights.sum()), rel=1e-8)
    assert own.mean != pytest.approx(float(values.mean()), rel=1e-3)
    assert own.n == len(table)
    found = estimate(group_sums(values * weights, table.groups)[0], group_sums(weights, table.groups)[0])
    low, high = found.interval(PROTOCOL.aggregation)
    assert [own.ci_low, own.ci_high] == pytest.approx([float(low), float(high)], rel=1e-8)
    assert own.effective_groups < scores.micro["psnr"].effective_groups
    forest = scores.strata["ipcc"]["Forest"]["missed"]
    inside = np.array([label == "Forest" for label in table.text("ipcc")])
    assert forest.mean == pytest.approx(float((values * weights)[inside].sum() / weights[inside].sum()), rel=1e-8)


def test_metrics_with_equal_weights_do_not_notice() -> None:
    plain = parse_tiles(format_tiles(score_rows(FACTS, "m1")))
    both = [aggregate(t, {"test": frozenset(t.tiles)}, PROTOCOL)["test"].micro["psnr"] for t in (plain, table_of(1))]
    assert both[0] == both[1]
    expected = answer(plain.numbers["psnr"].tolist(), list(plain.groups))
    assert both[0].mean == pytest.approx(expected.mean, rel=1e-8)
    assert both[0].ci_low == pytest.approx(expected.low, rel=1e-6)


@pytest.mark.parametrize("bad", [None, 0.0, -3.0])
def test_a_tile_without_a_weight_has_no_value(bad: float | None) -> None:
    table = table_of(1, detail_energy=bad)
    assert int(np.isnan(metric_weights(table, "missed")).sum()) == 1
    own = aggregate(table, {"test": frozenset(table.tiles)}, PROTOCOL)["test"].micro["missed"]
    others = np.array([tile != FACTS[0].tile for tile in table.tiles])
    values, weights = table.numbers["missed"][others], table.numbers["detail_energy"][others]
    assert own.n == len(table) - 1
    assert own.mean == pytest.approx(float((values * weights).sum() / weights.sum()), rel=1e-8)


def test_without_the_column_there_is_no_mean() -> None:
    table = table_of(1).without(["detail_energy"])
    own = aggregate(table, {"test": frozenset(table.tiles)}, PROTOCOL)["test"].micro["missed"]
    assert (own.n, own.mean) == (0, None)
    huge = table_of(1, missed=1e200, detail_energy=1e200)
    own = aggregate(huge, {"test": frozenset(huge.tiles)}, PROTOCOL)["test"].micro["missed"]
    assert own.n == len(huge) - 1


def test_a_comparison_is_the_difference_of_the_two_ratios() -> None:
    a, b = table_of(1), table_of(2)
    found = compare(a, b, metric="missed", protocol=PROTOCOL)
    assert found is not None
    weights = a.numbers["detail_energy"]
    means = [float((t.numbers["missed"] * weights).sum() / weights.sum()) for t in (a, b)]
    assert [found.mean_a, found.mean_b] == pytest.approx(means, rel=1e-9)
    assert found.difference == pytest.approx(means[0] - means[1], rel=1e-9)
    assert found.tiles == len(a)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.ci_low < found.difference < found.ci_high

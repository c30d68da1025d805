"""Means, intervals, macro means and what a failed tile does to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from factories import invented_facts, make_run, score_rows
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.record import ListScores, load_record
from worldstrat_bench.stats.aggregate import aggregate, metric_names, metric_values
from worldstrat_bench.stats.bootstrap import draws, group_index, intervals
from worldstrat_bench.tiles import TileTable, format_tiles, parse_tiles, read_tiles

WSB = load_protocol("wsb-1")


def table_of(count: int = 60, **options: object) -> TileTable:
    return parse_tiles(format_tiles(score_rows(invented_facts(count), "m", **options)))  # type: ignore[arg-type]


def scores_of(table: TileTable) -> ListScores:
    return aggregate(table, {"test": frozenset(table.tiles)}, WSB)["test"]


def test_the_mean_is_over_tiles_and_gain_is_paired() -> None:
    table = table_of()
    micro = scores_of(table).micro
    assert np.isclose(micro["psnr"].mean or 0, table.numbers["psnr"].mean(), atol=1e-7)
    gain = (table.numbers["psnr"] - table.numbers["psnr_bicubic"]).mean()
    assert np.isclose(micro["gain"].mean or 0, gain, atol=1e-7)
    assert metric_names(table)[-1] == "gain"
    assert not {"shift_y", "lon", "cloud", "days", "detail"} & set(metric_names(table))


def test_the_bootstrap_is_the_one_of_the_protocol() -> None:
    """Against a plain loop over the same draws."""
    table = table_of(40)
    groups = table.text("group")
    index, count = group_index(groups)
    rng = np.random.Generator(np.random.PCG64(WSB.aggregation.seed))
    drawn = rng.integers(0, count, size=(WSB.aggregation.resamples, count))
    values = table.numbers["psnr"]
    means = [np.mean(np.concatenate([values[index == g] for g in row])) for row in drawn[:300]]
    weights = draws(count, WSB.aggregation.resamples, WSB.aggregation.seed)[:300].astype(float)
    sums = np.bincount(index, weights=values)
    assert np.allclose(means, weights @ sums / (weights @ np.bincount(index)))
    all_means = draws(count, 10_000, WSB.aggregation.seed).astype(float)
    all_means = all_means @ sums / (all_means @ np.bincount(index))
    low, high = np.percentile(all_means, [2.5, 97.5])
    summary = scores_of(table).micro["psnr"]
    assert np.allclose([summary.ci_low or 0, summary.ci_high or 0], [low, high], rtol=1e-8)


def test_one_group_has_no_interval_and_an_empty_set_no_mean() -> None:
    found = intervals(np.array([[1.0], [2.0]]), ["a", "a"], resamples=100, seed=0, confidence=0.95)
    assert found == [None]
    assert intervals(np.empty((0, 2)), [], resamples=100, seed=0, confidence=0.95) == [None, None]
    sparse = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, 1.0]])
    found = intervals(sparse, ["a", "b", "c"], resamples=100, seed=0, confidence=0.95)
    assert found[0] is not None
    assert found[1] is None


def test_a_failed_tile_spoils_only_the_lists_and_strata_that_hold_it() -> None:
    facts = invented_facts(60)
    table = table_of(failed={facts[0].tile: "crash"})
    lists = {"all": frozenset(table.tiles), "rest": frozenset(f.tile for f in facts[1:])}
    scores = aggregate(table, lists, WSB)
    assert scores["all"].failed == 1
    assert scores["all"].micro["psnr"].mean is None
    assert scores["all"].micro["psnr"].n == 59
    assert scores["all"].macro["psnr"] is None
    assert scores["rest"].failed == 0
    assert scores["rest"].micro["psnr"].mean is not None
    strata = scores["all"].strata["smod"]
    assert strata[facts[0].smod]["psnr"].mean is None
    assert strata[facts[1].smod]["psnr"].mean is not None


def test_a_metric_that_is_missing_somewhere_is_averaged_where_it_is_there() -> None:
    table = table_of(lpips=False)
    micro = scores_of(table).micro
    assert micro["lpips"].n == 0
    assert micro["lpips"].mean is None
    assert 0 < micro["lr_consistency"].n < 60
    assert micro["lr_consistency"].mean is not None


def test_the_macro_mean_is_over_classes_of_ten_tiles() -> None:
    table = table_of(140)
    classes = np.array(table.text("ipcc"))
    large = [
        np.mean(metric_values(table, "psnr")[classes == c]) for c in set(classes) - {""} if (classes == c).sum() >= 10
    ]
    assert np.isclose(scores_of(table).macro["psnr"] or 0, np.mean(large), atol=1e-7)
    assert scores_of(table_of(20)).macro["psnr"] is None


def test_a_run_of_the_factory_reads_back_and_its_scores_follow_from_its_tiles(tmp_path: Path) -> None:
    record = make_run(tmp_path / "run", tiles=36, release="mini", list_name="test")
    assert load_record(tmp_path / "run") == record
    assert not record.dataset.official
    table = read_tiles(tmp_path / "run" / "tiles.csv")
    assert aggregate(table, {"test": frozenset(table.tiles)}, WSB) == record.scores
    quick = aggregate(table, {"test": frozenset(table.tiles)}, WSB, with_intervals=False)
    assert quick["test"].micro["psnr"].mean == record.scores["test"].micro["psnr"].mean

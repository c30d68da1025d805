"""Means, intervals, macro means and what a failed tile does to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from factories import invented_facts, make_run, score_rows
from statistics_reference import answer
from worldstrat_bench.artefacts.record import ListScores, load_record
from worldstrat_bench.artefacts.tiles import TileTable, format_tiles, parse_tiles
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.aggregate import aggregate, metric_names, metric_values

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


def test_means_and_intervals_are_those_of_the_protocol() -> None:
    """Against a second implementation, on every list, metric and stratum."""
    table = table_of(60)
    scores = scores_of(table)
    groups, smod = table.text("group"), np.array(table.text("smod"))
    sets = {"": np.arange(60)} | {label: np.flatnonzero(smod == label) for label in sorted(set(smod.tolist()))}
    for label, rows in sets.items():
        for metric, summary in (scores.strata["smod"][label] if label else scores.micro).items():
            values = metric_values(table, metric)
            kept = [int(row) for row in rows if not np.isnan(values[row])]
            expected = answer([float(values[row]) for row in kept], [groups[row] for row in kept])
            assert summary.n == len(kept)
            assert summary.mean == pytest.approx(expected.mean, rel=1e-8)
            assert summary.effective_groups == pytest.approx(expected.effective, rel=1e-8)
            assert (summary.ci_low is None) == (expected.low is None)
            assert summary.ci_low == pytest.approx(expected.low, rel=1e-7, abs=1e-8)
            assert summary.ci_high == pytest.approx(expected.high, rel=1e-7, abs=1e-8)


def test_too_few_groups_have_no_interval_and_an_empty_set_no_mean() -> None:
    few = scores_of(table_of(4)).micro["psnr"]
    assert (few.n, few.effective_groups, few.ci_low, few.ci_high) == (4, 4.0, None, None)
    assert few.mean is not None
    five = scores_of(table_of(5)).micro["psnr"]
    assert five.ci_low is not None
    none = aggregate(table_of(5), {"none": frozenset()}, WSB)["none"]
    assert (none.tiles, none.micro["psnr"].n, none.micro["psnr"].mean) == (0, 0, None)
    assert none.micro["psnr"].effective_groups == 0


def test_a_tile_without_a_group_is_its_own() -> None:
    table = table_of(12)
    bare = TileTable(table.tiles, {**table.texts, "group": (None,) * 12}, table.numbers, table.flags)
    assert scores_of(bare).micro["psnr"].effective_groups == 12


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
    table = parse_tiles((tmp_path / "run" / "tiles.csv").read_bytes())
    assert aggregate(table, {"test": frozenset(table.tiles)}, WSB) == record.scores

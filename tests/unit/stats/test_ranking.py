"""Paired tests, Holm, rank intervals, letters: against scipy, by property, by simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from factories import invented_facts, score_rows
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.bootstrap import intervals
from worldstrat_bench.stats.letters import letter, letter_display, maximal_sets, shown
from worldstrat_bench.stats.paired import compare, compare_all
from worldstrat_bench.stats.ranking import RankedBoard, display_of, holm, rank, rank_tables
from worldstrat_bench.stats.train_split import TRAIN_SPLITS, assess
from worldstrat_bench.tiles import TileTable, format_tiles, parse_tiles

WSB = load_protocol("wsb-1")


def table_of(model: str, count: int = 60, **options: object) -> TileTable:
    return parse_tiles(format_tiles(score_rows(invented_facts(count), model, **options)))  # type: ignore[arg-type]


def board(values: np.ndarray, metric: str = "psnr") -> RankedBoard:
    """Rank (m, n) values of single-tile groups; models are m0, m1, ..."""
    columns = {f"m{i}": row for i, row in enumerate(values)}
    return rank(columns, [f"{i:05d}" for i in range(values.shape[1])], metric=metric, rules=WSB.ranking)


def test_compare_agrees_with_scipy_on_group_means() -> None:
    a, b = table_of("a", gain_db=1.2), table_of("b")
    found = compare(a, b, metric="psnr", protocol=WSB, wilcoxon=True)
    assert found is not None
    groups = np.array(a.text("group"))
    delta = a.numbers["psnr"] - b.numbers["psnr"]
    means = np.array([delta[groups == g].mean() for g in sorted(set(groups))])
    reference = stats.ttest_1samp(means, 0)
    assert found.groups == len(means) < found.tiles
    assert found.p_value == pytest.approx(reference.pvalue, rel=1e-9)
    interval = reference.confidence_interval(0.95)
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high))
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(means).pvalue)
    assert found.wins + found.ties + found.losses == 60


def test_compare_is_aware_of_direction() -> None:
    a, b = table_of("a", gain_db=3), table_of("b")
    verdicts = {c.metric: c.verdict for c in compare_all(a, b, protocol=WSB)}
    assert verdicts["psnr"] == verdicts["lpips"] == verdicts["rmse"] == "a"
    assert verdicts["lr_consistency"] == "tie"


def test_compare_needs_shared_tiles_and_groups() -> None:
    a = table_of("a")
    assert compare(a, table_of("b"), metric="psnr", protocol=WSB, tiles=[]) is None
    moved = TileTable(a.tiles, {**a.texts, "group": ("x",) * len(a)}, a.numbers, a.flags)
    with pytest.raises(UsageError, match="different groups"):
        compare(a, moved, metric="psnr", protocol=WSB)


def test_holm_by_hand() -> None:
    p = np.ones((3, 3))
    for (i, j), value in {(0, 1): 0.01, (0, 2): 0.04, (1, 2): 0.03}.items():
        p[i, j] = p[j, i] = value
    adjusted = holm(p)
    assert adjusted[0, 1] == pytest.approx(0.03)
    assert adjusted[1, 2] == pytest.approx(0.06)
    assert adjusted[0, 2] == pytest.approx(0.06)  # monotone: not 0.04
    assert np.array_equal(adjusted, adjusted.T)


def test_a_gain_below_the_margin_is_a_tie_however_certain() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(30, 3, 334)
    tied = board(np.stack([base, base + 0.04]))
    assert not tied.beats.any()
    assert [s.rank_high for s in tied.standings] == [2, 2]
    beaten = board(np.stack([base, base + 0.06]))
    assert beaten.standings[0].model == "m1"
    assert (beaten.standings[0].rank_low, beaten.standings[0].rank_high) == (1, 1)
    assert (beaten.standings[1].rank_low, beaten.standings[1].rank_high) == (2, 2)


def test_identical_models_share_everything() -> None:
    base = np.random.default_rng(0).normal(30, 3, 50)
    found = board(np.stack([base, base, base]))
    assert [s.model for s in found.standings] == ["m0", "m1", "m2"]
    assert {s.letters for s in found.standings} == {("a",)}
    assert {(s.rank_low, s.rank_high) for s in found.standings} == {(1, 3)}


def test_lpips_ranks_the_other_way_round() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(0.2, 0.5, 100)
    found = board(np.stack([base, base - 0.1 + rng.normal(0, 0.01, 100)]), "lpips")
    assert found.standings[0].model == "m1"
    assert found.standings[0].beats == 1


def test_smallest_detectable_difference() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(30, 1, (5, 334))
    found = board(values)
    sds = [np.std(values[i] - values[j], ddof=1) for i, j in combinations(range(5), 2)]
    z = stats.norm.ppf(1 - 0.05 / 20) + stats.norm.ppf(0.8)
    assert found.smallest_difference == pytest.approx(z * np.median(sds) / np.sqrt(334))
    assert board(values[:1]).smallest_difference is None
    assert board(np.stack([values[0], values[0]])).smallest_difference == 0.05


def test_rank_tables_leaves_out_who_lacks_a_value() -> None:
    facts = invented_facts(60)
    tables = {"a": table_of("a"), "b": table_of("b", failed={facts[3].tile: "timeout"})}
    everything = [fact.tile for fact in facts]
    assert [s.model for s in rank_tables(tables, everything, "psnr", WSB).standings] == ["a"]
    without = [tile for tile in everything if tile != facts[3].tile]
    assert len(rank_tables(tables, without, "psnr", WSB).standings) == 2
    assert rank_tables({}, everything, "psnr", WSB).standings == ()
    assert rank_tables(tables, without, "gain", WSB).groups == rank_tables(tables, without, "psnr", WSB).groups


def test_what_a_stratum_may_show() -> None:
    rules = WSB.aggregation
    shows = [display_of(n, rules) for n in (9, 10, 29, 30)]
    assert shows == ["values", "intervals", "intervals", "ranks"]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 9), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_letters_are_the_maximal_sets(count: int, seed: int, density: float) -> None:
    upper = np.triu(np.random.default_rng(seed).uniform(size=(count, count)) < density, 1)
    tied = upper | upper.T
    display = letter_display(tied)
    assert display is not None
    for i, j in combinations(range(count), 2):
        assert bool(set(display[i]) & set(display[j])) == bool(tied[i, j])
    assert all(display)
    sets = maximal_sets(tied) or []
    assert all(not set(a) < set(b) for a in sets for b in sets)
    assert all(tied[i, j] for group in sets for i, j in combinations(group, 2))


def test_letters_give_up_on_a_graph_with_too_many_sets() -> None:
    """The complement of 12 disjoint triangles has 3^12 maximal cliques."""
    tied = ~np.kron(np.eye(12, dtype=bool), np.ones((3, 3), dtype=bool))
    assert letter_display(tied) is None
    assert [letter(i) for i in (0, 25, 26, 701, 702)] == ["a", "z", "aa", "zz", "aaa"]
    assert shown(("a", "b")) == "ab"
    assert shown(tuple("abcdefgh")) == "a…h (8)"


def test_train_splits() -> None:
    assert assess(None).status == assess("  ").status == "undeclared"
    assert assess("WorldStrat_Train").status == "clean"
    assert assess("worldstrat-all").status == assess("upstream-random").status == "contaminated"
    assert assess("SEN2VENuS and our own tiles").status == "described"
    assert len({split.name for split in TRAIN_SPLITS}) == len(TRAIN_SPLITS)


def false_separation(boards: int, seed: int) -> int:
    """Boards of five equal models on which somebody beats somebody."""
    rng = np.random.default_rng(seed)
    return sum(bool(board(30 + rng.normal(0, np.sqrt(0.5), (5, 334))).beats.any()) for _ in range(boards))


def clear_wins(boards: int, seed: int) -> int:
    """Boards on which a model that is truly 0.3 dB better beats the other four."""
    rng = np.random.default_rng(seed)
    gains = np.array([[0.3], [0], [0], [0], [0]])
    return sum(
        board(30 + gains + rng.normal(0, np.sqrt(0.5), (5, 334))).beats.sum(axis=1).max() == 4 for _ in range(boards)
    )


def contradictions(boards: int, seed: int) -> int:
    """Boards of skewed differences on which a model beats one with a better mean."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(boards):
        skewed = rng.exponential(1.5, (5, 334)) * rng.choice([-1, 1], (5, 1)) + rng.normal(0, 0.3, (5, 1))
        ranked = board(30 + skewed)
        found += bool(np.tril(ranked.beats).any())  # rows are sorted by mean: a win below the diagonal contradicts
    return found


def coverage(tiles: int, boards: int, seed: int) -> float:
    """Share of intervals that hold the true mean of normal tiles."""
    rng = np.random.default_rng(seed)
    names = [f"{i:04d}" for i in range(tiles)]
    held = 0
    for _ in range(boards // 200):
        values = rng.normal(0, 1, (tiles, 200))
        rules = WSB.aggregation
        found = intervals(values, names, resamples=rules.resamples, seed=rules.seed, confidence=rules.confidence)
        held += sum(interval is not None and interval[0] <= 0 <= interval[1] for interval in found)
    return held / (boards // 200 * 200)


def assert_at_most_five_per_cent(hits: int, boards: int) -> None:
    low = stats.binomtest(hits, boards).proportion_ci(0.95, "exact").low
    assert low <= 0.05, f"{hits} of {boards} boards"


def test_simulated_boards() -> None:
    assert_at_most_five_per_cent(false_separation(400, 1), 400)
    assert clear_wins(300, 2) >= 0.95 * 300
    assert contradictions(200, 3) == 0


@pytest.mark.parametrize("tiles", [30, 334])
def test_simulated_coverage(tiles: int) -> None:
    assert abs(coverage(tiles, 2000, 4) - 0.95) <= 0.02


@pytest.mark.soak
def test_simulated_boards_long() -> None:
    assert_at_most_five_per_cent(false_separation(10_000, 11), 10_000)
    assert clear_wins(4_000, 12) >= 0.95 * 4_000
    assert contradictions(4_000, 13) == 0
    for tiles in (30, 334):
        assert abs(coverage(tiles, 20_000, 14) - 0.95) <= 0.02

"""Verdicts, rank intervals, letters: against a second implementation, by property, by simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from factories import invented_facts, score_rows
from statistics_reference import answer, beats, detectable
from worldstrat_bench.artefacts.tiles import TileTable, format_tiles, parse_tiles
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.estimate import estimate
from worldstrat_bench.stats.letters import letter, letter_display, maximal_sets, shown
from worldstrat_bench.stats.paired import compare, compare_all, decided
from worldstrat_bench.stats.ranking import RankedBoard, display_of, rank, rank_tables
from worldstrat_bench.stats.train_split import TRAIN_SPLITS, assess

WSB = load_protocol("wsb-1")

Floats = NDArray[np.float64]


def table_of(model: str, count: int = 60, **options: object) -> TileTable:
    return parse_tiles(format_tiles(score_rows(invented_facts(count), model, **options)))  # type: ignore[arg-type]


def board(values: Floats, metric: str = "psnr") -> RankedBoard:
    """Rank (m, n) values of single-tile groups; models are m0, m1, ..."""
    columns = {f"m{i}": row for i, row in enumerate(values)}
    return rank(columns, [f"{i:05d}" for i in range(values.shape[1])], metric=metric, protocol=WSB)


def sub_tiles(tiles: int) -> list[str]:
    """Groups of one to four tiles."""
    return [f"g{i // 4 if i % 3 else i}" for i in range(tiles)]


def test_compare_agrees_with_the_second_implementation() -> None:
    a, b = table_of("a", gain_db=1.2), table_of("b")
    found = compare(a, b, metric="psnr", protocol=WSB)
    assert found is not None
    delta = a.numbers["psnr"] - b.numbers["psnr"]
    expected = answer(delta.tolist(), a.text("group"))
    assert found.groups == len(set(a.text("group"))) < found.tiles
    assert found.effective_groups == pytest.approx(expected.effective)
    assert found.difference == pytest.approx(expected.mean)
    assert found.difference == pytest.approx(found.mean_a - found.mean_b, abs=1e-12)  # what readers subtract
    assert found.standard_error == pytest.approx(expected.error)
    assert found.p_value == pytest.approx(expected.p, rel=1e-6)
    assert found.p_plain == pytest.approx(expected.plain, rel=1e-6)
    assert (found.ci_low, found.ci_high) == pytest.approx((expected.low, expected.high))
    assert found.wins + found.ties + found.losses == 60


def test_compare_is_aware_of_direction() -> None:
    a, b = table_of("a", gain_db=3), table_of("b")
    verdicts = {c.metric: c.verdict for c in compare_all(a, b, protocol=WSB)}
    assert verdicts["psnr"] == verdicts["lpips"] == verdicts["rmse"] == "a"
    assert verdicts["lr_consistency"] == "tie"
    assert {c.metric: c.verdict for c in compare_all(b, a, protocol=WSB)}["psnr"] == "b"


def test_compare_needs_shared_tiles_and_groups() -> None:
    a = table_of("a")
    assert compare(a, table_of("b"), metric="psnr", protocol=WSB, tiles=[]) is None
    moved = TileTable(a.tiles, {**a.texts, "group": ("x",) * len(a)}, a.numbers, a.flags)
    with pytest.raises(UsageError, match="different groups"):
        compare(a, moved, metric="psnr", protocol=WSB)


def test_few_tiles_have_a_difference_and_no_verdict() -> None:
    found = compare(table_of("a", gain_db=9), table_of("b"), metric="psnr", protocol=WSB, tiles=table_of("a", 4).tiles)
    assert found is not None
    assert (found.tiles, found.ci_low, found.p_value, found.verdict) == (4, None, None, "tie")


def test_a_pair_has_one_verdict_on_boards_and_in_compare() -> None:
    tables = {f"m{i}": table_of(f"m{i}", gain_db=0.3 * i) for i in range(6)}
    tiles = tables["m0"].tiles
    for metric in ("psnr", "lpips"):
        found = rank_tables(tables, tiles, metric, WSB)
        low, high = found.pairs.interval(WSB.aggregation)
        for one, other in combinations(tables, 2):
            i, j = found.order[one], found.order[other]
            pair = compare(tables[one], tables[other], metric=metric, protocol=WSB)
            assert pair is not None
            said = "a" if found.beats[i, j] else "b" if found.beats[j, i] else "tie"
            assert said == pair.verdict
            assert pair.p_value is not None
            assert pair.p_plain is not None
            assert float(found.p[i, j]) == pytest.approx(max(pair.p_value, pair.p_plain))
            # What is shown beside a verdict is what decides it.
            decided = found.p[i, j] <= WSB.ranking.level and abs(pair.difference) >= WSB.ranking.margin.get(metric, 0)
            assert decided == (said != "tie")
            assert float(found.pairs.value[i, j]) == pytest.approx(pair.difference, abs=1e-12)
            assert (low[i, j], high[i, j]) == pytest.approx((pair.ci_low, pair.ci_high))
            mean = found.standings[i].mean - found.standings[j].mean
            assert mean == pytest.approx(pair.difference, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(6, 40), st.sampled_from(["psnr", "lpips"]))
def test_verdicts_are_those_of_the_second_implementation(seed: int, tiles: int, metric: str) -> None:
    rng = np.random.default_rng(seed)
    groups, scale = sub_tiles(tiles), 1.0 if metric == "psnr" else 0.02
    columns = {f"m{i}": scale * (rng.exponential(1.0, tiles) + rng.normal(0, 0.7)) for i in range(4)}
    found = rank(columns, groups, metric=metric, protocol=WSB)
    sign, margin = (1, 0.05) if metric == "psnr" else (-1, 0.0)
    for one in columns:
        for other in columns:
            expected = one != other and beats(
                columns[one].tolist(), columns[other].tolist(), groups, sign=sign, margin=margin
            )
            assert bool(found.beats[found.order[one], found.order[other]]) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 60), st.sampled_from(["psnr", "lpips"]), st.booleans())
def test_no_board_orders_two_models_against_a_verdict(seed: int, tiles: int, metric: str, rounding: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.exponential(1.5, (7, tiles)) * rng.choice([-1, 1], (7, 1)) + rng.normal(0, 1.0, (7, 1))
    values = np.round(values, 1) if rounding else values
    found = rank({f"m{i}": row for i, row in enumerate(values)}, sub_tiles(tiles), metric=metric, protocol=WSB)
    assert not np.tril(found.beats).any()  # rows are in order: a win below the diagonal would contradict it
    assert all(one.rank_low <= row + 1 <= one.rank_high for row, one in enumerate(found.standings))


def p_of(values: Floats) -> tuple[float, float]:
    """Return the p-values of single-tile groups, corrected for skewness and plain."""
    found = estimate(values, np.ones(len(values)))
    corrected, plain = found.p_values(WSB.aggregation), found.p_values(WSB.aggregation, "t")
    return float(corrected), float(plain)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_verdict_needs_both_tests(sign: int) -> None:
    """A long tail on the side of the gain makes the corrected p the smaller one, a tail on the other side the plain."""
    tail_of_gain = np.random.default_rng(0).exponential(1, 30)
    level, base = WSB.ranking.level, np.zeros(30)
    cases = []
    for gains in (tail_of_gain, 2 * tail_of_gain.mean() - tail_of_gain):
        shifts = gains + np.linspace(-0.9, 5, 600)[:, None]
        found = [(shifted, *p_of(shifted)) for shifted in shifts if shifted.mean() > 0]
        split = [values for values, corrected, plain in found if (corrected <= level) != (plain <= level)]
        both = [values for values, corrected, plain in found if corrected <= level and plain <= level]
        cases.append((p_of(split[0])[0] <= level, p_of(split[0])[1] <= level))
        assert not board(np.stack([base, sign * split[0]])).beats.any()
        assert board(np.stack([base, sign * both[0]])).beats.sum() == 1
        assert len(split) > 3
    assert cases == [(True, False), (False, True)]  # each of the two tests is the one that stops a verdict


def test_a_protocol_names_its_tests() -> None:
    values = np.random.default_rng(3).exponential(1, (40, 12)) + np.linspace(0.5, 1.5, 40)[:, None]
    found = estimate(values, np.ones(12))
    won = {
        tests: decided(
            found, "psnr", WSB.model_copy(update={"ranking": WSB.ranking.model_copy(update={"tests": tests})})
        )
        for tests in (("t",), ("skewness-corrected-t",), ("skewness-corrected-t", "t"))
    }
    assert WSB.ranking.tests == ("skewness-corrected-t", "t")
    assert np.array_equal(won[WSB.ranking.tests], won[("t",)] & won[("skewness-corrected-t",)])
    assert len({own.tobytes() for own in won.values()}) > 1


def test_a_gain_below_the_margin_is_a_tie_however_certain() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(30, 3, 334)
    tied = board(np.stack([base, base + 0.04]))
    assert not tied.beats.any()
    assert [s.rank_high for s in tied.standings] == [2, 2]
    beaten = board(np.stack([base, base + 0.06]))  # it never varies: no test, and certain
    assert np.isnan(beaten.p[0, 1])
    assert beaten.standings[0].model == "m1"
    assert (beaten.standings[0].rank_low, beaten.standings[0].rank_high) == (1, 1)
    assert (beaten.standings[1].rank_low, beaten.standings[1].rank_high) == (2, 2)
    assert not board(np.stack([base[:4], base[:4] + 1])).beats.any()  # nor on fewer than five groups


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


def test_the_level_is_that_of_a_family_of_twenty() -> None:
    assert pytest.approx(0.00026316, rel=1e-4) == WSB.ranking.level
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, (21, 60))
    twenty, more = board(values[:20]), board(values)
    assert (twenty.bounded, more.bounded) == (True, False)
    assert twenty.expected_wrong == pytest.approx(0.05)
    assert more.expected_wrong == pytest.approx(210 * 0.05 / 190)


def test_the_detectable_difference() -> None:
    values = np.random.default_rng(0).normal(30, 1, (5, 334))
    found = board(values)
    rows = [values[int(s.model[1:])].tolist() for s in found.standings]
    assert found.detectable == pytest.approx(detectable(rows, [f"{i}" for i in range(334)]), rel=1e-3)
    assert board(values[:1]).detectable is None
    assert board(values[:, :4]).detectable is None
    assert board(np.stack([values[0], values[0]])).detectable == 0.05
    assert board(np.stack([values[0], values[0]]), "lpips").detectable == 0


def test_rank_tables_leaves_out_who_lacks_a_value() -> None:
    facts = invented_facts(60)
    tables = {"a": table_of("a"), "b": table_of("b", failed={facts[3].tile: "timeout"})}
    everything = [fact.tile for fact in facts]
    assert [s.model for s in rank_tables(tables, everything, "psnr", WSB).standings] == ["a"]
    without = [tile for tile in everything if tile != facts[3].tile]
    assert len(rank_tables(tables, without, "psnr", WSB).standings) == 2
    assert rank_tables({}, everything, "psnr", WSB).standings == ()
    assert rank_tables(tables, without, "gain", WSB).groups == rank_tables(tables, without, "psnr", WSB).groups


def test_limits_count_effective_groups() -> None:
    rules = WSB.aggregation
    shows = [display_of(n, rules) for n in (9.99, 10, 29.9, 30)]
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


# A crowd changes nothing that is said of the others.


def crowd_of(kind: str, columns: Mapping[str, Floats]) -> dict[str, Floats]:
    """Thirty more rows: junk, copies of the best, or copies with 0.02 dB of noise on every tile."""
    rng, best = np.random.default_rng(9), max(columns.values(), key=lambda values: float(values.mean()))
    if kind == "junk":
        return {f"j{i}": rng.normal(rng.uniform(15, 33), 6, len(best)) for i in range(30)}
    return {f"j{i}": best + (rng.normal(0, 0.02, len(best)) if kind == "noisy" else 0.0) for i in range(30)}


def said_of(found: RankedBoard, models: list[str]) -> dict[str, bytes]:
    """Every number that a board states of pairs among some models, as bytes."""
    rows = [found.order[model] for model in models]
    low, high = found.pairs.interval(WSB.aggregation)
    parts = {"beats": found.beats, "p": found.p, "difference": found.pairs.value, "low": low, "high": high}
    return {name: np.ascontiguousarray(part[np.ix_(rows, rows)]).tobytes() for name, part in parts.items()}


@pytest.mark.parametrize("kind", ["junk", "copies", "noisy"])
@pytest.mark.parametrize("groups", [[f"{i:03d}" for i in range(90)], sub_tiles(90)], ids=["tiles", "sub-tiles"])
def test_a_crowd_changes_no_verdict_and_no_rank_of_a_counting_row(kind: str, groups: list[str]) -> None:
    rng = np.random.default_rng(8)
    base = rng.normal(30, 4, 90)
    columns = {f"m{i}": base + 0.12 * i + rng.normal(0, 0.5, 90) for i in range(12)}
    alone = rank(columns, groups, metric="psnr", protocol=WSB)
    assert 10 < alone.beats.sum() < 60  # both verdicts and ties are at stake
    together = {**columns, **crowd_of(kind, columns)}
    everyone = rank(together, groups, metric="psnr", protocol=WSB)
    assert said_of(everyone, list(columns)) == said_of(alone, list(columns))
    placed = rank(together, groups, metric="psnr", protocol=WSB, counting=columns.keys())
    assert said_of(placed, list(columns)) == said_of(alone, list(columns))
    assert tuple(s for s in placed.standings if s.counts) == alone.standings
    assert (placed.detectable, placed.expected_wrong) == (alone.detectable, alone.expected_wrong)
    assert placed.counting == 12
    assert {s.letters for s in placed.standings if not s.counts} == {()}


def test_a_row_that_does_not_count_is_placed_as_if_it_alone_joined() -> None:
    rng = np.random.default_rng(8)
    base = rng.normal(30, 4, 90)
    columns = {f"m{i}": base + 0.3 * i + rng.normal(0, 0.5, 90) for i in range(8)}
    groups = [f"{i:03d}" for i in range(90)]
    found = rank(columns, groups, metric="psnr", protocol=WSB, counting=[m for m in columns if m != "m3"])
    joined = rank(columns, groups, metric="psnr", protocol=WSB)
    one, other = (b.standings[b.order["m3"]] for b in (found, joined))
    assert not one.counts
    assert (one.rank_low, one.rank_high, one.ties) == (other.rank_low, other.rank_high, other.ties)
    unranked = rank(columns, groups, metric="psnr", protocol=WSB, counting=())
    assert {(s.rank_low, s.rank_high, s.letters) for s in unranked.standings} == {(1, 1, ())}
    assert unranked.detectable is None


# Simulations.

KINDS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]] = {
    "normal": lambda rng, shape: rng.normal(0, 1, shape),
    "exponential": lambda rng, shape: rng.exponential(1, shape) - 1,
    "t3": lambda rng, shape: rng.standard_t(3, shape) / np.sqrt(3),
}
"""Values of a tile with a standard deviation of 1."""


def wrong_boards(boards: int, seed: int, *, kind: str, tiles: int = 334) -> int:
    """Boards of twenty equal models on which one beats another; a paired difference has an SD of 1 dB."""
    rng, (one, other) = np.random.default_rng(seed), np.triu_indices(20, 1)
    found = 0
    for _ in range(boards):
        values = np.sqrt(0.5) * KINDS[kind](rng, (20, tiles))
        found += bool(decided(estimate(values[one] - values[other], np.ones(tiles)), "psnr", WSB).any())
    return found


def found_gains(pairs: int, seed: int, gain: float = 0.3, tiles: int = 334) -> float:
    """Share of pairs of which the truly better one, by `gain` dB at a paired SD of 1 dB, beats the other."""
    difference = estimate(np.random.default_rng(seed).normal(gain, 1.0, (pairs, tiles)), np.ones(tiles))
    won = decided(difference, "psnr", WSB) & (difference.value > 0)
    return float(won.mean())


def planned(tiles: int) -> float:
    """Return the detectable difference of two models with a paired SD of exactly 1 dB, each tile a group."""
    noise = np.random.default_rng(0).normal(0, 1, tiles)
    return board(np.stack([np.zeros(tiles), noise / noise.std(ddof=1)])).detectable or 0.0


def assert_at_most_five_per_cent(hits: int, boards: int) -> None:
    low = stats.binomtest(hits, boards).proportion_ci(0.95, "exact").low
    assert low <= 0.05, f"{hits} of {boards} boards"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("tiles", "boards"), [(10, 400), (30, 400), (334, 150)])
def test_twenty_equal_models_are_told_apart_on_few_boards(kind: str, tiles: int, boards: int) -> None:
    assert_at_most_five_per_cent(wrong_boards(boards, tiles, kind=kind, tiles=tiles), boards)


def test_a_true_gain_is_found() -> None:
    assert found_gains(4_000, 2) >= 0.95


@pytest.mark.parametrize(("tiles", "least"), [(30, 0.68), (100, 0.75), (334, 0.76)])
def test_the_detectable_difference_is_told_apart_about_four_times_in_five(tiles: int, least: float) -> None:
    """On 30 groups it is rather seven times in ten: the spread of the standard error itself is not in the sentence."""
    assert least <= found_gains(4_000, 3, planned(tiles), tiles) <= 0.83


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tiles", [10, 20, 30, 100, 334])
def test_simulated_boards_long(kind: str, tiles: int) -> None:
    assert_at_most_five_per_cent(wrong_boards(4_000, 11, kind=kind, tiles=tiles), 4_000)


@pytest.mark.soak
def test_a_true_gain_is_found_long() -> None:
    assert found_gains(100_000, 12) >= 0.95

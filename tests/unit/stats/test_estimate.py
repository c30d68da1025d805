"""The one estimate of protocol 3.6: against a second implementation, by property, by simulated coverage."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from factories import official_facts
from statistics_reference import answer, quantile, tail
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.estimate import (
    Estimate,
    effective_groups,
    effective_number,
    estimate,
    group_index,
    group_sums,
    rounded,
)

RULES = load_protocol("wsb-1").aggregation

Floats = NDArray[np.float64]


def estimate_of(values: Floats, groups: list[str]) -> Estimate:
    return estimate(*group_sums(values, groups))


def named(sizes: list[int]) -> list[str]:
    """Names of the groups of tiles, from the sizes of the groups."""
    return [f"g{i:04d}" for i, size in enumerate(sizes) for _ in range(size)]


SETS = st.tuples(
    st.lists(st.integers(1, 6), min_size=1, max_size=25), st.integers(0, 2**32 - 1), st.floats(-2, 2), st.booleans()
)


def values_of(sizes: list[int], seed: int, centre: float, skewed: bool) -> tuple[Floats, list[str]]:
    rng = np.random.default_rng(seed)
    groups = named(sizes)
    return centre + (rng.exponential if skewed else rng.normal)(size=len(groups)), groups


def test_the_reference_knows_students_distribution() -> None:
    from scipy import stats

    for freedom in (4.0, 9.0, 18.3, 333.0):
        for x in (0.0, 0.7, 2.1, 5.5):
            assert tail(x, freedom) == pytest.approx(stats.t.sf(x, freedom), rel=1e-9)
        assert quantile(0.025, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(SETS)
def test_two_implementations_agree(case: tuple[list[int], int, float, bool]) -> None:
    values, groups = values_of(*case)
    expected, found = answer(values.tolist(), groups), estimate_of(values, groups)
    (low, high), p, plain = found.interval(RULES), found.p_values(RULES), found.p_values(RULES, "t")
    assert float(found.value) == pytest.approx(expected.mean, rel=1e-12)
    assert float(found.effective) == pytest.approx(expected.effective, rel=1e-12)
    if expected.p is None or expected.low is None or expected.high is None:
        assert np.isnan([low, high, p, plain]).all()
        return
    assert float(found.error) == pytest.approx(expected.error, rel=1e-9)
    assert float(p) == pytest.approx(expected.p, rel=1e-6, abs=1e-12)
    assert float(plain) == pytest.approx(expected.plain, rel=1e-6, abs=1e-12)
    assert float(found.largest_p(RULES, ("t", "skewness-corrected-t"))) == max(float(p), float(plain))
    assert [float(low), float(high)] == pytest.approx([expected.low, expected.high], rel=1e-7, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(SETS)
def test_the_interval_excludes_zero_exactly_when_p_is_below_five_per_cent(
    case: tuple[list[int], int, float, bool],
) -> None:
    values, groups = values_of(*case)
    found = estimate_of(values, groups)
    (low, high), p = found.interval(RULES), found.p_values(RULES)
    if not found.tested(RULES):
        assert np.isnan([low, high, p]).all()
    elif abs(float(p) - 0.05) > 1e-9:
        assert bool((low > 0) | (high < 0)) == bool(p < 0.05)
        assert low < high


def test_the_edge_of_the_interval_is_where_p_is_five_per_cent() -> None:
    """Moved by an end of its own interval, a set of values has p = 5 %: seen at the edge, on skewed values."""
    values, groups = values_of([3, 1, 2, 5, 1, 1, 4, 2, 1, 1, 2], 4, 0.0, True)
    for end in estimate_of(values, groups).interval(RULES):
        assert float(estimate_of(values - end, groups).p_values(RULES)) == pytest.approx(0.05, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(SETS, st.floats(0.01, 100))
def test_sign_and_unit_do_not_matter(case: tuple[list[int], int, float, bool], factor: float) -> None:
    values, groups = values_of(*case)
    found, other = estimate_of(values, groups), estimate_of(-factor * values, groups)
    assert np.allclose(found.p_values(RULES), other.p_values(RULES), rtol=1e-9, equal_nan=True)
    low, high = found.interval(RULES)
    assert np.allclose(other.interval(RULES), (-factor * high, -factor * low), rtol=1e-9, atol=1e-12, equal_nan=True)


def test_equal_groups_of_symmetric_values_are_a_plain_t_test() -> None:
    from scipy import stats

    half = np.random.default_rng(0).normal(0, 1, 20)
    values = 0.4 + np.concatenate([half, -half])  # no skewness at all
    found, expected = estimate_of(values, named([1] * 40)), stats.ttest_1samp(values, 0)
    assert float(found.p_values(RULES)) == pytest.approx(expected.pvalue, rel=1e-9)
    interval = expected.confidence_interval(0.95)
    assert [float(end) for end in found.interval(RULES)] == pytest.approx([interval.low, interval.high])


def test_the_mean_is_over_tiles_and_a_null_is_left_out() -> None:
    values, groups = np.array([1.0, 2.0, 6.0, np.nan, 5.0]), ["b", "b", "a", "a", "c"]
    sums, sizes = group_sums(values, groups)
    assert sums.tolist() == [6, 3, 5]
    assert sizes.tolist() == [1, 2, 1]
    found = estimate(sums, sizes)
    assert float(found.value) == pytest.approx(3.5)
    assert int(found.groups) == 3
    assert float(found.effective) == pytest.approx(16 / 6)
    empty = estimate(*group_sums(np.array([np.nan, np.nan]), ["a", "b"]))
    assert np.isnan(empty.value)
    assert (int(empty.groups), float(empty.effective)) == (0, 0.0)
    none = estimate(*group_sums(np.empty((2, 0)), []))
    assert np.isnan(none.value).all()


def test_weights_need_not_be_numbers_of_tiles() -> None:
    """A ratio of two sums over tiles: weights may be any sizes, and equal ones change nothing."""
    rng = np.random.default_rng(1)
    values = rng.normal(2, 1, 12)
    plain, scaled = estimate(values, np.ones(12)), estimate(values * 0.3, np.full(12, 0.3))
    assert np.allclose(plain.interval(RULES), scaled.interval(RULES))
    weights = rng.uniform(0.5, 2, 12)
    found = estimate(values * weights, weights)
    assert float(found.value) == pytest.approx(np.average(values, weights=weights))
    assert float(found.effective) == pytest.approx(1 / np.sum((weights / weights.sum()) ** 2))


def test_too_few_groups_have_neither_interval_nor_test() -> None:
    rng = np.random.default_rng(0)
    for sizes, enough in (([1] * 4, False), ([1] * 5, True), ([9, 1, 1, 1, 1, 1], False), ([50], False)):
        found = estimate_of(rng.normal(5, 1, sum(sizes)), named(sizes))
        assert bool(found.tested(RULES)) == enough
        assert bool(np.isfinite(found.interval(RULES)[0])) == bool(np.isfinite(found.p_values(RULES))) == enough


@pytest.mark.parametrize("value", [0.06, -0.06, 1e-5, 0.0, 1 / 3])
def test_what_never_varies_is_certain_and_has_no_interval(value: float) -> None:
    """Rounding errors are not variation: 30.1 + 0.06 - 30.1 is not the same on every tile."""
    base = np.round(np.random.default_rng(2).normal(30, 4, 60), 4)
    sums, sizes = group_sums(np.stack([base + value, base]), named([2] * 30))
    found = estimate(sums[0] - sums[1], sizes[0])
    assert not found.varies
    assert bool(found.certain(RULES)) == (value != 0)
    assert np.isnan([*found.interval(RULES), found.p_values(RULES)]).all()
    few = estimate_of(np.full(4, value), named([1] * 4))
    assert not few.certain(RULES)


def test_sums_of_a_row_do_not_depend_on_the_others() -> None:
    rng = np.random.default_rng(3)
    groups = named(rng.integers(1, 9, 60).tolist())
    values = rng.normal(30, 4, (200, len(groups)))
    alone = np.stack([group_sums(row, groups)[0] for row in values])
    assert group_sums(values, groups)[0].tobytes() == alone.tobytes()


def test_effective_groups() -> None:
    assert effective_groups(named([1] * 30)) == 30.0
    assert effective_groups(named([3] * 10)) == 10.0  # exact at the limits of pages
    assert effective_groups([]) == 0.0
    assert effective_groups(named([2, 1, 1])) == pytest.approx(16 / 6)
    assert effective_number(np.array([[1.0, 1, 0], [0, 0, 0]])).tolist() == [2.0, 0.0]
    assert group_index(["b", "a", "b"])[0].tolist() == [1, 0, 1]
    assert rounded(1 / 3) == 0.333333333


# Coverage by simulation. A tile is sqrt(1/2) times what its group shares plus sqrt(1/2) times what is its own.

KINDS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    "normal": lambda rng, shape: rng.normal(0, 1, shape),
    "exponential": lambda rng, shape: rng.exponential(1, shape) - 1,
    "gamma": lambda rng, shape: rng.gamma(2, 1, shape) - 2,
    "t3": lambda rng, shape: rng.standard_t(3, shape),
}
LEAST = {"normal": 0.93, "exponential": 0.93, "gamma": 0.93, "t3": 0.915}
STRATA = ("ipcc", "smod", "source", "continent")


def coverage(groups: list[str], kind: str, sets: int, seed: int) -> float:
    """Share of intervals that hold the true mean 0."""
    rng, (index, count) = np.random.default_rng(seed), group_index(groups)
    held, chunk = 0, min(sets, max(1, 400_000 // len(index)))
    done = 0
    while done < sets:
        values = KINDS[kind](rng, (chunk, len(index)))
        if count < len(index):
            values = math.sqrt(0.5) * (values + KINDS[kind](rng, (chunk, count))[:, index])
        low, high = estimate(*group_sums(values, index)).interval(RULES)
        held += int(((low <= 0) & (high >= 0)).sum())
        done += chunk
    return held / done


def official_groups(list_name: str) -> list[str]:
    return [fact.group for fact in official_facts(list_name)]


def official_strata() -> dict[str, list[str]]:
    """Groups of the tiles of every stratum of `full` with G_e >= 10 and no group above 15 % of its tiles."""
    found: dict[str, list[str]] = {}
    facts = official_facts("full")
    for axis in STRATA:
        for label in sorted({getattr(fact, axis) for fact in facts}):
            groups = [fact.group for fact in facts if getattr(fact, axis) == label]
            if effective_groups(groups) >= 10 and max(Counter(groups).values()) <= 0.15 * len(groups):
                found[f"{axis} {label}"] = groups
    return found


def check_coverage(groups: list[str], sets: int, seed: int, least: dict[str, float] = LEAST) -> None:
    for kind, bound in least.items():
        share = coverage(groups, kind, sets, seed)
        assert bound <= share <= 0.97, f"{kind}: {share:.4f}"


@pytest.mark.parametrize("count", [10, 15, 20, 30, 334])
def test_coverage_of_equal_groups(count: int) -> None:
    check_coverage(named([1] * count), 12_000 if count < 100 else 4_000, count)


def test_coverage_of_the_official_lists() -> None:
    assert len(set(official_groups("full"))) < len(official_groups("full"))
    for number, name in enumerate(("clean", "full", "strict")):
        check_coverage(official_groups(name), 3_000, number)


def test_coverage_of_strata_with_unequal_groups() -> None:
    strata = official_strata()
    unequal = {name: groups for name, groups in strata.items() if effective_groups(groups) < 0.9 * len(groups)}
    assert {"source Amnesty", "source ASMSpotter"} <= set(unequal)
    for name, groups in unequal.items():
        check_coverage(groups, 5_000, len(name), dict.fromkeys(LEAST, 0.91))


@pytest.mark.soak
def test_coverage_long() -> None:
    for count in (10, 15, 20, 30, 334):
        check_coverage(named([1] * count), 100_000 if count < 100 else 40_000, count)
        check_coverage(named([3] * count), 40_000 if count < 100 else 10_000, count)
    for number, name in enumerate(("clean", "full", "strict")):
        check_coverage(official_groups(name), 40_000, number)
    for name, groups in official_strata().items():
        check_coverage(groups, 40_000, len(name), dict.fromkeys(LEAST, 0.91))

"""How stable an order is: planted orders, an order of chance, and Kendall's tau against SciPy."""

from __future__ import annotations

import numpy as np
import pytest

from worldstrat_bench.stats.stability import kendall_tau, stability

TILES = 60
GROUPS = [f"g{i // 2}" for i in range(TILES)]


def test_models_far_apart_keep_their_order_on_every_half() -> None:
    rng = np.random.default_rng(0)
    columns = {name: 30 + gain + rng.normal(0, 0.1, TILES) for name, gain in (("a", 2.0), ("b", 1.0), ("c", 0.0))}
    found = stability(columns, GROUPS, "psnr")
    assert found is not None
    assert (found.agreement, found.agreement_low, found.same_first) == (1.0, 1.0, 1.0)
    assert dict(found.first) == {"a": 1.0, "b": 0.0, "c": 0.0}
    assert found.groups == 30


def test_lower_is_better_where_the_metric_says_so() -> None:
    columns = {"low": np.full(TILES, 0.1), "high": np.full(TILES, 0.2)}
    for metric, first in (("lpips", "low"), ("psnr", "high")):
        found = stability(columns, GROUPS, metric)
        assert found is not None
        assert found.first[first] == 1.0


def test_models_that_differ_by_chance_alone_agree_by_chance_alone() -> None:
    """Two halves are drawn from the same tiles: what one half has, the other lacks, so that they disagree a little."""
    rng = np.random.default_rng(1)
    columns = {f"m{i}": rng.normal(30, 1, TILES) for i in range(6)}
    columns = {name: values - values.mean() for name, values in columns.items()}
    found = stability(columns, GROUPS, "psnr")
    assert found is not None
    assert found.agreement < 0
    assert max(found.first.values()) < 0.4
    assert sum(found.first.values()) == pytest.approx(1)


def test_the_share_of_first_places_is_that_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(30, 3, TILES)
    columns = {"a": shared + rng.normal(0.05, 0.5, TILES), "b": shared + rng.normal(0, 0.5, TILES)}
    found = stability(columns, GROUPS, "psnr")
    assert found is not None
    names, firsts = sorted(set(GROUPS)), 0
    for _ in range(3000):
        chosen = rng.choice(names, size=len(names))
        rows = [i for name in chosen for i in range(TILES) if GROUPS[i] == name]
        firsts += columns["a"][rows].mean() > columns["b"][rows].mean()
    assert found.first["a"] == pytest.approx(firsts / 3000, abs=0.04)


def test_the_same_numbers_again() -> None:
    rng = np.random.default_rng(3)
    columns = {f"m{i}": rng.normal(30, 1, TILES) for i in range(4)}
    assert stability(columns, GROUPS, "psnr") == stability(columns, GROUPS, "psnr")


@pytest.mark.parametrize(
    ("columns", "groups"),
    [({"a": np.ones(8)}, list("abcdefgh")), ({}, list("ab")), ({"a": np.ones(6), "b": np.zeros(6)}, list("aabbcc"))],
)
def test_too_little_for_any_statement(columns: dict[str, np.ndarray], groups: list[str]) -> None:
    assert stability(columns, groups, "psnr") is None


def test_tau_is_that_of_scipy() -> None:
    from scipy.stats import kendalltau

    rng = np.random.default_rng(4)
    for size in (2, 3, 7, 20):
        one, other = rng.integers(0, 6, size).astype(float), rng.normal(size=size)
        expected = kendalltau(one, other).statistic
        assert kendall_tau(one, other) == pytest.approx(expected, nan_ok=True)
    assert np.isnan(kendall_tau(np.ones(3), np.arange(3.0)))

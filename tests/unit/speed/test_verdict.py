"""Every way in which a timing goes wrong gets INVALID with the right words, and an honest one does not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from worldstrat_bench.speed.verdict import Evidence, judge
from worldstrat_bench.speed_report import spread


def _steady(seed: int = 0, median: float = 0.010, noise: float = 0.01, calls: int = 60) -> tuple[float, ...]:
    rng = np.random.default_rng(seed)
    return tuple(median * (1 + noise * rng.standard_normal(calls)))


def _evidence(**changes: object) -> Evidence:
    repeats = (_steady(0), _steady(1), _steady(2))
    return Evidence(**{"repeats": repeats, "repeated": _steady(3), **changes})  # type: ignore[arg-type]


def test_an_honest_timing_is_valid() -> None:
    verdict = judge(_evidence(clock_ratio=1.01, output_difference=0.0, order_difference=1e-6, other_processes=0))
    assert verdict.word == "VALID"
    assert verdict.reasons == ()


def test_a_little_skew_is_valid() -> None:
    rng = np.random.default_rng(0)
    repeats = tuple(tuple(0.01 * (1 + 0.02 * rng.exponential(size=60))) for _ in range(3))
    assert judge(Evidence(repeats=repeats)).valid


RAMP = tuple(0.010 * (1 + 0.3 * i / 60) for i in range(60))
RNG = np.random.default_rng(1)
BIMODAL = tuple(0.010 * (1 + 0.01 * RNG.standard_normal()) + 0.006 * (i % 3 == 0) for i in range(60))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repeats": (_steady(0), _steady(1, 0.011), _steady(2))}, "repeats differ by 1"),
        ({"repeats": (RAMP, RAMP, RAMP), "repeated": RAMP}, "slower while it runs"),
        ({"repeats": (BIMODAL, BIMODAL, BIMODAL), "repeated": ()}, "two groups, about 10 ms and 16 ms"),
        ({"repeated": _steady(3, 0.001)}, "repeated tile is 90% faster"),
        ({"clock_ratio": 0.8}, "clocks? and the wall clock disagree|wall clock disagree"),
        ({"unaccounted_seconds": 0.008}, "host waited 8 ms a call longer"),
        ({"output_difference": 0.01}, "differ from the scored ones"),
        ({"output_difference": float("nan")}, "differ from the scored ones"),
        ({"order_difference": 0.5}, "depends on its neighbours"),
        ({"batch_difference": 0.5}, "depends on its batch"),
        ({"inspected": (0.09, 0.031)}, "outputs were compared took 3.1 times as long"),
        ({"warm": False}, "warm-up did not settle"),
        ({"throttled": True}, "lowered its clocks"),
        ({"other_processes": 2}, "2 other process"),
    ],
)
def test_each_fault_is_named_and_nothing_else(changes: dict[str, object], words: str) -> None:
    verdict = judge(_evidence(**changes))
    assert verdict.word == "INVALID"
    assert len(verdict.reasons) == 1, verdict.reasons
    assert re.search(words, verdict.reasons[0])


def test_a_machine_that_wanders_is_not_called_a_cache() -> None:
    """The calls of a repeated tile fell into its fast minutes."""
    slow_and_fast = (_steady(0, 0.03), _steady(1, 0.01), _steady(2, 0.03))
    reasons = judge(_evidence(repeats=slow_and_fast, repeated=_steady(3, 0.01))).reasons
    assert "the repeats differ" in reasons[0]
    assert not any("cached" in reason for reason in reasons)
    within = tuple(_steady(k, 0.03)[:40] + _steady(k, 0.029)[:20] for k in range(3))
    assert judge(_evidence(repeats=within, repeated=_steady(3, 0.029))).valid


def test_a_ramp_in_one_repeat_alone_is_chance() -> None:
    gentle = tuple(0.010 * (1 + 0.08 * i / 60) for i in range(60))
    assert not any("slower" in reason for reason in judge(_evidence(repeats=(gentle, _steady(1), _steady(2)))).reasons)


def test_spread_is_relative_to_the_median_of_medians() -> None:
    assert spread([1.0, 2.0, 4.0]) == pytest.approx(1.5)

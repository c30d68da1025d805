"""Every way in which a timing goes wrong gets INVALID with the right words, and an honest one does not."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from worldstrat_bench.artefacts.speed import spread
from worldstrat_bench.speed.stopwatch import Block
from worldstrat_bench.speed.verdict import Evidence, judge, percentiles


def _block(seed: int, median: float = 0.010, noise: float = 0.01, calls: int = 20, inputs: int = 10) -> Block:
    rng = np.random.default_rng(seed)
    return _of(median * (1 + noise * rng.standard_normal(calls)), inputs)


def _of(durations: np.ndarray[tuple[int], np.dtype[np.float64]], inputs: int) -> Block:
    ends = np.cumsum(durations)
    return Block(inputs, len(durations), (*map(float, ends), float(ends[-1])), float(ends[-1]), float(ends[-1]) + 2e-4)


def _repeat(seed: int, median: float = 0.010, blocks: int = 6) -> tuple[Block, ...]:
    return tuple(_block(100 * seed + k, median) for k in range(blocks))


def _evidence(**changes: object) -> Evidence:
    return Evidence(**{"repeats": (_repeat(0), _repeat(1), _repeat(2)), **changes})  # type: ignore[arg-type]


def _each(**changes: float) -> tuple[tuple[Block, ...], ...]:
    """Blocks whose attributes are multiplied."""
    return tuple(
        tuple(replace(b, **{name: getattr(b, name) * by for name, by in changes.items()}) for b in _repeat(k))
        for k in range(3)
    )


def test_an_honest_timing_is_valid() -> None:
    evidence = _evidence(
        audited=(0.0101, 0.0102, 0.02),
        placing=((0.11, 0.4, 0.12), (0.1, 0.1)),
        audit_placing=((0.012,), (0.004,)),
        late=((0.05, 0.001, 0.002), (0.05, -0.001, 0.005)),
        references=_beside(0.04),
        run_seconds=0.045,
        scored_difference=0.0,
        fresh_difference=1e-6,
        throttled=False,
        other_processes=0,
    )
    assert judge(evidence).reasons == ()


def test_a_little_skew_is_valid() -> None:
    rng = np.random.default_rng(0)
    repeats = tuple(tuple(_of(0.01 * (1 + 0.02 * rng.exponential(size=20)), 10) for _ in range(6)) for _ in range(3))
    assert judge(Evidence(repeats)).valid


def _alternating(more: float) -> tuple[Block, ...]:
    """References every other one of which takes so much longer."""
    return tuple(_block(k, 0.002 * (1 + more * (k % 2))) for k in range(18))


def _beside(share: float) -> tuple[Block, ...]:
    """References beside which the model's processes use a share of a core."""
    return tuple(replace(block, resting_seconds=share * block.host_seconds) for block in _alternating(0.05))


RAMP = tuple(_block(k, 0.010 * (1 + 0.06 * k)) for k in range(6))
RNG = np.random.default_rng(1)
BIMODAL = _of(np.array([0.010 * (1 + 0.01 * RNG.standard_normal()) + 0.006 * (i % 3 == 0) for i in range(60)]), 30)
CACHED = _of(np.array([0.010] * 10 + [0.0088] * 30), 10)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repeats": (_repeat(0), _repeat(1, 0.011), _repeat(2))}, "repeats differ by 1"),
        ({"repeats": (RAMP, RAMP, RAMP)}, "slower while it runs"),
        ({"repeats": ((BIMODAL,) * 2,) * 3}, "two groups, about 10 ms and 16 ms"),
        ({"repeats": ((CACHED,) * 4,) * 3}, "repeated tile is 12% faster than fresh ones"),
        ({"repeats": _each(wall_seconds=1.25)}, "the device's clock and the wall clock disagree"),
        ({"repeats": _each(host_seconds=1.1)}, "reports 91% of the time that the host waited"),
        ({"scored_difference": 0.01}, "differ from the scored ones by 0.01 reflectance"),
        ({"scored_difference": float("nan")}, "differ from the scored ones"),
        ({"fresh_difference": 0.5}, "differ by 0.5 reflectance from those of a fresh process"),
        ({"fresh_difference": float("inf")}, "fresh process"),
        ({"audited": (0.09, 0.031, 0.01)}, "whose outputs can all be asked for take 3.1 times as long"),
        ({"placing": ((0.13, 0.14, 0.1), (0.1, 0.1))}, "30 ms longer to be placed"),
        ({"audit_placing": ((0.02,), (0.005, 0.006, 0.004))}, "15 ms longer to be placed"),
        (
            {"references": _alternating(0.3)},
            "ratios of neighbouring blocks of the model and of bicubic differ by 2[67]%",
        ),
        ({"references": _beside(0.06)}, "processes kept 6% of a core busy while bicubic was timed"),
        ({"run_seconds": 0.06}, "a call takes 10 ms, where a single tile of the run took 60 ms"),
        ({"late": ((0.4, 0.1, 0.1), ())}, "outputs are not there when they are asked for, but 100 ms or more later"),
        (
            {"late": ((0.1, 0.1, 0.0), (0.0,))},
            "outputs are not there when they are asked for, but 100 ms or more later",
        ),
        ({"late": ((0.0,) * 8, (0.1, 0.0, 0.1, 0.0, 0.1))}, "asked for, but 100 ms or more later"),
        ({"warm": False}, "warm-up did not settle"),
        ({"throttled": True}, "lowered its clocks"),
        ({"other_processes": 2}, "2 other process"),
        ({"quick": True, "warm": False}, "a quick look"),
    ],
)
def test_each_fault_is_named_and_nothing_else(changes: dict[str, object], words: str) -> None:
    verdict = judge(_evidence(**changes))
    assert not verdict.valid
    assert len(verdict.reasons) == 1, verdict.reasons
    assert re.search(words, verdict.reasons[0])


def test_one_block_that_was_held_up_is_chance() -> None:
    repeat = _repeat(0)
    held_up = (replace(repeat[0], host_seconds=2 * repeat[0].host_seconds), *repeat[1:])
    assert judge(_evidence(repeats=(held_up, _repeat(1), _repeat(2)))).valid


def test_a_start_of_a_queue_is_not_a_cache() -> None:
    """The first of the calls that are handed over without waiting starts 50 microseconds late, on a fast device."""
    block = _of(np.array([0.00040, *[0.00035] * 600]), 1)
    assert judge(Evidence(((block,) * 4,) * 3)).valid


def test_a_machine_that_wanders_is_not_called_a_cache() -> None:
    first_slow = _of(np.array([0.03] * 10 + [0.01] * 10), 10)
    repeat = (first_slow, *_repeat(1)[:5])
    assert not any("cached" in reason for reason in judge(Evidence((repeat,) * 3)).reasons)


def test_a_processor_that_speeds_up_within_every_block_is_not_a_cache_of_the_model() -> None:
    """It has to do with the machine: the reference gains as much."""
    faster = ((_of(np.array([0.012] * 10 + [0.010] * 30), 10),) * 4,) * 3
    theirs = (_of(np.array([0.0024] * 50 + [0.0020] * 150), 50),) * 12
    assert any("cached" in reason for reason in judge(Evidence(faster)).reasons)
    assert judge(Evidence(faster, references=theirs)).reasons == ()


def test_a_ramp_in_one_repeat_alone_is_chance() -> None:
    assert not any("slower" in reason for reason in judge(_evidence(repeats=(RAMP, _repeat(1), _repeat(2)))).reasons)


def test_spread_is_relative_to_the_median_of_medians() -> None:
    assert spread([1.0, 2.0, 4.0]) == pytest.approx(1.5)


def test_copies_of_outputs_are_not_latency() -> None:
    """A call of 2 ms, and 3 ms for each of the last five outputs: neither two groups of durations nor a tail."""
    durations = np.array([0.002] * 15 + [0.005] * 5)
    kept = replace(_of(durations, 10), kept=5)
    assert kept.durations.max() == pytest.approx(0.002)
    assert len(kept.durations) == 15
    assert percentiles([kept] * 3) == pytest.approx((0.002,) * 3)
    assert not any("two groups" in reason for reason in judge(Evidence(((kept,) * 4,) * 3)).reasons)
    assert any("two groups" in reason for reason in judge(Evidence(((_of(durations, 10),) * 4,) * 3)).reasons)
    offline = replace(kept, marks=(0.030, 0.055, 0.055))
    assert offline.durations == pytest.approx([0.003, 0.0025]), "of cycles, in which nothing is left out"


@pytest.mark.parametrize(("cheap", "valid"), [(0, False), (2, False), (3, True)])
def test_audits_are_judged_by_their_middle(cheap: int, valid: bool) -> None:
    """A model that cheats in some of the five has to cheat in most, where its outputs are compared."""
    audited = (0.010,) * cheap + (0.020,) * (5 - cheap)
    assert judge(_evidence(audited=audited)).valid is valid


def test_very_short_audits_may_take_a_millisecond_more() -> None:
    """64 calls of 66 microseconds: a message takes some hundred microseconds more now and then."""
    fast = tuple(tuple(_block(k, 66e-6, calls=3000) for k in range(4)) for _ in range(3))
    for seconds, accused in ((76e-6, False), (81e-6, False), (99e-6, True)):
        reasons = judge(Evidence(fast, audited=(seconds,) * 5, audit_calls=64)).reasons
        assert any("asked for" in reason for reason in reasons) is accused


def _waited(durations: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Block:
    return replace(_of(durations, 10), wait=True)


def test_calls_that_are_waited_for_count_by_their_median_up_to_a_twentieth() -> None:
    durations = np.full(100, 0.010)
    durations[50] = 0.030  # one call was held up: the mean is 2 % above the median
    assert _waited(durations).per_call == pytest.approx(0.010)
    assert _of(durations, 10).per_call == pytest.approx(0.0102), "in offline the mean counts"
    durations[50] = 0.110
    assert _waited(durations).per_call == pytest.approx(0.011 / 1.05), "10 % above: less is believed"
    durations[:] = 0.0
    durations[-1] = 1.0
    assert _waited(durations).per_call == pytest.approx(0.01 / 1.05), "marks that a worker moved gain next to nothing"


def test_work_put_off_to_a_few_calls_is_named() -> None:
    rng = np.random.default_rng(0)

    def repeats(every: int) -> tuple[tuple[Block, ...], ...]:
        durations = 0.010 * (1 + 0.01 * rng.standard_normal((3, 6, 100)))
        durations[:, :, every // 2 :: every] += 0.09
        return tuple(tuple(_waited(one) for one in repeat) for repeat in durations)

    reasons = judge(_evidence(repeats=repeats(25))).reasons
    assert [reason for reason in reasons if "times their median" in reason] == [
        "the mean of the calls is 1.36 times their median: some calls take far longer than the others"
    ]
    assert judge(_evidence(repeats=repeats(90))).reasons == ()

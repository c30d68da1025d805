"""A scenario from warm-up to verdict, with fake models on a fake clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from speed_models import Machine, MadeUp, OnDevice
from worldstrat_bench.errors import InfrastructureError, ModelError
from worldstrat_bench.speed import statistics
from worldstrat_bench.speed.measure import measure
from worldstrat_bench.speed.plan import BLOCK_SECONDS, QUICK, Plan
from worldstrat_bench.speed.statistics import PUBLISHED_OF_MACHINE
from worldstrat_bench.speed.stopwatch import (
    LEAD_IN_SECONDS,
    REPEATS,
    Block,
    BlockSize,
    Rounds,
    Series,
    size_of,
    warm_up,
)
from worldstrat_bench.speed.verdict import Evidence, Verdict, judge

PLAN = Plan(seconds=1.0, warm_up_seconds=0.5)


@pytest.fixture(autouse=True)
def rounds_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-benchmark takes a second to start: only the tests of what it adds wait for it."""

    def run(
        rounds: Rounds, machine: dict[str, Any], say: Callable[[int], None] = lambda repeat: None
    ) -> dict[str, Any]:
        for repeat in range(1, REPEATS + 1):
            say(repeat)
            for _ in range(rounds.count):
                rounds.once()
        return {}

    if not request.node.name.startswith("test_pytest_benchmark"):
        monkeypatch.setattr(statistics, "run_rounds", run)


def _measure(model: MadeUp | OnDevice, reference: MadeUp | None = None, plan: Plan = PLAN) -> tuple[Series, Verdict]:
    machine = model.machine if isinstance(model, MadeUp) else Machine()
    other = reference or MadeUp(seconds=0.002, machine=machine, wait=model.wait)
    series = measure(model, other, plan, {"device": "made up"})
    return series, judge(_evidence_of(series, quick=plan.quick))


def _evidence_of(series: Series, **more: Any) -> Evidence:
    return Evidence(series.repeats, references=series.references, warm=series.warm, **more)


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("seconds", [2e-5, 0.010, 0.7, 2.6, 7.5, 31.0])
def test_a_steady_model_is_measured_as_it_is_and_valid(seconds: float, wait: bool) -> None:
    series, verdict = _measure(MadeUp(seconds, wait=wait))
    assert verdict.reasons == ()
    assert len(series.repeats) == REPEATS
    assert np.median([block.per_call for block in series.blocks]) == pytest.approx(seconds, rel=0.01)
    assert series.times_reference == pytest.approx(seconds / 0.002, rel=0.02)
    assert series.reference_seconds == pytest.approx(0.002, rel=0.01)


@pytest.mark.parametrize("seconds", [1e-5, 66e-6, 0.004, 0.05, 0.19, 0.5, 3.0])
@pytest.mark.parametrize("batch", [1, 32])
def test_blocks(seconds: float, batch: int) -> None:
    size = size_of(MadeUp(batch=batch), seconds)
    assert size.calls * seconds >= BLOCK_SECONDS
    assert size.calls % size.inputs == 0
    assert size.calls // size.inputs >= 2, "the first cycle is compared with a later one"
    assert 1 <= size.inputs * batch <= 64
    assert 1 <= size.kept * batch <= 64
    assert size.calls * seconds <= 3 * max(BLOCK_SECONDS, seconds), "no longer than it has to be"
    assert size.lead_in * seconds >= LEAD_IN_SECONDS


def test_alternation_of_the_model_and_the_reference_by_block() -> None:
    events: list[str] = []
    machine = Machine()
    model, reference = (MadeUp(name=name, events=events, machine=machine) for name in "AB")
    series, _ = _measure(model, reference)
    rounds = 2 * len(series.blocks)
    assert "".join(events[-rounds:]) == "ABBA" * (rounds // 4)


def test_a_lead_in_of_its_own_before_each_block() -> None:
    """Threads of the other worker are in the way for 30 ms: nothing of that is timed."""
    model = MadeUp(machine=Machine(crowded=True))
    series, verdict = _measure(model)
    assert verdict.reasons == ()
    assert np.median([block.per_call for block in series.blocks]) == pytest.approx(0.010, rel=0.01)
    assert series.reference_seconds == pytest.approx(0.002, rel=0.01)


def test_drift_of_the_machine_moves_both_and_not_their_ratio() -> None:
    """Half as fast after ten seconds: the milliseconds are INVALID and say why, the ratio holds."""
    machine = Machine(speed=lambda now: 1.0 / (1.0 + min(now, 10.0) / 10.0))
    series, verdict = _measure(MadeUp(machine=machine))
    assert any("the repeats differ by" in reason for reason in verdict.reasons), verdict.reasons
    assert not any("ratios of neighbouring blocks" in reason for reason in verdict.reasons), verdict.reasons
    assert series.times_reference == pytest.approx(5, rel=0.03)


def test_the_warm_up_is_excluded() -> None:
    series, verdict = _measure(MadeUp(kind="cold"))
    assert max(block.per_call for block in series.blocks) < 0.011
    assert verdict.valid


def test_a_warm_up_that_does_not_settle_says_so() -> None:
    steady = warm_up(MadeUp(), 1.0)
    assert steady.settled
    assert steady.seconds == pytest.approx(0.010, rel=0.02)
    assert not warm_up(MadeUp(kind="uneven"), 0.2).settled
    _, verdict = _measure(MadeUp(kind="uneven"))
    assert any("warm-up did not settle" in reason for reason in verdict.reasons)


LIARS = {
    "always": lambda block: 0.1,
    "mostly": lambda block: 1.0 if block % 25 == 0 else 0.01,
    "a little": lambda block: 0.93,
    "two in five": lambda block: 0.5 if block % 5 < 2 else 1.0,
}


@pytest.mark.parametrize("liar", LIARS)
@pytest.mark.parametrize("seconds", [2e-4, 0.005, 0.1])
def test_a_worker_that_lies_about_its_time(liar: str, seconds: float) -> None:
    _, verdict = _measure(MadeUp(seconds, claims=LIARS[liar]))
    assert any("of the time that the host waited" in reason for reason in verdict.reasons), verdict.reasons


@pytest.mark.parametrize("wait", [True, False])
def test_a_device_whose_clock_is_not_the_wall_clock(wait: bool) -> None:
    _, verdict = _measure(MadeUp(device_over_wall=0.8, wait=wait))
    assert any("wall clock disagree (ratio 0.80)" in reason for reason in verdict.reasons), verdict.reasons


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("seconds", [2e-4, 0.010, 0.3])
def test_a_caching_model(seconds: float, wait: bool) -> None:
    _, verdict = _measure(MadeUp(seconds, kind="caching", wait=wait))
    words = "a repeated tile is 95% faster than fresh ones: results are cached between calls"
    assert words in verdict.reasons


def test_a_caching_model_on_a_machine_that_is_not_steady() -> None:
    """What it saves is more than what the machine's speed makes of it."""
    _, verdict = _measure(MadeUp(kind="caching", machine=Machine(speed=_wandering)))
    assert any("cached between calls" in reason for reason in verdict.reasons), verdict.reasons
    assert len(verdict.reasons) > 1


@pytest.mark.parametrize("seed", range(8))
def test_an_honest_model_on_a_machine_that_is_not_steady_is_not_called_a_cache(seed: int) -> None:
    """Half as fast for some tenths of a second, again and again."""
    machine = Machine(speed=lambda now: _wandering(now + 0.37 * seed))
    _, verdict = _measure(MadeUp(machine=machine))
    assert verdict.reasons
    assert not any("cached" in reason for reason in verdict.reasons), verdict.reasons


def _wandering(now: float) -> float:
    return 0.5 if math.sin(7 * now) + math.sin(4.4 * now) > 0.3 else 1.0


def test_neighbours_that_do_not_agree() -> None:
    """The reference is slowed down now and then, the model is not: the milliseconds hold, the ratio does not."""
    machine = Machine()
    model, reference = MadeUp(machine=machine), MadeUp(0.002, machine=machine)
    machine.speed = lambda now: 0.8 if machine.last is reference and len(reference.blocks) % 3 == 0 else 1.0
    _, verdict = _measure(model, reference)
    (reason,) = verdict.reasons
    assert "the ratios of neighbouring blocks of the model and of bicubic differ by 20% (more than 10%)" in reason


@pytest.mark.parametrize("wait", [True, False])
def test_an_asynchronous_device(wait: bool) -> None:
    """Calls return after 10 microseconds; events on the device know when their work was done."""
    model = OnDevice(seconds=0.004, wait=wait)
    series, verdict = _measure(model)
    assert verdict.reasons == ()
    assert np.median([block.per_call for block in series.blocks]) == pytest.approx(0.004, rel=0.02)
    assert series.times_reference == pytest.approx(2, rel=0.03)


def test_an_asynchronous_device_whose_worker_waits_for_nothing() -> None:
    """Its calls look free; the work is still to be done when the host asks for an output."""
    model = OnDevice(seconds=0.004, wait=False, hurried=True)
    late: list[float] = []
    series = measure(model, MadeUp(0.002), PLAN, {}, lambda index, count: late.append(model.take()))
    assert np.median([block.per_call for block in series.blocks]) < 1e-3
    verdict = judge(_evidence_of(series, late=(tuple(late),)))
    assert any("outputs are not there when they are asked for, but " in r for r in verdict.reasons), verdict.reasons


def test_throttling() -> None:
    """The device slows down by a fifth after some seconds, and says that it lowered its clocks."""
    machine = Machine(speed=lambda now: 1.0 if now < 4 else 0.8)
    model, throttled = MadeUp(machine=machine), []
    series = measure(
        model, MadeUp(0.002, machine=machine), PLAN, {}, lambda index, count: throttled.append(machine.now >= 4)
    )
    verdict = judge(_evidence_of(series, throttled=any(throttled)))
    assert "the device lowered its clocks while it ran" in verdict.reasons
    assert any("the repeats differ by 20%" in reason for reason in verdict.reasons), verdict.reasons
    silent = judge(_evidence_of(series, throttled=None))
    assert any("the repeats differ by 20%" in reason for reason in silent.reasons), "seen without a sensor, too"


def test_a_bimodal_model_where_each_call_is_timed() -> None:
    _, verdict = _measure(MadeUp(kind="bimodal"))
    words = "the durations fall into two groups, about 10 ms and 16 ms: a median describes neither"
    assert words in verdict.reasons


def test_calls_that_get_slower_within_every_repeat() -> None:
    machine = Machine()
    model = MadeUp(machine=machine)
    reference = MadeUp(seconds=0.002, machine=machine)
    count = 4
    timed = {"blocks": 0}

    def tired(now: float) -> float:
        return 1.0 - 0.05 * (timed["blocks"] % count)

    machine.speed = tired

    def after(index: int, total: int) -> None:
        timed["blocks"] = index + 1

    series = measure(model, reference, PLAN, {}, after)
    assert len(series.repeats[0]) == count
    verdict = judge(Evidence(series.repeats))
    assert any("slower while it runs" in reason for reason in verdict.reasons), verdict.reasons


def test_pytest_benchmark_makes_the_document() -> None:
    series, _ = _measure(MadeUp())
    assert series.benchmark["machine_info"]["worldstrat_bench"] == {"device": "made up"}
    assert set(series.benchmark["machine_info"]) <= {*PUBLISHED_OF_MACHINE, "worldstrat_bench"}
    assert series.benchmark["commit_info"] == {}
    benchmarks = series.benchmark["benchmarks"]
    assert [b["extra_info"]["repeat"] for b in benchmarks] == [1, 2, 3]
    assert benchmarks[0]["stats"]["median"] == pytest.approx(0.010, rel=0.01)
    assert benchmarks[0]["stats"]["rounds"] == len(series.repeats[0])
    assert len(benchmarks[0]["extra_info"]["reference_seconds"]) == len(series.repeats[0])


@pytest.mark.parametrize(("plan", "longest"), [(Plan(), 60), (Plan(seconds=1.0, budget_seconds=16.0), 20), (QUICK, 10)])
@pytest.mark.parametrize("seconds", [6e-5, 0.004, 0.05, 0.1, 0.25])
def test_the_budget(plan: Plan, longest: float, seconds: float) -> None:
    """What passes on the fake clock, the warm-up included."""
    machine = Machine()
    model = MadeUp(seconds, machine=machine)
    _measure(model, MadeUp(5e-5, machine=machine), plan)
    assert machine.now < longest


def test_a_quick_look_is_never_valid() -> None:
    _, verdict = _measure(MadeUp(), plan=QUICK)
    assert verdict.reasons == ("it was a quick look (--quick): too few blocks to tell",)


def test_how_long_it_will_take_is_told() -> None:
    heard: list[str] = []
    measure(MadeUp(0.1), MadeUp(0.1), Plan(seconds=2), {}, say=heard.append)
    assert heard[0] == "warming up"
    assert heard[1].startswith("3 repeats of 8 blocks of 3 calls, about ")
    assert 15 <= int(heard[1].split()[-2]) <= 20  # 48 blocks of 3 calls of 0.1 s; these inputs take no time to make
    assert heard[2:] == ["repeat 1 of 3", "repeat 2 of 3", "repeat 3 of 3"]


def test_every_block_of_the_model_is_announced() -> None:
    heard: list[tuple[int, int]] = []
    series = measure(MadeUp(), MadeUp(), PLAN, {}, lambda index, count: heard.append((index, count)))
    assert heard == [(k, len(series.blocks)) for k in range(len(series.blocks))]


class Failing(MadeUp):
    """Breaks when it is timed, after the warm-up."""

    error: Exception = ModelError("the model crashed")

    def block(self, size: BlockSize) -> Block:
        if len(self.blocks) > 8:
            raise self.error
        return super().block(size)


def test_pytest_benchmark_lets_a_model_error_through() -> None:
    with pytest.raises(ModelError, match="the model crashed"):
        measure(Failing(), MadeUp(), PLAN, {})


def test_pytest_benchmark_cannot_go_on_after_anything_else() -> None:
    broken = Failing()
    broken.error = RuntimeError("oops")
    with pytest.raises(InfrastructureError, match="could not time"):
        measure(broken, MadeUp(), PLAN, {})

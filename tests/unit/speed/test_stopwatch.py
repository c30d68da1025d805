"""A scenario from warm-up to verdict, with made-up devices: what pytest-benchmark sees is what the worker says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from worldstrat_bench.errors import InfrastructureError, ModelError
from worldstrat_bench.speed.stopwatch import (
    MOST_ROUNDS,
    PUBLISHED_OF_MACHINE,
    REPEATS,
    Call,
    Plan,
    Series,
    measure,
    warm_up,
)
from worldstrat_bench.speed.verdict import Evidence, Verdict, judge

PLAN = Plan(seconds=0.3, min_rounds=12, warm_up_seconds=5.0)


@dataclass
class Fake:
    """A model that takes as long as its kind says; no time passes."""

    median: float = 0.010
    kind: str = "steady"
    calls: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    seen: set[int] = field(default_factory=set)
    variants: list[int] = field(default_factory=list)

    def call(self, variant: int) -> Call:
        self.calls += 1
        self.variants.append(variant)
        seconds = self.median * (1 + 0.005 * self.rng.standard_normal())
        if self.kind == "cold" and self.calls <= 20:
            seconds *= 10 - 0.4 * self.calls
        if self.kind == "ramp":
            seconds *= 1 + 0.02 * self.calls
        if self.kind == "bimodal" and self.rng.random() < 1 / 3:
            seconds *= 1.6
        if self.kind == "uneven" and self.calls % 2:
            seconds *= 1.6
        if self.kind == "caching" and variant in self.seen:
            seconds *= 0.05
        self.seen.add(variant)
        waited = seconds + 0.003 + (0.020 if self.kind == "lying" else 0.0)
        return Call(seconds, seconds * (1.3 if self.kind == "drift" else 1.0), waited)


def _measure(kind: str) -> tuple[Series, Verdict]:
    series = measure(Fake(kind=kind), Fake(median=0.002), PLAN, {"device": "made up"})
    evidence = Evidence(
        series.repeats, series.repeated, series.clock_ratio, series.unaccounted_seconds, warm=series.warm
    )
    return series, judge(evidence)


def test_a_steady_model_is_measured_as_it_is_and_valid() -> None:
    series, verdict = _measure("steady")
    assert verdict.reasons == ()
    assert len(series.repeats) == REPEATS
    assert all(len(repeat) >= PLAN.min_rounds for repeat in series.repeats)
    assert np.median(np.concatenate(series.repeats)) == pytest.approx(0.010, rel=0.01)
    assert series.times_reference == pytest.approx(5, rel=0.02)
    assert series.reference_seconds == pytest.approx(0.002, rel=0.01)


def test_the_document_is_pytest_benchmarks_own() -> None:
    series, _ = _measure("steady")
    assert series.benchmark["machine_info"]["worldstrat_bench"] == {"device": "made up"}
    assert set(series.benchmark["machine_info"]) <= {*PUBLISHED_OF_MACHINE, "worldstrat_bench"}
    assert series.benchmark["commit_info"] == {}
    benchmarks = series.benchmark["benchmarks"]
    assert [b["extra_info"]["repeat"] for b in benchmarks] == [1, 2, 3]
    assert benchmarks[0]["stats"]["median"] == pytest.approx(0.010, rel=0.01)
    assert benchmarks[0]["stats"]["rounds"] == len(series.repeats[0])


def test_inputs_differ_from_call_to_call_but_for_the_repeated_ones() -> None:
    fake = Fake()
    measure(fake, Fake(), PLAN, {})
    distinct = fake.variants[: -(PLAN.min_rounds + 1)]
    assert len(set(distinct)) == len(distinct)
    assert len(set(fake.variants[-(PLAN.min_rounds + 1) :])) == 1


def test_the_warm_up_is_excluded() -> None:
    series, verdict = _measure("cold")
    assert max(max(repeat) for repeat in series.repeats) < 0.011
    assert verdict.valid


def test_a_warm_up_that_does_not_settle_says_so() -> None:
    steady = warm_up(Fake(), 1.0)
    assert steady.settled
    assert steady.seconds == pytest.approx(0.010, rel=0.02)
    assert not warm_up(Fake(kind="uneven"), 1.0).settled


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("drift", "wall clock disagree"),
        ("ramp", "slower while it runs"),
        ("bimodal", "two groups"),
        ("caching", "cached between calls"),
        ("lying", "host waited 20 ms a call longer"),
    ],
)
def test_what_cannot_be_believed_is_invalid_with_the_right_words(kind: str, words: str) -> None:
    _, verdict = _measure(kind)
    assert verdict.word == "INVALID"
    assert any(words in reason for reason in verdict.reasons), verdict.reasons


@dataclass
class Threads:
    """What two models share: the threads of the last one are in the way of a call of the other for a while."""

    last: Fake | None = None
    since: float = 0.0


@dataclass
class Crowded(Fake):
    """A model whose calls are slow until the threads of another have given up."""

    machine: Threads = field(default_factory=Threads)

    def call(self, variant: int) -> Call:
        if self.machine.last is not self:
            self.machine.last, self.machine.since = self, 0.0
        call = super().call(variant)
        slow = call.seconds * (2.0 if self.machine.since < 0.013 else 1.0)
        self.machine.since += slow + 0.003
        return Call(slow, slow, slow + 0.003)


def test_a_timed_call_follows_one_of_its_own_kind() -> None:
    machine = Threads()
    series = measure(Crowded(machine=machine), Crowded(median=0.002, machine=machine), PLAN, {})
    assert np.median(np.concatenate(series.repeats)) == pytest.approx(0.010, rel=0.01)
    assert series.reference_seconds == pytest.approx(0.002, rel=0.01)


def test_inspections_are_timed_calls_that_nobody_can_foresee() -> None:
    places = set()
    for _ in range(4):
        fake = Fake()
        seen: list[int] = []

        def look(variant: int, fake: Fake = fake, seen: list[int] = seen) -> Call:
            seen.append(fake.calls)
            return Call(0.5, 0.5, 0.503)

        series = measure(fake, Fake(), PLAN, {}, (look, look))
        assert len(seen) == 2
        assert sum(model == 0.5 for model, _ in series.pairs) == 2
        places.add(tuple(seen))
    assert len(places) > 1


def test_long_calls_are_not_made_twice() -> None:
    fake = Fake(median=1.0)
    series = measure(fake, Fake(), PLAN, {})
    timed = sum(len(repeat) for repeat in series.repeats)
    assert fake.calls < 1.4 * timed + PLAN.min_rounds
    assert series.times_reference == pytest.approx(100, rel=0.02)


def test_how_long_it_will_take_is_told() -> None:
    heard: list[str] = []
    measure(Fake(median=0.1), Fake(median=0.1), Plan(seconds=2, min_rounds=9), {}, say=heard.append)
    assert len(heard) == 1  # 3 repeats of about 20 rounds of 4 calls, which the host waits 0.103 s for
    assert 24 <= int(heard[0].split()[1]) <= 27


def test_a_fast_model_is_not_called_for_ever() -> None:
    series = measure(Fake(median=1e-4), Fake(median=1e-4), Plan(seconds=30, min_rounds=9), {})
    assert all(len(repeat) <= 1.1 * MOST_ROUNDS for repeat in series.repeats)


@dataclass
class Failing(Fake):
    """Breaks when it is timed, after the warm-up."""

    def call(self, variant: int) -> Call:
        if variant > 5:
            raise ModelError("the model crashed")
        return super().call(variant)


def test_a_model_that_fails_while_timed_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="the model crashed"):
        measure(Failing(), Fake(), PLAN, {})


def test_anything_else_is_infrastructure() -> None:
    class Broken(Fake):
        def call(self, variant: int) -> Call:
            if variant > 5:
                raise RuntimeError("oops")
            return super().call(variant)

    with pytest.raises(InfrastructureError, match="could not time"):
        measure(Broken(), Fake(), PLAN, {})

"""One scenario, timed: warm-up, three repeats by pytest-benchmark, the reference interleaved call by call.

pytest-benchmark calibrates, chooses the rounds and computes the statistics. It does so in the host, where no
model runs; its timer is a made-up one that is advanced by the durations that the worker reports.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from worldstrat_bench.errors import InfrastructureError, WorldstratBenchError

REPEATS = 3
WARM_UP_SECONDS = 30.0
WARM_UP_AGREEMENT = 0.02
WARM_UP_CALLS = 3
MOST_ROUNDS = 200
"""Calls in each repeat, at most: the median of a fast model needs no more."""
LEAD_IN_SECONDS = 0.020
"""Time that a worker is kept busy, untimed, before each of its timed calls."""
LONG_CALL_SECONDS = 20 * LEAD_IN_SECONDS
"""A call this long needs no lead-in: what it would mend is a twentieth of the call at most."""
TICK = 1e-9
PUBLISHED_OF_MACHINE = frozenset({"machine", "python_implementation", "python_version", "system", "cpu"})
"""What a submission may tell of the machine that it was timed on, by pytest-benchmark's names."""


@dataclass(frozen=True)
class Call:
    """Seconds that one call took, by the device's clock and the worker's wall clock; what the host waited for it."""

    seconds: float
    wall_seconds: float
    host_seconds: float


class Subject(Protocol):
    """Something that can be timed."""

    def call(self, variant: int) -> Call:
        """Run once on inputs that are those of `variant` alone: another number, other inputs."""
        ...


@dataclass(frozen=True)
class Plan:
    """How long to time.

    Attributes
    ----------
    seconds : of timed calls in each repeat, about; no more than `MOST_ROUNDS` calls.
    min_rounds : calls in each repeat, at least.
    warm_up_seconds : of warm-up, at most.
    """

    seconds: float = 3.0
    min_rounds: int = 9
    warm_up_seconds: float = WARM_UP_SECONDS


@dataclass(frozen=True)
class Series:
    """What was measured in one scenario.

    Attributes
    ----------
    repeats : seconds a call as pytest-benchmark recorded them, per repeat.
    pairs : (seconds of the model, seconds of the reference) for every interleaved pair of calls.
    repeated : seconds a call with the same inputs again and again.
    clock_ratio : device seconds over wall seconds, summed over all timed calls.
    unaccounted_seconds : least time that the host waited beyond what the worker reported, less the same of the
        reference, whose transport is the same.
    warm : whether the warm-up settled.
    benchmark : pytest-benchmark's own JSON document.
    """

    repeats: tuple[tuple[float, ...], ...]
    pairs: tuple[tuple[float, float], ...]
    repeated: tuple[float, ...]
    clock_ratio: float
    unaccounted_seconds: float
    warm: bool
    benchmark: dict[str, Any] = field(repr=False)

    @property
    def times_reference(self) -> float:
        """Median over the pairs of model / reference: drift of the machine hits both and cancels."""
        return float(np.median([model / reference for model, reference in self.pairs]))

    @property
    def reference_seconds(self) -> float:
        """Median seconds of a call of the reference."""
        return float(np.median([reference for _, reference in self.pairs]))


class VirtualTimer:
    """A clock that stands still until it is told how long something took."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def now(self) -> float:
        """Seconds; every reading takes a tick, or pytest-benchmark could not find the clock's precision."""
        self._seconds += TICK
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += seconds


Inspection = Callable[[int], Call]
"""A timed call like any other, but that its output is looked at; takes the variant."""


@dataclass
class Rounds:
    """The state that the rounds of one scenario share; the fixture of :mod:`rounds` hands it to pytest."""

    subject: Subject
    reference: Subject
    timer: VirtualTimer
    long_calls: bool = False
    inspections: dict[int, Inspection] = field(default_factory=dict)
    variant: int = 1
    seconds: float = 0.0
    wall_seconds: float = 0.0
    pairs: list[tuple[float, float]] = field(default_factory=list)
    repeats: list[tuple[float, ...]] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)
    failure: WorldstratBenchError | None = None

    def once(self) -> None:
        """One timed call of the model on fresh inputs, then one of the reference on the same."""
        try:
            self._once()
        except WorldstratBenchError as error:
            self.failure = error  # pytest would make a line of text of it
            raise

    def _once(self) -> None:
        if not self.long_calls:
            self._lead_in(self.subject)
        self.variant += 1
        variant = self.variant
        inspection = self.inspections.get(len(self.pairs), self.subject.call)
        timed = inspection(variant)
        self.timer.advance(timed.seconds)
        self.seconds += timed.seconds
        self.wall_seconds += timed.wall_seconds
        self._lead_in(self.reference)
        reference = self.reference.call(variant)
        self.pairs.append((timed.seconds, reference.seconds))
        self.waits.append((timed.host_seconds - timed.seconds, reference.host_seconds - reference.seconds))

    def _lead_in(self, subject: Subject) -> None:
        """Untimed calls on fresh inputs, so that a timed call follows one of its own kind, as in a long run.

        Threads of a worker that has just answered look for more work for some milliseconds, in the way of the other
        worker's; and after a pause a call has to wake its own. Either doubled the time of the reference on two cores.
        """
        busy = 0.0
        while busy < LEAD_IN_SECONDS:
            self.variant += 1
            busy += subject.call(self.variant).host_seconds

    @property
    def unaccounted_seconds(self) -> float:
        """See :class:`Series`."""
        ours, references = zip(*self.waits, strict=True)
        return float(min(ours) - min(references))

    def keep(self, durations: list[float]) -> None:
        """The durations of one repeat, as pytest-benchmark recorded them."""
        self.repeats.append(tuple(durations))


def measure(
    subject: Subject,
    reference: Subject,
    plan: Plan,
    machine: dict[str, Any],
    inspections: Sequence[Inspection] = (),
    say: Callable[[str], None] = lambda text: None,
) -> Series:
    """Time `subject` with `reference` interleaved.

    Parameters
    ----------
    machine : device, driver and clocks, added to pytest-benchmark's machine information.
    inspections : take the place of as many timed calls, drawn at random from those that are made in any case.
    say : is told how long it will take.

    Raises
    ------
    InfrastructureError
        if pytest-benchmark could not do its part.
    """
    warm_reference = warm_up(reference, plan.warm_up_seconds)
    warm = warm_up(subject, plan.warm_up_seconds)
    seconds = min(plan.seconds, MOST_ROUNDS * warm.seconds)
    long_calls = warm.seconds >= LONG_CALL_SECONDS
    calls = max(plan.min_rounds, math.ceil(seconds / warm.seconds))
    one = (warm.host_seconds if long_calls else _led_seconds(warm)) + _led_seconds(warm_reference)
    say(f"about {REPEATS * calls * one:.0f} s")
    rounds = Rounds(subject, reference, VirtualTimer(), long_calls)
    places = random.SystemRandom().sample(range(REPEATS * plan.min_rounds), len(inspections))
    rounds.inspections = dict(zip(places, inspections, strict=True))
    document = run_rounds(rounds, replace(plan, seconds=seconds), machine)
    again = tuple(subject.call(1).seconds for _ in range(plan.min_rounds + 1))[1:]
    ratio = rounds.seconds / rounds.wall_seconds if rounds.wall_seconds else 1.0
    return Series(
        tuple(rounds.repeats), tuple(rounds.pairs), again, ratio, rounds.unaccounted_seconds, warm.settled, document
    )


def _led_seconds(warm: WarmUp) -> float:
    """What a timed call and the calls that lead to it take, as the host sees it."""
    return (1 + math.ceil(LEAD_IN_SECONDS / warm.host_seconds)) * warm.host_seconds


class WarmUp(NamedTuple):
    """Whether the last calls of a warm-up agreed, their median seconds, and how long the host waited for the last."""

    settled: bool
    seconds: float
    host_seconds: float


def warm_up(subject: Subject, seconds: float) -> WarmUp:
    """Call until three calls in a row agree within 2 %, or for so many seconds."""
    spent = 0.0
    recent: list[float] = []
    variant = -1
    while spent < seconds:
        call = subject.call(variant)
        variant -= 1
        spent += call.wall_seconds
        recent = [*recent, call.seconds][-WARM_UP_CALLS:]
        if len(recent) == WARM_UP_CALLS and max(recent) <= (1 + WARM_UP_AGREEMENT) * min(recent):
            return WarmUp(True, float(np.median(recent)), call.host_seconds)
    return WarmUp(False, float(np.median(recent)), call.host_seconds)


def run_rounds(rounds: Rounds, plan: Plan, machine: dict[str, Any]) -> dict[str, Any]:
    """Let pytest-benchmark run the repeats; its JSON document."""
    import pytest

    with tempfile.TemporaryDirectory(prefix="wsb-speed-") as folder:
        settings = Path(folder, "pytest.ini")
        settings.write_text("[pytest]\n", encoding="utf-8")
        report = Path(folder, "benchmark.json")
        output = io.StringIO()
        with _no_other_plugins(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = pytest.main(
                ["-c", str(settings), "--rootdir", folder, "--import-mode=importlib", "-q", "-s",
                 "-p", "pytest_benchmark.plugin", "-p", "no:cacheprovider", "-p", "no:faulthandler",
                 f"--benchmark-json={report}", f"--benchmark-storage=file://{folder}", "--benchmark-quiet",
                 str(Path(__file__).with_name("rounds.py"))],
                plugins=[RoundsPlugin(rounds, plan, machine)],
            )  # fmt: skip
        if code != 0 or len(rounds.repeats) != REPEATS:
            _raise(rounds, output.getvalue())
        document: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return document


class RoundsPlugin:
    """What :mod:`rounds` needs from outside, as a pytest plugin."""

    def __init__(self, rounds: Rounds, plan: Plan, machine: dict[str, Any]) -> None:
        self._rounds = rounds
        self._plan = plan
        self._machine = machine

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """One test a repeat."""
        metafunc.parametrize("repeat", range(1, REPEATS + 1))

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """The made-up timer and the plan, for every repeat."""
        import pytest

        for item in items:
            item.add_marker(
                pytest.mark.benchmark(
                    timer=self._rounds.timer.now,
                    max_time=self._plan.seconds,
                    min_rounds=self._plan.min_rounds,
                    min_time=0.0,
                    warmup=False,
                    disable_gc=False,
                )
            )

    def pytest_benchmark_update_machine_info(self, config: Any, machine_info: dict[str, Any]) -> None:
        """Device, driver and clocks beside what is published of the machine; its name and its kernel stay private."""
        for key in set(machine_info) - PUBLISHED_OF_MACHINE:
            del machine_info[key]
        machine_info["worldstrat_bench"] = self._machine

    def pytest_benchmark_update_commit_info(self, config: Any, commit_info: dict[str, Any]) -> None:
        """The repository that the user happens to stand in is nobody's business."""
        commit_info.clear()

    @property
    def pytest_rounds(self) -> Rounds:
        """The state that the fixture hands out."""
        return self._rounds


def _raise(rounds: Rounds, output: str) -> None:
    if rounds.failure is not None:
        raise rounds.failure
    tail = "\n".join(output.strip().splitlines()[-15:])
    raise InfrastructureError("pytest-benchmark could not time the model", where=tail or None)


@contextlib.contextmanager
def _no_other_plugins() -> Iterator[None]:
    """Only pytest-benchmark: what else is installed, or runs around us, must not change how a model is timed."""
    settings = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_XDIST_WORKER": None, "PYTEST_ADDOPTS": None}
    before = {name: os.environ.get(name) for name in settings}
    _set_environment(settings)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value

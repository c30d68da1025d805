"""A whole timing session: one model and the reference, one device, the scenarios, the verdicts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from worldstrat_bench.artefacts.record import Device, Environment
from worldstrat_bench.artefacts.speed import SpeedReport, Timing
from worldstrat_bench.speed.checks import OutputChecks, difference
from worldstrat_bench.speed.figures import Scenario, make_timing
from worldstrat_bench.speed.inputs import TimedTiles, Variations
from worldstrat_bench.speed.measure import measure
from worldstrat_bench.speed.plan import Plan, within
from worldstrat_bench.speed.scored import Scored
from worldstrat_bench.speed.sensors import NO_ENERGY, NO_NVML, Reading, Sensor, strangers
from worldstrat_bench.speed.stopwatch import LONG_CALL_SECONDS, Series
from worldstrat_bench.speed.subjects import Seeded, WorkerSubject, message_seconds, outputs_of, started
from worldstrat_bench.speed.sweep import Sweep, best_batch, sweep
from worldstrat_bench.speed.verdict import Evidence
from worldstrat_bench.worker import Hello, ModelSpec, Worker
from worldstrat_bench.worker.timed import TimedWorker
from worldstrat_bench.worker.types import ModelFigures, PeakMemory

SCENARIOS: tuple[Scenario, ...] = ("single", "offline")
REFERENCE = ModelSpec("worldstrat_bench.worker.inside.reference:load")
JOULES_PER_KWH = 3.6e6
SEED_MATTERS = 1e-5
"""Two seeds that change an output by more, reflectance, are set before every call."""
MEMORY_CALLS = 4
"""Calls after which the memory is read: `torch.compile` records a graph again in its second and third."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class SpeedRequest:
    """Request for a timing.

    Attributes
    ----------
    scored : predictions of the run that the timed outputs are compared with; None without a run.
    batch_max : largest batch of the sweep.
    """

    model: ModelSpec
    name: str
    tiles: TimedTiles
    device: str = "cpu"
    scenarios: tuple[Scenario, ...] = SCENARIOS
    precision: str = "declared"
    isolation: str = "auto"
    plan: Plan = field(default_factory=Plan)
    batch_max: int = 64
    scored: Scored | None = None
    forbidden: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SpeedResult:
    """The report, and pytest-benchmark's own documents by scenario."""

    report: SpeedReport
    benchmarks: dict[str, dict[str, Any]]


@dataclass
class _Run:
    """Result of one scenario, before its outputs are compared with those of a fresh process."""

    scenario: Scenario
    batch: int
    speeds: Sweep
    series: Series
    looks: OutputChecks
    throttled: bool | None
    strangers: int | None


def time_model(request: SpeedRequest, say: Say) -> SpeedResult:
    """Time a model in its confined worker, with the reference bicubic in another beside it.

    Raises
    ------
    ModelError
        if the model fails while it is timed.
    InfrastructureError
        if a worker or pytest-benchmark cannot do its part.
    """
    began = time.perf_counter()
    confined = Worker(request.model, device=request.device, isolation=request.isolation, forbidden=request.forbidden)
    with started(confined, Worker(REFERENCE, device=request.device)) as (worker, reference):
        # At the end the model starts once more, in a fresh process: as slowly as now.
        start_seconds = time.perf_counter() - began
        until = began + request.plan.total_seconds - start_seconds
        return _TimingSession(request, worker, reference, until, say).run()


class _TimingSession:
    """One model and the reference on one device.

    Parameters
    ----------
    until : by `time.perf_counter`, when all scenarios should be over.
    """

    def __init__(self, request: SpeedRequest, worker: Worker, reference: Worker, until: float, say: Say) -> None:
        self._request = request
        self._until = until
        self._processes = (worker, reference)
        self._worker = TimedWorker(worker, request.precision)
        self._reference = TimedWorker(reference, who="the reference bicubic")
        self._say = say
        self._sensor = Sensor.open(request.device)
        self._variations = Variations(request.tiles.tasks)
        self._reference_variations = Variations(request.tiles.tasks, frames=1)
        self._seeded = False
        self._message_seconds = message_seconds(self._reference)
        self._readings: list[Reading] = []

    def run(self) -> SpeedResult:
        hello = self._processes[0].hello
        # First: setting seeds is part of a call for models that draw numbers, and of no other's.
        self._seeded = self._depends_on_seed()
        figures = self._figures()
        scenarios = self._request.scenarios
        runs = [self._time(scenario, len(scenarios) - index) for index, scenario in enumerate(scenarios)]
        energy = self._measure_energy(runs[-1])
        self._say("comparing outputs with those of a fresh process")
        # A process that has just been timed may hold results of the timed inputs; a fresh one has to compute them.
        self._processes[0].restart()
        memory = self._memory(max(runs, key=lambda run: run.batch))
        timings = tuple(self._timing(run) for run in runs)
        report = SpeedReport(
            record_id=self._request.scored.record_id if self._request.scored else None,
            compared_tiles=len(set().union(*(run.looks.compared for run in runs))),
            model=self._request.name,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            device=_device(hello),
            environment=Environment(
                python=hello.python, torch=hello.torch, cuda=hello.cuda, packages=dict(hello.packages)
            ),
            isolation=hello.isolation,
            timings=timings,
            parameters=figures.parameters,
            flops_per_tile=figures.flops,
            peak_host_bytes=memory.host_bytes,
            peak_device_bytes=memory.device_bytes,
            km2_per_kwh=energy,
            nulls=self._nulls(figures, memory, energy, timings),
        )
        return SpeedResult(report, {run.scenario: run.series.benchmark for run in runs})

    def _nulls(
        self, figures: ModelFigures, memory: PeakMemory, energy: float | None, timings: Sequence[Timing]
    ) -> dict[str, str]:
        no_memory = "a CPU has no memory of its own"
        no_transfer = "a CPU reads its inputs where they are" if memory.device_bytes is None else "not reported"
        nulls = {
            "parameters": "the model holds no torch module" if figures.parameters is None else None,
            "flops_per_tile": "torch's counter saw no operation that it knows" if figures.flops is None else None,
            "peak_device_bytes": no_memory if memory.device_bytes is None else None,
            "transfer_ms": no_transfer if any(timing.transfer_ms is None for timing in timings) else None,
            "run_tile_ms": self._why_no_run_seconds() if self._run_seconds() is None else None,
            "km2_per_kwh": (NO_NVML if self._sensor is None else NO_ENERGY) if energy is None else None,
        }
        return {name: reason for name, reason in nulls.items() if reason}

    def _depends_on_seed(self) -> bool:
        task = self._variations.task(1)
        first, second = outputs_of(self._worker, [Seeded(task, 1), Seeded(task, 2)])
        return difference(first, second) > SEED_MATTERS

    def _figures(self) -> ModelFigures:
        """Parameters and FLOPs of a tile; not timed."""
        self._worker.place([self._variations.task(1)], [None])
        return self._worker.inspect()

    def _memory(self, run: _Run) -> PeakMemory:
        """Return the memory's peak in a fresh process: neither the sweep nor the harness's inputs count."""
        self._worker.place([self._variations.task(run.batch)], [None])
        slow = run.series.blocks[0].guess >= LONG_CALL_SECONDS
        return self._worker.memory(1 if slow else MEMORY_CALLS)

    def _run_seconds(self) -> float | None:
        """Seconds a tile of the run that is timed, if it was on this class of device."""
        scored = self._request.scored
        same = scored is not None and scored.device_class == self._processes[0].hello.device_class
        return scored.tile_seconds if scored is not None and same else None

    def _why_no_run_seconds(self) -> str:
        scored = self._request.scored
        if scored is None:
            return "timed without a run"
        if scored.tile_seconds is None:
            return "the run has no timings.csv with seconds of its tiles"
        return f"the run was on another class of device: {scored.device_class}"

    def _subject(self, scenario: Scenario, batch: int) -> WorkerSubject:
        wait = scenario == "single"
        return WorkerSubject(self._worker, self._variations, batch, wait, self._seeded, self._message_seconds)

    def _time(self, scenario: Scenario, scenarios_left: int) -> _Run:
        began = time.perf_counter()
        # What an earlier scenario did not use is shared by those that are left.
        until = began + (self._until - began) / scenarios_left
        speeds: Sweep = {}
        if scenario == "offline":
            most = min(self._request.batch_max, self._variations.tiles_at_most)
            speeds = sweep(lambda b: self._subject(scenario, b), most, lambda text: self._say(f"offline: {text}"))
        batch = best_batch(speeds)
        subject = self._subject(scenario, batch)
        # The model rests in between: work of its threads would slow the reference, and make the model look faster.
        reference = WorkerSubject(
            self._reference,
            self._reference_variations,
            batch,
            subject.wait,
            message_seconds=self._message_seconds,
            resting=self._worker.processor_seconds,
        )
        looks = OutputChecks(subject, self._request.scored.tiles if self._request.scored else (), self._reference)
        self._readings = [self._sensor.read()] if self._sensor else []

        def after(index: int, count: int) -> None:
            self._readings += [self._sensor.read()] if self._sensor else []
            looks.after_block(index, count)

        words = f"{scenario}: batches of {batch}"
        plan = within(self._request.plan, max(0.0, until - time.perf_counter()))
        series = measure(subject, reference, plan, self._machine(), after, lambda text: self._say(f"{words}: {text}"))
        looks.audit(series.planned_seconds, reference, series.reference_seconds)
        return _Run(scenario, batch, speeds, series, looks, self._throttled(), self._strangers())

    def _throttled(self) -> bool | None:
        seen = [reading.throttled for reading in self._readings if reading.throttled is not None]
        return any(seen) if seen else None

    def _strangers(self) -> int | None:
        # Workers start helpers of their own, which are not strangers on the device.
        ours = frozenset({os.getpid(), *(pid for worker in self._processes for pid in _pids(worker))})
        seen = [found for reading in self._readings if (found := strangers(reading, ours)) is not None]
        return max(seen) if seen else None

    def _timing(self, run: _Run) -> Timing:
        fresh = run.looks.finish(self._worker)
        evidence = Evidence(
            run.series.repeats,
            tuple(seconds - run.looks.copy_seconds for seconds in run.looks.audited),
            run.looks.audit_calls,
            (tuple(block.place_seconds for block in run.series.blocks), run.looks.placed),
            _transposed(run.looks.audit_placing),
            run.looks.late(float(np.median([block.per_call for block in run.series.blocks]))),
            references=run.series.references,
            run_seconds=self._run_seconds(),
            scored_difference=max(run.looks.against_scored, default=None),
            fresh_difference=fresh,
            warm=run.series.warm,
            throttled=run.throttled,
            other_processes=run.strangers,
            quick=self._request.plan.quick,
        )
        km2 = self._request.tiles.km2
        return make_timing(
            run.scenario, self._request.precision, run.batch, run.speeds, run.series, evidence, self._variations, km2
        )

    def _machine(self) -> dict[str, Any]:
        hello = self._processes[0].hello
        return {
            "device": hello.device_name,
            "device_class": hello.device_class,
            "cuda": hello.cuda,
            "clock_mhz": self._readings[0].clock_mhz if self._readings else None,
        }

    def _measure_energy(self, run: _Run) -> float | None:
        """km2 per kWh over blocks of their own, so that neither the reference nor the making of inputs uses any."""
        before = self._sensor.read() if self._sensor else None
        if self._sensor is None or before is None or before.millijoules is None:
            return None
        subject = self._subject(run.scenario, run.batch)
        # Placing inputs and raising the clocks come before the first reading: neither is energy of a call.
        subject.block(run.series.size)
        before = self._sensor.read()
        calls = subject.keep_busy(run.series.size, self._request.plan.seconds)
        after = self._sensor.read()
        if before.millijoules is None or after.millijoules is None or after.millijoules <= before.millijoules:
            return None
        joules = (after.millijoules - before.millijoules) / 1e3
        return calls * run.batch * self._request.tiles.km2 / joules * JOULES_PER_KWH


def _transposed(pairs: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)


def _device(hello: Hello) -> Device:
    kind: Literal["cpu", "cuda"] = "cuda" if hello.device_type == "cuda" else "cpu"
    return Device(type=kind, name=hello.device_name, device_class=hello.device_class)


def _pids(worker: Worker) -> Iterable[int]:
    import psutil

    if worker.keeper_pid is None:
        return ()
    children: Sequence[psutil.Process] = psutil.Process(worker.keeper_pid).children(recursive=True)
    return (worker.keeper_pid, *(child.pid for child in children))

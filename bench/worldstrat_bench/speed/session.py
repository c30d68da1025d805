"""A whole timing session: one model and the reference, one device, the scenarios, the verdicts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from worldstrat_bench.errors import ModelError
from worldstrat_bench.record import Device, Environment
from worldstrat_bench.speed.inputs import SpeedTile
from worldstrat_bench.speed.looks import Looks, difference
from worldstrat_bench.speed.scored import Scored
from worldstrat_bench.speed.sensors import NO_ENERGY, NO_NVML, Reading, Sensor, strangers
from worldstrat_bench.speed.stopwatch import Plan, Series, measure
from worldstrat_bench.speed.subjects import WorkerSubject
from worldstrat_bench.speed.verdict import Evidence, judge
from worldstrat_bench.speed_report import SpeedReport, Timing
from worldstrat_bench.worker import Hello, Measured, ModelSpec, Worker

Scenario = Literal["single", "offline"]
SCENARIOS: tuple[Scenario, ...] = ("single", "offline")
REFERENCE = ModelSpec("worldstrat_bench.worker.reference:load")
SWEEP_CALLS = 3
JOULES_PER_KWH = 3.6e6

Say = Callable[[str], None]


@dataclass(frozen=True)
class SpeedRequest:
    """What is to be timed.

    Attributes
    ----------
    scored : predictions of the run that the timed outputs are compared with; None without a run.
    batch_max : largest batch of the sweep.
    """

    model: ModelSpec
    name: str
    tiles: tuple[SpeedTile, ...]
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


def time_model(request: SpeedRequest, say: Say) -> SpeedResult:
    """Time a model in its confined worker, with the reference bicubic in another beside it.

    Raises
    ------
    ModelError
        if the model fails while it is timed.
    InfrastructureError
        if a worker or pytest-benchmark cannot do its part.
    """
    confined = Worker(request.model, device=request.device, isolation=request.isolation, forbidden=request.forbidden)
    with confined as worker, Worker(REFERENCE, device=request.device) as reference:
        return _Session(request, worker, reference, say).run()


class _Session:
    def __init__(self, request: SpeedRequest, worker: Worker, reference: Worker, say: Say) -> None:
        self._request = request
        self._worker = worker
        self._reference = reference
        self._say = say
        self._sensor = Sensor.open(request.device)
        self._benchmarks: dict[str, dict[str, Any]] = {}
        self._energy: float | None = None
        self._compared: set[str] = set()

    def run(self) -> SpeedResult:
        hello = self._worker.hello
        first = self._probe()
        timings = tuple(self._time(scenario) for scenario in self._request.scenarios)
        last = self._probe()
        nulls = {
            "parameters": "the model holds no torch module" if first.parameters is None else None,
            "flops_per_tile": "torch's counter saw no operation that it knows" if first.flops is None else None,
            "peak_device_bytes": "a CPU has no memory of its own" if last.device_bytes is None else None,
            "km2_per_kwh": self._why_no_energy(),
        }
        report = SpeedReport(
            record_id=self._request.scored.record_id if self._request.scored else None,
            compared_tiles=len(self._compared),
            model=self._request.name,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            device=_device(hello),
            environment=Environment(
                python=hello.python, torch=hello.torch, cuda=hello.cuda, packages=dict(hello.packages)
            ),
            isolation=hello.isolation,
            timings=timings,
            parameters=first.parameters,
            flops_per_tile=first.flops,
            peak_host_bytes=last.host_bytes,
            peak_device_bytes=last.device_bytes,
            km2_per_kwh=self._energy,
            nulls={name: reason for name, reason in nulls.items() if reason},
        )
        return SpeedResult(report, self._benchmarks)

    def _why_no_energy(self) -> str | None:
        if self._energy is not None:
            return None
        return NO_NVML if self._sensor is None else NO_ENERGY

    def _probe(self) -> Measured:
        """One call that also counts parameters and FLOPs and reads the memory's peak; not timed."""
        tile = self._request.tiles[0]
        return self._worker.measure(
            tile.images[None], tile.clear[None], tile.days[None], tile.height, tile.width,
            seed=secrets.randbits(63), precision=self._request.precision, keep=False, inspect=True,
        )  # fmt: skip

    def _subjects(self, batch: int) -> tuple[WorkerSubject, WorkerSubject]:
        tiles, precision = self._request.tiles, self._request.precision
        return (
            WorkerSubject(self._worker, tiles, batch, precision),
            WorkerSubject(self._reference, tiles, batch, "declared"),
        )

    def _time(self, scenario: Scenario) -> Timing:
        sweep = {} if scenario == "single" else self._sweep()
        batch = max((b for b, speed in sweep.items() if speed), key=lambda b: sweep[b] or 0.0, default=1)
        words = f"{scenario}: batches of {batch}"
        self._say(f"{words}: warming up")
        subject, reference = self._subjects(batch)
        clocks = self._sensor.read() if self._sensor else None
        looks = Looks(subject, self._request.scored.tiles if self._request.scored else ())
        series = measure(
            subject,
            reference,
            self._request.plan,
            self._machine(clocks),
            looks.inspections,
            lambda text: self._say(f"{words}: timing, {text}"),
        )
        after = self._sensor.read() if self._sensor else None
        self._benchmarks[scenario] = series.benchmark
        if scenario == self._request.scenarios[-1]:
            self._energy = self._measure_energy(batch)
        evidence = self._evidence(looks, subject, series, after)
        return make_timing(scenario, self._request, series, evidence, batch, sweep)

    def _sweep(self) -> dict[int, float | None]:
        """Tiles a second by batch size: doubled while it pays, until memory is out."""
        speeds: dict[int, float | None] = {}
        batch = 1
        while batch <= self._request.batch_max:
            subject = self._subjects(batch)[0]
            try:
                seconds = [subject.call(-1 - k).seconds for k in range(SWEEP_CALLS)]
            except ModelError as error:
                if "out_of_memory" not in error.what:
                    raise
                speeds[batch] = None
                break
            speeds[batch] = batch / float(np.median(seconds))
            self._say(f"offline: batch {batch}: {speeds[batch]:.3g} tiles/s")
            best = max(speed for speed in speeds.values() if speed)
            if len(speeds) > 2 and best > 1.02 * (speeds[batch] or 0.0):
                break
            batch *= 2
        return speeds

    def _evidence(self, looks: Looks, subject: WorkerSubject, series: Series, after: Reading | None) -> Evidence:
        looks.finish()
        self._compared |= looks.compared
        seed = subject.seed(0)
        first = subject.output(0, seed)[1]
        subject.output(1)
        evidence = Evidence(
            series.repeats,
            series.repeated,
            series.clock_ratio,
            series.unaccounted_seconds,
            output_difference=max(looks.against_scored, default=None),
            order_difference=difference(first, subject.output(0, seed)[1]),
            batch_difference=max(looks.against_alone, default=None),
            inspected=tuple(looks.seconds),
            warm=series.warm,
        )
        if after is not None:
            ours = frozenset({os.getpid(), *_pids(self._worker), *_pids(self._reference)})
            evidence = replace(evidence, throttled=after.throttled, other_processes=strangers(after, ours))
        return evidence

    def _machine(self, reading: Reading | None) -> dict[str, Any]:
        hello = self._worker.hello
        return {
            "device": hello.device_name,
            "device_class": hello.device_class,
            "cuda": hello.cuda,
            "clock_mhz": reading.clock_mhz if reading else None,
        }

    def _measure_energy(self, batch: int) -> float | None:
        """km2 per kWh over calls of their own, so that the reference uses none of it; waits between them count."""
        if self._sensor is None:
            return None
        subject = self._subjects(batch)[0]
        before, spent, calls = self._sensor.read(), 0.0, 0
        while before.millijoules is not None and spent < self._request.plan.seconds:
            calls += 1
            spent += subject.call(calls).host_seconds
        after = self._sensor.read()
        if before.millijoules is None or after.millijoules is None or after.millijoules <= before.millijoules:
            return None
        joules = (after.millijoules - before.millijoules) / 1e3
        return calls * batch * _km2(self._request.tiles, batch) / joules * JOULES_PER_KWH


def make_timing(
    scenario: Scenario, request: SpeedRequest, series: Series, evidence: Evidence, batch: int,
    sweep: dict[int, float | None],
) -> Timing:  # fmt: skip
    """The figures of one scenario with their verdict."""
    durations = np.concatenate([np.asarray(repeat) for repeat in series.repeats])
    p50, p90, p99 = (float(np.percentile(durations, q)) for q in (50, 90, 99))
    tile, km2 = request.tiles[0], _km2(request.tiles, batch)
    verdict = judge(evidence)
    return Timing(
        scenario=scenario,
        precision=request.precision,
        batch=batch,
        frames=min(t.images.shape[0] for t in request.tiles),
        height=tile.height,
        width=tile.width,
        calls=len(durations),
        latency_p50_ms=p50 * 1e3,
        latency_p90_ms=p90 * 1e3,
        latency_p99_ms=p99 * 1e3,
        tiles_per_second=batch / p50,
        km2_per_second=batch * km2 / p50,
        output_megapixels_per_second=batch * tile.height * tile.width / 1e6 / p50,
        repeat_medians_ms=tuple(float(np.median(repeat)) * 1e3 for repeat in series.repeats),
        reference_p50_ms=series.reference_seconds * 1e3,
        times_reference=series.times_reference,
        sweep=sweep,
        verdict="VALID" if verdict.valid else "INVALID",
        reasons=verdict.reasons,
    )


def _km2(tiles: Sequence[SpeedTile], batch: int) -> float:
    """Ground of a tile as it is timed: in a batch all are cropped to the smallest."""
    areas = [tile.km2 for tile in tiles]
    return min(areas) if batch > 1 else float(np.mean(areas))


def _device(hello: Hello) -> Device:
    kind: Literal["cpu", "cuda"] = "cuda" if hello.device_type == "cuda" else "cpu"
    return Device(type=kind, name=hello.device_name, device_class=hello.device_class)


def _pids(worker: Worker) -> Iterable[int]:
    import psutil

    if worker.keeper_pid is None:
        return ()
    children: Sequence[psutil.Process] = psutil.Process(worker.keeper_pid).children(recursive=True)
    return (worker.keeper_pid, *(child.pid for child in children))

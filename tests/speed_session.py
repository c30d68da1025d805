"""A whole `speed` session on a fake clock: the workers are made up, all else is the harness's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speed_models import Machine
from worldstrat_bench.artefacts.record import IsolationReport
from worldstrat_bench.data.task import Task
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.speed import inputs, session, statistics, stopwatch
from worldstrat_bench.speed.figures import Scenario
from worldstrat_bench.speed.inputs import synthetic_tiles
from worldstrat_bench.speed.plan import Plan
from worldstrat_bench.speed.session import SpeedRequest, SpeedResult
from worldstrat_bench.speed.stopwatch import REPEATS, Rounds
from worldstrat_bench.worker.timed import Cycle, Placing
from worldstrat_bench.worker.types import BlockTimes, Hello, ModelFigures, ModelSpec, PeakMemory

BENCHMARK_SECONDS = 1.5
"""That pytest-benchmark takes to start."""
MESSAGE_SECONDS = 2e-4
FRAMES = 8
FULL_SIZE_BYTES = FRAMES * 12 * 158 * 158 * 4


@dataclass(frozen=True)
class Costs:
    """What a machine takes for what is not timed, seconds.

    Attributes
    ----------
    start : of a confined worker, torch's import included.
    both : of the model's and the reference's, side by side.
    tile : to vary a tile of eight frames and to send it; charged for the small tiles that are used here.
    """

    start: float
    both: float
    tile: float


COSTS = {"cpu": Costs(6.0, 12.0, 0.03), "cuda:0": Costs(5.0, 5.0, 0.015)}
"""Two busy cores, and the sixteen of a machine with a GPU."""


class MadeUpProcess:
    """In place of a worker."""

    keeper_pid = None

    def __init__(self, machine: Machine, device: str, seconds: float, costs: Costs, claims: float = 1.0) -> None:
        self.machine, self.seconds, self.costs, self.claims = machine, seconds, costs, claims
        kind, name = ("cuda", "H100-80GB") if device.startswith("cuda") else ("cpu", "CPU 2 cores x86-64")
        report = IsolationReport(level="strong", requested="auto", held={"network": True})
        self.hello = Hello("3.12", "2.14", None, kind, name, name, {}, report, 5.0, 0.5)

    def __enter__(self) -> MadeUpProcess:
        self.machine.now = self.costs.both
        return self

    def __exit__(self, *details: object) -> None:
        """Nothing to end."""

    def restart(self) -> None:
        self.machine.now += self.costs.start


class MadeUpTimed:
    """In place of a worker that is timed: a call takes as long as its tiles, one after the other."""

    def __init__(self, process: MadeUpProcess, precision: str = "declared", who: str = "the model") -> None:
        self._process, self._machine = process, process.machine
        self._placed: Sequence[Task] = ()
        self._slots = 0
        self.kept: tuple[int, ...] = ()

    def place(self, tasks: Sequence[Task], seeds: Sequence[int | None]) -> Placing:
        self._placed, self.kept = tuple(tasks), ()
        frames = sum(task.batch * task.images.shape[1] for task in tasks)
        seconds = self._process.costs.tile * frames / FRAMES
        self._machine.now += seconds
        return Placing(None, seconds)

    def lead_in(self, cycle: Cycle, calls: int, slots: int) -> None:
        self._calls(cycle, calls + 1)
        self._slots = slots

    def block(self, cycle: Cycle, calls: int, *, every: int, wait: bool) -> BlockTimes:
        ends = np.cumsum(self._calls(cycle, calls))
        self.kept = tuple(cycle.first + i % cycle.inputs for i in range(max(0, calls - self._slots), calls))
        self._machine.now += MESSAGE_SECONDS
        marks = np.array((*ends[every - 1 :: every], ends[-1])) * self._process.claims
        return BlockTimes(tuple(map(float, marks)), float(ends[-1]), float(ends[-1]) + MESSAGE_SECONDS)

    def take(self, tiles: Sequence[tuple[int, int]]) -> tuple[list[NDArray[np.float32]], float]:
        self._machine.now += 0.01 * len(tiles)
        images = [self._placed[self.kept[number]].images[tile : tile + 1, 0, :3] for number, tile in tiles]
        return images, 0.01 * len(tiles)

    def echo(self, size: int) -> float:
        self._machine.now += MESSAGE_SECONDS
        return MESSAGE_SECONDS if not size else 0.01 * size

    def inspect(self) -> ModelFigures:
        self._calls(Cycle(0, 1), 1)
        return ModelFigures(1, 1)

    def processor_seconds(self) -> float:
        return 0.0

    def memory(self, calls: int) -> PeakMemory:
        self._calls(Cycle(0, 1), calls)
        return PeakMemory(1 << 30, None)

    def _calls(self, cycle: Cycle, calls: int) -> list[float]:
        work = [self._process.seconds * self._placed[cycle.first + i % cycle.inputs].batch for i in range(calls)]
        return [self._machine.run(self, seconds) for seconds in work]


def run_session(
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    plan: Plan,
    *,
    machine: Machine,
    device: str = "cpu",
    costs: Costs | None = None,
    scenarios: tuple[Scenario, ...] = session.SCENARIOS,
    reference_seconds: float = 0.004,
    claims: float = 1.0,
) -> tuple[SpeedResult, list[tuple[float, str]]]:
    """Time a model of `seconds` a tile, whose worker says `claims` times that; the result, and what was said when."""

    def process(spec: ModelSpec, *, device: str = "cpu", **more: Any) -> MadeUpProcess:
        if spec == session.REFERENCE:
            return MadeUpProcess(machine, device, reference_seconds, costs or COSTS[device])
        return MadeUpProcess(machine, device, seconds, costs or COSTS[device], claims)

    def rounds_alone(rounds: Rounds, about: object, say: Any) -> dict[str, Any]:
        machine.now += BENCHMARK_SECONDS
        for repeat in range(1, REPEATS + 1):
            say(repeat)
            for _ in range(rounds.count):
                rounds.once()
        return {}

    clock = SimpleNamespace(perf_counter=lambda: machine.now)
    monkeypatch.setattr(session, "time", clock)
    monkeypatch.setattr(stopwatch, "time", clock)
    monkeypatch.setattr(session, "Worker", process)
    monkeypatch.setattr(session, "TimedWorker", MadeUpTimed)
    monkeypatch.setattr(statistics, "run_rounds", rounds_alone)
    heard: list[tuple[float, str]] = []
    tiles = synthetic_tiles(load_protocol(), frames=FRAMES, side=40)
    as_many = inputs.SET_BYTES // FULL_SIZE_BYTES * tiles.tasks[0].images.nbytes
    monkeypatch.setattr(inputs, "SET_BYTES", as_many)
    request = SpeedRequest(ModelSpec("made_up:load"), "fake", tiles, device, scenarios, plan=plan)
    return session.time_model(request, lambda line: heard.append((machine.now, line))), heard

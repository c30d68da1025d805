"""A small discrete-event model of a thousand evaluations on a cluster: how long they take, and what breaks first.

``python tests/cluster_model.py`` prints the tables of docs/scale.md. What is modelled: GPUs that take tasks (shards of
one model), the start of a worker, models of very different speed, failing models, GPUs that vanish in the middle of a
task, a scheduler that handles one task at a time, a shared folder with a bandwidth and a rate of small operations, and
a client that merges one run at a time. What is not: network topology, a scheduler that dies, people.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

TILES = 394


@dataclass(frozen=True)
class Costs:
    """Seconds and megabytes, measured on a development machine of two cores under load where it says so.

    Attributes
    ----------
    model_median_seconds, model_sigma : a model's time a tile, log-normal over models (assumed: no GPU was at hand).
    tile_sigma : spread of a model's tiles around its own median (assumed).
    score_seconds : one full-size tile, target cached, without LPIPS, on a CPU (measured: 0.06 to 0.24).
    host_seconds : wire, hashing, storing and journal of one tile (measured: 0.08 with three revisits).
    start_seconds : confined worker with torch and a small model, listing the dataset, metrics (measured: 4 + 2 + 1).
    load_sigma : spread of the start over models (assumed).
    read_mb, write_mb : of one tile: revisits, masks and target; a prediction (measured: 1.3 to 2.9 and 2.7; 4.8).
    operations : system calls of one tile on files of the dataset and the run (counted: 155 with mini's revisits).
    scheduling_seconds : a task there and its answer back (measured: 0.015 to 0.06).
    merge_seconds_tile : a merge divided by its tiles: an upper bound, measured while intervals were bootstrapped.
    """

    model_median_seconds: float = 0.06
    model_sigma: float = 1.2
    tile_sigma: float = 0.15
    score_seconds: float = 0.2
    host_seconds: float = 0.08
    start_seconds: float = 7.0
    load_sigma: float = 0.5
    read_mb: float = 5.0
    write_mb: float = 4.8
    operations: float = 155.0
    scheduling_seconds: float = 0.02
    merge_seconds_tile: float = 0.015


@dataclass(frozen=True)
class Plan:
    """A cluster and the work for it.

    Attributes
    ----------
    at_once : models of which tasks are out at the same time.
    deaths_per_gpu_hour : GPUs that vanish, with the node, by preemption or a driver that hangs.
    back_seconds : until another one has taken the place of one that vanished.
    lost_model_share : models that fail every tile, and so stop after five.
    hanging_model_share : models that let a share of their tiles run into the time limit.
    folder_mb_second, folder_operations_second : what the shared folder can do for all.
    """

    models: int = 1000
    gpus: int = 64
    task_tiles: int = 24
    at_once: int = 16
    deaths_per_gpu_hour: float = 0.02
    back_seconds: float = 120.0
    lost_model_share: float = 0.03
    hanging_model_share: float = 0.01
    hanging_tile_share: float = 0.05
    tile_limit_seconds: float = 60.0
    folder_mb_second: float = 1000.0
    folder_operations_second: float = 20_000.0
    costs: Costs = field(default_factory=Costs)


@dataclass(frozen=True)
class Outcome:
    """What came of it. Shares are of the whole duration: 1.0 means that this is the limit.

    Attributes
    ----------
    hours : until the last model is merged.
    busy : of the GPUs, starts of workers included.
    useful : of the GPUs, only model and scoring.
    scheduler, folder, client : how much of the time each of these was at work.
    deaths : GPUs that vanished. rows : rows that were merged; one for each tile of each model that did not stop.
    twice : tiles whose work was lost with a GPU and done again.
    """

    hours: float
    busy: float
    useful: float
    scheduler: float
    folder: float
    client: float
    deaths: int
    rows: int
    twice: int


@dataclass
class _Task:
    model: int
    tiles: int


@dataclass
class _Queue:
    """Something that serves one at a time, in order: when a request that comes now is done."""

    free: float = 0.0
    worked: float = 0.0

    def serve(self, now: float, seconds: float) -> float:
        self.free = max(self.free, now) + seconds
        self.worked += seconds
        return self.free


@dataclass(frozen=True)
class _Model:
    tile_seconds: float
    start_seconds: float
    lost: bool
    hanging: bool


def simulate(plan: Plan, seed: int = 0) -> Outcome:
    """Play a plan through; the same seed gives the same course."""
    return _Course(plan, random.Random(seed)).play()


class _Course:
    """One course of events. Times are in seconds."""

    def __init__(self, plan: Plan, chance: random.Random) -> None:
        self.plan, self.chance = plan, chance
        self.models = [self._model() for _ in range(plan.models)]
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.number = 0
        self.now = 0.0
        self.idle = plan.gpus
        self.waiting: deque[_Task] = deque()
        self.left: dict[int, int] = {}
        self.stopped: set[int] = set()
        self.next_model = 0
        self.scheduler, self.folder, self.client = _Queue(), _Queue(), _Queue()
        self.busy = self.useful = self.end = 0.0
        self.deaths = self.rows = self.twice = 0

    def _model(self) -> _Model:
        plan, costs = self.plan, self.plan.costs
        kind = self.chance.random()
        return _Model(
            self.chance.lognormvariate(math.log(costs.model_median_seconds), costs.model_sigma),
            self.chance.lognormvariate(math.log(costs.start_seconds), costs.load_sigma),
            lost=kind < plan.lost_model_share,
            hanging=plan.lost_model_share <= kind < plan.lost_model_share + plan.hanging_model_share,
        )

    def play(self) -> Outcome:
        for _ in range(self.plan.at_once):
            self._admit()
        self._hand_out()
        while self.events:
            self.now, _, happen = heapq.heappop(self.events)
            happen()
        whole = self.plan.gpus * self.end
        return Outcome(
            self.end / 3600,
            self.busy / whole,
            self.useful / whole,
            self.scheduler.worked / self.end,
            self.folder.worked / self.end,
            self.client.worked / self.end,
            self.deaths,
            self.rows,
            self.twice,
        )

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.events, (when, self.number, happen))

    def _admit(self) -> None:
        """The tasks of one more model are given to the scheduler."""
        if self.next_model == self.plan.models:
            return
        model, self.next_model = self.next_model, self.next_model + 1
        count = math.ceil(TILES / self.plan.task_tiles)
        tiles = [TILES // count + (index < TILES % count) for index in range(count)]
        self.left[model] = count
        self.waiting.extend(_Task(model, number) for number in tiles)

    def _hand_out(self) -> None:
        while self.idle and self.waiting:
            task = self.waiting.popleft()
            if task.model in self.stopped:
                self._done(task)
                continue
            self.idle -= 1
            begin = self.scheduler.serve(self.now, self.plan.costs.scheduling_seconds)
            self._at(begin, lambda task=task: self._begin(task))  # type: ignore[misc]

    def _begin(self, task: _Task) -> None:
        """A GPU starts a worker, and then takes tile after tile, or vanishes on the way."""
        plan, costs, model = self.plan, self.plan.costs, self.models[task.model]
        tiles = min(task.tiles, 5) if model.lost else task.tiles
        work = [self._tile(model) for _ in range(tiles)]
        compute = sum(work) + tiles * costs.host_seconds
        moved = tiles * ((costs.read_mb + costs.write_mb) / plan.folder_mb_second)
        moved += tiles * costs.operations / plan.folder_operations_second
        # The folder serves a task in one piece: the sum is right, the waiting of single tiles is not resolved.
        finish = max(self.now + model.start_seconds + compute, self.folder.serve(self.now, moved))
        rate = plan.deaths_per_gpu_hour / 3600
        death = self.now + self.chance.expovariate(rate) if rate else math.inf
        if death < finish:
            gone = max(0.0, death - self.now - model.start_seconds) / max(compute, 1e-9)
            kept = min(task.tiles - 1, int(gone * tiles))
            self._at(death, lambda: self._vanish(task, kept, self.now, sum(work[:kept])))
            self._account(self.now, death)
        else:
            self._account(self.now, finish)
            self.useful += sum(work)
            self._at(finish, lambda: self._finish(task, model))

    def _tile(self, model: _Model) -> float:
        costs = self.plan.costs
        if model.hanging and self.chance.random() < self.plan.hanging_tile_share:
            return self.plan.tile_limit_seconds + model.start_seconds
        return model.tile_seconds * self.chance.lognormvariate(0.0, costs.tile_sigma) + costs.score_seconds

    def _account(self, begin: float, end: float) -> None:
        self.busy += end - begin

    def _vanish(self, task: _Task, kept: int, began: float, work: float) -> None:
        """The journal keeps the tiles that are done; the one under way is done again, elsewhere."""
        self.deaths += 1
        self.twice += 1
        self.useful += work
        self.rows += kept
        self.waiting.appendleft(_Task(task.model, task.tiles - kept))
        self._at(self.now + self.plan.back_seconds, self._return)
        self._hand_out()

    def _return(self) -> None:
        self.idle += 1
        self._hand_out()

    def _finish(self, task: _Task, model: _Model) -> None:
        self.idle += 1
        if model.lost:
            self.stopped.add(task.model)
        else:
            self.rows += task.tiles
        self._done(task)
        self._hand_out()

    def _done(self, task: _Task) -> None:
        self.left[task.model] -= 1
        if self.left[task.model] == 0:
            seconds = 0.0 if task.model in self.stopped else TILES * self.plan.costs.merge_seconds_tile
            when = self.client.serve(self.now, seconds)
            self.end = max(self.end, when)
            self._at(when, self._next)

    def _next(self) -> None:
        self._admit()
        self._hand_out()


_FAST = Costs(score_seconds=0.02, host_seconds=0.02)
"""Score on the GPU while a host prepares the next tile."""
_APART = replace(_FAST, merge_seconds_tile=0.0)
"""And merging is a task of its own, so that no process does it for all."""

PLANS: dict[str, Plan] = {
    "as planned: 1,000 models, 64 GPUs": Plan(),
    "one model at a time": Plan(at_once=1),
    "8 tiles a task": Plan(task_tiles=8),
    "96 tiles a task": Plan(task_tiles=96),
    "no GPU ever vanishes": Plan(deaths_per_gpu_hour=0.0),
    "a GPU vanishes every hour (spot market)": Plan(deaths_per_gpu_hour=1.0),
    "a folder of 100 MB/s and 2,000 operations/s": Plan(folder_mb_second=100.0, folder_operations_second=2000.0),
    "scoring and host ten times faster": Plan(costs=_FAST),
    "512 GPUs": Plan(gpus=512, at_once=128),
    "512 GPUs, merges as tasks": Plan(gpus=512, at_once=128, costs=_APART),
    "the same, object storage (50 GB/s, 10^6 operations/s)": Plan(
        gpus=512, at_once=128, costs=_APART, folder_mb_second=50_000.0, folder_operations_second=1e6
    ),
    "10,000 models, 4,096 GPUs, the same": Plan(
        models=10_000, gpus=4096, at_once=1024, costs=_APART, folder_mb_second=50_000.0, folder_operations_second=1e6
    ),
}


def table(plans: dict[str, Plan], seed: int = 0) -> str:
    """The outcomes as a Markdown table."""
    lines = [
        "| plan | hours | GPUs busy | useful | scheduler | folder | client | GPUs lost |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, plan in plans.items():
        got = simulate(plan, seed)
        shares = " | ".join(f"{share:.0%}" for share in (got.busy, got.useful, got.scheduler, got.folder, got.client))
        lines.append(f"| {name} | {got.hours:.1f} | {shares} | {got.deaths} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(PLANS))

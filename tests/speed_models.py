"""Fake models and machines on a fake clock: what a block takes follows from what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from worldstrat_bench.api import LowRes, Target
from worldstrat_bench.speed.stopwatch import Block, BlockSize
from worldstrat_bench.worker.inside.blocks import BlockPlan, Kept, Placed, run_block
from worldstrat_bench.worker.inside.timing import WallClock


@dataclass
class Machine:
    """What two models share: a clock, and threads of the last one that are in the way of the other for a while."""

    now: float = 0.0
    last: object = None
    since: float = 0.0
    crowded: bool = False
    speed: Callable[[float], float] = lambda now: 1.0

    def run(self, who: object, seconds: float) -> float:
        """Work of one call; the seconds it takes."""
        if self.last is not who:
            self.last, self.since = who, self.now
        slow = 2.0 if self.crowded and self.now - self.since < 0.03 else 1.0
        taken = seconds * slow / self.speed(self.now)
        self.now += taken
        return taken


@dataclass
class MadeUp:
    """A model of a kind; see :meth:`_call`. `claims` is what it says of its time, over the truth."""

    seconds: float = 0.010
    kind: str = "steady"
    batch: int = 1
    wait: bool = True
    machine: Machine = field(default_factory=Machine)
    claims: Callable[[int], float] = lambda block: 1.0
    device_over_wall: float = 1.0
    blocks: list[BlockSize] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    name: str = "model"
    calls: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def inputs_at_most(self) -> int:
        return max(1, 64 // self.batch)

    def block(self, size: BlockSize) -> Block:
        self.events.append(self.name)
        self.blocks.append(size)
        for _ in range(size.lead_in):
            self.machine.run(self, self._call(new=True))
        seen = [self.machine.run(self, self._call(new=i < size.inputs)) for i in range(size.calls)]
        ends = np.cumsum(seen) * self.claims(len(self.blocks))
        every = 1 if self.wait else size.inputs
        marks = (*ends[every - 1 :: every], ends[-1])
        wall = ends[-1] / self.device_over_wall
        return Block(size.inputs, size.calls, tuple(map(float, marks)), float(wall), float(np.sum(seen)) + 0.0002)

    def _call(self, new: bool) -> float:
        self.calls += 1
        seconds = self.seconds * (1 + 0.005 * self.rng.standard_normal())
        if self.kind == "cold" and self.calls <= 40:
            seconds *= 10 - 0.2 * self.calls
        if self.kind == "bimodal" and self.rng.random() < 1 / 3:
            seconds *= 1.6
        if self.kind == "uneven" and len(self.blocks) % 2:
            seconds *= 1.6
        if self.kind == "caching" and not new:
            seconds *= 0.05
        return float(seconds)


class AsynchronousDevice:
    """A device whose calls return at once and whose work takes as long as it is told; time is made up."""

    def __init__(self) -> None:
        self.now = 0.0
        self.busy_until = 0.0
        self._effects: list[Callable[[], object]] = []

    def read(self) -> float:
        """The wall clock: reading it takes a moment."""
        self.now += 1e-7
        return self.now

    def launch(self, seconds: float, effect: Callable[[], object] = lambda: None) -> None:
        """Hand over work; returns after 10 microseconds. What it has for an effect is seen once it was waited for."""
        self.now += 1e-5
        self.busy_until = max(self.busy_until, self.now) + seconds
        self._effects.append(effect)

    def synchronise(self) -> None:
        """Wait until all work is done."""
        self.now = max(self.now, self.busy_until)
        for effect in self._effects:
            effect()
        self._effects = []


class EventClock:
    """What CUDA's events do on such a device: each has the time at which the work before it is done."""

    def __init__(self, device: AsynchronousDevice) -> None:
        self._device = device
        self._events: list[float] = []

    def start(self, marks: int) -> None:
        self._device.synchronise()
        self._events = [self._device.now]

    def mark(self, wait: bool) -> None:
        if wait:
            self._device.synchronise()
        self._events.append(max(self._device.now, self._device.busy_until))

    def stop(self) -> None:
        self._device.synchronise()
        self._events.append(self._device.now)

    def times(self) -> list[float]:
        return [event - self._events[0] for event in self._events[1:]]

    def wait(self) -> None:
        self._device.synchronise()


@dataclass
class OnDevice:
    """A model on such a device, through the worker's own block; `hurried` reads the wall clock without waiting."""

    seconds: float
    wait: bool
    hurried: bool = False
    batch: int = 1
    device: AsynchronousDevice = field(default_factory=AsynchronousDevice)

    def inputs_at_most(self) -> int:
        return 64

    def block(self, size: BlockSize) -> Block:
        images = torch.zeros(1, 1, 12, 1, 1)
        one = Placed(LowRes(images, images[:, :, :1] > 0, torch.zeros(1, 1, dtype=torch.int64)), Target(1, 1), None)
        output = torch.zeros(1, 3, 1, 1)

        def call(placed: Placed) -> torch.Tensor:
            self.device.launch(self.seconds)
            return output

        clock = WallClock(self.device.read) if self.hurried else EventClock(self.device)
        plan = BlockPlan(0, size.inputs, size.calls, 1 if self.wait else size.inputs, self.wait)
        lead_in = BlockPlan(0, 1, size.lead_in, size.lead_in, False)
        run_block(call, [one], lead_in, Kept(), clock, now=self.device.read)
        asked = self.device.now
        marks, wall = run_block(call, [one] * size.inputs, plan, Kept(), clock, now=self.device.read)
        host = self.device.now - asked + 1e-4
        return Block(size.inputs, size.calls, tuple(marks), wall, host, wait=self.wait)

    def take(self) -> float:
        """Ask for an output; the seconds until it is there."""
        asked = self.device.now
        self.device.synchronise()
        return self.device.now - asked

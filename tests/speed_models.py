"""Models and machines that are made up, on a clock that is: what a block takes follows from what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from worldstrat_bench.speed.stopwatch import Block, BlockSize


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

"""Blocks of calls: how long they are, their warm-up, and the model and the reference in turn (A B B A).

All figures follow from what a :class:`Subject` says that its blocks took, so that tests can let synthetic models run on
synthetic clocks. Only the number of blocks depends on this process's clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.speed import SPREAD_MAX
from worldstrat_bench.errors import WorldstratBenchError
from worldstrat_bench.speed.inputs import MOST_TILES
from worldstrat_bench.speed.plan import BLOCK_SECONDS

REPEATS = 3
LEAD_IN_SECONDS = 0.05
"""Time that a worker is kept busy, untimed, before each of its blocks."""
LONG_CALL_SECONDS = 8 * LEAD_IN_SECONDS
"""Of a model with calls this long one call is a lead-in that takes as long as the block: it does without."""
WARM_UP_BLOCK_SECONDS = 0.1
WARM_UP_BLOCKS = 3
ALONE_SECONDS = 1.0
"""A block of the warm-up is one call if a call takes longer."""
CYCLES = 2
"""Times that a block goes round its inputs, at least: the first is compared with the later ones."""
MEDIAN_MAX = 0.05
"""Share by which the mean of calls may be above what is taken for them."""
KEPT_SHARE = 4
"""One in so many calls of a block is copied, at most: the copies are part of the time."""


@dataclass(frozen=True)
class BlockSize:
    """Length of a block, agreed on before it starts.

    Attributes
    ----------
    inputs : that the calls go round.
    calls : a multiple of `inputs`.
    lead_in : untimed calls before it.
    kept : of the last outputs.
    """

    inputs: int
    calls: int
    lead_in: int
    kept: int


@dataclass(frozen=True)
class Block:
    """One timed block.

    Attributes
    ----------
    inputs, calls : see :class:`BlockSize`.
    marks : seconds to the end of each call (`single`) or of each cycle (`offline`), and to the end of the block.
    wall_seconds : of the block by the worker's wall clock.
    host_seconds : that the host waited for it, less what a message takes.
    transfer_seconds : that the inputs took to the device, all of them; None on a CPU.
    tiles_placed : how many those were.
    place_seconds : that the host waited until the inputs were there.
    kept : of the last calls, whose outputs were copied.
    wait : whether each call was waited for.
    resting_seconds : processor time of the other worker in between, whose processes should rest.
    """

    inputs: int
    calls: int
    marks: tuple[float, ...]
    wall_seconds: float
    host_seconds: float
    transfer_seconds: float | None = None
    tiles_placed: int = 1
    place_seconds: float = 0.0
    kept: int = 0
    wait: bool = False
    resting_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """From the start to the end, as the worker says."""
        return self.marks[-1]

    @property
    def per_call(self) -> float:
        """Seconds a call: the mean; of calls that were waited for one by one the median, if the mean is not far above.

        The marks between are the worker's word, and the host bounds the whole: no more than a twentieth is gained.
        """
        return max(float(np.median(self.durations)), self.mean / (1 + MEDIAN_MAX)) if self.wait else self.mean

    @property
    def mean(self) -> float:
        """Mean seconds a call."""
        return self.seconds / self.calls

    @property
    def guess(self) -> float:
        """Seconds a call, for planning: a worker that claims next to nothing does not make blocks last for ever."""
        return max(self.mean, 0.5 * self.host_seconds / self.calls)

    @property
    def durations(self) -> NDArray[np.float64]:
        """Seconds a call: of each call, or of each cycle as its mean.

        Calls are those whose outputs were not copied: the copy is the harness's own, and no latency of the model.
        """
        ends = np.array((0.0, *self.marks[:-1]))
        found = np.diff(ends) * (len(self.marks) - 1) / self.calls
        return found[: self.calls - self.kept] if len(found) == self.calls > self.kept else found

    @property
    def cycles(self) -> NDArray[np.float64]:
        """Seconds of each cycle."""
        ends = np.array(self.marks[:-1]).reshape(self.calls // self.inputs, -1)[:, -1]
        return np.diff(ends, prepend=0.0)


class Subject(Protocol):
    """Something that can be timed."""

    def block(self, size: BlockSize) -> Block:
        """Time a block on inputs that were never used before, after a lead-in of other ones."""
        ...

    def inputs_at_most(self) -> int:
        """Return how many inputs a block may have."""
        ...

    @property
    def batch(self) -> int:
        """Tiles in a call."""
        ...


@dataclass(frozen=True)
class Series:
    """Measurements of one scenario.

    Attributes
    ----------
    repeats : the model's blocks, per repeat.
    references : the reference's blocks, each the neighbour of the model's block at the same place.
    benchmark : pytest-benchmark's own JSON document.
    """

    repeats: tuple[tuple[Block, ...], ...]
    references: tuple[Block, ...]
    warm: bool
    size: BlockSize
    benchmark: dict[str, Any] = field(repr=False)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Blocks of the model, in order."""
        return tuple(block for repeat in self.repeats for block in repeat)

    @property
    def times_reference(self) -> float:
        """Median over neighbouring blocks of model / reference: drift of the machine hits both and cancels."""
        pairs = zip(self.blocks, self.references, strict=True)
        return float(np.median([model.per_call / reference.per_call for model, reference in pairs]))

    @property
    def planned_seconds(self) -> float:
        """Median seconds a call, for planning: see :attr:`Block.guess`."""
        return float(np.median([max(block.per_call, block.guess) for block in self.blocks]))

    @property
    def reference_seconds(self) -> float:
        """Median seconds of a call of the reference."""
        return float(np.median([block.per_call for block in self.references]))


class WarmUp(NamedTuple):
    """Result of a warm-up.

    Attributes
    ----------
    settled : whether the last blocks agreed.
    seconds : a call, their median.
    beside : seconds that a block takes beside its timed calls: to make its inputs, to bring them to the worker, and
        for the lead-in.
    """

    settled: bool
    seconds: float
    beside: float


@dataclass
class Rounds:
    """The blocks of one scenario: each round is one of the model and one of the reference, in alternating order.

    Attributes
    ----------
    count : rounds in a repeat.
    after : see :func:`measure`.
    """

    subject: Subject
    reference: Subject
    size: BlockSize
    reference_size: BlockSize
    count: int
    after: Callable[[int, int], None]
    pairs: list[tuple[Block, Block]] = field(default_factory=list)
    failure: WorldstratBenchError | None = None

    def once(self) -> float:
        """Run one round; return the model's seconds a call."""
        try:
            pair = self._pair()
        except WorldstratBenchError as error:
            self.failure = error  # pytest would make a line of text of it
            raise
        self.pairs.append(pair)
        return pair[0].per_call

    def _pair(self) -> tuple[Block, Block]:
        if len(self.pairs) % 2 == 0:
            model = self._model()
            return model, self.reference.block(self.reference_size)
        reference = self.reference.block(self.reference_size)
        return self._model(), reference

    def _model(self) -> Block:
        block = self.subject.block(self.size)
        self.after(len(self.pairs), REPEATS * self.count)
        return block


def size_of(subject: Subject, seconds: float, block_seconds: float = BLOCK_SECONDS) -> BlockSize:
    """Return a block of at least `block_seconds` and two cycles, of calls that take so many seconds."""
    least = max(CYCLES, math.ceil(1.1 * block_seconds / seconds))
    inputs = max(1, min(subject.inputs_at_most(), least // CYCLES))
    calls = inputs * math.ceil(least / inputs)
    lead_in = 1 if seconds >= LONG_CALL_SECONDS else math.ceil(LEAD_IN_SECONDS / seconds)
    kept = max(1, min(MOST_TILES // subject.batch, calls // KEPT_SHARE))
    return BlockSize(inputs, calls, lead_in, kept)


def warm_up(subject: Subject, seconds: float) -> WarmUp:
    """Run short blocks until three in a row agree within 5 %, or for so many seconds after the very first.

    Three there are in any case: of a slow model too it is known whether it is steady.
    """
    guess = subject.block(BlockSize(1, 1, 1, 1)).guess
    until = time.perf_counter() + seconds
    recent: list[float] = []
    beside: list[float] = []
    # By the host's clock: where clocks never settle, most of the time goes into the inputs of ever new blocks.
    while time.perf_counter() < until or len(recent) < WARM_UP_BLOCKS:
        alone = guess > ALONE_SECONDS
        began = time.perf_counter()
        block = subject.block(BlockSize(1, 1, 1, 1) if alone else size_of(subject, guess, WARM_UP_BLOCK_SECONDS))
        beside.append(max(0.0, time.perf_counter() - began - block.host_seconds))
        guess = block.guess
        recent = [*recent, guess][-WARM_UP_BLOCKS:]
        if len(recent) == WARM_UP_BLOCKS and max(recent) <= (1 + SPREAD_MAX) * min(recent):
            break
    settled = max(recent) <= (1 + SPREAD_MAX) * min(recent)
    return WarmUp(settled, float(np.median(recent)), float(np.median(beside)))

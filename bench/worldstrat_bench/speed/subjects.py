"""A model in its confined worker, as something that can be timed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.task import Task
from worldstrat_bench.speed.inputs import Variations
from worldstrat_bench.speed.stopwatch import Block, BlockSize
from worldstrat_bench.worker import Worker
from worldstrat_bench.worker.timed import Cycle, Placing, TimedWorker
from worldstrat_bench.worker.types import BlockTimes

ECHOES = 5


@dataclass(frozen=True)
class Seeded:
    """An input and the seed that is set before each call on it; None for a model that uses none."""

    task: Task
    seed: int | None


@dataclass(frozen=True)
class Output:
    """A model's output for one tile, (1, 3, H, W), the input that holds it, and its place in that batch."""

    input: Seeded
    tile: int
    image: NDArray[np.float32]


@dataclass
class WorkerSubject:
    """A worker whose blocks have inputs that differ in content from call to call and from block to block.

    Attributes
    ----------
    wait : whether each call is waited for (`single`), or a block is handed over without waiting (`offline`).
    seeded : whether a seed is set before each call; random ones, so that they tell a model nothing.
    message_seconds : what a message to a worker takes by itself.
    resting : processor time so far, s, of processes that should rest while a block is timed; None: there are none.
    """

    worker: TimedWorker
    variations: Variations
    batch: int
    wait: bool
    seeded: bool = False
    message_seconds: float = 0.0
    resting: Callable[[], float] | None = None
    _inputs: list[Seeded] = field(default_factory=list)

    def inputs_at_most(self) -> int:
        """See :class:`worldstrat_bench.speed.stopwatch.Subject`."""
        return self.variations.inputs_at_most(self.batch)

    def block(self, size: BlockSize) -> Block:
        """See :class:`worldstrat_bench.speed.stopwatch.Subject`.

        Raises
        ------
        TimedCallError
            if the model did not return what it should.
        """
        tasks = self.variations.tasks(self.batch, size.inputs)
        return self.block_of([Seeded(task, self.new_seed()) for task in tasks], size)

    def fresh(self) -> Seeded:
        """Return an input that is nowhere else."""
        return Seeded(self.variations.task(self.batch), self.new_seed())

    def block_of(self, inputs: Sequence[Seeded], size: BlockSize, lead_in: Sequence[Seeded] = ()) -> Block:
        """Measure a block on given inputs, as many as `size` says; the lead-in is on one fresh input if not given.

        The worker has the block's inputs only after the lead-in. A few calls of the lead-in come again before the clock
        starts; what a model worked on there would be missing from the host's time of the block.
        """
        before = list(lead_in) or [self.fresh()]
        self._place(self.worker, before)
        self.worker.lead_in(Cycle(0, len(before)), max(size.lead_in, len(before)), size.kept)
        self._inputs = list(inputs)
        placing = self._place(self.worker, self._inputs)
        # Read after the lead-in: threads that have just worked may look for more work for some milliseconds.
        before_block = self.resting() if self.resting else 0.0
        times = self._time(size)
        used = self.resting() - before_block if self.resting else 0.0
        return Block(
            size.inputs,
            size.calls,
            times.marks,
            times.wall_seconds,
            times.host_seconds - self.message_seconds,
            placing.transfer_seconds,
            sum(each.task.batch for each in self._inputs),
            placing.host_seconds,
            self.kept,
            self.wait,
            used,
        )

    def place_at(self, other: TimedWorker) -> float:
        """Return the seconds that the host waits when another worker is given the inputs of the last block."""
        return self._place(other, self._inputs).host_seconds

    @staticmethod
    def _place(worker: TimedWorker, inputs: Sequence[Seeded]) -> Placing:
        return worker.place([each.task for each in inputs], [each.seed for each in inputs])

    @property
    def kept(self) -> int:
        """How many outputs of the last block can be asked for."""
        return len(self.worker.kept)

    def take(self, tiles: Sequence[tuple[int, int]]) -> tuple[list[Output], float]:
        """Take tiles of the last block's outputs by number of output and tile; return the seconds waited, too."""
        images, seconds = self.worker.take(tiles)
        found = zip(tiles, images, strict=True)
        kept = self.worker.kept
        return [Output(self._inputs[kept[number]], tile, image) for (number, tile), image in found], seconds

    def keep_busy(self, size: BlockSize, seconds: float) -> int:
        """Run blocks like the last one, one after the other, for so long; return how many calls that were."""
        spent, calls = 0.0, 0
        while spent < seconds:
            spent += self._time(size).host_seconds
            calls += size.calls
        return calls

    def _time(self, size: BlockSize) -> BlockTimes:
        """Go round the placed inputs; each call has a mark if it is waited for, else each cycle."""
        every = 1 if self.wait else size.inputs
        return self.worker.block(Cycle(0, size.inputs), size.calls, every=every, wait=self.wait)

    def new_seed(self) -> int | None:
        """Return a seed that cannot be foreseen, 0..2^63 - 1; None for a model that uses none."""
        return secrets.randbits(63) if self.seeded else None


def outputs_of(
    worker: TimedWorker, inputs: Sequence[Seeded], tiles: Sequence[int] | None = None
) -> list[NDArray[np.float32]]:
    """Return a model's outputs for some inputs, one untimed call each: one tile of each, the first by default."""
    worker.place([each.task for each in inputs], [each.seed for each in inputs])
    everything = Cycle(0, len(inputs))
    worker.lead_in(Cycle(0, 1), 1, slots=len(inputs))
    worker.block(everything, len(inputs), every=len(inputs), wait=False)
    return worker.take(list(enumerate(tiles or [0] * len(inputs))))[0]


def message_seconds(worker: TimedWorker) -> float:
    """Return what a message takes by itself: the middle of some echoes."""
    worker.echo(0)
    return float(np.median([worker.echo(0) for _ in range(ECHOES)]))


@contextmanager
def started(*workers: Worker) -> Iterator[tuple[Worker, ...]]:
    """Start workers side by side, most of which is importing torch; end them together."""
    with ExitStack() as stack, ThreadPoolExecutor(len(workers)) as pool:
        # Each is ended even if another fails to start.
        futures = [pool.submit(stack.enter_context, worker) for worker in workers]
        yield tuple(future.result() for future in futures)

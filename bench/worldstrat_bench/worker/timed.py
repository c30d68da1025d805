"""The host's side of timed blocks: place inputs, run a block, take some of its outputs; nothing is taken on trust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from worldstrat_bench.data.task import Task
from worldstrat_bench.errors import ModelError
from worldstrat_bench.worker.host import Worker
from worldstrat_bench.worker.processor import processor_seconds
from worldstrat_bench.worker.replies import failure_of
from worldstrat_bench.worker.types import BlockTimes, ModelFigures, PeakMemory, Reply
from worldstrat_bench.worker.validate import LONGEST_HEADER, InvalidOutputError, check_image, header_bytes

Tensors = dict[str, NDArray[Any]]

SECONDS = 60.0
"""The longest that one call may take for each tile in it, and whatever else a worker is asked for beside a block."""

MOST_LONG_CALLS = 8
"""A block of more calls than these is one of short calls, planned to last a second: it is not waited for in days."""


class TimedCallError(ModelError):
    """The model failed while it was timed; `outcome` is one of :data:`worldstrat_bench.artefacts.tiles.OUTCOMES`."""

    def __init__(self, outcome: str, message: str, who: str = "the model") -> None:
        super().__init__(
            f"{who} failed while it was timed ({outcome}): {message}",
            remedy="`worldstrat-bench models check` shows what it does wrong",
        )
        self.outcome = outcome
        self.message = message


class Placing(NamedTuple):
    """Seconds from pinned memory to the device, as the worker says (None on a CPU), and those that the host waited."""

    transfer_seconds: float | None
    host_seconds: float


@dataclass(frozen=True)
class Cycle:
    """Which of the placed inputs a block goes round: so many from `first` on."""

    first: int
    inputs: int


class TimedWorker:
    """A worker whose model is timed.

    Parameters
    ----------
    precision : one of :data:`worldstrat_bench.worker.inside.timing.PRECISIONS`.
    who : what errors call it.
    """

    def __init__(self, worker: Worker, precision: str = "declared", who: str = "the model") -> None:
        self._who = who
        self._worker = worker
        self._precision = precision
        self._placed: tuple[Task, ...] = ()
        self._kept: tuple[int, ...] = ()
        self._slots = 0

    def place(self, tasks: Sequence[Task], seeds: Sequence[int | None]) -> Placing:
        """Put inputs on the device, in place of those before.

        Parameters
        ----------
        seeds : set before each call on the input; None for a model whose outputs follow from its inputs.
        """
        self._placed, self._kept = tuple(tasks), ()
        tensors: Tensors = {}
        for k, task in enumerate(tasks):
            tensors |= {f"images.{k}": task.images, f"clear.{k}": task.clear, f"days.{k}": task.days}
        inputs = [[task.height, task.width, seed] for task, seed in zip(tasks, seeds, strict=True)]
        header, _, seconds = self._ask({"op": "place", "inputs": inputs}, "placed", tensors=tensors)
        return Placing(_claimed(header.get("seconds"), seconds), seconds)

    def lead_in(self, cycle: Cycle, calls: int, slots: int) -> None:
        """Make untimed calls, after which there is memory for the last `slots` outputs of the block."""
        self._block(cycle, calls, calls, False, slots)
        self._slots = slots

    def block(self, cycle: Cycle, calls: int, *, every: int, wait: bool) -> BlockTimes:
        """Make timed calls; see :class:`worldstrat_bench.worker.inside.blocks.BlockPlan`."""
        times = self._block(cycle, calls, every, wait, None)
        last = range(max(0, calls - self._slots), calls)
        self._kept = tuple(cycle.first + i % cycle.inputs for i in last)
        return times

    @property
    def kept(self) -> tuple[int, ...]:
        """Which placed inputs the outputs are of that the last block kept, oldest first."""
        return self._kept

    def take(self, tiles: Sequence[tuple[int, int]]) -> tuple[list[NDArray[np.float32]], float]:
        """Take tiles of kept outputs, each (1, 3, H, W), checked as predictions are; and seconds waited for them.

        Parameters
        ----------
        tiles : (number of the kept output, tile in its batch). Single tiles: a large batch is more than a message.
        """
        header: dict[str, object] = {"op": "take", "tiles": [list(tile) for tile in tiles]}
        _, tensors, seconds = self._ask(header, "taken")
        images = []
        for k, (number, index) in enumerate(tiles):
            task = self._placed[self._kept[number]].tile(index)
            try:
                images.append(check_image(tensors.get(f"output.{k}"), task))
            except InvalidOutputError as error:
                raise self._failed("invalid_output", str(error)) from None
        return images, seconds

    def echo(self, size: int) -> float:
        """Return the seconds that a question and an answer of `size` bytes take."""
        return self._ask({"op": "echo", "size": size}, "echoed")[2]

    def inspect(self) -> ModelFigures:
        """Count parameters and FLOPs, with one further call on the first input."""
        question: dict[str, object] = {"op": "inspect", "precision": self._precision}
        header, _, _ = self._ask(question, "inspected", seconds=self._longest)
        return ModelFigures(_count(header.get("parameters")), _count(header.get("flops")))

    def memory(self, calls: int) -> PeakMemory:
        """Return the memory's peak with so many further calls on the first input."""
        question: dict[str, object] = {"op": "memory", "calls": calls, "precision": self._precision}
        header, _, _ = self._ask(question, "remembered", seconds=calls * self._longest)
        stated = _count(header.get("host_bytes"))
        # The model's code can change what its process says of itself, and not what the host saw of it.
        host = None if stated is None else max(stated, self._worker.peak_bytes)
        return PeakMemory(host, _count(header.get("device_bytes")))

    def processor_seconds(self) -> float:
        """Return the processor time of the worker's processes so far, s, as the host sees it; 0 if none runs."""
        keeper = self._worker.keeper_pid
        return 0.0 if keeper is None else processor_seconds(keeper)

    @property
    def _longest(self) -> float:
        """Seconds that one call on a placed input may take."""
        return SECONDS * max(task.batch for task in self._placed)

    def _block(self, cycle: Cycle, calls: int, every: int, wait: bool, slots: int | None) -> BlockTimes:
        header: dict[str, object] = {
            "op": "block",
            "first": cycle.first,
            "inputs": cycle.inputs,
            "calls": calls,
            "every": every,
            "wait": wait,
            "slots": slots,
            "precision": self._precision,
        }
        made = min(calls, MOST_LONG_CALLS) + (slots is not None)  # a lead-in makes one more, for the outputs' memory
        answer, tensors, seconds = self._ask(header, "block", seconds=self._longest * made)
        marks = tensors.get("marks")
        if marks is None or not _possible(marks, calls // every + 1, seconds):
            raise self._failed("invalid_output", "the worker reports impossible times")
        return BlockTimes(tuple(map(float, marks)), _claimed(answer.get("wall_seconds"), seconds) or seconds, seconds)

    def _ask(
        self, header: dict[str, object], op: str, *, tensors: Tensors | None = None, seconds: float = SECONDS
    ) -> tuple[dict[str, Any], Tensors, float]:
        """Return the answer's header and tensors, and the seconds waited."""
        answer = self._worker.ask(header, tensors or {}, seconds)
        if isinstance(answer, Reply):
            raise TimedCallError(answer.outcome, answer.message, self._who)
        message, waited = answer
        failure = failure_of(message, op, waited)
        if failure is not None:
            raise self._failed(failure.outcome, failure.message)
        try:
            if header_bytes(message.body) > LONGEST_HEADER:
                raise ValueError("its header is too long")
            found = safetensors.numpy.load(bytes(message.body)) if message.body else {}
        except Exception as error:  # noqa: BLE001 whatever a hostile body makes the reader do
            what = f"the reply is not a safetensors message: {str(error)[:200]}"
            raise self._failed("invalid_output", what) from None
        return message.header, found, waited

    def _failed(self, outcome: str, message: str) -> TimedCallError:
        self._worker.restart()
        return TimedCallError(outcome, message, self._who)


def _possible(marks: NDArray[Any], count: int, host_seconds: float) -> bool:
    """Return whether these are times since a start that can have been: none beyond what the host itself waited."""
    if marks.dtype != np.float64 or marks.shape != (count,) or not np.isfinite(marks).all():
        return False
    return bool(marks[0] >= 0 and marks[-1] > 0 and (np.diff(marks) >= 0).all() and marks[-1] <= host_seconds)


def _claimed(value: object, host_seconds: float) -> float | None:
    """Seconds that the worker claims, if they can be."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 < value <= host_seconds else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**62 else None

"""The host's side of timed blocks: nothing that a worker says of its times or outputs is taken on trust."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from worldstrat_bench.data.task import Task
from worldstrat_bench.worker.inside.wire import Message
from worldstrat_bench.worker.timed import Cycle, TimedCallError, TimedWorker
from worldstrat_bench.worker.types import PeakMemory, Reply

TASK = Task(np.full((1, 1, 12, 4, 4), 0.3, np.float32), np.ones((1, 1, 1, 4, 4), bool), np.zeros((1, 1), int), 8, 8)
WAITED = 1.0


def batch_of(tiles: int) -> Task:
    return Task.together([TASK] * tiles)


class Scripted:
    """A worker that answers as it is told; the host waits a second for everything."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[dict[str, Any], dict[str, NDArray[Any]] | bytes]] = {
            "place": ({"op": "placed", "seconds": 0.25}, {}),
            "block": ({"op": "block", "wall_seconds": 0.9}, {"marks": np.array([0.2, 0.4, 0.4])}),
            "take": ({"op": "taken"}, {"output.0": np.full((1, 3, 8, 8), 0.3, np.float32)}),
            "inspect": ({"op": "inspected", "parameters": 5, "flops": -1}, {}),
            "memory": ({"op": "remembered", "host_bytes": True, "device_bytes": 2**70}, {}),
        }
        self.restarts = 0
        self.limits: dict[str, float] = {}

    def ask(self, header: dict[str, Any], tensors: object, seconds: float) -> tuple[Message, float] | Reply:
        self.limits[header["op"]] = seconds
        answer, body = self.answers[header["op"]]
        if not answer:
            return Reply("timeout", None, "the model took more than 60 s", 60.0)
        data = body if isinstance(body, bytes) else safetensors.numpy.save(body) if body else b""
        return Message(answer, bytearray(data)), WAITED

    @property
    def peak_bytes(self) -> int:
        return 500 << 20

    def restart(self) -> None:
        self.restarts += 1


def timed(scripted: Scripted) -> TimedWorker:
    worker: Any = scripted
    found = TimedWorker(worker)
    found.place([TASK, TASK], [None, None])
    return found


def test_what_is_possible_is_reported() -> None:
    worker = timed(Scripted())
    times = worker.block(Cycle(0, 2), 4, every=2, wait=False)
    assert times.marks == (0.2, 0.4, 0.4)
    assert (times.wall_seconds, times.host_seconds) == (0.9, WAITED)
    assert worker.place([TASK], [None]) == (0.25, WAITED)
    figures = worker.inspect()
    assert (figures.parameters, figures.flops) == (5, None)
    assert worker.memory(2) == PeakMemory(None, None)


@pytest.mark.parametrize(("claim", "told"), [(1024, 500 << 20), (600 << 20, 600 << 20)])
def test_a_process_does_not_hold_less_than_the_host_saw(claim: int, told: int) -> None:
    scripted = Scripted()
    scripted.answers["memory"] = ({"op": "remembered", "host_bytes": claim, "device_bytes": None}, {})
    assert timed(scripted).memory(2) == PeakMemory(told, None)


@pytest.mark.parametrize("claim", [None, "0.5", True, -1, 0, WAITED + 0.1, math.nan, math.inf, [0.5]])
def test_a_transfer_that_cannot_be_is_not_reported(claim: Any) -> None:
    scripted = Scripted()
    scripted.answers["place"] = ({"op": "placed", "seconds": claim}, {})
    assert timed(scripted).place([TASK], [None]).transfer_seconds is None
    scripted.answers["block"][0]["wall_seconds"] = claim
    assert timed(scripted).block(Cycle(0, 2), 4, every=2, wait=False).wall_seconds == WAITED


MARKS = {
    "none": {},
    "fewer": {"marks": np.array([0.2, 0.4])},
    "more": {"marks": np.array([0.1, 0.2, 0.3, 0.4])},
    "single precision": {"marks": np.array([0.2, 0.4, 0.4], np.float32)},
    "backwards": {"marks": np.array([0.4, 0.2, 0.4])},
    "before the start": {"marks": np.array([-0.1, 0.2, 0.4])},
    "no time at all": {"marks": np.zeros(3)},
    "longer than the host waited": {"marks": np.array([0.2, 0.4, 1.5])},
    "not a number": {"marks": np.array([0.2, math.nan, 0.4])},
    "for ever": {"marks": np.array([0.2, 0.4, math.inf])},
}


@pytest.mark.parametrize("name", MARKS)
def test_times_that_cannot_be_are_an_error(name: str) -> None:
    scripted = Scripted()
    worker = timed(scripted)
    scripted.answers["block"] = ({"op": "block", "wall_seconds": 0.9}, MARKS[name])
    with pytest.raises(TimedCallError, match="impossible times"):
        worker.block(Cycle(0, 2), 4, every=2, wait=False)
    assert scripted.restarts == 1, "what it says next is not believed either"


IMAGES: dict[str, tuple[dict[str, NDArray[Any]] | bytes, str]] = {
    "none": ({}, "does not hold the prediction"),
    "another": ({"output.1": np.zeros((1, 3, 8, 8), np.float32)}, "does not hold the prediction"),
    "half": ({"output.0": np.zeros((1, 3, 8, 8), np.float16)}, "float16"),
    "shape": ({"output.0": np.zeros((2, 3, 8, 8), np.float32)}, "shape"),
    "not finite": ({"output.0": np.full((1, 3, 8, 8), np.nan, np.float32)}, "NaN"),
    "no message": (b"\x00" * 40, "not a safetensors message"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_outputs_are_checked_as_predictions_are(name: str) -> None:
    scripted = Scripted()
    worker = timed(scripted)
    scripted.answers["block"] = ({"op": "block"}, {"marks": np.array([0.4, 0.4])})
    worker.lead_in(Cycle(0, 2), 4, slots=1)
    scripted.answers["block"] = ({"op": "block"}, {"marks": np.array([0.2, 0.4, 0.4])})
    worker.block(Cycle(0, 2), 4, every=2, wait=False)
    scripted.answers["take"] = ({"op": "taken"}, IMAGES[name][0])
    with pytest.raises(TimedCallError, match=IMAGES[name][1]):
        worker.take([(0, 0)])


@pytest.mark.parametrize(
    ("batch", "calls", "slots", "limit"),
    [(1, 2, None, 120), (1, 1, 1, 120), (4, 2, None, 480), (4, 5, 3, 1440), (1, 20_000, None, 480)],
)
def test_the_limit_is_one_of_calls(batch: int, calls: int, slots: int | None, limit: float) -> None:
    """A model of half a minute a tile is timed; one of short calls that hangs is not waited for in days."""
    scripted = Scripted()
    worker = timed(scripted)
    wide = batch_of(batch)
    worker.place([wide, wide], [None, None])
    scripted.answers["block"] = ({"op": "block"}, {"marks": np.array([0.4, 0.4])})
    if slots is None:
        worker.block(Cycle(0, 1), calls, every=calls, wait=False)
    else:
        worker.lead_in(Cycle(0, 1), calls, slots)
    assert scripted.limits["block"] == limit


def test_batches_larger_than_a_message_are_taken_by_the_tile() -> None:
    """32 tiles of WorldStrat are 427 MB, a message holds 256 MiB: what comes back is one tile of a batch."""
    scripted = Scripted()
    worker = timed(scripted)
    wide = batch_of(32)
    worker.place([wide], [None])
    scripted.answers["block"] = ({"op": "block"}, {"marks": np.array([0.4, 0.4])})
    worker.lead_in(Cycle(0, 1), 1, slots=1)
    worker.block(Cycle(0, 1), 1, every=1, wait=False)
    assert worker.take([(0, 31)])[0][0].shape == (1, 3, 8, 8)
    scripted.answers["take"] = ({"op": "taken"}, {"output.0": np.zeros((32, 3, 8, 8), np.float32)})
    with pytest.raises(TimedCallError, match="shape"):
        worker.take([(0, 31)])


def test_what_became_of_a_worker_is_the_error() -> None:
    scripted = Scripted()
    worker = timed(scripted)
    scripted.answers["block"] = ({}, {})
    with pytest.raises(TimedCallError, match=r"timed \(timeout\): the model took more than 60 s") as caught:
        worker.block(Cycle(0, 2), 4, every=2, wait=False)
    assert caught.value.outcome == "timeout"
    anything: Any = scripted
    reference = TimedWorker(anything, who="the reference bicubic")
    reference.place([TASK], [None])
    with pytest.raises(TimedCallError, match=r"^the reference bicubic failed while it was timed"):
        reference.block(Cycle(0, 1), 1, every=1, wait=False)
    scripted.answers["block"] = ({"op": "failed", "outcome": "out_of_memory", "message": "no room"}, {})
    with pytest.raises(TimedCallError, match=r"out_of_memory\): no room"):
        worker.block(Cycle(0, 2), 4, every=2, wait=False)
    scripted.answers["block"] = ({"op": "prediction"}, {})
    with pytest.raises(TimedCallError, match="invalid_output"):
        worker.block(Cycle(0, 2), 4, every=2, wait=False)

"""A model in its confined worker, as something that can be timed."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.errors import ModelError
from worldstrat_bench.speed.inputs import SpeedTile, batch_of
from worldstrat_bench.speed.stopwatch import Call
from worldstrat_bench.worker import Measured, Worker


@dataclass
class WorkerSubject:
    """A worker fed with batches that differ from call to call.

    Attributes
    ----------
    tiles : that the batches are made of; with a batch of one each keeps its own size.
    salt : what the seeds of calls follow from. Nobody can foresee it, so that a model cannot tell by its seed whether
        a call is one whose output is looked at.
    """

    worker: Worker
    tiles: Sequence[SpeedTile]
    batch: int
    precision: str
    salt: str = field(default_factory=secrets.token_hex)

    def call(self, variant: int) -> Call:
        """One timed call; see :class:`worldstrat_bench.speed.stopwatch.Subject`.

        Raises
        ------
        ModelError
            if the model did not return what it should.
        """
        return as_call(self._measure(variant, keep=False))

    def output(self, variant: int, seed: int | None = None) -> tuple[Call, NDArray[np.float32]]:
        """As :meth:`call`, with what the model returned, (B, 3, H, W); `seed` is the call's own if None."""
        measured = self._measure(variant, keep=True, seed=seed)
        assert measured.image is not None
        return as_call(measured), measured.image

    def seed(self, variant: int) -> int:
        """The seed of a call, 0..2^63 - 1: the same for the same variant."""
        return random.Random(f"{self.salt}:{variant}").getrandbits(63)

    def _measure(self, variant: int, *, keep: bool, seed: int | None = None) -> Measured:
        inputs = batch_of(self.tiles, variant, self.batch)
        measured = self.worker.measure(
            inputs.images, inputs.clear, inputs.days, inputs.height, inputs.width,
            seed=self.seed(variant) if seed is None else seed, precision=self.precision, keep=keep,
        )  # fmt: skip
        if measured.outcome != "ok":
            raise ModelError(
                f"the model failed while it was timed ({measured.outcome}): {measured.message}",
                where=f"batch of {self.batch}",
                remedy="`worldstrat-bench models check` shows what it does wrong",
            )
        return measured


def as_call(measured: Measured) -> Call:
    """The durations of a measured call."""
    return Call(measured.seconds, measured.wall_seconds, measured.host_seconds)

"""A model in its confined worker, as something that can be timed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.errors import ModelError
from worldstrat_bench.speed.inputs import SpeedTile, batch_of
from worldstrat_bench.speed.stopwatch import Call
from worldstrat_bench.worker import Measured, Worker


class WorkerSubject:
    """A worker fed with batches that differ from call to call.

    Attributes
    ----------
    failure : the error that ended the timing, if one did.
    """

    def __init__(self, worker: Worker, tiles: Sequence[SpeedTile], batch: int, precision: str) -> None:
        self._worker = worker
        self._tiles = tiles
        self._batch = batch
        self._precision = precision
        self.failure: ModelError | None = None

    def call(self, variant: int) -> Call:
        """One timed call; see :class:`worldstrat_bench.speed.stopwatch.Subject`.

        Raises
        ------
        ModelError
            if the model did not return what it should.
        """
        measured = self._measure(variant, keep=False)
        return Call(measured.seconds, measured.wall_seconds, measured.host_seconds)

    def output(self, variant: int, seed: int = 0) -> NDArray[np.float32]:
        """(B, 3, H, W) what the model returns for `variant`."""
        image = self._measure(variant, keep=True, seed=seed).image
        assert image is not None
        return image

    def _measure(self, variant: int, *, keep: bool, seed: int = 0) -> Measured:
        inputs = batch_of(self._tiles, variant, self._batch)
        tile = self._tiles[0]
        measured = self._worker.measure(
            inputs.images, inputs.clear, inputs.days, tile.height, tile.width,
            seed=seed, precision=self._precision, keep=keep,
        )  # fmt: skip
        if measured.outcome != "ok":
            self.failure = ModelError(
                f"the model failed while it was timed ({measured.outcome}): {measured.message}",
                where=f"batch of {self._batch}",
                remedy="`worldstrat-bench models check` shows what it does wrong",
            )
            raise self.failure
        return measured

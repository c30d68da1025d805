"""Whether the outputs that are timed are the right ones: some timed calls are looked at, and nobody knows which."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.speed.inputs import batch_of
from worldstrat_bench.speed.scored import ScoredTile
from worldstrat_bench.speed.stopwatch import Call, Inspection
from worldstrat_bench.speed.subjects import WorkerSubject

BATCHES = 2
"""Timed batches of which one output is compared with that of its tile alone."""


@dataclass
class Looks:
    """The outputs of one scenario that are looked at.

    Single tiles are timed on tiles of the run with their seeds of the run, and the outputs compared with what was
    scored. A batch is compared with one of its tiles alone, and tiles alone with what was scored.

    Attributes
    ----------
    seconds : that the timed calls among them took.
    against_scored : largest differences to the scored predictions, reflectance, by tile.
    against_alone : largest differences of a batch's outputs to those of its tiles alone.
    compared : names of the tiles that were compared with what was scored.
    """

    subject: WorkerSubject
    scored: Sequence[ScoredTile]
    seconds: list[float] = field(default_factory=list)
    against_scored: list[float] = field(default_factory=list)
    against_alone: list[float] = field(default_factory=list)
    compared: set[str] = field(default_factory=set)

    @property
    def inspections(self) -> tuple[Inspection, ...]:
        """Timed calls that take the place of others."""
        if self.subject.batch == 1:
            return tuple(partial(self._timed_as_scored, tile) for tile in self.scored)
        return (self._timed_batch,) * BATCHES

    def finish(self) -> None:
        """What cannot be timed: single tiles where batches are."""
        for tile in self.scored:
            if tile.inputs.name not in self.compared:
                self._as_scored(tile)

    def _timed_as_scored(self, tile: ScoredTile, variant: int) -> Call:
        call = self._as_scored(tile)
        self.seconds.append(call.seconds)
        return call

    def _as_scored(self, tile: ScoredTile) -> Call:
        call, output = replace(self.subject, tiles=[tile.inputs], batch=1).output(0, tile.seed)
        self.against_scored.append(difference(output[0], tile.image))
        self.compared.add(tile.inputs.name)
        return call

    def _timed_batch(self, variant: int) -> Call:
        seed = self.subject.seed(variant)
        call, outputs = self.subject.output(variant, seed)
        self.seconds.append(call.seconds)
        inputs = batch_of(self.subject.tiles, variant, self.subject.batch)
        k = secrets.randbelow(len(outputs))
        tile = replace(
            self.subject.tiles[0], images=inputs.images[k], clear=inputs.clear[k], days=inputs.days[k],
            height=inputs.height, width=inputs.width,
        )  # fmt: skip
        alone = replace(self.subject, tiles=[tile], batch=1).output(0, seed)[1]
        self.against_alone.append(difference(alone[0], outputs[k]))
        return call


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Largest absolute difference; infinite if the shapes differ."""
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")

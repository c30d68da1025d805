"""Whether the outputs that are timed are the right ones, and whether all calls of a block were made.

The host names outputs at random after a block has been reported. It compares them with what was scored, or with what
a fresh process of the same model returns for the same tile alone, in another order: a cache, a state or a call that
was left out shows there.
"""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.speed.inputs import MOST_TILES, tile_of
from worldstrat_bench.speed.scored import ScoredTile
from worldstrat_bench.speed.stopwatch import BlockSize
from worldstrat_bench.speed.subjects import Seeded, Taken, WorkerSubject, outputs_of
from worldstrat_bench.worker.timed import TimedWorker

LOOKS = 8
"""Timed blocks of which an output is taken."""
AUDITS = 5
AUDIT_SECONDS = 0.1
"""Length of these short blocks, if 64 tiles last so long."""
AUDIT_LEAD_IN_SECONDS = 0.02
GROUP = 8
"""Inputs that a fresh process is given at a time."""


@dataclass
class Looks:
    """The outputs of one scenario that are looked at.

    Attributes
    ----------
    places : of the blocks whose outputs are taken, counted from 0; drawn when the first block has ended.
    drawn : tiles of timed outputs, with the inputs they are of.
    audited : seconds a call, as the host waited, of blocks all of whose outputs could be asked for.
    waits : (bytes, seconds) of every answer with outputs.
    echoes : least seconds of answers of the same bytes by the reference's worker, by their bytes.
    against_scored : largest differences to the scored predictions, reflectance.
    compared : names of the tiles that were compared with what was scored.
    """

    subject: WorkerSubject
    scored: Sequence[ScoredTile]
    echo: TimedWorker
    places: frozenset[int] = frozenset()
    drawn: list[Taken] = field(default_factory=list)
    audited: list[float] = field(default_factory=list)
    waits: list[tuple[int, float]] = field(default_factory=list)
    echoes: dict[int, float] = field(default_factory=dict)
    against_scored: list[float] = field(default_factory=list)
    compared: set[str] = field(default_factory=set)

    def after_block(self, index: int, count: int) -> None:
        """Take an output of block `index` of `count`, which has just ended, if it is one of those drawn for it."""
        if index == 0:
            self.places = frozenset(random.SystemRandom().sample(range(count), min(LOOKS, count)))
        if index in self.places:
            self.drawn += self._take([secrets.randbelow(self.subject.kept)])

    def audit(self, seconds: float) -> None:
        """Short blocks of which every output is kept: a call in them must not take longer than in the others.

        Parameters
        ----------
        seconds : that a call took in the timed blocks.
        """
        for _ in range(AUDITS):
            inputs, lead_in = self._audited_inputs()
            calls = max(len(inputs), min(MOST_TILES // self.subject.batch, math.ceil(AUDIT_SECONDS / seconds)))
            calls = len(inputs) * math.ceil(calls / len(inputs))
            size = BlockSize(len(inputs), calls, max(1, math.ceil(AUDIT_LEAD_IN_SECONDS / seconds)), calls)
            block = self.subject.block_of(inputs, size, lead_in)
            self.audited.append(block.host_seconds / calls)
            taken = self._take(range(len(inputs)))
            self.drawn.append(taken[-1])
            if self.subject.batch == 1:
                self._compare(self.scored, [each.image for each in taken[: len(self.scored)]])

    def _audited_inputs(self) -> tuple[list[Seeded], list[Seeded]]:
        """Inputs, the tiles of the run first where single tiles are timed; and a lead-in of the same shapes."""
        if self.subject.batch > 1 or not self.scored:
            return [self.subject.fresh() for _ in range(2)], []
        scored = [Seeded(tile.inputs.task, tile.seed) for tile in self.scored]
        return [*scored, self.subject.fresh()], [*scored[::-1], self.subject.fresh()]

    def _take(self, numbers: Sequence[int]) -> list[Taken]:
        """A tile, drawn at random, of each of these outputs."""
        taken, seconds = self.subject.take([(number, secrets.randbelow(self.subject.batch)) for number in numbers])
        size = sum(each.image.nbytes for each in taken)
        self.waits.append((size, seconds))
        self.echoes[size] = min(self.echo.echo(size), self.echoes.get(size, math.inf))
        return taken

    @property
    def late(self) -> tuple[float, ...]:
        """Seconds that the host waited for outputs beyond what such an answer takes."""
        return tuple(seconds - self.echoes[size] for size, seconds in self.waits)

    def finish(self, fresh: TimedWorker) -> float:
        """Ask a fresh process for what was drawn, in another order; the largest difference, reflectance.

        Each tile is asked for alone; but where random numbers are drawn, the whole batch with its seed, since a tile's
        numbers depend on its place in it. Tiles of the run are compared with their predictions here if they could not
        be while batches were timed.
        """
        drawn = random.SystemRandom().sample(self.drawn, len(self.drawn))
        differences = [0.0]
        whole = self.subject.seeded and self.subject.batch > 1
        groups = iter(drawn)
        while group := list(islice(groups, 1 if whole else GROUP)):
            images = outputs_of(fresh, *_questions(group, whole))
            differences += [difference(a, b.image) for a, b in zip(images, group, strict=True)]
        left = [tile for tile in self.scored if tile.inputs.name not in self.compared]
        if left:
            self._compare(left, outputs_of(fresh, [Seeded(tile.inputs.task, tile.seed) for tile in left]))
        return max(differences)

    def _compare(self, tiles: Sequence[ScoredTile], images: Sequence[NDArray[np.float32]]) -> None:
        for tile, image in zip(tiles, images, strict=True):
            self.against_scored.append(difference(image[0], tile.image))
            self.compared.add(tile.inputs.name)


def _questions(group: Sequence[Taken], whole: bool) -> tuple[list[Seeded], list[int]]:
    """The inputs of some tiles, whole batches or each tile alone, and which tile of each is meant."""
    if whole:
        return [each.input for each in group], [each.tile for each in group]
    return [Seeded(tile_of(each.input.task, each.tile), each.input.seed) for each in group], [0] * len(group)


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Largest absolute difference; infinite if the shapes differ."""
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")

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

from worldstrat_bench.data.task import Task
from worldstrat_bench.speed.inputs import MOST_TILES, Variations
from worldstrat_bench.speed.stopwatch import LONG_CALL_SECONDS, BlockSize
from worldstrat_bench.speed.subjects import Output, Seeded, WorkerSubject, outputs_of
from worldstrat_bench.worker.timed import TimedWorker

LOOKS = 8
"""Timed blocks of which an output is taken."""
AUDITS = 5
AUDIT_SECONDS = 0.1
"""Length of these short blocks, if 64 tiles last so long."""
AUDIT_LOOKS = 2
"""Outputs of such a block that a fresh process is asked for, beside the run's tiles."""
AUDIT_TAKEN = 16
"""Outputs of such a block that have to be there at once: which of them are compared, the worker is not told."""
AUDIT_BYTES = 64 << 20
"""... and about so many bytes of them at most."""
ANSWER_MAX = 1.5
"""Times what an echo of the same bytes takes, for an answer with outputs that are there."""
PLACINGS = 6
"""Times that the reference's worker is given the inputs of a block, for the time that this takes."""
AUDIT_LEAD_IN_SECONDS = 0.02
GROUP = 8
"""Inputs that a fresh process is given at a time."""


@dataclass(frozen=True)
class Audit:
    """Inputs of a short block, those of its lead-in (none: one fresh input), and where the tiles of the run are."""

    inputs: list[Seeded]
    lead_in: list[Seeded]
    scored: list[tuple[tuple[int, int], Output]]


@dataclass
class OutputChecks:
    """The outputs of one scenario that are looked at.

    Attributes
    ----------
    places : of the blocks whose outputs are taken, counted from 0; drawn when the first block has ended.
    drawn : tiles of timed outputs, with the inputs they are of.
    audited : seconds a call, as the host waited, of blocks all of whose outputs could be asked for.
    audit_calls : in each of these.
    copy_seconds : that keeping an output takes, as seen with the reference.
    placed : seconds that the reference's worker took to be given the inputs of a block.
    audit_placing : (of the model's worker, of the reference's) seconds to be given the inputs of those blocks.
    waits, audit_waits : (tiles, seconds) of every answer with outputs, of timed blocks and of the short ones, beyond
        what an answer of the same bytes by the reference's worker took right after.
    against_scored : largest differences to the scored predictions, reflectance.
    compared : names of the tiles that were compared with what was scored.
    """

    subject: WorkerSubject
    scored: Sequence[Output]
    echo: TimedWorker
    places: frozenset[int] = frozenset()
    drawn: list[Output] = field(default_factory=list)
    audited: list[float] = field(default_factory=list)
    audit_calls: int = 0
    copy_seconds: float = 0.0
    placed: tuple[float, ...] = ()
    audit_placing: list[tuple[float, float]] = field(default_factory=list)
    waits: list[tuple[int, float]] = field(default_factory=list)
    audit_waits: list[tuple[int, float]] = field(default_factory=list)
    against_scored: list[float] = field(default_factory=list)
    compared: set[str] = field(default_factory=set)

    def after_block(self, index: int, count: int) -> None:
        """Take an output of block `index` of `count`, which has just ended, if it is one of those drawn for it."""
        # Drawn after the first block has ended, so that a model cannot know them when it starts.
        if index == 0:
            self.places = frozenset(random.SystemRandom().sample(range(count), min(LOOKS, count)))
        if index in self.places:
            place = (secrets.randbelow(self.subject.kept), secrets.randbelow(self.subject.batch))
            self.drawn += self._take([place], self.waits)

    def audit(self, seconds: float, reference: WorkerSubject, reference_seconds: float) -> None:
        """Time short blocks of which every output is kept: a call in them must not take longer than in the others.

        They go round their inputs once, so that a result cannot be used twice; tiles of the run are among them.

        Parameters
        ----------
        seconds : that a call takes, from which follows how many are made: not the worker's word alone.
        reference : is audited in the same way: what it takes longer is the copies.
        reference_seconds : that a call of it took in the timed blocks.
        """
        self.placed = tuple(self.subject.place_at(self.echo) for _ in range(PLACINGS))[1:]  # the first finds memory
        copies: list[float] = []
        for number in range(AUDITS):
            audit = self._audit_of(number, seconds)
            self.audit_calls = len(audit.inputs)
            lead_in = 1 if seconds >= LONG_CALL_SECONDS else math.ceil(AUDIT_LEAD_IN_SECONDS / seconds)
            size = BlockSize(self.audit_calls, self.audit_calls, lead_in, self.audit_calls)
            block = self.subject.block_of(audit.inputs, size, audit.lead_in)
            self.audited.append(block.host_seconds / size.calls)
            self._look_at(audit)
            self.audit_placing.append((block.place_seconds, self.subject.place_at(self.echo)))
            theirs = reference.block(BlockSize(1, size.calls, lead_in, size.calls))
            copies.append(theirs.host_seconds / size.calls - reference_seconds)
        self.copy_seconds = max(0.0, float(np.median(copies)))

    def _look_at(self, audit: Audit) -> None:
        """Compare the run's tiles with what was scored, and take others for a fresh process."""
        others = [(number, secrets.randbelow(self.subject.batch)) for number in range(len(audit.inputs))]
        others = random.SystemRandom().sample(others, min(self._taken_at_most(), len(others)))
        taken = self._take([place for place, _ in audit.scored] + others, self.audit_waits)
        # A model that computes an output when it is asked for has to compute all of these.
        self.drawn += random.SystemRandom().sample(taken[len(audit.scored) :], min(AUDIT_LOOKS, len(others)))
        pairs = zip((tile for _, tile in audit.scored), taken, strict=False)
        for tile, found in pairs:
            self._compare([tile], [found.image])

    def _audit_of(self, number: int, seconds: float) -> Audit:
        """Fresh inputs with tiles of the run among them, at random places."""
        limit = min(MOST_TILES // self.subject.batch, self.subject.inputs_at_most())
        if self.subject.batch > 1:
            return self._batches(max(1, min(limit, max(2, math.ceil(AUDIT_SECONDS / seconds)))))
        tiles = list(self.scored)
        if seconds >= LONG_CALL_SECONDS and tiles:
            tiles = [tiles[number % len(tiles)]]  # with slow models one tile of the run in each block
        count = max(2, len(tiles) + 1, min(limit, math.ceil(AUDIT_SECONDS / seconds)))
        inputs: list[tuple[Seeded, Output | None]] = [(tile.input, tile) for tile in tiles]
        inputs += [(self.subject.fresh(), None) for _ in range(count - len(tiles))]
        random.SystemRandom().shuffle(inputs)
        # The lead-in has every shape, since a shape may be compiled, and none of the tiles.
        shapes = {tile.input.task.images.shape: tile.input.task for tile in tiles}
        lead_in = [Seeded(Variations([task]).task(1), self.subject.new_seed()) for task in shapes.values()]
        scored = [((k, 0), tile) for k, (_, tile) in enumerate(inputs) if tile is not None]
        return Audit([each for each, _ in inputs], lead_in, scored)

    def _batches(self, count: int) -> Audit:
        """Batches of fresh tiles with tiles of the run in random places, if those have the same shape."""
        inputs = [self.subject.fresh() for _ in range(count)]
        places = [(i, k) for i in range(count) for k in range(self.subject.batch)]
        fitting = [tile for tile in self.scored if _alike(tile.input.task, inputs[0].task)]
        if self.subject.seeded:
            fitting = []  # their random numbers were drawn for a tile alone
        random.SystemRandom().shuffle(places)
        scored = list(zip(places, fitting, strict=False))
        for (i, k), tile in scored:
            for name in ("images", "clear", "days"):
                getattr(inputs[i].task, name)[k] = getattr(tile.input.task, name)[0]
        return Audit(inputs, [], scored)

    def _taken_at_most(self) -> int:
        variations = self.subject.variations
        tile_bytes = int(3 * 4 * variations.height * variations.width)
        return max(AUDIT_LOOKS, min(AUDIT_TAKEN, AUDIT_BYTES // tile_bytes))

    def _take(self, tiles: Sequence[tuple[int, int]], waits: list[tuple[int, float]]) -> list[Output]:
        taken, seconds = self.subject.take(tiles)
        # Right after it: on a busy machine only neighbours in time can be compared.
        echo = self.echo.echo(sum(each.image.nbytes for each in taken))
        waits.append((len(tiles), seconds - ANSWER_MAX * echo))
        return taken

    def late(self, call_seconds: float) -> tuple[tuple[float, ...], ...]:
        """Return the seconds of the waits of either kind beyond a call for each tile.

        Parameters
        ----------
        call_seconds : that a call is said to take: with less of them per tile a model that computes an output when it
            is asked for would gain nothing, and a busy machine is late by less.
        """
        kinds = (self.waits, self.audit_waits)
        return tuple(tuple(seconds - tiles * call_seconds for tiles, seconds in waits) for waits in kinds)

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
        left = [tile for tile in self.scored if tile.input.task.name not in self.compared]
        if left:
            self._compare(left, outputs_of(fresh, [tile.input for tile in left]))
        return max(differences)

    def _compare(self, tiles: Sequence[Output], images: Sequence[NDArray[np.float32]]) -> None:
        for tile, image in zip(tiles, images, strict=True):
            self.against_scored.append(difference(image, tile.image))
            self.compared.add(tile.input.task.name)


def _alike(a: Task, b: Task) -> bool:
    """Return whether a tile fits into a batch."""
    return a.images.shape[1:] == b.images.shape[1:] and (a.height, a.width) == (b.height, b.width)


def _questions(group: Sequence[Output], whole: bool) -> tuple[list[Seeded], list[int]]:
    """Return the inputs of some tiles, whole batches or each tile alone, and which tile of each is meant."""
    if whole:
        return [each.input for each in group], [each.tile for each in group]
    return [Seeded(each.input.task.tile(each.tile), each.input.seed) for each in group], [0] * len(group)


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the largest absolute difference; infinite if the shapes differ."""
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")

"""Tiles of a run, drawn at random, predicted again in two orders and scored as the run scored them."""

from __future__ import annotations

import random
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.draws import DrawTable, format_draws, parse_draws
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.tiles import TileTable, format_tiles, parse_tiles
from worldstrat_bench.artefacts.verification import Draw, TileCheck
from worldstrat_bench.data.layout import folders_of_targets
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import optional_column
from worldstrat_bench.pace import Pace
from worldstrat_bench.protocol import SAME_PREDICTION, Protocol, load_protocol
from worldstrat_bench.submission.faults import CheckFinding

if TYPE_CHECKING:
    from worldstrat_bench.data.layout import Dataset
    from worldstrat_bench.data.task import Answer
    from worldstrat_bench.data.tile import Tile
    from worldstrat_bench.metrics.perceptual import Perceptual
    from worldstrat_bench.run.request import RunOptions
    from worldstrat_bench.scoring.types import Scorer
    from worldstrat_bench.worker.host import Worker
    from worldstrat_bench.worker.types import Limits, ModelSpec, Reply

ALONE = 3
"""Tiles that get their own worker; the others share one, in the reverse order."""

Image = NDArray[np.float32]
Replies = tuple["Reply", ...]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Machine:
    """Machine that predicted tiles again, and the confinement of the model."""

    device_class: str
    isolation: str


@dataclass(frozen=True)
class Predicted:
    """The replies of two passes over the drawn tiles, by tile: one for each of its predictions."""

    tiles: tuple[Tile, ...]
    first: Mapping[str, Replies]
    again: Mapping[str, Replies]
    machine: Machine


def draw(result: Result, count: int, seed: int | None = None) -> tuple[Draw, tuple[str, ...]]:
    """Draw `count` of the tiles that a run scored, in random order.

    Without a seed they are drawn from the system's randomness: the author of the record cannot know which they
    would be. With one they are the same for the same record, so that anyone can repeat a draw that was recorded.
    """
    drawn = Draw(
        source="system" if seed is None else "seed",
        seed=secrets.token_hex(16) if seed is None else f"{abs(seed):x}",
        of=int(result.table.ok.sum()),
    )
    return drawn, drawn_tiles(result, drawn, count)


def drawn_tiles(result: Result, drawn: Draw, count: int) -> tuple[str, ...]:
    """Return the tiles of a recorded draw."""
    scored = [tile for tile, ok in zip(result.table.tiles, result.table.ok, strict=True) if ok]
    return tuple(random.Random(f"{drawn.seed} {result.record.record_id}").sample(scored, min(count, len(scored))))


def limits_of(record: Record, most: Limits) -> Limits:
    """Return what the model is allowed: what it was in the run, and never more than `most`.

    A record is a stranger's: it must not decide how long, and with how much memory, his code runs here.
    """
    from worldstrat_bench.worker.watchdog import memory_limit

    stated = record.limits
    if stated is None:
        return most
    bytes_here = memory_limit(most)
    memory = most.memory_bytes if stated.memory_bytes is None else min(max(stated.memory_bytes, 1), bytes_here)
    return replace(most, tile_seconds=min(stated.tile_seconds, most.tile_seconds), memory_bytes=memory)


@dataclass(frozen=True)
class Place:
    """Device and isolation of a model that is run again, and the largest limits that it is given."""

    device: str
    isolation: str
    limits: Limits


def predict_twice(
    result: Result, dataset: Dataset, spec: ModelSpec, names: Sequence[str], place: Place, say: Say
) -> Predicted:
    """Predict tiles in the order given, then in the reverse one, some of them alone."""
    from worldstrat_bench.run.devices import resolve_devices
    from worldstrat_bench.worker.host import Worker

    tiles = tuple(dataset.tile(name) for name in names)
    forbidden = (*folders_of_targets(dataset.root), result.folder.resolve())
    chosen = resolve_devices(place.device)[0]
    limits = limits_of(result.record, place.limits)
    worker = Worker(spec, device=chosen, isolation=place.isolation, forbidden=forbidden, limits=limits)
    with worker:
        say(f"predicting {len(tiles)} drawn tiles in random order, then in the reverse one, some of them alone")
        pace = Pace(say, "predicted")

        def count(before: int) -> Callable[[int], None]:
            return lambda done: pace(before + done, 2 * len(tiles))

        first = _replies(worker, result.record, tiles, count(0))
        again: dict[str, Replies] = {}
        # Reversed, so that no tile follows the same one again; some alone, in a process that has seen nothing before.
        for part in (tuple(reversed(tiles[ALONE:])), *((tile,) for tile in tiles[:ALONE])):
            again |= _replies(worker, result.record, part, count(len(tiles) + len(again)))
        machine = Machine(worker.hello.device_class, worker.hello.isolation.level)
    return Predicted(tiles, first, again, machine)


def _replies(worker: Worker, record: Record, tiles: Sequence[Tile], count: Callable[[int], None]) -> dict[str, Replies]:
    """Return the replies of one process to tiles in this order, asked as the run asked; end the process."""
    from worldstrat_bench.data.inputs import read_tile
    from worldstrat_bench.run.draws import worker_draws

    # The task decides the prediction, and a record that was scored again keeps that of its run.
    asked = load_protocol((record.dataset.inputs_protocol or record.protocol).id)  # what the model saw
    replies = {}
    for tile in tiles:
        task = read_tile(tile, protocol=asked, frames=record.model.frames, source=record.dataset.inputs).task
        drawn = worker_draws(worker, task, record.seed, record.model.draws)
        replies[tile.name] = tuple(_on_disk(reply) for reply in drawn)
        count(len(replies))
    worker.restart()  # the next tiles go to a process that has seen none of these, or their order would tell nothing
    return replies


def _on_disk(reply: Reply) -> Reply:
    """Return a reply whose arrays lie in files without a name: all drawn tiles, twice, may not fit in memory."""
    return replace(reply, image=_laid_down(reply.image), expected_error=_laid_down(reply.expected_error))


def _laid_down(array: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    if array is None or array.size == 0:
        return array
    with tempfile.TemporaryFile() as file:
        # Written, not mapped for writing: a full disk is then an error and no signal.
        array.tofile(file)
        file.flush()
        return np.memmap(file, dtype=array.dtype, mode="r", shape=array.shape)


def tile_checks(predicted: Predicted, stored: Path | None) -> tuple[TileCheck, ...]:
    """Compare the two passes with each other and with stored predictions.

    Parameters
    ----------
    stored : the run directory; where it holds no prediction of a tile nothing is compared. None: nowhere.
    """
    return tuple(
        _tile_check(tile.name, predicted.first[tile.name], predicted.again[tile.name], stored)
        for tile in predicted.tiles
    )


def _tile_check(tile: str, first: Replies, again: Replies, run: Path | None) -> TileCheck:
    from worldstrat_bench.run.draws import together

    for replies in (first, again):
        if (whole := together(replies)).image is None:
            return TileCheck(tile=tile, outcome=whole.outcome)
    ours, theirs = ([one.answer for one in replies if one.answer is not None] for replies in (first, again))
    stored = [None if run is None else _stored_prediction(run, tile, number) for number in range(1, len(ours) + 1)]
    known = [answer_difference(a, b) for a, b in zip(ours, stored, strict=True) if b is not None]
    return TileCheck(
        tile=tile,
        outcome="ok",
        prediction_difference=max(known) if known else None,
        order_difference=max(answer_difference(a, b) for a, b in zip(ours, theirs, strict=True)),
    )


def tile_faults(check: TileCheck, where: Path) -> tuple[CheckFinding, ...]:
    """Return what the comparison of one tile says against the model or the record."""
    if check.outcome != "ok":
        what = f"tile {check.tile!r} was ok in the run and is {check.outcome} now"
        return (CheckFinding("again", what, where=where, remedy="see the model's log"),)
    limits = (
        (check.order_difference, "the prediction depends on other tiles or on chance"),
        (check.prediction_difference, "the prediction differs from the stored one"),
    )
    return tuple(
        CheckFinding(
            "again",
            f"tile {check.tile!r}: {what}, by {value:.3g} reflectance",
            where=where,
            remedy=f"predictions of a model agree to {SAME_PREDICTION:g}",
        )
        for value, what in limits
        if value is not None and not value <= SAME_PREDICTION
    )


def answer_difference(a: Answer, b: Answer) -> float:
    """Return the largest absolute difference of two answers, expected errors included; 1e9 if only one has them."""
    found = difference(a.image, b.image)
    if a.expected_error is None or b.expected_error is None:
        return found if a.expected_error is b.expected_error else 1e9
    return max(found, difference(a.expected_error, b.expected_error))


def difference(a: Image, b: Image) -> float:
    """Return the largest absolute difference of two (C, H, W) images; 1e9 if their shapes differ or a value is NaN."""
    if a.shape != b.shape:
        return 1e9
    largest = float(np.abs(a.astype(np.float64) - b).max())
    return largest if np.isfinite(largest) else 1e9


def _stored_prediction(run: Path, tile: str, draw: int) -> Answer | None:
    from worldstrat_bench.run.predictions import PredictionStore

    store = PredictionStore(run / "predictions").draw(draw)
    return store.read(tile) if store.has(tile) else None


def optional_names(record: Record) -> tuple[str, ...]:
    """Return the names of the optional metrics of a record."""
    owners = [optional_column(column) for column in record.optional]
    return tuple(sorted({owner.name for owner in owners if owner is not None}))


def score_again(
    predicted: Predicted, record: Record, protocol: Protocol, scorer: Scorer
) -> tuple[TileTable, DrawTable | None]:
    """Return the tables of the first pass, with the columns that the run has: of its tiles, and of their draws."""
    from worldstrat_bench.data.inputs import read_tile
    from worldstrat_bench.data.target import read_target
    from worldstrat_bench.run.draws import score_draws, together
    from worldstrat_bench.run.finish import columns_of
    from worldstrat_bench.run.score import FrameFacts, score_tile, target_for

    rows, drawn = [], []
    for tile in predicted.tiles:
        replies = predicted.first[tile.name]
        reply = together(replies)
        inputs = read_tile(tile, protocol=protocol, frames=1, source=record.dataset.inputs, cache=None)
        target = target_for(reply.answer, read_target(tile, protocol), tile, protocol)
        score = partial(score_tile, scorer, target, FrameFacts.of(inputs))
        answers = [one.answer for one in replies if one.answer is not None]
        several = len(answers) > 1 and reply.answer is not None
        scored = score_draws(score, answers) if several else score(reply.answer)
        rows.append(columns_of(tile.facts, reply.outcome, scored))
        drawn += [] if scored.draws is None else [(tile.name, scored.draws.each, scored.draws.mean_image)]
    return parse_tiles(format_tiles(rows)), parse_draws(format_draws(drawn)) if drawn else None


def has_lpips(result: Result) -> bool:
    """Return whether a record has LPIPS on any tile."""
    values = result.table.numbers.get("lpips")
    return values is not None and not bool(np.isnan(values).all())


def perceptual_of(options: RunOptions) -> Perceptual:
    """Return LPIPS, ready to use.

    Raises
    ------
    UsageError
        if its weights are not here: every tile would differ from the record.
    """
    from worldstrat_bench.metrics.lpips_metric import load_perceptual
    from worldstrat_bench.metrics.perceptual import Unavailable

    found = load_perceptual(options.lpips_weights, options.download)
    if isinstance(found, Unavailable):
        remedy = "give --lpips-weights FILE, or --download"
        raise UsageError(f"the record has LPIPS, which this machine cannot compute: {found.reason}", remedy=remedy)
    return found


def record_scorer(result: Result, protocol: Protocol, options: RunOptions) -> Scorer:
    """Return a scorer on the CPU with the metrics that a record has."""
    from worldstrat_bench.metrics.optional import load_optional
    from worldstrat_bench.scoring import make_scorer

    optional = load_optional(options.metrics) if protocol.family == "wsb" else ()
    perceptual = perceptual_of(options) if has_lpips(result) else None
    return make_scorer(protocol, perceptual=perceptual, optional=optional)

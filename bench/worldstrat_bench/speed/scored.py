"""Predictions of a finished run to compare a timed model with, and the check that it is the same model."""

from __future__ import annotations

import csv
import io
import math
import random
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from worldstrat_bench.artefacts.identity import model_differences, short_value
from worldstrat_bench.artefacts.record import ModelRef, Record
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.task import Task
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.folder import PREDICTIONS, TIMINGS
from worldstrat_bench.run.predictions import PredictionStore
from worldstrat_bench.speed.inputs import dataset_tiles
from worldstrat_bench.speed.subjects import Output, Seeded

COMPARED_TILES = 4

_LONGEST_TIMINGS = 1 << 20
"""Bytes of a run's times that are read: a run has some thousand tiles, of less than a hundred bytes each."""


@dataclass(frozen=True)
class Scored:
    """Predictions of a run that timed outputs are compared with.

    Attributes
    ----------
    record_id : of the run.
    tiles : as the run asked for them, with the predictions that were scored; drawn at random, at least one.
    device_class : that the run was on.
    tile_seconds : of the model for a tile of the run, each alone: the lower quartile, since a run's machine is busy;
        None if the run does not tell.
    """

    record_id: str
    tiles: tuple[Output, ...]
    device_class: str = ""
    tile_seconds: float | None = None


def check_same(record: Record, model: ModelRef, protocol_id: str) -> None:
    """Refuse a run that is not of this model, made as it is about to be timed.

    Raises
    ------
    UsageError
        with what differs.
    """
    run = record.model
    changed = [
        f"{name}: {short_value(getattr(run, name))}, now {short_value(getattr(model, name))}"
        for name in model_differences(run, model)
    ]
    if changed:
        raise UsageError(
            f"the run is of another model or of other options: {'; '.join(changed)}",
            where="--out",
            remedy="give the model as the run got it (a submission's folder has its options), or omit --out",
        )
    inputs = record.dataset.inputs_protocol or record.protocol
    if record.dataset.inputs != "real":
        what = "the run is on synthetic inputs, which are not timed"
        raise UsageError(what, where="--out", remedy="omit --out, or give a run on real inputs")
    if inputs.id != protocol_id:
        what = f"the run's inputs are those of {inputs.id}, not of {protocol_id}"
        raise UsageError(what, where="--out", remedy=f"give --protocol {inputs.id}")


def scored_of(run: Path, record: Record, data: Path | None, protocol: Protocol) -> Scored:
    """Draw tiles at random, with their predictions.

    Raises
    ------
    UsageError
        if there is nothing to compare with: a figure beside a run is worth nothing without.
    """
    if data is None:
        what = "a speed beside a run is compared with its predictions: that takes its dataset"
        raise UsageError(what, where="--data", remedy="give --data DIR, or omit --out to see a figure only")
    list_name = record.dataset.list
    store = PredictionStore(run / PREDICTIONS)
    there = [tile.name for tile in open_dataset(data).tiles(list_name) if store.has(tile.name)]
    if not there:
        what = "the run has no predictions of this dataset to compare with"
        raise UsageError(what, where=store.folder, remedy="evaluate with --keep, or omit --out")
    # From the system's randomness: a model that foresees the tiles could be honest on these alone.
    names = random.SystemRandom().sample(there, min(COMPARED_TILES, len(there)))
    tiles = dataset_tiles(data, protocol, record.model.frames, list_name=list_name, names=names)
    return Scored(
        record.record_id,
        tuple(_scored(record, task, store) for task in tiles.tasks),
        record.device.device_class,
        seconds_of_tiles(run, there),
    )


def seconds_of_tiles(run: Path, names: Collection[str]) -> float | None:
    """Lower quartile of the seconds that the model took for these tiles in a run; None if it does not tell."""
    try:
        text = read_plain(run / TIMINGS, _LONGEST_TIMINGS)[:_LONGEST_TIMINGS].decode("utf-8")
        rows = csv.DictReader(io.StringIO(text, newline=""))
        seconds = [float(row["model_seconds"]) for row in rows if row["tile"] in names]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return None  # the file is not part of the record: a run may have lost it
    known = [value for value in seconds if math.isfinite(value) and value > 0]
    return float(np.percentile(known, 25)) if known else None


def _scored(record: Record, task: Task, store: PredictionStore) -> Output:
    return Output(Seeded(task, task.seed(record.seed)), 0, store.read(task.name).image[None])

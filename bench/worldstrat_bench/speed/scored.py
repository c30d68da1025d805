"""What a finished run holds of a model that is to be timed: is it the same model, and what did it predict?"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import UsageError
from worldstrat_bench.record import ModelRef, Record
from worldstrat_bench.run.folder import PREDICTIONS
from worldstrat_bench.run.predictions import PredictionStore

COMPARED_TILES = 4
SAME = ("entry_point", "wheel_sha256", "code_sha256", "weights_sha256", "parameters", "frames")
"""What makes two references to a model the same model with the same inputs."""


@dataclass(frozen=True)
class Scored:
    """Predictions of a run that timed outputs are compared with.

    Attributes
    ----------
    record_id : of the run.
    seed : of the run; that of a tile follows from it.
    list_name : list of the dataset that the run is about.
    images : (3, H, W) by tile name; empty if there is nothing to compare with.
    """

    record_id: str
    seed: int
    list_name: str
    images: dict[str, NDArray[np.float32]]


def check_same(record: Record, model: ModelRef, protocol_id: str) -> None:
    """The run is one of this model, made as it is about to be timed.

    Raises
    ------
    UsageError
        with what differs.
    """
    run = record.model
    for name in SAME:
        theirs, ours = getattr(run, name), getattr(model, name)
        if theirs != ours:
            raise UsageError(
                f"the run is of another model or of other options: its {name} is {_short(theirs)}, not {_short(ours)}",
                where="--out",
                remedy="give the model and the options of the run, or leave --out away",
            )
    inputs = record.dataset.inputs_protocol or record.protocol
    if inputs.id != protocol_id or record.dataset.inputs != "real":
        raise UsageError(
            f"the run's inputs are those of {inputs.id}, {record.dataset.inputs}", where="--out",
            remedy=f"give --protocol {inputs.id}" if record.dataset.inputs == "real" else "leave --out away",
        )  # fmt: skip


def scored_of(run: Path, record: Record, data: Path | None) -> Scored:
    """Predictions of tiles that nobody can foresee, where both they and the dataset are at hand."""
    list_name = record.dataset.list
    names: list[str] = []
    store = PredictionStore(run / PREDICTIONS)
    if data is not None:
        there = [tile.name for tile in open_dataset(data).tiles(list_name) if store.has(tile.name)]
        names = random.SystemRandom().sample(there, min(COMPARED_TILES, len(there)))
    return Scored(record.record_id, record.seed, list_name, {name: store.read(name) for name in names})


def _short(value: object) -> str:
    return str(value)[:60]

"""The demonstration: a synthetic dataset, the reference models on it, and the leaderboard that comes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.events import Listener
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.pipeline import evaluate_run
from worldstrat_bench.run.request import RunOptions, RunRequest

REQUESTS = (
    ModelRequest("bicubic", frames=1, train_split="none"),
    ModelRequest("shift-and-add", frames=8, train_split="none"),
    ModelRequest("trained-single", frames=1, train_split="described"),
    ModelRequest("trained-multi", frames=8, train_split="described"),
)
"""A simple model, the best without learning, and two networks whose weights come with the reference models.

Frames and train lists are those of their submissions, which an installed package does not carry.
"""
MODELS = tuple(request.name for request in REQUESTS)


@dataclass(frozen=True)
class DemoRun:
    """One finished run of the demonstration."""

    folder: Path
    record: Record


def prepare_data(folder: Path, tiles: int, make: Callable[[Path, int], None]) -> Path:
    """Return the synthetic dataset, made unless an earlier demonstration made it whole.

    `make(folder, tiles)` writes it; it is made beside and renamed, so that an interrupted one is made again.

    Raises
    ------
    UsageError
        if an earlier one has another number of tiles.
    """
    if folder.is_dir():
        present = len(open_dataset(folder).names("test"))
        if present != tiles:
            raise UsageError(
                f"there is a demonstration of {present} tiles, not {tiles}",
                where=folder,
                remedy=f"--tiles {present} goes on with it; another --out makes a new one",
            )
        return folder
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    make(part, tiles)
    part.rename(folder)
    return folder


def run_models(
    data: Path, out: Path, options: RunOptions, tell: Listener, announce: Callable[[str], None]
) -> list[DemoRun]:
    """Evaluate every reference model; what an earlier demonstration finished is kept."""
    runs = []
    for request in REQUESTS:
        announce(request.name)
        folder = out / request.name
        record = evaluate_run(RunRequest(request, data, folder), options, tell)
        runs.append(DemoRun(folder, record))
    return runs

"""The run directory: its journal, its predictions, its lock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.artefacts.durable import remove_temporary
from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.run.filesystem import locked, make_folder
from worldstrat_bench.run.journal import FILE_NAME, Journal
from worldstrat_bench.run.predictions import PredictionStore

TIMINGS = "timings.csv"
LOG = "log.txt"
PREDICTIONS = "predictions"

_NESTED = ("shards", "shards/*", "robustness", "robustness/*")
"""Folders of further runs in a run directory."""

RESUME = "give the inputs that the run was started with, or another --out"
# The journal, the log and the tables need a few MiB; the rest keeps the machine usable when predictions fill the disk.
_RESERVE_BYTES = 512 << 20
_LONGEST_NAME, LONGEST_PATH = 255, 500
"""Bytes of a name, and of the journal's path: SQLite takes 512 with its own files beside it, links resolved."""


@dataclass(frozen=True)
class RunFolder:
    """A run directory that this process holds."""

    path: Path
    journal: Journal
    store: PredictionStore


@contextmanager
def hold_run(path: Path, *, create: bool = True) -> Iterator[RunFolder]:
    """Open a run directory for writing: take an exclusive lock and remove temporary files of a killed process.

    Raises
    ------
    UsageError
        if another process holds it, a file is in the way, or it is a dataset.
    InvalidArtefactError
        if it is not a run and none is to be made, or its journal is damaged.
    """
    refuse_long_path(path)
    if not create and not path.is_dir():
        raise InvalidArtefactError("there is no such run", where=path, remedy="worldstrat-bench predict ... --out RUN")
    if create and ((path / "metadata.csv").exists() or (path / "hr_dataset").exists()):
        raise UsageError("this is a dataset, no place for a run", where=path, remedy="give --out another folder")
    # Refused above before it is made: a mistyped --out must not leave files in a copy of the dataset.
    folder = make_folder(path)
    with locked(folder):
        refuse_links(folder)
        # Under the lock: without it these could be files that another process is writing.
        remove_temporary(folder)
        store = PredictionStore(folder / PREDICTIONS)
        store.clean()
        with Journal(folder, create=create) as journal:
            yield RunFolder(folder, journal, store)


@contextmanager
def read_run(path: Path) -> Iterator[RunFolder]:
    """Open a run directory for reading; several processes can.

    Raises
    ------
    InvalidArtefactError
        if there is no such folder.
    """
    if not path.is_dir():
        raise InvalidArtefactError("there is no such run", where=path, remedy="give the folder that --out named")
    refuse_long_path(path)
    refuse_links(path)
    with Journal(path, read_only=True) as journal:
        yield RunFolder(path.resolve(), journal, PredictionStore(path.resolve() / PREDICTIONS))


def refuse_links(folder: Path) -> None:
    """Raise InvalidArtefactError if what a run writes to in its folder is a link: it may have come from a stranger.

    SQLite would make tables in another database, the output of a model be appended to any file. Of what is written
    under a new name and renamed, a link is replaced.
    """
    for pattern in (f"{FILE_NAME}*", "log*.txt", PREDICTIONS, f"{PREDICTIONS}/draw-*", *_NESTED):
        for path in folder.glob(pattern):
            refuse_link(path)
            if not path.is_file() and not path.is_dir():  # a pipe: writing to it waits for its other end
                raise InvalidArtefactError("neither a file nor a folder in a run", where=path, remedy="remove it")


def refuse_link(path: Path) -> None:
    """Raise InvalidArtefactError if a file or folder of a run is a link, whatever it leads to."""
    if path.is_symlink():
        remedy = "remove the link; to have a run on another disk, give its folder there with --out"
        raise InvalidArtefactError(f"a link in a run, to {path.readlink()}", where=path, remedy=remedy)


def enough_space(folder: Path, predictions_bytes: int) -> bool:
    """Return whether the disk can keep that many bytes of predictions and still has half a GiB.

    Raises
    ------
    InfrastructureError
        if it has not even that.
    """
    free = shutil.disk_usage(folder).free
    if free < _RESERVE_BYTES:
        kept = f"; {predictions_bytes >> 20} MiB more keep all predictions" if predictions_bytes else ""
        raise InfrastructureError(
            f"the disk is full: {free >> 20} MiB left, a run needs {_RESERVE_BYTES >> 20} MiB{kept}",
            where=folder,
            remedy="make room or give another --out",
        )
    return free - _RESERVE_BYTES >= predictions_bytes


def refuse_long_path(folder: Path) -> None:
    """Raise UsageError for a path under which the files of a run could not be named, or its journal not be opened."""
    parts = folder.absolute().parts
    whole = max(len(os.fsencode(path / FILE_NAME)) for path in (folder.absolute(), folder.resolve()))
    if max(len(os.fsencode(part)) for part in parts) > _LONGEST_NAME or whole > LONGEST_PATH:
        what = f"the path is too long: {_LONGEST_NAME} bytes a name and {LONGEST_PATH} in all are possible"
        raise UsageError(what, where=f"{str(folder)[:80]}...", remedy="give a shorter --out")

"""A study: stored predictions of several runs, scored again under every variant. Killed at any moment, it goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from worldstrat_bench import __version__
from worldstrat_bench.artefacts.base import Artefact
from worldstrat_bench.artefacts.durable import remove_temporary
from worldstrat_bench.artefacts.identity import targets_sha256
from worldstrat_bench.artefacts.record import Finite, Name, Sha256
from worldstrat_bench.artefacts.sensitivity import ModelOfStudy, Sensitivity
from worldstrat_bench.data.inputs import read_tile
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.raster import read_hr
from worldstrat_bench.data.split import sublists
from worldstrat_bench.data.target import make_target
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.digests import code_sha256
from worldstrat_bench.errors import UsageError
from worldstrat_bench.results.load import Named, Paths, check_same_board, chosen_list, load_runs
from worldstrat_bench.run.events import Listener, Tally, ignore
from worldstrat_bench.run.filesystem import locked, make_folder
from worldstrat_bench.run.folder import RunFolder, read_run
from worldstrat_bench.run.notes import PredictInputs, protocol_ref, read_note
from worldstrat_bench.run.rescore import refuse_lost_predictions, same_selection
from worldstrat_bench.run.score import FrameFacts, one_core
from worldstrat_bench.scoring.wsb_target import SOURCES
from worldstrat_bench.sensitivity.choices import Choices, Setting, load_choices, protocol_of, variants
from worldstrat_bench.sensitivity.measure import tile_errors
from worldstrat_bench.sensitivity.summing import Errors, summed
from worldstrat_bench.stats.estimate import rounded
from worldstrat_bench.worker.inside.device import usable_cores

TILES: Final = "tiles"
"""Folder of what is known of every tile."""
_REMEDY: Final = "give another --out"
_SOURCES: Final = (*SOURCES, "data/target.py", "sensitivity/*.py")
"""The code that decides what is kept of a tile: a study does not go on with other code."""


class Begun(Artefact):
    """Inputs of a study, noted when it begins and compared when it goes on."""

    FILE: ClassVar = "study.json"
    KIND: ClassVar = "note of a study"
    REMEDY: ClassVar = _REMEDY
    MAX_BYTES: ClassVar = 1_000_000

    records: tuple[Sha256, ...]
    list: Name
    choices: Choices
    method_sha256: Sha256 = Field(description="of the code that scores, and of torch's version")


class TileErrors(Artefact):
    """The errors of one tile under all settings."""

    FILE: ClassVar = "tile.json"
    KIND: ClassVar = "file of a tile"
    REMEDY: ClassVar = "remove it; the same command makes it again"
    MAX_BYTES: ClassVar = 8_000_000

    tile: Name
    target_sha256: Sha256
    errors: Annotated[tuple[tuple[Finite | None, ...], ...], Field(min_length=1)] = Field(
        description="mean squared error by setting and model; null where the target has too few valid pixels"
    )


@dataclass(frozen=True)
class _Source:
    """The tiles of a study and where their predictions are."""

    runs: tuple[Named, ...]
    folders: tuple[RunFolder, ...]
    tiles: tuple[Tile, ...]
    settings: tuple[Setting, ...]
    choices: Choices


def run_study(
    paths: Paths,
    data: Path,
    out: Path,
    *,
    list_name: str = "auto",
    choices: Choices | None = None,
    threads: int | None = None,
    tell: Listener = ignore,
) -> Sensitivity:
    """Score the predictions of runs under every variant and write ``sensitivity.json`` into `out`.

    Parameters
    ----------
    paths : two or more runs of the same protocol, list and targets, with their predictions.
    data : the dataset that they were made from.
    list_name : "auto" is the list that ranks the runs.
    choices : None for those of the package.
    threads : tiles at once; None: as many as there are cores.

    Raises
    ------
    UsageError
        for runs that may not stand side by side or failed tiles, another dataset, or a study of other inputs in `out`.
    InvalidArtefactError
        if a run is not finished or lacks predictions.
    """
    choices = choices or load_choices()
    runs = load_runs(paths)
    name = _checked(runs, list_name, choices)
    with ExitStack() as stack:
        folders = tuple(stack.enter_context(read_run(run.result.folder)) for run in runs)
        tiles = _tiles(folders, data, runs, name)
        # Most variants only sum up in another way: each setting is measured once.
        settings = tuple(dict.fromkeys(variant.setting for variant in variants(choices)))
        source = _Source(runs, folders, tiles, settings, choices)
        folder = make_folder(out)
        stack.enter_context(locked(folder))
        # Under the lock, or two calls could both find the folder empty.
        _begin(folder, source, name)
        found = _measured(folder, source, threads or usable_cores(), tell)
    study = _report(source, name, found)
    study.save(folder / Sensitivity.FILE)
    return study


def _checked(runs: Sequence[Named], list_name: str, choices: Choices) -> str:
    """Return the list, after making sure that the runs have what a study needs."""
    check_same_board(runs)
    if len(runs) < 2:
        raise UsageError("one run has no order", where="RUN...", remedy="give two or more runs")
    first = runs[0].result.record
    if first.protocol != protocol_ref(protocol_of(choices)):
        what = f"the runs are of {first.protocol.id}, the choices are those of {choices.protocol}"
        raise UsageError(what, where=runs[0].result.folder, remedy="worldstrat-bench score RUN --protocol ID --out DIR")
    name = chosen_list(runs, list_name)
    for run in runs:
        if run.result.record.scores[name].failed:
            what = f"{run.name} failed tiles of list {name}: it has no mean"
            raise UsageError(what, where=run.result.folder, remedy="leave it out")
    return name


def _tiles(folders: Sequence[RunFolder], data: Path, runs: Sequence[Named], name: str) -> tuple[Tile, ...]:
    """Return the tiles of the list that have a target, in the order of their names."""
    dataset = open_dataset(data)
    chosen: tuple[Tile, ...] = ()
    for folder in folders:
        refuse_lost_predictions(folder)
        chosen = same_selection(read_note(folder.journal, "predict", PredictInputs), dataset, None)[0].tiles
    record, table = runs[0].result.record, runs[0].result.table
    wanted = sublists(record.dataset.list, table.tiles)[name]
    return tuple(tile for tile in chosen if tile.name in wanted)


def _begin(folder: Path, source: _Source, name: str) -> None:
    """Note what the study is about, or compare it with the note of an earlier call."""
    now = Begun(
        records=tuple(run.result.record.record_id for run in source.runs),
        list=name,
        choices=source.choices,
        method_sha256=code_sha256(_SOURCES, ("torch",)),
    )
    note, tiles = folder / Begun.FILE, folder / TILES
    if note.exists():
        if Begun.load(note) != now:
            what = "the folder holds a study of other runs, choices or code"
            raise UsageError(what, where=folder, remedy=_REMEDY)
    elif any(folder.iterdir()):
        raise UsageError("the folder is not empty and holds no study", where=folder, remedy=_REMEDY)
    else:
        now.save(note)
    tiles.mkdir(exist_ok=True)
    remove_temporary(tiles)


def _measured(folder: Path, source: _Source, threads: int, tell: Listener) -> Mapping[str, TileErrors]:
    """Return the errors of all tiles; measure those that no earlier call did."""
    # A file a tile, written whole: a study that is killed goes on with the tiles that have none.
    files = {tile.name: folder / TILES / f"{_digest(tile.name)}.json" for tile in source.tiles}
    todo = [tile for tile in source.tiles if not files[tile.name].exists()]
    tally = Tally("score", len(files) - len(todo), len(files), tell)
    entries = [own.journal.entries() for own in source.folders]

    def measure(tile: Tile) -> None:
        stored = zip(source.folders, entries, strict=True)
        images = [own.store.read(tile.name, known[tile.name].predicted.sha256).image[:3] for own, known in stored]
        _measure(tile, images, source).save(files[tile.name])
        tally.add(tile.name, "ok")

    # One thread of torch a tile, as in a run: the errors are the same whatever the number of cores.
    with one_core(), ThreadPoolExecutor(threads, thread_name_prefix="study") as pool:
        waiting = [pool.submit(measure, tile) for tile in todo]
        try:
            for future in waiting:
                future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    # Read back even if just measured, so that a study that was interrupted sums up the very same digits.
    return {name: TileErrors.load(path) for name, path in files.items()}


def _measure(tile: Tile, images: Sequence[NDArray[np.float32]], source: _Source) -> TileErrors:
    protocol, inputs = protocol_of(source.choices), source.runs[0].result.record.dataset.inputs
    facts = FrameFacts.of(read_tile(tile, protocol=protocol, frames=1, source=inputs))
    hr = read_hr(tile.hr)
    errors = tile_errors(hr, facts.clear, images, source.settings, protocol)
    return TileErrors(
        tile=tile.name,
        target_sha256=make_target(hr, protocol).sha256,
        errors=tuple(tuple(None if np.isnan(v) else rounded(v) for v in row) for row in errors.tolist()),
    )


def _report(source: _Source, name: str, found: Mapping[str, TileErrors]) -> Sensitivity:
    first = source.runs[0].result
    protocol = protocol_of(source.choices)
    tiles = sorted(found)
    # A digest is of the whole list: that of a sub-list cannot be told from the record.
    if first.record.dataset.tiles == len(tiles):
        targets = targets_sha256((tile, found[tile].target_sha256) for tile in tiles)
        if targets != first.record.dataset.targets_sha256:
            what = "the targets are not those that the runs were scored on"
            raise UsageError(what, where=first.folder, remedy="give the --data DIR that the runs were made from")
    rows = first.table.index_of(tiles)
    table = first.table.take(rows)
    stacked = np.array([found[tile].errors for tile in tiles], dtype=np.float64).transpose(1, 2, 0)
    by_setting = dict(zip(source.settings, stacked, strict=True))
    return Sensitivity(
        protocol=protocol_ref(protocol),
        list=name,
        targets_sha256=first.record.dataset.targets_sha256,
        harness_version=__version__,
        choices=source.choices.made,
        models=tuple(ModelOfStudy(name=run.name, record_id=run.result.record.record_id) for run in source.runs),
        variants=tuple(
            summed(variant, Errors(by_setting[variant.setting], table), source.choices.cloudy_from, protocol)
            for variant in variants(source.choices)
        ),
    )


def _digest(tile: str) -> str:
    """Return the name of a tile's file: a tile's own may hold anything."""
    return hashlib.sha256(tile.encode("utf-8", "surrogatepass")).hexdigest()[:32]

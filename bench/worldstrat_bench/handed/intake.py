"""Predictions that were handed in become a run: all files are checked first, then stored as a worker's would be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from worldstrat_bench import __version__
from worldstrat_bench.artefacts.record import (
    HANDED_IN_CLASS,
    NOT_KNOWN,
    Device,
    Environment,
    HandedIn,
    IsolationReport,
    LimitsRef,
    ModelRef,
    Record,
)
from worldstrat_bench.data.inputs import read_tile
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.loading import read_ahead
from worldstrat_bench.data.target import ArrayCache
from worldstrat_bench.data.task import Answer
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import UsageError
from worldstrat_bench.handed.archive import files_in
from worldstrat_bench.handed.files import answer_of, read_bytes, sha256_of
from worldstrat_bench.handed.folder import Fault, Found, find_files, kind_of_file, refuse
from worldstrat_bench.handed.manifest import Identities
from worldstrat_bench.handed.numbers import UnusableFileError
from worldstrat_bench.handed.stated import Stated
from worldstrat_bench.protocol import DEFAULT_PROTOCOL, Protocol, load_protocol
from worldstrat_bench.run.caching import open_cache
from worldstrat_bench.run.engine import Engine
from worldstrat_bench.run.events import Listener, Progress, ignore
from worldstrat_bench.run.folder import RESUME, RunFolder, hold_run
from worldstrat_bench.run.journal import Predicted
from worldstrat_bench.run.notes import Machine, PredictInputs, predict_inputs, remember
from worldstrat_bench.run.pipeline import ThisMachine
from worldstrat_bench.run.request import RunOptions, ScoreRequest
from worldstrat_bench.run.selection import Selection, select
from worldstrat_bench.worker.inside.device import usable_cores

_UNKNOWN_MACHINE = Machine(
    environment=Environment(python=NOT_KNOWN, torch=NOT_KNOWN),
    device=Device(type="unknown", name=NOT_KNOWN, device_class=HANDED_IN_CLASS),
    isolation=IsolationReport(level="none"),
)


@dataclass(frozen=True)
class HandInRequest:
    """Predictions to score, and their labels.

    Attributes
    ----------
    files : the folder with one file a tile, or a zip archive of them.
    name : of the model, as records and pages show it.
    out : the run directory that is made of them.
    stated : what the files do not say of themselves.
    ids : the file that an anonymous export wrote; None if files are named by tile.
    train_split, submission : what a submission declares; kept in the record.

    Raises
    ------
    UsageError
        for a name that cannot be printed, or a run directory that would lie among the predictions.
    """

    files: Path
    name: str
    data: Path
    out: Path
    stated: Stated = field(default_factory=Stated)
    protocol: str = DEFAULT_PROTOCOL
    list_name: str = "auto"
    limit: int | None = None
    ids: Path | None = None
    train_split: str | None = None
    submission: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= 200 or not self.name.isprintable():
            raise UsageError("not a name", where="--name", remedy="give 1 to 200 letters, digits or signs")
        out, files = self.out.resolve(), self.files.resolve()
        if out == files or files in out.parents:
            raise UsageError("the run would lie among the predictions", where=out, remedy="give --out another folder")


def score_handed_in(
    request: HandInRequest, options: RunOptions, tell: Listener = ignore, engine: Engine | None = None
) -> Record:
    """Check, take in and score predictions that were made elsewhere; the same call continues what was interrupted.

    Raises
    ------
    InvalidArtefactError
        naming every file that is missing, foreign, a duplicate or not a prediction; nothing is written then.
    UsageError
        for a folder, name, list or run directory that cannot be used.
    DataError
        if the dataset is incomplete or damaged.
    """
    take_in(request, options, tell)
    return (engine or ThisMachine()).score(ScoreRequest(request.out, request.data), options, tell)


def take_in(request: HandInRequest, options: RunOptions, tell: Listener = ignore) -> None:
    """Make a run of the files, which :func:`~worldstrat_bench.run.rescore.score_run` scores; see there for raises."""
    with files_in(request.files) as folder:
        _take_in(replace(request, files=folder), options, tell)


def _take_in(request: HandInRequest, options: RunOptions, tell: Listener) -> None:
    protocol = load_protocol(request.protocol)
    selection = select(open_dataset(request.data), request.list_name, request.limit)
    found = _find(request, selection)
    files = found.files
    tiles = [tile for tile in selection.tiles if tile.name in files]
    checked = _checked(files, tiles, request, protocol, open_cache(options), tell)
    unusable = [fault for fault in checked.values() if isinstance(fault, Fault)]
    # Checked first, all of them, and stored then: an author sees every fault at once, and no half of a run is left.
    refuse(request.files, [*found.faults, *unusable])
    digests = {tile: found for tile, found in checked.items() if isinstance(found, str)}
    inputs = _inputs(request, selection, protocol, files, digests)
    with hold_run(request.out) as run:
        run.journal.forget_empty_start()
        remember(run.journal, "predict", inputs, remedy=RESUME)
        # Every run has this note, and a record says "not known" where another one names a machine.
        remember(run.journal, "machine", _UNKNOWN_MACHINE, remedy=RESUME)
        _store(run, files, digests, request, inputs)


def _find(request: HandInRequest, selection: Selection) -> Found:
    tiles = [tile.name for tile in selection.tiles]
    ids = Identities.load(request.ids).ids if request.ids is not None else {}
    return find_files(request.files, tiles, known=frozenset(selection.list_tiles), ids=ids)


def _checked(
    files: Mapping[str, Path],
    tiles: Sequence[Tile],
    request: HandInRequest,
    protocol: Protocol,
    cache: ArrayCache | None,
    tell: Listener,
) -> dict[str, str | Fault]:
    """Decode every file; map each tile to the sha256 of its file, or to what is wrong with it."""

    def check(tile: Tile) -> str | Fault:
        path = files[tile.name]
        # Smaller than the input is not a prediction, and only the input says how large it is.
        least = read_tile(tile, protocol=protocol, frames=1, cache=cache).task.size
        try:
            content = read_bytes(path)
            _answer(path, content, request.stated, least)
        except UnusableFileError as error:
            return Fault(path.name, str(error), error.remedy)
        return sha256_of(content)

    checked: dict[str, str | Fault] = {}
    tell(Progress("read", 0, len(tiles)))
    for tile, result in read_ahead(tiles, check, usable_cores()):
        checked[tile.name] = result
        outcome = "ok" if isinstance(result, str) else "invalid_output"
        tell(Progress("read", len(checked), len(tiles), tile.name, outcome))
    return checked


def _answer(path: Path, content: bytes, stated: Stated, least: tuple[int, int] = (1, 1)) -> Answer:
    kind = kind_of_file(path)
    if kind is None:
        raise UnusableFileError("is a type of file that is not read")
    return answer_of(content, kind, stated, least)


def _inputs(
    request: HandInRequest,
    selection: Selection,
    protocol: Protocol,
    files: Mapping[str, Path],
    digests: Mapping[str, str],
) -> PredictInputs:
    """Return what the journal notes. How many frames a model used is not known: it could use all that are offered."""
    stated = request.stated
    model = ModelRef(
        name=request.name,
        frames=protocol.inputs.frames,
        train_split=request.train_split,
        submission=request.submission,
    )
    inputs = predict_inputs(
        selection,
        protocol,
        model,
        seed=0,
        inputs="real",
        harness_version=__version__,
        limits=LimitsRef(tile_seconds=60.0),
    )
    handed_in = HandedIn(
        files_sha256=hashlib.sha256("".join(_digest_lines(digests)).encode()).hexdigest(),
        formats=tuple(sorted({kind for path in files.values() if (kind := kind_of_file(path)) is not None})),
        bands=",".join(stated.bands),
        scale=stated.scale,
        offset=stated.offset,
    )
    return inputs.model_copy(update={"predictions": handed_in})


def _digest_lines(digests: Mapping[str, str]) -> Iterator[str]:
    for tile, sha256 in sorted(digests.items()):
        yield f"{tile} {sha256}\n"


def _store(
    run: RunFolder,
    files: Mapping[str, Path],
    digests: Mapping[str, str],
    request: HandInRequest,
    inputs: PredictInputs,
) -> None:
    """Put the predictions that are not there yet into the run, each before its row in the journal."""
    entries = run.journal.entries()
    about = {"protocol": inputs.protocol.id, "model": request.name, "inputs_sha256": inputs.digest()}
    for tile, path in sorted(files.items()):
        if tile in entries and run.store.has(tile):
            continue
        content = read_bytes(path)
        # Read a second time instead of kept: all files of a list do not fit in memory.
        if sha256_of(content) != digests[tile]:
            refuse(request.files, [Fault(path.name, "was changed while it was read", "give the same command again")])
        answer = _answer(path, content, request.stated)
        run.journal.set_predicted(Predicted(tile, "ok", sha256=run.store.write(tile, answer, about)))

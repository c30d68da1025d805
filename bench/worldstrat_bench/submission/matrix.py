"""Many submissions under many protocols: skip what is done, survive what fails, and tell at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from worldstrat_bench.artefacts.identity import same_model, targets_sha256
from worldstrat_bench.artefacts.places import record_folders
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.data.layout import Dataset, open_dataset
from worldstrat_bench.data.split import list_sha256
from worldstrat_bench.data.target import read_target
from worldstrat_bench.errors import (
    DataError,
    InfrastructureError,
    InvalidArtefactError,
    ModelError,
    UsageError,
    WorldstratBenchError,
)
from worldstrat_bench.measures import OPTIONAL
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import Protocol, load_protocol, same_task
from worldstrat_bench.run.engine import Engine
from worldstrat_bench.run.events import Event, Listener, Notice
from worldstrat_bench.run.fingerprint import files_sha256
from worldstrat_bench.run.folder import read_run, refuse_link
from worldstrat_bench.run.journal import FILE_NAME
from worldstrat_bench.run.model import choose_model
from worldstrat_bench.run.notes import PredictInputs, protocol_ref, read_note
from worldstrat_bench.run.request import RunOptions, RunRequest, ScoreRequest
from worldstrat_bench.submission.git import open_checkout
from worldstrat_bench.submission.manifest import hands_in_predictions, load_manifest, read_text
from worldstrat_bench.submission.own_wheel import lock_of
from worldstrat_bench.submission.prepare import submitted_model

State = Literal["ran", "scored again", "done before", "failed tiles", "failed"]


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix when all is over."""

    name: str
    protocol: str
    list_name: str
    state: State
    reason: str
    folder: Path
    record_id: str | None = None
    exit_code: int = 0


@dataclass(frozen=True)
class Matrix:
    """Submissions under protocols on lists, each evaluated into ``OUT/<slug>/<protocol>-<list>``.

    Attributes
    ----------
    submissions : their folders; see :func:`find_submissions`.
    data : the dataset's folder.
    """

    submissions: tuple[Path, ...]
    protocols: tuple[str, ...]
    lists: tuple[str, ...]
    data: Path
    out: Path
    options: RunOptions

    def evaluate(self, engine: Engine, tell: Listener) -> tuple[Cell, ...]:
        """Evaluate every cell; return what became of each.

        A cell whose record is there and valid is skipped. A protocol with the inputs and the grid of an earlier one
        scores the predictions of that one. A model's failure is a cell, never the end of the matrix.
        """
        dataset = open_dataset(self.data)
        at_once = engine.at_once

        def column(submission: Path) -> list[Cell]:
            """Make the cells of one submission in turn: later ones may use the predictions of earlier ones."""
            listener = tell if at_once == 1 else _named(submission.name, tell)
            cells: list[Cell] = []
            for list_name in self.lists:
                done: dict[str, Path] = {}
                for name in self.protocols:
                    tell(Notice(f"{submission.name}, {name}, {list_name}"))
                    place = _Place(submission, name, list_name, self.out / submission.name / f"{name}-{list_name}")
                    # What is done is asked for before weights are fetched or an environment is built.
                    try:
                        for folder in (place.folder.parent, place.folder):
                            refuse_link(folder)
                        cell = self._earlier(place, dataset) or self._evaluated(place, done, engine, listener)
                    except Exception as error:  # noqa: BLE001 whatever files of a stranger make a reader do
                        reason = f"an error of the harness: {type(error).__name__}: {str(error)[:200]}"
                        cell = place.cell("failed", reason, exit_code=InfrastructureError.exit_code)
                    cells.append(cell)
                    # A record beside the submission has no predictions that a later protocol could score.
                    if cell.state in ("ran", "failed tiles", "done before") and cell.folder == place.folder:
                        done[name] = cell.folder
            return cells

        return tuple(cell for cells in _each(column, self.submissions, at_once) for cell in cells)

    def _evaluated(self, place: _Place, done: Mapping[str, Path], engine: Engine, tell: Listener) -> Cell:
        """Evaluate one cell, or score the predictions of a run in `done` (by protocol) whose task was the same."""
        try:
            protocol, options = load_protocol(place.protocol), self.options
            if protocol.family != "wsb":  # the other protocols of a matrix have no optional metrics
                options = replace(options, metrics=())
            alike = (run for name, run in done.items() if same_task(load_protocol(name), protocol))
            source = next((run for run in alike if _has_predictions(run)), None)
            if source is not None:
                record = engine.score(ScoreRequest(source, self.data, place.folder, place.protocol), options, tell)
            else:
                # Only now: fetching weights and building an environment may fail, too.
                model = submitted_model(place.submission)
                request = RunRequest(model, self.data, place.folder, place.protocol, place.list_name)
                record = engine.evaluate(request, options, tell)
        except WorldstratBenchError as error:
            return place.cell("failed", str(error), exit_code=error.exit_code)
        failed = record.dataset.tiles - record.outcomes.get("ok", 0)
        if failed:
            reason = f"{failed} of {counted(record.dataset.tiles, 'tile')} failed, of {', '.join(record.spoiled_lists)}"
            return place.cell("failed tiles", reason, record, exit_code=ModelError.exit_code)
        return place.cell("ran" if source is None else "scored again", "", record)

    def _earlier(self, place: _Place, dataset: Dataset) -> Cell | None:
        """Return the cell of a valid record with the metrics asked for: of an earlier matrix, or of the submission."""
        for folder in (place.folder, *record_folders(place.submission)):
            try:
                record = load_result(folder).record
                protocol = load_protocol(place.protocol)
            except WorldstratBenchError:
                continue
            if record.protocol != protocol_ref(protocol) or not record.complete:
                continue
            asked = {name for one in self.options.metrics for name in OPTIONAL[one].names}
            if protocol.family == "wsb" and not asked <= set(record.optional):
                continue
            # What takes longest is asked last: code is hashed, and targets may be decoded.
            if _is_of(record, place.submission) and _of_this_dataset(
                folder, record, dataset, place.list_name, protocol
            ):
                return replace(place, folder=folder).cell("done before", "", record)
        return None


@dataclass(frozen=True)
class _Place:
    """A cell that is not evaluated yet; `folder` is its run directory."""

    submission: Path
    protocol: str
    list_name: str
    folder: Path

    def cell(self, state: State, reason: str, record: Record | None = None, *, exit_code: int = 0) -> Cell:
        """Return the cell as it ended."""
        record_id = None if record is None else record.record_id
        name = self.submission.name
        return Cell(name, self.protocol, self.list_name, state, reason, self.folder, record_id, exit_code)


def find_submissions(folder: Path, changed_since: str | None = None) -> tuple[Path, ...]:
    """Return the submissions of models in a folder, sorted by name.

    Parameters
    ----------
    changed_since : a revision; only submissions with changes since then, results left aside.

    Raises
    ------
    UsageError
        if there are none.
    """
    # Predictions that were handed in have no model that could be evaluated.
    found = sorted(path.parent for path in folder.glob("*/submission.toml") if not _hands_in(path))
    if changed_since is not None:
        changed = _changed(folder, changed_since)
        found = [path for path in found if path.name in changed]
    if not found:
        since = f" that changed since {changed_since}" if changed_since else ""
        raise UsageError(f"there is no submission{since}", where=folder, remedy="worldstrat-bench submission new SLUG")
    return tuple(found)


def _hands_in(path: Path) -> bool:
    try:
        return hands_in_predictions(read_text(path)[1])
    except InvalidArtefactError:
        return False


def _changed(folder: Path, revision: str) -> frozenset[str]:
    """Return the names of the submissions of which a file differs from the revision, results left aside."""
    checkout = open_checkout(folder, revision)
    inside = folder.resolve().relative_to(checkout.root.resolve()).parts
    depth = len(inside)
    paths = [change.path.parts for change in checkout.changes()]
    return frozenset(
        parts[depth]
        for parts in paths
        if parts[:depth] == inside and len(parts) > depth + 1 and parts[depth + 1] != "results"
    )


def error_of(codes: Collection[int]) -> type[WorldstratBenchError]:
    """Return the class of failures of these exit codes; of several, one that needs no author of a model to fix it."""
    # One exit code for many failures: a broken machine is repaired before models are.
    order = (InfrastructureError, DataError, UsageError, InvalidArtefactError)
    return next((kind for kind in order if kind.exit_code in codes), ModelError)


def _is_of(record: Record, submission: Path) -> bool:
    """Return whether a record is of the model as the submission describes it now."""
    try:
        manifest = load_manifest(submission)
        lock = lock_of(manifest, submission)
    except (WorldstratBenchError, OSError):
        return False
    model = record.model
    # A manifest knows neither the entry point's target nor a digest of installed code, but may pin a wheel.
    same = same_model(model, manifest.reference(model), partial=True)
    # Asked apart: the comparison above leaves out a digest that only one of the two knows.
    same = same and manifest.model.wheel_sha256 in (None, model.wheel_sha256) and model.lock_sha256 in (None, lock)
    return same and (manifest.environment.base != "harness" or _code_of(submission) == model.code_sha256)


def _code_of(submission: Path) -> str | None:
    """Return the digest of a model's code as installed beside the harness; None for a wheel, or if it is not there."""
    try:
        with TemporaryDirectory(prefix="worldstrat-bench-") as scratch:
            return choose_model(submitted_model(submission), Path(scratch))[0].code_sha256
    except WorldstratBenchError:
        return None


def _each(column: Callable[[Path], list[Cell]], submissions: Sequence[Path], at_once: int) -> Iterator[list[Cell]]:
    """Yield the columns in order, `at_once` of them being made at a time."""
    if at_once == 1:
        yield from map(column, submissions)
        return
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="submission")
    try:
        yield from pool.map(column, submissions)
    finally:
        # After an interrupt, do not wait for runs of which the others have not begun.
        pool.shutdown(wait=False, cancel_futures=True)


def _named(name: str, tell: Listener) -> Listener:
    """Return a listener for one of several runs at once: one counter for all would be meaningless."""

    def listener(event: Event) -> None:
        if isinstance(event, Notice):
            tell(event if event.once else Notice(f"{name}: {event.text}"))
        elif event.stage == "score" and event.tile and event.done == event.total:
            tell(Notice(f"{name}: {event.total} tiles are scored"))

    return listener


def _has_predictions(folder: Path) -> bool:
    """Return whether a run still has what is to be scored again: --no-keep and full disks remove it."""
    with read_run(folder) as run:
        ok = [tile for tile, entry in run.journal.entries().items() if entry.predicted.outcome == "ok"]
        return bool(ok) and all(run.store.has(tile) for tile in ok)


def _of_this_dataset(place: Path, record: Record, dataset: Dataset, list_name: str, protocol: Protocol) -> bool:
    """Return whether a record is of these tiles: by its journal if it has one, else by the decoded targets."""
    from worldstrat_bench.cache import default_cache

    resolved, stated = dataset.resolve_list(list_name), record.dataset
    if (stated.inputs, stated.inputs_protocol) != ("real", None) and not _rescored_alike(record, protocol):
        return False
    wanted = dataset.release, resolved, list_sha256(dataset.names(resolved))
    if (stated.release, stated.list, stated.list_sha256) != wanted:
        return False
    if (place / FILE_NAME).is_file():
        with read_run(place) as run:
            note = read_note(run.journal, "predict", PredictInputs)
        return note.files_sha256 == files_sha256(dataset.tiles(resolved))
    cache = default_cache()
    targets = ((tile.name, read_target(tile, protocol, cache)) for tile in dataset.tiles(resolved))
    return targets_sha256((name, t.sha256) for name, t in targets if t.usable) == stated.targets_sha256


def _rescored_alike(record: Record, protocol: Protocol) -> bool:
    given = record.dataset.inputs_protocol
    return record.dataset.inputs == "real" and given is not None and same_task(load_protocol(given.id), protocol)

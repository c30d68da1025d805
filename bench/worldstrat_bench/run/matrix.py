"""Many models under many protocols: plan, skip what is done, survive what fails, and tell at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.data.layout import Dataset, open_dataset
from worldstrat_bench.data.split import list_sha256
from worldstrat_bench.data.target import read_target
from worldstrat_bench.errors import ModelError, WorldstratBenchError
from worldstrat_bench.measures import OPTIONAL
from worldstrat_bench.protocol import Protocol, load_protocol, same_task
from worldstrat_bench.run.engine import Engine
from worldstrat_bench.run.events import Event, Listener, Notice
from worldstrat_bench.run.fingerprint import files_sha256
from worldstrat_bench.run.finish import digest_of_targets
from worldstrat_bench.run.folder import read_run
from worldstrat_bench.run.journal import FILE_NAME
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.notes import PredictInputs, protocol_ref, read_note
from worldstrat_bench.run.request import RunOptions, RunRequest, ScoreRequest

State = Literal["ran", "scored again", "done before", "failed tiles", "failed"]


_MODEL_FAILED = ModelError.exit_code


@dataclass(frozen=True)
class Candidate:
    """A model to evaluate, and what is known of it before.

    Attributes
    ----------
    name : the submission's slug.
    request : called when its turn comes; fetching weights and building an environment may fail, too.
    fits : whether a record is of the model as the submission describes it now.
    records : folders of records that it already has.
    """

    name: str
    request: Callable[[], ModelRequest]
    fits: Callable[[Record], bool]
    records: tuple[Path, ...] = ()


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


def run_matrix(
    candidates: Sequence[Candidate],
    protocols: Sequence[str],
    lists: Sequence[str],
    data: Path,
    out: Path,
    options: RunOptions,
    engine: Engine,
    tell: Listener,
) -> tuple[Cell, ...]:
    """Evaluate every candidate under every protocol on every list, each into ``OUT/<name>/<protocol>-<list>``.

    A cell whose record is there and valid is skipped. A protocol with the inputs and the grid of an earlier one scores
    the predictions of that one. A model's failure is a cell, never the end of the matrix.
    """
    dataset = open_dataset(data)
    at_once = engine.at_once

    def column(candidate: Candidate) -> list[Cell]:
        """The cells of one candidate, one after the other: later ones may use the predictions of earlier ones."""
        listener = tell if at_once == 1 else _named(candidate.name, tell)
        cells: list[Cell] = []
        for list_name in lists:
            done: list[str] = []
            for name in protocols:
                tell(Notice(f"{candidate.name}, {name}, {list_name}"))
                earlier = _earlier(candidate, name, list_name, dataset, out, options.metrics)
                cell = earlier or _cell(candidate, name, list_name, done, data, out, options, engine, listener)
                cells.append(cell)
                if cell.state in ("ran", "failed tiles", "done before") and cell.folder.parent == out / candidate.name:
                    done.append(name)
        return cells

    return tuple(cell for cells in _each(column, candidates, at_once) for cell in cells)


def _each(
    column: Callable[[Candidate], list[Cell]], candidates: Sequence[Candidate], at_once: int
) -> Iterator[list[Cell]]:
    """The columns in order, `at_once` of them being made at a time."""
    if at_once == 1:
        yield from map(column, candidates)
        return
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="candidate")
    try:
        yield from pool.map(column, candidates)
    finally:
        # After an interrupt nobody waits for runs of which the others have not begun.
        pool.shutdown(wait=False, cancel_futures=True)


def _named(name: str, tell: Listener) -> Listener:
    """A listener for one of several runs at once: counting them together would tell nobody anything."""

    def listener(event: Event) -> None:
        if isinstance(event, Notice):
            tell(event if event.once else Notice(f"{name}: {event.text}"))
        elif event.stage == "score" and event.tile and event.done == event.total:
            tell(Notice(f"{name}: {event.total} tiles are scored"))

    return listener


def _cell(
    candidate: Candidate,
    name: str,
    list_name: str,
    done: Sequence[str],
    data: Path,
    out: Path,
    options: RunOptions,
    engine: Engine,
    tell: Listener,
) -> Cell:
    folder = out / candidate.name / f"{name}-{list_name}"
    try:
        protocol = load_protocol(name)
        if protocol.family != "wsb":  # the other protocols of a matrix have no optional metrics
            options = replace(options, metrics=())
        alike = [p for p in done if same_task(load_protocol(p), protocol)]
        sources = [out / candidate.name / f"{p}-{list_name}" for p in alike]
        source = next((folder for folder in sources if _has_predictions(folder)), None)
        if source is not None:
            record = engine.score(ScoreRequest(source, data, folder, name), options, tell)
        else:
            request = RunRequest(candidate.request(), data, folder, name, list_name)
            record = engine.evaluate(request, options, tell)
    except WorldstratBenchError as error:
        return Cell(candidate.name, name, list_name, "failed", str(error), folder, exit_code=error.exit_code)
    failed = record.dataset.tiles - record.outcomes.get("ok", 0)
    if failed:
        reason = f"{failed} of {record.dataset.tiles} tiles failed, of {', '.join(record.spoiled_lists)}"
        return Cell(candidate.name, name, list_name, "failed tiles", reason, folder, record.record_id, _MODEL_FAILED)
    state: State = "ran" if source is None else "scored again"
    return Cell(candidate.name, name, list_name, state, "", folder, record.record_id)


def _has_predictions(folder: Path) -> bool:
    """Whether a run still has what is to be scored again: --no-keep and full disks remove it."""
    with read_run(folder) as run:
        ok = [tile for tile, entry in run.journal.entries().items() if entry.predicted.outcome == "ok"]
        return bool(ok) and all(run.store.has(tile) for tile in ok)


def _earlier(
    candidate: Candidate, name: str, list_name: str, dataset: Dataset, out: Path, metrics: Sequence[str]
) -> Cell | None:
    """The cell of a valid record with those optional metrics: of an earlier matrix, or beside the submission."""
    for place in (out / candidate.name / f"{name}-{list_name}", *candidate.records):
        try:
            record = load_result(place).record
            protocol = load_protocol(name)
        except WorldstratBenchError:
            continue
        mine = record.protocol == protocol_ref(protocol) and record.complete and candidate.fits(record)
        asked = {name for one in metrics for name in OPTIONAL[one].names}
        mine = mine and (protocol.family != "wsb" or asked <= set(record.optional))
        if mine and _of_this_dataset(place, record, dataset, list_name, protocol):
            return Cell(candidate.name, name, list_name, "done before", "", place, record.record_id)
    return None


def _of_this_dataset(place: Path, record: Record, dataset: Dataset, list_name: str, protocol: Protocol) -> bool:
    """Whether a record is of these very tiles: by its journal if it has one, else by the targets, decoded here."""
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
    return digest_of_targets((name, t.sha256) for name, t in targets if t.usable) == stated.targets_sha256


def _rescored_alike(record: Record, protocol: Protocol) -> bool:
    given = record.dataset.inputs_protocol
    return record.dataset.inputs == "real" and given is not None and same_task(load_protocol(given.id), protocol)

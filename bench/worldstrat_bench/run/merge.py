"""Shards put together: the same journal, hence the same bytes, as of a run that was never cut."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from worldstrat_bench.artefacts.durable import make_room
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run.differences import differences
from worldstrat_bench.run.finish import finish
from worldstrat_bench.run.folder import RESUME, RunFolder, hold_run, read_run, refuse_link
from worldstrat_bench.run.journal import FILE_NAME, Entry
from worldstrat_bench.run.notes import (
    HARNESS_STATE,
    SAME_LEVEL_IS_ENOUGH,
    Machine,
    PredictInputs,
    ScoreInputs,
    notes_of,
    predict_inputs,
    read_note,
    remember,
)
from worldstrat_bench.run.selection import Selection, Shard, select

_OWN = frozenset({"shard", "files_sha256"})
"""Fields that may differ between the shards of one run: a shard knows the files of its own tiles only."""
_STATE = HARNESS_STATE | {"lpips_null"}
"""Fields of the scoring that may differ as well."""


@dataclass(frozen=True)
class _Part:
    """A shard, open for reading."""

    run: RunFolder
    shard: Shard
    predicting: PredictInputs
    scoring: ScoreInputs
    machine: Machine
    entries: dict[str, Entry]


def merge_runs(paths: Sequence[Path], data: Path, out: Path) -> Record:
    """Make one run of complete shards.

    Parameters
    ----------
    paths : the shards' run directories, or folders with ``shards/`` in them.
    data : the dataset, for the labels of the tiles and to make sure that the shards are of it.
    out : the run directory to make; predictions are linked or copied into it.

    Raises
    ------
    UsageError
        if the shards are of different runs (naming what differs), or of another dataset.
    InvalidArtefactError
        if shards or tiles are missing, naming them.
    """
    with ExitStack() as stack:
        parts = [_open(stack.enter_context(read_run(path))) for path in expand(paths)]
        # Alike before complete: that a shard of another run is missing tiles is of no use to know.
        _alike(parts)
        _all_there(parts)
        stored = parts[0].predicting
        selection = select(open_dataset(data), stored.list, stored.limit)
        inputs = _whole(parts, selection)
        with hold_run(out) as run:
            remember(run.journal, "predict", inputs, remedy=RESUME)
            remember(run.journal, "machine", parts[0].machine, remedy=RESUME)
            remember(run.journal, "score", parts[0].scoring, remedy=RESUME)
            if len({part.scoring.harness for part in parts}) > 1:
                run.journal.set_note("harness_changed", "true")
            for part in parts:
                _copy(part, run, frozenset(tile.name for tile in selection.tiles))
            return finish(run, selection, load_protocol(parts[0].scoring.protocol.id), notes_of(run))


def refuse_another_run(shard: Path, out: Path) -> None:
    """Refuse a shard that could not be merged into `out`, since another run is there.

    Raises
    ------
    UsageError
        naming what differs.
    """
    if not (out / FILE_NAME).is_file():
        return
    with read_run(shard) as part, read_run(out) as run:
        notes = (
            ("predict", PredictInputs, _OWN),
            ("machine", Machine, SAME_LEVEL_IS_ENOUGH),
            ("score", ScoreInputs, _STATE),
        )
        for name, kind, own in notes:
            # A run that was killed early lacks the later notes: what is not there contradicts nothing.
            if run.journal.note(name) is not None:
                remember(run.journal, name, read_note(part.journal, name, kind), remedy=RESUME, leave_out=own)


def expand(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the run directories that are meant: of a folder without its own journal, the shards inside."""
    found: list[Path] = []
    for path in paths:
        inner = sorted(p.parent for p in (path / "shards").glob(f"*/{FILE_NAME}"))
        found.extend(inner if inner else [path])
    return tuple(dict.fromkeys(found))


def _open(run: RunFolder) -> _Part:
    predicting = read_note(run.journal, "predict", PredictInputs)
    if predicting.shard is None:
        raise UsageError("this run is not a shard", where=run.path, remedy="give only runs that were made with --shard")
    return _Part(
        run,
        Shard.parse(predicting.shard),
        predicting,
        read_note(run.journal, "score", ScoreInputs),
        read_note(run.journal, "machine", Machine),
        dict(run.journal.entries()),
    )


def _alike(parts: Sequence[_Part]) -> None:
    first = parts[0]
    for part in parts[1:]:
        changed = [
            *differences(first.predicting, part.predicting, leave_out=_OWN),
            *differences(first.scoring, part.scoring, leave_out=_STATE),
            *differences(first.machine, part.machine, leave_out=SAME_LEVEL_IS_ENOUGH),
        ]
        if first.shard.count != part.shard.count:
            changed.append(f"number of shards: {first.shard.count}, now {part.shard.count}")
        if changed:
            raise UsageError(
                f"the shards are not of one run: {'; '.join(changed)}",
                where=f"{first.run.path} and {part.run.path}",
                remedy="remove the folder of the one that is wrong, and run that shard again like the others",
            )


def _all_there(parts: Sequence[_Part]) -> None:
    count = parts[0].shard.count
    present = [part.shard.index for part in parts]
    twice = sorted({index for index in present if present.count(index) > 1})
    if twice:
        raise UsageError(f"shard {twice[0]}/{count} is given twice", remedy="give each once")
    missing = sorted(set(range(1, count + 1)) - set(present))
    if missing:
        words = ", ".join(f"{index}/{count}" for index in missing[:10])
        raise InvalidArtefactError(
            f"{len(missing)} of {counted(count, 'shard')} {'is' if len(missing) == 1 else 'are'} missing: {words}",
            where=parts[0].run.path.parent,
            remedy="run them: worldstrat-bench evaluate ... --shard i/n",
        )


def _whole(parts: Sequence[_Part], selection: Selection) -> PredictInputs:
    """Return the inputs of the run that was cut, after making sure that every shard has the tiles it should."""
    stored = parts[0].predicting
    protocol = load_protocol(stored.protocol.id)

    def inputs_of(tiles: Selection) -> PredictInputs:
        return predict_inputs(
            tiles,
            protocol,
            stored.model,
            seed=stored.seed,
            inputs=stored.inputs,
            harness_version=stored.harness_version,
            limits=stored.limits,
        )

    for part in parts:
        own = replace(selection, tiles=part.shard.take(selection.tiles), shard=part.shard)
        changed = differences(part.predicting, inputs_of(own))
        if changed:
            raise UsageError(
                f"this is not the dataset of shard {part.shard}: {'; '.join(changed)}",
                where=selection.dataset.root,
                remedy="give the --data DIR that the shards were made from",
            )
        _complete(part, [tile.name for tile in own.tiles])
    return inputs_of(selection)


def _complete(part: _Part, tiles: Sequence[str]) -> None:
    missing = [tile for tile in tiles if tile not in part.entries or part.entries[tile].scored is None]
    if missing:
        raise InvalidArtefactError(
            f"shard {part.shard} lacks {len(missing)} of {counted(len(tiles), 'tile')}: {', '.join(missing[:3])}",
            where=part.run.path,
            remedy=f"give its command again: it continues, worldstrat-bench evaluate ... --shard {part.shard}",
        )


def _copy(part: _Part, run: RunFolder, listed: frozenset[str]) -> None:
    """Take over what a shard holds of the tiles of the list: another name in its journal is a path of its choice."""
    if part.run.journal.note("harness_changed"):
        run.journal.set_note("harness_changed", "true")
    entries = {tile: entry for tile, entry in part.entries.items() if tile in listed and entry.scored is not None}
    for tile, entry in entries.items():
        for number in range(1, entry.predicted.draws + 1):
            source = part.run.store.draw(number)
            if source.has(tile):
                refuse_link(source.path(tile))  # a shard of others': the merged run would hold what it leads to
                _link(source.path(tile), run.store.draw(number).path(tile))
    run.journal.set_entries(entries.values())


def _link(source: Path, target: Path) -> None:
    """One file under two names where the file system can, else a copy; never half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    make_room(temporary)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    temporary.replace(target)

"""A finished run as others use it: the record and the table that it was computed from, checked against each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.artefacts.record import Record, load_record
from worldstrat_bench.artefacts.tiles import TILES, TileTable, parse_tiles
from worldstrat_bench.digests import LINE_ENDINGS, LINE_ENDINGS_REMEDY, differs_in_line_endings
from worldstrat_bench.errors import InvalidArtefactError


@dataclass(frozen=True)
class Result:
    """The record and the tiles of one run."""

    folder: Path
    record: Record
    table: TileTable


def load_result(path: Path) -> Result:
    """Read a run directory, or the folder of a ``record.json``.

    Raises
    ------
    InvalidArtefactError
        if the run is not finished, or ``tiles.csv`` is not the one of the record.
    """
    folder = path.parent if path.name == Record.FILE else path
    if not folder.is_dir():
        raise InvalidArtefactError("there is no such run", where=path, remedy="give the folder that --out named")
    record = load_record(folder / Record.FILE)
    file = folder / TILES
    try:
        content = file.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArtefactError(
            f"tiles.csv cannot be read: {error}", where=file, remedy="score the run again"
        ) from None
    if hashlib.sha256(content).hexdigest() != record.files.get(TILES):
        what, remedy = "tiles.csv is not the one that the record was computed from", "score the run again"
        if differs_in_line_endings(content, record.files.get(TILES)):
            what, remedy = f"{what}: {LINE_ENDINGS}", LINE_ENDINGS_REMEDY
        raise InvalidArtefactError(what, where=file, remedy=remedy)
    return Result(folder, record, parse_tiles(text, where=file))

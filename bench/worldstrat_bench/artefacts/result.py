"""A record and the tiles that it was computed from, read together and checked against each other.

This is where every record enters, whoever sends it: a run of this machine, a submission, a revision of a repository
or the copy that a site offers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.arguments import path_of
from worldstrat_bench.artefacts.base import read_file
from worldstrat_bench.artefacts.record import Record, load_record
from worldstrat_bench.artefacts.tiles import MAX_BYTES, REMEDY, TILES, TileTable, parse_tiles
from worldstrat_bench.digests import LINE_ENDINGS, LINE_ENDINGS_REMEDY, differs_in_line_endings
from worldstrat_bench.errors import InvalidArtefactError


@dataclass(frozen=True)
class Result:
    """The record and the tiles of one run.

    Attributes
    ----------
    folder : where both lie.
    tiles_sha256 : of the content of ``tiles.csv``.
    mismatch : why ``tiles.csv`` is not the file that the record names; None if it is.
    """

    folder: Path
    record: Record
    table: TileTable
    tiles_sha256: str
    mismatch: InvalidArtefactError | None

    @classmethod
    def parse(cls, record: bytes, tiles: bytes, folder: Path) -> Result:
        """Read the content of both files.

        Parameters
        ----------
        folder : where they are from, for messages.

        Raises
        ------
        InvalidArtefactError
            if one of them is not valid; that they do not belong together is in `mismatch`.
        """
        return _joined(Record.parse(record, where=folder / Record.FILE), tiles, folder)

    @property
    def record_file(self) -> Path:
        """The path of ``record.json``."""
        return self.folder / Record.FILE

    @property
    def tiles_file(self) -> Path:
        """The path of ``tiles.csv``."""
        return self.folder / TILES

    def matching(self) -> Result:
        """Return the result itself if its files belong together.

        Raises
        ------
        InvalidArtefactError
            if ``tiles.csv`` is not the file that the record names.
        """
        if self.mismatch is not None:
            raise self.mismatch
        return self


def read_result(folder: Path) -> Result:
    """Read the record and the tiles in a folder, which may hold other files as well.

    Raises
    ------
    InvalidArtefactError
        if one of them is missing or not valid; that they do not belong together is in `Result.mismatch`.
    """
    record = load_record(folder / Record.FILE)
    return _joined(record, read_file(folder / TILES, TILES, MAX_BYTES, REMEDY), folder)


def load_result(path: Path | str) -> Result:
    """Read a run directory, or the folder of a ``record.json``.

    Raises
    ------
    UsageError
        for what is not a path.
    InvalidArtefactError
        if the run is not finished, a file is not valid, or ``tiles.csv`` is not the one of the record.
    """
    given = path_of(path, "path")
    folder = given.parent if given.name == Record.FILE else given
    if not folder.is_dir():
        raise InvalidArtefactError("there is no such run", where=given, remedy="give the folder that --out named")
    return read_result(folder).matching()


def changed_file(record: Record, content: bytes | None, path: Path) -> InvalidArtefactError | None:
    """Return why a file beside a record is not the one that the record names; None if it is.

    Parameters
    ----------
    content : of the file; None if there is none.
    path : of the file; its name is the key in the record.
    """
    name, stated = path.name, record.files.get(path.name)
    found = None if content is None else hashlib.sha256(content).hexdigest()
    if found == stated:
        return None
    what, remedy = f"{name} is not the file that the record names: its sha256 differs", Record.REMEDY
    # From the plainest fault to the subtlest: git on Windows may have changed line endings only, which has its own
    # remedy.
    if content is None:
        what = f"{name} is missing, and the record names it"
    elif stated is None:
        what = f"the record does not name {name}, which lies beside it"
    elif differs_in_line_endings(content, stated):
        what, remedy = f"{name} is not the file that the record names: {LINE_ENDINGS}", LINE_ENDINGS_REMEDY
    return InvalidArtefactError(what, where=path, remedy=remedy)


def _joined(record: Record, tiles: bytes, folder: Path) -> Result:
    path = folder / TILES
    # Not an error yet: a check reports it beside other faults, a reader of numbers refuses.
    mismatch = changed_file(record, tiles, path)
    try:
        table = parse_tiles(tiles, where=path)
    except InvalidArtefactError as error:
        if mismatch is None:
            raise
        # That the file was changed explains why it cannot be read.
        what = f"{mismatch.what}; {error.what}"
        raise InvalidArtefactError(what, where=path, remedy=mismatch.remedy) from None
    return Result(folder, record, table, hashlib.sha256(tiles).hexdigest(), mismatch)

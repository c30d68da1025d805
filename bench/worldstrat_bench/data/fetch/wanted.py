"""Which tiles a list has, and which members of an archive they need. Pure, but for reading the two CSV files."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.arguments import one_of
from worldstrat_bench.data.split import LISTS, list_tiles
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.printed import counted

LARGEST_CSV_BYTES = 256 << 20
_TILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.\-]{0,119}")
_HR = re.compile(r"(?P<tile>.+)_ps\.tiff")
_LR = re.compile(r"(?P<tile>.+)-(?P<n>[1-9][0-9]{0,3})-(?P<kind>L2A_data|CLM)\.tiff")

LARGEST_BYTES = {"ps": 64 << 20, "L2A_data": 32 << 20, "CLM": 4 << 20}
"""Largest believable size of a member once unpacked: seven times that of WorldStrat's largest and more."""


@dataclass(frozen=True)
class Member:
    """A file that a list needs: where it goes below the dataset's folder, and how large it may be."""

    path: str
    largest_bytes: int


@dataclass(frozen=True)
class WantedFiles:
    """The tiles of a list and how many revisits of each.

    Attributes
    ----------
    revisits : the numbers that metadata.csv has for a tile, at most ``frames``; what must be there in the end.
    """

    list_name: str
    tiles: frozenset[str]
    frames: int
    revisits: dict[str, frozenset[int]]

    def member(self, name: str) -> Member | None:
        """Return the file that the member `name` (parts separated by /) is, or None if no tile of the list needs it.

        Archives begin at different folders (``hr_dataset/``, ``./hr_dataset/``, Kaggle's ``hr_dataset/12bit/``), so
        the end of the name decides; the path returned is made from the tile's name alone.
        """
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if len(parts) >= 2 and (match := _HR.fullmatch(parts[-1])) and parts[-2] == match["tile"]:
            folder = parts[-3] if len(parts) > 2 else ""
            if match["tile"] in self.tiles and folder in ("", "hr_dataset", "12bit"):
                return Member(hr_path(match["tile"]), LARGEST_BYTES["ps"])
        elif len(parts) >= 3 and (match := _LR.fullmatch(parts[-1])) and parts[-3:-1] == [match["tile"], "L2A"]:
            folder = parts[-4] if len(parts) > 3 else ""
            if match["tile"] in self.tiles and int(match["n"]) <= self.frames and folder in ("", "lr_dataset"):
                return Member(lr_path(match["tile"], int(match["n"]), match["kind"]), LARGEST_BYTES[match["kind"]])
        return None

    def expected(self) -> Iterator[str]:
        """Yield the paths that the list cannot do without, sorted by tile."""
        for tile in sorted(self.tiles):
            yield hr_path(tile)
            for n in sorted(self.revisits.get(tile, ())):
                yield lr_path(tile, n, "L2A_data")
                yield lr_path(tile, n, "CLM")


def hr_path(tile: str) -> str:
    """Return where the HR image of a tile goes."""
    return f"hr_dataset/{tile}/{tile}_ps.tiff"


def lr_path(tile: str, n: int, kind: str) -> str:
    """Return where a file of revisit `n` of a tile goes; `kind` is ``L2A_data`` or ``CLM``."""
    return f"lr_dataset/{tile}/L2A/{tile}-{n}-{kind}.tiff"


def choose(list_name: str, frames: int, metadata: Path, split: Path, *, official: bool) -> WantedFiles:
    """Return the tiles of `list_name` in the dataset that these two CSV files describe.

    The lists of the package are for recognised releases, and for files that know all their tiles; other names are
    values of the split column. ``auto`` is ``full`` for a recognised release and ``test`` for anything else.

    Raises
    ------
    DataError, UsageError
    """
    revisits = _revisits(metadata, frames)
    splits = _splits(split)
    own = sorted({value for values in splits.values() for value in values})
    asked = ("full" if official else "test") if list_name.strip().casefold() == "auto" else list_name
    name = one_of(asked, (*LISTS, *own), "no tile is in list", "--list")
    if name in LISTS:
        tiles = frozenset(list_tiles(name))
        unknown = tiles - revisits.keys()
        if unknown and not official:  # metadata.csv of a release need not know the tiles that are in no split
            held = len(tiles) - len(unknown)
            raise UsageError(
                f"this dataset holds {held} of the {counted(len(tiles), 'tile')} of list {name}",
                where=metadata.name,
                remedy="--list test takes the rows of its own split file",
            )
    else:
        tiles = frozenset(tile for tile, values in splits.items() if name in values)
    _refuse_collisions(tiles)
    return WantedFiles(name, tiles, frames, {tile: revisits.get(tile, frozenset()) for tile in tiles})


def check_tables(metadata: Path, split: Path) -> None:
    """Read both files to their ends; raises DataError if they are not what they should be."""
    _revisits(metadata, 1)
    _splits(split)


def _revisits(metadata: Path, frames: int) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for row in _rows(metadata, ("tile", "n")):
        # pandas writes whole numbers as 1.0 where a column has a gap.
        tile, n = _checked_name(row["tile"], metadata), row["n"].removesuffix(".0")
        if not n.isdecimal() or len(n) > 4:
            raise DataError(f"revisit number {n[:20]!r} is not a number", where=metadata, remedy=_OTHER_COPY)
        if 1 <= int(n) <= frames:
            found.setdefault(tile, set()).add(int(n))
    return {tile: frozenset(numbers) for tile, numbers in found.items()}


def _splits(split: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in _rows(split, ("tile", "split")):
        found.setdefault(_checked_name(row["tile"], split), set()).add(row["split"])
    return found


_OTHER_COPY = "get the file from another copy of the release"


def _rows(path: Path, columns: Collection[str]) -> Iterator[dict[str, str]]:
    if path.stat().st_size > LARGEST_CSV_BYTES:
        raise DataError("the file is too large to be one of WorldStrat's", where=path, remedy=_OTHER_COPY)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            names = list(reader.fieldnames or ())
            if "tile" not in names and "" in names:  # v1.0 leaves the column of names without one
                names[names.index("")] = "tile"
                reader.fieldnames = names
            missing = [column for column in columns if column not in names]
            if missing:
                raise DataError(f"the file has no column {missing[0]}", where=path, remedy=_OTHER_COPY)
            yield from reader
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("the file is not a CSV file", where=path, remedy=_OTHER_COPY) from error


def _checked_name(tile: str, where: Path) -> str:
    """Return a tile's name that can be a folder's: letters, digits, space, ``_ . -`` and no path syntax; else raise."""
    if not _TILE.fullmatch(tile) or ".." in tile or tile.endswith((" ", ".")):
        raise DataError(f"tile name {tile[:60]!r} is not allowed", where=where, remedy=_OTHER_COPY)
    return tile


def _refuse_collisions(tiles: frozenset[str]) -> None:
    folded: dict[str, str] = {}
    for tile in sorted(tiles):
        other = folded.setdefault(tile.casefold(), tile)
        if other != tile:
            raise DataError(
                "two tiles differ by case alone and would overwrite each other on some disks",
                where=f"{other}, {tile}",
                remedy=_OTHER_COPY,
            )

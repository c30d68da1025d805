"""The two small CSV files of a WorldStrat folder, read without trusting them."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from worldstrat_bench.errors import DataError

METADATA_FILE = "metadata.csv"
SPLIT_FILE = "stratified_train_val_test_split.csv"
MAX_REVISITS = 16
MAX_BYTES = 256 * 2**20
"""Neither file of any release comes near this."""


@dataclass(frozen=True)
class SplitRow:
    """One row of the split file, cells as written."""

    tile: str
    ipcc: str
    smod: str
    source: str
    split: str


@dataclass(frozen=True)
class RevisitRow:
    """One row of the metadata: when revisit `n` and the high-resolution image of a tile were taken."""

    tile: str
    n: int
    acquired: date
    hr_acquired: date


@dataclass(frozen=True)
class Metadata:
    """The metadata by tile: revisits by number, the place in degrees, and the first row that makes no sense."""

    revisits: Mapping[str, Mapping[int, RevisitRow]]
    places: Mapping[str, tuple[float, float]]
    problems: Mapping[str, DataError] = field(default_factory=dict)


def read_table(path: Path) -> tuple[bytes, list[dict[str, str]]]:
    """The bytes of a CSV file and its rows by column; the unnamed first column is called ``""``.

    Raises
    ------
    DataError
        if the file is missing, no UTF-8, too large, not a table, or has rows of another length than its header.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError("the table is larger than any of WorldStrat", where=path)
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path.name} is missing", where=path, remedy="it belongs beside hr_dataset/") from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=path) from None
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"not a CSV table in UTF-8: {error}", where=path) from None
    if not rows:
        raise DataError("the table is empty", where=path)
    header = rows[0]
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise DataError(f"row {line} has {len(row)} cells, the header has {len(header)}", where=path)
    return content, [dict(zip(header, row, strict=True)) for row in rows[1:]]


def md5(content: bytes) -> str:
    """The md5 of a file's bytes, as archives publish it; no security rests on it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def parse_split(rows: Iterable[Mapping[str, str]], path: Path) -> tuple[SplitRow, ...]:
    """The rows of the split file, some tiles more than once, as upstream wrote them."""
    return tuple(
        SplitRow(
            safe_name(_tile(row, path), path),
            row.get("IPCC Class", ""),
            row.get("SMOD", ""),
            row.get("source", ""),
            _cell(row, "split", path),
        )
        for row in rows
    )


def parse_metadata(rows: Iterable[Mapping[str, str]], path: Path) -> Metadata:
    """The metadata by tile; of rows that repeat a tile and revisit the first counts.

    A row without a number or dates is a fault of its tile, not of the other thousands.

    Raises
    ------
    DataError
        if a column is missing.
    """
    revisits: dict[str, dict[int, RevisitRow]] = {}
    places: dict[str, tuple[float, float]] = {}
    problems: dict[str, DataError] = {}
    for line, row in enumerate(rows, start=2):
        tile = _tile(row, path)
        number, *dates = (_cell(row, column, path) for column in ("n", "lowres_date", "highres_date"))
        try:
            n = _number(number, line, path)
            taken, hr_taken = (_date(cell, line, path) for cell in dates)
        except DataError as error:
            problems.setdefault(tile, error)
            continue
        revisits.setdefault(tile, {}).setdefault(n, RevisitRow(tile, n, taken, hr_taken))
        places.update((tile, place) for place in _place(row) if tile not in places)
    return Metadata(revisits, places, problems)


def safe_name(tile: str, path: Path) -> str:
    """A tile's name that is a plain folder name; names come from outside and become paths."""
    if not tile or len(tile) > 120 or tile.startswith(".") or not tile.isprintable() or set(tile) & set('/\\:*?"<>|'):
        raise DataError(f"{tile[:60]!r} is no name of a tile", where=path)
    return tile


def _tile(row: Mapping[str, str], path: Path) -> str:
    # The first column is unnamed in v1.0 and called "tile" in v1.1.
    return row["tile"] if "tile" in row else _cell(row, "", path)


def _cell(row: Mapping[str, str], column: str, path: Path) -> str:
    if column not in row:
        raise DataError(f"the table has no column {column!r}", where=path)
    return row[column]


def _number(cell: str, line: int, path: Path) -> int:
    try:
        number = int(float(cell))
    except (ValueError, OverflowError):
        number = 0
    if not 1 <= number <= 999:
        raise DataError(f"row {line}, column n: {cell[:30]!r} is no number of a revisit", where=path)
    return number


def _date(cell: str, line: int, path: Path) -> date:
    try:
        return date.fromisoformat(cell[:10])
    except ValueError:
        raise DataError(f"row {line}: {cell[:30]!r} is no date", where=path) from None


def _place(row: Mapping[str, str]) -> Iterator[tuple[float, float]]:
    try:
        lon, lat = float(row.get("lon", "")), float(row.get("lat", ""))
    except ValueError:
        return
    if abs(lon) <= 360 and abs(lat) <= 90:  # false for NaN, too
        yield lon, lat

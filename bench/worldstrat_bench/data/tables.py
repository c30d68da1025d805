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
from worldstrat_bench.plain_files import read_plain

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
    """Return the bytes of a CSV file and its rows by column; the unnamed first column is called ``""``.

    What programs change when they save a table is undone: a byte order mark, empty lines at the end, semicolons or tabs
    instead of commas, and a further column of row numbers in front.

    Raises
    ------
    DataError
        if the file is missing, not UTF-8, too large, not a table, or has rows of another length than its header.
    """
    content = _read(path)
    try:
        text = content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text), strict=True, delimiter=_delimiter(text)))
    except UnicodeDecodeError as error:
        remedy = "save it again as CSV in UTF-8, or fetch it again: worldstrat-bench data fetch"
        raise DataError(f"not a CSV table in UTF-8: {error}", where=path, remedy=remedy) from None
    except csv.Error as error:
        raise DataError(f"not a CSV table: {error}", where=path) from None
    while rows and not any(cell.strip() for cell in rows[-1]):
        rows.pop()
    if not rows:
        raise DataError("the table is empty", where=path)
    header = rows[0]
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise DataError(f"row {line} has {len(row)} cells, the header has {len(header)}", where=path)
    return content, [dict(row) for row in _without_row_numbers(header, rows[1:])]


def _read(path: Path) -> bytes:
    try:
        content = read_plain(path, MAX_BYTES)
    except FileNotFoundError:
        raise DataError(f"{path.name} is missing", where=path, remedy="it belongs beside hr_dataset/") from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=path) from None
    if len(content) > MAX_BYTES:
        raise DataError("the table is larger than any of WorldStrat", where=path)
    return content


def _delimiter(text: str) -> str:
    """Return what separates the header's cells: a spreadsheet in a language with decimal commas writes semicolons."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count) if header else ","


def _without_row_numbers(header: list[str], rows: list[list[str]]) -> Iterator[Iterable[tuple[str, str]]]:
    """Yield the cells by column, without the column of row numbers that pandas puts before the table's own.

    The tables of v1.0 have an unnamed first column themselves, which holds names of tiles: pandas reads that one as
    ``Unnamed: 0``.
    """
    numbered = len(header) > 1 and header[0] == "" and all(row[0] == str(at) for at, row in enumerate(rows))
    start = 1 if numbered else 0
    names = ["" if at == start and name == "Unnamed: 0" else name for at, name in enumerate(header)]
    for row in rows:
        yield zip(names[start:], row[start:], strict=True)


def md5(content: bytes) -> str:
    """Return the md5 of a file's bytes, as archives publish it; no security rests on it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def parse_split(rows: Iterable[Mapping[str, str]], path: Path) -> tuple[SplitRow, ...]:
    """Return the rows of the split file, some tiles more than once, as upstream wrote them."""
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
    """Return the metadata by tile; of rows that repeat a tile and revisit the first counts.

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
    """Return a tile's name that is a plain folder name; names come from outside and become paths.

    Raises
    ------
    DataError
        for any other name.
    """
    if not tile or len(tile) > 120 or tile.startswith(".") or not tile.isprintable() or set(tile) & set('/\\:*?"<>|'):
        raise DataError(f"{tile[:60]!r} is not the name of a tile", where=path)
    return tile


def _tile(row: Mapping[str, str], path: Path) -> str:
    # The first column is unnamed in v1.0 and called "tile" in v1.1.
    return row["tile"] if "tile" in row else _cell(row, "", path)


def _cell(row: Mapping[str, str], column: str, path: Path) -> str:
    if column not in row:
        raise DataError(f"the table has no column {column!r}", where=path)
    return row[column]


def _decimal(cell: str) -> float:
    """Read a number; a spreadsheet in a language with decimal commas writes 1,5. Raises ValueError."""
    return float(cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell)


def _number(cell: str, line: int, path: Path) -> int:
    try:
        # A program that saved the table may have made 1.0 of 1, or 1,0.
        number = int(_decimal(cell))
    except (ValueError, OverflowError):
        number = 0
    if not 1 <= number <= 999:
        raise DataError(f"row {line}, column n: {cell[:30]!r} is not the number of a revisit", where=path)
    return number


def _date(cell: str, line: int, path: Path) -> date:
    try:
        return date.fromisoformat(cell[:10])
    except ValueError:
        raise DataError(f"row {line}: {cell[:30]!r} is not a date", where=path) from None


def _place(row: Mapping[str, str]) -> Iterator[tuple[float, float]]:
    try:
        lon, lat = _decimal(row.get("lon", "")), _decimal(row.get("lat", ""))
    except ValueError:
        return
    # Up to 360, since longitudes may be counted from 0: `continent_of` brings them to -180 to 180.
    if abs(lon) <= 360 and abs(lat) <= 90:  # false for NaN, too
        yield lon, lat

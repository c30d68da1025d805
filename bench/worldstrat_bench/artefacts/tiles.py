"""``tiles.csv``: one row a tile, the table from which every aggregate of a record is computed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.arguments import check_several, check_text, one_of, whole_numbers
from worldstrat_bench.artefacts.base import decoded, finite_number, read_csv
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.typed import typed

TILES: Final = "tiles.csv"
"""The name of the file in a run or a result folder."""
REMEDY: Final = "tiles.csv is never edited by hand; score the run again"
MAX_BYTES: Final = 8_000_000
"""Larger files are refused unread."""
MOST_TILES: Final = 20_000
"""Rows of a table: the list that ranks has some 900, all of WorldStrat 4000."""

Kind = Literal["text", "number", "flag"]
Value = str | int | float | bool | None

OUTCOMES: tuple[str, ...] = ("ok", "model_error", "invalid_output", "timeout", "out_of_memory", "crash", "infra_error")
"""Outcomes of a tile. Only ``ok`` is scored and only ``infra_error`` is retried for free."""

COLUMNS: dict[str, Kind] = {
    "tile": "text",
    "group": "text",
    "ipcc": "text",
    "smod": "text",
    "source": "text",
    "continent": "text",
    "lon": "number",
    "lat": "number",
    "cloud": "number",
    "days": "number",
    "detail": "number",
    "outcome": "text",
    "psnr": "number",
    "ssim": "number",
    "lpips": "number",
    "rmse": "number",
    "psnr_raw": "number",
    "psnr_unregistered": "number",
    "sam": "number",
    "lr_consistency": "number",
    "psnr_bicubic": "number",
    "clipped": "number",
    "shift_y": "number",
    "shift_x": "number",
    "shift_at_edge": "flag",
}
"""The fixed columns, in order. Optional metrics follow them, in alphabetical order, all of kind number."""

FACT_COLUMNS: tuple[str, ...] = (
    "group",
    "ipcc",
    "smod",
    "source",
    "continent",
    "lon",
    "lat",
    "cloud",
    "days",
    "detail",
)
"""Columns that describe a tile and are the same for every model."""


@dataclass(frozen=True)
class TileTable:
    """The rows of a ``tiles.csv``, sorted by tile name; columns by name.

    Text columns hold ``str`` or ``None``; number columns are float64 arrays with NaN for null; flag columns
    hold ``bool`` or ``None``.
    """

    tiles: tuple[str, ...]
    texts: Mapping[str, tuple[str | None, ...]]
    numbers: Mapping[str, NDArray[np.float64]]
    flags: Mapping[str, tuple[bool | None, ...]]

    def __len__(self) -> int:
        return len(self.tiles)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column but ``tile``."""
        return (*self.texts, *self.numbers, *self.flags)

    @property
    def optional_metrics(self) -> tuple[str, ...]:
        """Number columns beyond the fixed ones."""
        return tuple(name for name in self.numbers if name not in COLUMNS)

    def without(self, names: Iterable[str]) -> TileTable:
        """Return the table less those number columns."""
        check_several(names, "names", "lpips,ssim")
        left_out = set(names)
        return replace(self, numbers={name: own for name, own in self.numbers.items() if name not in left_out})

    @property
    def ok(self) -> NDArray[np.bool_]:
        """(n,) True where the tile was scored."""
        return np.array([outcome == "ok" for outcome in self.texts["outcome"]], dtype=bool)

    def text(self, name: str) -> tuple[str, ...]:
        """Return a text column, null as the empty string."""
        name = one_of(name, self.texts, "the table has no column of text", "name")
        return tuple(value or "" for value in self.texts[name])

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The group of every tile: the parent order of a sub-tile, else the tile itself."""
        return tuple(group or tile for group, tile in zip(self.texts["group"], self.tiles, strict=True))

    def index_of(self, tiles: Iterable[str]) -> NDArray[np.intp]:
        """Return the row numbers of those of `tiles` that are in the table, ascending."""
        check_several(tiles, "tiles", "Landcover-1298301")
        wanted = set(tiles)
        return np.array([i for i, tile in enumerate(self.tiles) if tile in wanted], dtype=np.intp)

    def take(self, index: Sequence[int] | NDArray[np.intp]) -> TileTable:
        """Return the table of those rows."""
        rows = whole_numbers(index, "index", len(self))
        return TileTable(
            tuple(self.tiles[i] for i in rows),
            {k: tuple(v[i] for i in rows) for k, v in self.texts.items()},
            {k: v[rows] for k, v in self.numbers.items()},
            {k: tuple(v[i] for i in rows) for k, v in self.flags.items()},
        )


def format_value(value: Value) -> str:
    """Return one cell: null is empty, numbers are ``%.7g``, flags are ``true`` and ``false``."""
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | float | np.number):
        # Seven digits: what a float32 holds. More would only store the differences between processors.
        return "" if math.isnan(float(value)) else f"{float(value):.7g}"
    check_text(value, "value", "give text, a number, True, False or None")
    return value


@typed
def format_tiles(rows: Iterable[Mapping[str, Value]]) -> str:
    """Return the text of a ``tiles.csv`` for rows in any order; columns that a row lacks are null."""
    rows = list(rows)
    if any("tile" not in row for row in rows):
        raise UsageError("a row names no tile", where="rows", remedy='give each row a "tile"')
    ordered = sorted(rows, key=lambda row: str(row["tile"]))
    # A column that only some tiles have is one of the table all the same; the others are null there.
    extra = sorted({name for row in ordered for name in row} - set(COLUMNS))
    header = [*COLUMNS, *extra]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in ordered:
        writer.writerow([format_value(row.get(name)) for name in header])
    return buffer.getvalue()


@typed
def parse_tiles(content: bytes | str, *, where: object = TILES) -> TileTable:
    """Read the content of a ``tiles.csv``.

    Raises
    ------
    InvalidArtefactError
        naming the line and column that is wrong: header, number of cells, an invalid number or flag,
        an unknown outcome, a tile that is listed twice or out of order.
    """
    try:
        rows = read_csv(decoded(content), 1 + MOST_TILES)
    except ValueError as error:
        raise _invalid(str(error), where) from None
    if not rows or rows[0][: len(COLUMNS)] != list(COLUMNS):
        raise _invalid("the header does not start with the fixed columns", where)
    header, body = rows[0], rows[1:]
    # By name, a second column would replace the first without a word.
    if sorted(set(header)) != sorted(header):
        raise _invalid("a column is named twice", where)
    for line, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise _invalid(f"line {line} has {len(row)} cells, the header has {len(header)}", where)
    tiles = tuple(row[0] for row in body)
    # One order, or two tables of the same numbers would have different digests.
    if list(tiles) != sorted(set(tiles)):
        raise _invalid("tiles are not sorted by name, each once", where)
    texts: dict[str, tuple[str | None, ...]] = {}
    numbers: dict[str, NDArray[np.float64]] = {}
    flags: dict[str, tuple[bool | None, ...]] = {}
    for position, name in enumerate(header[1:], start=1):
        cells = [row[position] for row in body]
        kind = COLUMNS.get(name, "number")
        if kind == "text":
            texts[name] = tuple(cell or None for cell in cells)
        elif kind == "number":
            numbers[name] = np.array(
                [_number(cell, line, name, where) for line, cell in enumerate(cells, start=2)],
                dtype=np.float64,
            )
        else:
            flags[name] = tuple(_flag(cell, line, name, where) for line, cell in enumerate(cells, start=2))
    for line, outcome in enumerate(texts["outcome"], start=2):
        if outcome not in OUTCOMES:
            raise _invalid(f"line {line}: unknown outcome {(outcome or '')[:40]!r}", where)
    return TileTable(tiles, texts, numbers, flags)


def _number(cell: str, line: int, name: str, where: object) -> float:
    if cell == "":
        return math.nan
    # "nan" and "inf" are numbers to Python: null has one spelling, the empty cell.
    try:
        return finite_number(cell)
    except ValueError as error:
        raise _invalid(f"line {line}, column {name}: {error}", where) from None


def _flag(cell: str, line: int, name: str, where: object) -> bool | None:
    if cell not in ("", "true", "false"):
        raise _invalid(f"line {line}, column {name}: {cell[:40]!r} is neither true nor false", where)
    return None if cell == "" else cell == "true"


def _invalid(what: str, where: object) -> InvalidArtefactError:
    return InvalidArtefactError(f"not a valid {TILES}: {what}", where=where, remedy=REMEDY)

"""``draws.csv``: the scores of every draw of a stochastic model, and of the mean image of a tile's draws.

A row for each draw of each tile that was scored, numbered from 1, then a row ``mean`` for the mean image. The values
of a tile in ``tiles.csv`` are the means over its draws.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.base import decoded, finite_number, read_csv, read_file
from worldstrat_bench.artefacts.result import Result, changed_file
from worldstrat_bench.artefacts.tiles import COLUMNS, MOST_TILES, format_value
from worldstrat_bench.errors import InvalidArtefactError

DRAWS: Final = "draws.csv"
"""The name of the file in a run or a result folder."""
MAX_BYTES: Final = 16_000_000
"""Larger files are refused unread."""
MAX_DRAWS: Final = 32
"""Draws of a tile: more would tell little, and the file would be too large for a submission."""
_MOST_ROWS: Final = 1 + MOST_TILES * (MAX_DRAWS + 1)
REMEDY: Final = "draws.csv is never edited by hand; evaluate again with --draws"

_MEAN: Final = "mean"

Values = Mapping[str, float | None]
"""Metric to value; None for null."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DrawTable:
    """The rows of a ``draws.csv``.

    Attributes
    ----------
    tiles : (n,) names of the tiles that were scored, sorted.
    draws : K, the number of draws of each.
    values : metric to its (n, K) values by tile and draw, NaN for null.
    mean_image : metric to its (n,) values of the mean image.
    """

    tiles: tuple[str, ...]
    draws: int
    values: Mapping[str, Floats]
    mean_image: Mapping[str, Floats]


def format_draws(tiles: Iterable[tuple[str, Sequence[Values], Values]]) -> str:
    """Return the text of the file for (tile, values of each draw, values of the mean image); "" without any."""
    ordered = sorted(tiles, key=lambda one: one[0])
    found = {name for _, draws, mean_image in ordered for values in (*draws, mean_image) for name in values}
    if not found:
        return ""
    names = [*(name for name in COLUMNS if name in found), *sorted(found - set(COLUMNS))]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["tile", "draw", *names])
    for tile, draws, mean_image in ordered:
        rows = [(str(number), values) for number, values in enumerate(draws, start=1)]
        for label, values in (*rows, (_MEAN, mean_image)):
            writer.writerow([tile, label, *(format_value(values.get(name)) for name in names)])
    return buffer.getvalue()


def read_draws(result: Result) -> DrawTable | None:
    """Return the draws of a run; None for a run of one prediction a tile, which has no such file.

    Raises
    ------
    InvalidArtefactError
        if the file is not the one that the record names, or it is not valid.
    """
    path = result.folder / DRAWS
    if DRAWS not in result.record.files and not path.is_file():
        return None
    content = read_file(path, DRAWS, MAX_BYTES, REMEDY)
    fault = changed_file(result.record, content, path)
    if fault is not None:
        raise fault
    return parse_draws(content, where=path)


def parse_draws(content: bytes | str, *, where: object = DRAWS) -> DrawTable:
    """Read the content of a ``draws.csv``.

    Raises
    ------
    InvalidArtefactError
        saying what is wrong: the header, a number, a tile that is listed twice, or without all of its draws.
    """
    try:
        return _parsed(read_csv(decoded(content), _MOST_ROWS))
    except ValueError as error:
        raise InvalidArtefactError(f"not a valid {DRAWS}: {error}", where=where, remedy=REMEDY) from None


def _parsed(rows: list[list[str]]) -> DrawTable:
    header, *body = rows or [[]]
    names = header[2:]
    if header[:2] != ["tile", "draw"] or not names or len(set(header)) != len(header):
        raise ValueError("line 1 does not name tile, draw and then each metric once")
    for line, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise ValueError(f"line {line} has {len(row)} cells, the header {len(header)}")
    # The number of draws is that of the first tile, and every other tile is held to it below.
    count = next((line for line, row in enumerate(body) if row[1] == _MEAN), len(body))
    if not 2 <= count <= MAX_DRAWS:
        raise ValueError(f"the first tile has {count} draws and then its mean image: 2 to {MAX_DRAWS} are possible")
    labels = [*(str(number) for number in range(1, count + 1)), _MEAN]
    tiles = tuple(row[0] for row in body[:: count + 1])
    if [(row[0], row[1]) for row in body] != [(tile, label) for tile in tiles for label in labels]:
        raise ValueError(f"not every tile has the draws 1 to {count} and then {_MEAN}, in this order")
    if list(tiles) != sorted(set(tiles)):
        raise ValueError("tiles are not sorted by name, each once")
    cells = [[_number(cell, line) for cell in row[2:]] for line, row in enumerate(body, start=2)]
    numbers = np.array(cells, dtype=np.float64).reshape(len(tiles), count + 1, len(names))
    return DrawTable(
        tiles,
        count,
        {name: numbers[:, :count, i] for i, name in enumerate(names)},
        {name: numbers[:, count, i] for i, name in enumerate(names)},
    )


def _number(cell: str, line: int) -> float:
    try:
        return finite_number(cell) if cell else math.nan
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from None

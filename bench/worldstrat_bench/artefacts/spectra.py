"""``spectra.csv``: the curves that optional metrics keep of every tile, for pages and plots that draw them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.base import decoded, finite_number, read_csv, read_file
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.result import Result, changed_file
from worldstrat_bench.artefacts.tiles import MOST_TILES
from worldstrat_bench.errors import InvalidArtefactError

SPECTRA: Final = "spectra.csv"
MAX_BYTES: Final = 16_000_000
"""Larger files are refused unread."""
BINS: Final = 40
BIN_WIDTH: Final = 0.005
"""Bins of a curve and their width in cycles/m; the last one also holds what is finer."""
CURVES: Final = ("spectrum_target", "spectrum_prediction", "spectrum_cross")
"""Sums of S_H, S_P and X over the bins: energy of the target, of the prediction, and of what they share."""
_MOST_CURVES: Final = 8
"""Curves of a tile in such a file, at most."""
_REMEDY: Final = "spectra.csv is never edited by hand; evaluate again with --metrics +spectral"
_DIGITS: Final = 2e-3
"""Relative error that the four digits of the file excuse."""

Curves = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Name of a curve to tile to its values."""


def format_spectra(tiles: Iterable[tuple[str, Mapping[str, tuple[float, ...]]]]) -> str:
    """Return the text of the file for (tile, its curves by name): a row a tile and curve, sorted; "" without curves."""
    rows = [(tile, name, *curve) for tile, curves in sorted(tiles) for name, curve in sorted(curves.items())]
    if not rows:
        return ""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    longest = max(len(row) for row in rows) - 2
    writer.writerow(["tile", "curve", *_bins(longest)])
    writer.writerows([row[0], row[1], *(f"{value:.4g}" for value in row[2:])] for row in rows)
    return buffer.getvalue()


def _bins(count: int) -> list[str]:
    return [f"b{i:02d}" for i in range(count)]


def read_spectra(result: Result) -> Curves:
    """Return the curves of a run.

    Raises
    ------
    InvalidArtefactError
        if there is no file, it is not the one that the record names, or it is not valid.
    """
    path = result.folder / SPECTRA
    content = read_file(path, SPECTRA, MAX_BYTES, "evaluate the model with --metrics +spectral")
    return parse_spectra(result.record, content, path)


def parse_spectra(record: Record, content: bytes, path: Path) -> Curves:
    """Return the curves of a run from the content of its file.

    Parameters
    ----------
    path : where the content is from, for messages.

    Raises
    ------
    InvalidArtefactError
        if it is not the file that the record names, or not valid.
    """
    return parse_curves(record, content, path, _check_curves, _REMEDY)


def parse_curves(record: Record, content: bytes, path: Path, check: Callable[[Curves], None], remedy: str) -> Curves:
    """Return the curves of a run from the content of a file of curves; the parts that all such files share.

    Parameters
    ----------
    path : where the content is from; its name is that of the file.
    check : raises ValueError for curves that cannot be.

    Raises
    ------
    InvalidArtefactError
        see :func:`parse_spectra`.
    """
    fault = changed_file(record, content, path)
    if fault is not None:
        raise fault
    try:
        curves = _parsed(decoded(content))
        check(curves)
    except ValueError as error:
        raise InvalidArtefactError(f"not a valid {path.name}: {error}", where=path, remedy=remedy) from None
    return curves


def _parsed(text: str) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return the curves in the text of a file of curves; ValueError if it is not one."""
    header, *rows = read_csv(text, 1 + _MOST_CURVES * MOST_TILES) or [[]]
    if header[:2] != ["tile", "curve"]:
        raise ValueError("line 1 does not start with tile,curve")
    if header[2:] != _bins(len(header) - 2):
        raise ValueError("line 1 does not number the values as b00, b01 and so on")
    curves: dict[str, dict[str, NDArray[np.float64]]] = {}
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ValueError(f"line {line} has {len(row)} cells, the header {len(header)}")
        try:
            values = np.array([finite_number(cell) for cell in row[2:]], dtype=np.float64)
        except ValueError as error:
            raise ValueError(f"line {line}: {error}") from None
        if row[0] in curves.setdefault(row[1], {}):
            raise ValueError(f"line {line} repeats a tile and curve")
        curves[row[1]][row[0]] = values
    return curves


def _check_curves(curves: Curves) -> None:
    """Raise ValueError unless all tiles have the three curves, and no other, of energies that images can have."""
    if set(CURVES) - set(curves) or len({frozenset(curves[name]) for name in CURVES}) != 1:
        raise ValueError(f"a tile lacks one of {', '.join(CURVES)}")
    if other := sorted(set(curves) - set(CURVES)):
        raise ValueError(f"it holds a curve {other[0][:40]!r}, which the harness does not write")
    target, prediction, cross = (curves[name] for name in CURVES)
    for tile, truth in target.items():
        shown, shared = prediction[tile], cross[tile]
        if len(truth) != BINS:
            raise ValueError(f"a curve has {len(truth)} values, not {BINS}")
        if (truth < 0).any() or (shown < 0).any():
            raise ValueError(f"an energy of {tile[:80]} is negative")
        with np.errstate(over="ignore"):
            # Cauchy and Schwarz: no two images have a larger cross term. The roots are multiplied, since a product of
            # energies may overflow.
            most = np.sqrt(truth) * np.sqrt(shown) * (1 + _DIGITS)
        if (np.abs(shared) > most).any():
            raise ValueError(f"prediction and target of {tile[:80]} share more energy than they have")

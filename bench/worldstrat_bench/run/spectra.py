"""``spectra.csv``: the curves that optional metrics keep of every tile, for pages that draw them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

SPECTRA = "spectra.csv"


def format_spectra(tiles: Iterable[tuple[str, Mapping[str, tuple[float, ...]]]]) -> str:
    """The text of the file for (tile, its curves by name): a row a tile and curve, sorted; "" if no tile has any."""
    rows = [(tile, name, *curve) for tile, curves in sorted(tiles) for name, curve in sorted(curves.items())]
    if not rows:
        return ""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    longest = max(len(row) for row in rows) - 2
    writer.writerow(["tile", "curve", *(f"b{i:02d}" for i in range(longest))])
    writer.writerows([row[0], row[1], *(f"{value:.4g}" for value in row[2:])] for row in rows)
    return buffer.getvalue()

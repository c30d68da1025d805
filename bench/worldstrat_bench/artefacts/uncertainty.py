"""``uncertainty.csv``: how often the expected error of a model held on every tile, for pages that draw it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.spectra import Curves, parse_curves

UNCERTAINTY: Final = "uncertainty.csv"
CURVES: Final = ("coverage", "sparsification", "sparsification_oracle")
"""Share of the errors within the expected interval of a level; relative RMSE without the values of the largest
expected errors, and without those of the largest errors."""
POINTS: Final = 20
LEVELS: Final = tuple((k + 0.5) / POINTS for k in range(POINTS))
"""Levels of the coverage. The other two are without 0, 1 / POINTS, 2 / POINTS ... of the values."""
_REMEDY: Final = "uncertainty.csv is never edited by hand; evaluate the model again"


def parse_uncertainty(record: Record, content: bytes, path: Path) -> Curves:
    """Return the curves of a run from the content of its file; see :func:`spectra.parse_curves`."""
    return parse_curves(record, content, path, _check, _REMEDY)


def _check(curves: Curves) -> None:
    """Raise ValueError unless all tiles have the three curves, of values that they can have."""
    if set(curves) != set(CURVES) or len({frozenset(own) for own in curves.values()}) != 1:
        raise ValueError(f"a tile lacks one of {', '.join(CURVES)}")
    for name, most in zip(CURVES, (1.0, 5.0, 1.001), strict=True):
        for tile, values in curves[name].items():
            if len(values) != POINTS or (values < 0).any() or (values > most).any():
                raise ValueError(f"{name} of {tile[:80]} is not {POINTS} values from 0 to {most:g}")

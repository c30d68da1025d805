"""How the tables of two runs of one model compare, column by column: every metric and every fact of the tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.speed import SpeedReport
from worldstrat_bench.artefacts.tiles import FACT_COLUMNS, TileTable
from worldstrat_bench.artefacts.verification import ColumnCheck
from worldstrat_bench.measures import MEASURES
from worldstrat_bench.printed import counted
from worldstrat_bench.submission.faults import CheckFinding

PRINTED: Final = 2e-6
"""Relative: one unit of the last of the seven digits of ``tiles.csv``, in every column."""

SPEED_TOLERANCE: Final = 0.1
"""Relative, of the time of a call: two VALID sessions on one machine agree to half of it."""

_DB: Final = 0.01
_ABSOLUTE: Final[Mapping[str, float]] = {
    "psnr": _DB,
    "psnr_raw": _DB,
    "psnr_unregistered": _DB,
    "psnr_bicubic": _DB,
    "psnr_nir": _DB,
    "sam4": 0.05,
    "ndvi_mae": 5e-3,
    "coverage_68": 0.01,
    "coverage_95": 0.01,
    "ause": 0.01,
    "crps": 1e-4,
    "ssim": 1e-3,
    "lpips": 1e-3,
    "stlpips": 1e-3,
    "rmse": 1e-4,
    "sam": 0.05,
    "lr_consistency": 1e-4,
    "lr_consistency_target": 1e-4,
    "clipped": 1e-3,
    "shift_y": 0.02,
    "shift_x": 0.02,
}
"""Largest difference, in the unit of the column: a prediction within `SAME_PREDICTION` moves it by less."""

_FACTS: Final = frozenset(FACT_COLUMNS)
_OTHERS_RELATIVE: Final = 0.01
_OTHERS_ABSOLUTE: Final = 1e-3


@dataclass(frozen=True)
class Compared:
    """One column of two tables, row by row: the distance, where both or neither have a value, and what is too far."""

    distance: NDArray[np.float64]
    known: NDArray[np.bool_]
    beyond: NDArray[np.bool_]


def tolerance_of(column: str) -> tuple[float, float]:
    """Return the largest absolute and relative difference of a column; facts of tiles and flags agree exactly."""
    if column in _FACTS or column in ("outcome", "shift_at_edge"):
        return 0.0, PRINTED
    if column in _ABSOLUTE:
        return _ABSOLUTE[column], PRINTED
    return _OTHERS_ABSOLUTE, _OTHERS_RELATIVE


def compare_tables(submitted: TileTable, again: TileTable) -> dict[str, ColumnCheck]:
    """Return how every column of two tables compares, on the tiles of `again`.

    A value on one side only is a contradiction, and so is a column or a tile that the other table lacks.
    """
    rows = {tile: row for row, tile in enumerate(submitted.tiles)}
    here = [tile for tile in again.tiles if tile in rows]
    lacking = len(again.tiles) - len(here)
    ours = submitted.take([rows[tile] for tile in here])
    theirs = again.take([again.tiles.index(tile) for tile in here])
    found = {}
    for name in sorted({*ours.columns, *theirs.columns}):
        absolute, relative = tolerance_of(name)
        if name in ours.columns and name in theirs.columns:
            compared = _column(name, ours, theirs, absolute, relative)
            found[name] = _check(compared, here, absolute, relative, lacking)
        else:
            found[name] = ColumnCheck(
                largest=None,
                tile=here[0] if here else None,
                tolerance=absolute,
                relative=relative,
                contradicted=len(again.tiles),
            )
    return found


def _column(name: str, ours: TileTable, theirs: TileTable, absolute: float, relative: float) -> Compared:
    if name in ours.numbers:
        a, b = ours.numbers[name], theirs.numbers[name]
        # A missing value has no distance, and must not pass for agreement.
        one_sided = np.isnan(a) != np.isnan(b)
        distance = np.abs(a - b)
        known = ~np.isnan(distance)
        far = np.zeros(len(a), dtype=bool)
        far[known] = distance[known] > absolute + relative * np.abs(b[known])
        return Compared(np.where(known, distance, 0.0), known, far | one_sided)
    first, second = (ours.texts, theirs.texts) if name in ours.texts else (ours.flags, theirs.flags)
    differs = np.array([x != y for x, y in zip(first[name], second[name], strict=True)], dtype=bool)
    return Compared(differs.astype(np.float64), np.ones(len(differs), dtype=bool), differs)


def _check(found: Compared, tiles: list[str], absolute: float, relative: float, lacking: int) -> ColumnCheck:
    """Return the summary of a column; where a value is on one side only the distance is not known."""
    contradicted = int(found.beyond.sum()) + lacking
    # What contradicts comes before what is merely far: a missing value has no distance.
    order = np.where(found.beyond, np.where(found.known, found.distance, np.inf), -1.0)
    worst = int(np.argmax(order if found.beyond.any() else found.distance)) if tiles else None
    largest = float(found.distance[found.known].max()) if found.known.any() else None
    return ColumnCheck(
        largest=largest,
        tile=None if worst is None else tiles[worst],
        tolerance=absolute,
        relative=relative,
        contradicted=contradicted,
    )


def column_faults(columns: Mapping[str, ColumnCheck], compared: int, where: Path) -> Iterator[CheckFinding]:
    """Return one fault for every column that contradicts the record.

    Parameters
    ----------
    compared : number of tiles.
    """
    for name, check in columns.items():
        if not check.contradicted:
            continue
        by = f", by up to {check.largest:.3g}" if check.largest else ""
        what = f"{name} differs from tiles.csv on {check.contradicted} of {counted(compared, 'tile')}{by}"
        at = f", tile {check.tile!r} for one" if check.tile else ""
        limit = f"agreement is within {check.tolerance:g}; a value on one side only is a difference"
        yield CheckFinding("again", what + at, where=where, remedy=limit)


def agreement(columns: Mapping[str, ColumnCheck], compared: int) -> str:
    """Return one line for columns that agree: how many tiles, and the difference that comes nearest to its limit.

    Parameters
    ----------
    compared : number of tiles.
    """
    near = {name: check for name, check in columns.items() if check.tolerance and check.largest is not None}
    tiles = f"agrees: {compared} {'tile' if compared == 1 else 'tiles'}"
    if not near:
        return tiles
    name, check = max(near.items(), key=lambda item: (item[1].largest or 0.0) / item[1].tolerance)
    if not check.largest:
        return f"{tiles}, no difference in any column"
    known = MEASURES.get(name)
    label, unit = (known.label, f" {known.unit}".rstrip()) if known else (name, "")
    return f"{tiles}, largest difference {check.largest:.2g}{unit} in {label} (allowed: {check.tolerance:g}{unit})"


def speed_difference(stated: SpeedReport, measured: SpeedReport) -> float | None:
    """Return the largest |measured / stated - 1| of a call; None if the reports have no scenario in common.

    Only VALID timings of the same scenario, precision and batch compare.
    """
    again = {(t.scenario, t.precision, t.batch): t.call_ms for t in measured.timings if t.verdict == "VALID"}
    ratios = [
        abs(again[key] / timing.call_ms - 1)
        for timing in stated.timings
        if timing.verdict == "VALID" and (key := (timing.scenario, timing.precision, timing.batch)) in again
    ]
    return max(ratios, default=None)

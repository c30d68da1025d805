"""Notices about numbers that no known model has: a person looks at them, nothing is refused.

None of this is a defence: whoever invents numbers can invent plausible ones. It finds mistakes and lazy inventions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import GaussianParabola, load_protocol
from worldstrat_bench.stats.aggregate import metric_values
from worldstrat_bench.submission.faults import CheckFinding, notice

PSNR_MAX_DB: Final = 60.0
"""Above it the noise of the target itself would have to be predicted: the best seen on real tiles is 50."""

UNREGISTERED_MAX_DB: Final = 3.0
"""How much better a tile may be without its shift, which is estimated on filtered images."""

SSIM_SAME, PSNR_SAME_DB, LPIPS_SAME = 0.999, 40.0, 1e-4
"""Images that are the same to SSIM or LPIPS are near each other in PSNR, too."""

CLIPPED_MAX: Final = 0.5
CONSTANT_TILES: Final = 5
_HALF_PIXEL: Final = 0.5
_VARYING: Final = ("psnr", "ssim", "lpips", "rmse", "sam", "lr_consistency", "gain")
_REMEDY: Final = "a person looks at this before the record is ranked"

Bools = NDArray[np.bool_]


def plausibility_notices(result: Result) -> Iterator[CheckFinding]:
    """Find values that no model has, pairs of metrics that exclude each other, and columns that never vary."""
    table, where = result.table, result.tiles_file
    for rows, what in _implausible(table, result.record):
        count = int(rows.sum())
        if count:
            tile = table.tiles[int(np.flatnonzero(rows)[0])]
            text = f"{what}: {count} of {counted(len(table), 'tile')}, {tile!r} for one"
            yield notice("plausibility", text, where=where, line=table.tiles.index(tile) + 2, remedy=_REMEDY)
    for name in _VARYING:
        values = metric_values(table, name)
        values = values[~np.isnan(values)]
        if len(values) >= CONSTANT_TILES and np.ptp(values) <= 1e-6 * max(1.0, float(np.abs(values).max())):
            if name == "gain" and abs(float(values[0])) <= 1e-6:
                continue  # bicubic itself
            text = f"{measure(name).label} is {values[0]:.7g} on every one of {counted(len(values), 'tile')}"
            yield notice("plausibility", text, where=where, remedy=_REMEDY)


def _implausible(table: TileTable, record: Record) -> Iterator[tuple[Bools, str]]:
    """Return rows and what is odd about them. A comparison with a missing value is never odd."""
    # Comparisons with NaN are False: a failed tile is never odd.
    n = {name: np.where(table.ok, values, np.nan) for name, values in table.numbers.items()}
    yield n["psnr"] > PSNR_MAX_DB, f"PSNR above {PSNR_MAX_DB:g} dB"
    same = (n["ssim"] >= SSIM_SAME) & (n["psnr"] < PSNR_SAME_DB)
    yield same, f"SSIM says that images are the same and PSNR is below {PSNR_SAME_DB:g} dB"
    same = (n["lpips"] <= LPIPS_SAME) & (n["psnr"] < PSNR_MAX_DB)
    yield same, f"LPIPS says that images are the same and PSNR is below {PSNR_MAX_DB:g} dB"
    same = (n["sam"] <= 0) & (n["rmse"] > 0.01)
    yield same, "the spectra are the same and RMSE is above 0.01"
    better = n["psnr_unregistered"] - n["psnr"] > UNREGISTERED_MAX_DB
    yield better, f"PSNR is more than {UNREGISTERED_MAX_DB:g} dB better without registration"
    radius = _radius(record)
    if radius is not None:
        far = np.maximum(np.abs(n["shift_y"]), np.abs(n["shift_x"])) > radius + _HALF_PIXEL
        yield far, f"a shift beyond the search of ±{radius} px"
    yield n["clipped"] > CLIPPED_MAX, f"more than {CLIPPED_MAX:.0%} of the values were clipped"


def _radius(record: Record) -> int | None:
    """Return the radius of the search of the record's protocol, px; None if it searches in another way."""
    try:
        registration = load_protocol(record.protocol.id).registration
    except UsageError:
        return None
    return registration.radius if isinstance(registration, GaussianParabola) else None

"""Whether an official record is of the real data: every fact of its tiles is held against the package's reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.reference import Reference, References
from worldstrat_bench.artefacts.tiles import FACT_COLUMNS, TileTable, format_value
from worldstrat_bench.data.references import shipped_references

PSNR_BICUBIC_TOLERANCE_DB = 1e-3
"""Largest difference of the reference bicubic: two processors round differently, other pixels differ by far more."""

_DETAIL_TOLERANCE = 2e-6
"""Relative: one unit of the last of the seven digits that tiles.csv prints."""


def reference_of(record: Record, references: References | None = None) -> Reference | None:
    """Return the reference that a record has to agree with; None if there is none or it does not claim to be official.

    Parameters
    ----------
    references : None for those that the package ships, which is what every command uses.
    """
    if not record.dataset.official or record.dataset.inputs != "real":
        return None
    return (references or shipped_references()).find(record)


def contradiction(record: Record, table: TileTable, reference: Reference) -> str:
    """Return what of a record is not so on the real data, in words; "" if all of it is.

    Digests, tiles without target and labels agree exactly, numbers as printed, psnr_bicubic within
    `PSNR_BICUBIC_TOLERANCE_DB`.
    """
    return next(_contradictions(record, table, reference), "")


def _contradictions(record: Record, table: TileTable, reference: Reference) -> Iterator[str]:
    evaluated = {*table.tiles, *record.dataset.no_target}
    foreign = sorted(evaluated - set(reference.tiles))
    if foreign:
        yield f"tile {foreign[0]!r} is not among those of {reference.release}"
        return
    without = reference.without_target(evaluated)
    if differing := sorted(without ^ set(record.dataset.no_target)):
        has = "has none" if differing[0] in without else "has one"
        yield f"no_target is not that of {reference.release}: tile {differing[0]!r} {has}"
        return
    if record.dataset.targets_sha256 != reference.targets_sha256(table.tiles):
        yield f"targets_sha256 is not that of these tiles in {reference.release}"
    for name in (*FACT_COLUMNS, "psnr_bicubic"):
        yield from _column(name, table, reference)


def _column(name: str, table: TileTable, reference: Reference) -> Iterator[str]:
    """Compare one column with the real data."""
    own = [getattr(reference.tiles[tile], name) for tile in table.tiles]
    if name in table.texts:
        printed: Sequence[Any] = table.text(name)
        differing = [row for row, (stated, known) in enumerate(zip(printed, own, strict=True)) if stated != known]
    else:
        stated = table.numbers[name]
        printed = stated.tolist()
        known = np.array([_as_printed(value) for value in own], dtype=np.float64)
        relative = _DETAIL_TOLERANCE if name == "detail" else 0.0
        # A hair more than the tolerance: the values are decimal.
        absolute = PSNR_BICUBIC_TOLERANCE_DB * (1 + 1e-9) if name == "psnr_bicubic" else 0.0
        same = np.abs(stated - known) <= relative * np.abs(known) + absolute
        same |= np.isnan(stated) & np.isnan(known)
        if name == "psnr_bicubic":
            same |= ~table.ok & np.isnan(stated)  # a failed tile has no scores
        differing = [int(row) for row in np.flatnonzero(~same)]
    for row in differing[:1]:
        made = format_value(printed[row]) or "empty"
        gives = format_value(own[row]) or "empty"
        yield f"{name} of tile {table.tiles[row]!r} is {made}, {reference.release} gives {gives}"


@lru_cache(maxsize=1 << 16)
def _as_printed(value: float | None) -> float:
    """Return a number as a table holds it; kept, since every record of a release is compared with the same ones."""
    return float(format_value(value) or "nan")

"""The files of curves beside a record, one for each kind: ``spectra.csv`` and ``uncertainty.csv``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.spectra import SPECTRA, format_spectra, parse_spectra
from worldstrat_bench.artefacts.spectra import Curves as Curves
from worldstrat_bench.artefacts.uncertainty import CURVES, UNCERTAINTY, parse_uncertainty
from worldstrat_bench.errors import InvalidArtefactError

CURVE_FILES: Final = (SPECTRA, UNCERTAINTY)
"""Every file of curves that a run may have."""


def curve_files(tiles: Iterable[tuple[str, Mapping[str, tuple[float, ...]]]]) -> dict[str, str]:
    """Return the files of curves that a run of these tiles has, by name: every kind of curve has its own."""
    listed = list(tiles)
    found = {}
    for file in CURVE_FILES:
        own = [
            (tile, {name: one for name, one in curves.items() if (name in CURVES) == (file == UNCERTAINTY)})
            for tile, curves in listed
        ]
        if text := format_spectra(own):
            found[file] = text
    return found


def parse_curves(record: Record, tiles: Collection[str], files: Mapping[str, bytes], folder: Path) -> dict[str, Curves]:
    """Return the curves of a run, by the names of those of its files that are there.

    Parameters
    ----------
    tiles : of the run.
    files : content by name; other files than those of curves are left alone.
    folder : where they are from, for messages.

    Raises
    ------
    InvalidArtefactError
        if one is not the file that the record names, is not valid, or is of another tile.
    """
    parsers = {SPECTRA: parse_spectra, UNCERTAINTY: parse_uncertainty}
    found = {name: parsers[name](record, files[name], folder / name) for name in CURVE_FILES if name in files}
    known = frozenset(tiles)
    for name, curves in found.items():
        # The files are offered as they are: what they hold is what tiles.csv, whose names are checked, holds as well.
        foreign = sorted({tile for own in curves.values() for tile in own} - known)
        if foreign:
            what = f"not a valid {name}: {foreign[0][:80]!r} is not a tile of tiles.csv"
            raise InvalidArtefactError(what, where=folder / name, remedy=f"{name} is never edited by hand")
    return found

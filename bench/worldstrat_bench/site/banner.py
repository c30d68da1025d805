"""The banner of every page that is not of the official board."""

from __future__ import annotations

from typing import Final

from worldstrat_bench.data.split import release_names
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.licences import synthetic
from worldstrat_bench.site.snapshots import FrozenBoard

_SYNTHETIC: Final = (
    "Practice on synthetic scenes, no satellite data. Entries are ranked among themselves only; "
    "nothing here says how a model does on WorldStrat."
)
_OTHERS: Final = {
    "probe": "Probe. These tiles are in no published split; they are few, and this board is not the official one.",
    "compatibility": "Compatibility. Made with another group's scoring rules, for comparison with their work. Not "
    "official.",
}


def banner_of(division: Division | None) -> str:
    """Return how the ranks of a board are to be read; "" for the official one and pages of no board."""
    if division is None or division.kind == "official":
        return ""
    if division.awaits_reference:
        return (
            "Practice. Official pending a reference: this version of worldstrat-bench has none of this release and "
            f"protocol, so nothing shows that the targets are those of WorldStrat {division.release}. Entries are "
            "ranked among themselves only."
        )
    if division.kind == "practice" and synthetic(division.release):
        return _SYNTHETIC
    if division.kind == "practice" and set(division.lists) == {"strict"} and division.release in release_names():
        return (
            "Practice. These are the tiles of the official test list that share no acquisition with train or val, for "
            "sensitivity alone. Entries are ranked among themselves only, and no rank here may be cited."
        )
    if division.kind == "practice":
        inputs = " with inputs made by a sensor model" if division.inputs != "real" else ""
        return (
            f"Practice. This is not WorldStrat's official test list but {division.release} data{inputs}. Entries are "
            "ranked among themselves only; nothing here says how a model does on WorldStrat."
        )
    if division.kind == "predictions":
        return (
            f"Predictions that were made elsewhere and handed in, on {division.release} data. The harness scored files "
            "and ran no model: code, weights, speed and confinement are not known, nor that a model made the files. "
            "Entries are ranked among themselves only, never with models that were run; no rank here may be cited."
        )
    return _OTHERS[division.kind]


def banner_of_frozen(board: FrozenBoard) -> str:
    """Return how the ranks of a frozen board are to be read; "" for the official one.

    A snapshot does not hold all that a board of today says of itself, such as the sensor model of its inputs.
    """
    if board.kind == "official":
        return ""
    if board.kind == "practice":
        plain = "Practice. Entries are ranked among themselves only, and no rank here may be cited."
        return _SYNTHETIC if synthetic(board.release) else plain
    if board.kind == "predictions":
        return (
            "Predictions that were made elsewhere and handed in. Entries are ranked among themselves only, never with "
            "models that were run; no rank here may be cited."
        )
    return _OTHERS[board.kind]

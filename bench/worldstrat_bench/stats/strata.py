"""The axes along which tiles are told apart, and the stratum of every tile on each of them.

A stratum is stored under a short label ("Forest", "23.5-35", "low"); a page shows it with its axis:
:func:`stratum_title`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.tiles import TileTable

UNLABELLED = "unlabelled"
UNLOCATED = "unlocated"
UNKNOWN = "unknown"
_SHOWN = {UNLABELLED: "no label", UNLOCATED: "no coordinates", UNKNOWN: "not known"}


@dataclass(frozen=True)
class Axis:
    """One way to divide the tiles.

    Attributes
    ----------
    name : key in a record and in file names.
    title : heading on a page.
    explanation : one line on what divides the tiles.
    order : labels in the order of pages; others follow alphabetically.
    """

    name: str
    title: str
    explanation: str
    order: tuple[str, ...] = ()


SMOD_LABELS = (
    "Water",
    "Very low density rural",
    "Low density rural",
    "Rural cluster",
    "Suburban",
    "Semi-dense urban cluster",
    "Dense urban cluster",
    "Urban centre",
)

LATITUDE = (0.0, 23.5, 35.0, 55.0, 90.0)
"""Edges of the latitude bands, degrees; a band holds its lower edge, the last one both."""
LATITUDE_LABELS = ("0-23.5", "23.5-35", "35-55", "55-90")
CLOUD = (0.0, 0.05, 0.20, 0.50, 1.0)
"""Edges of the cloud classes, mean share of cloudy pixels over the offered frames."""
CLOUD_LABELS = ("0-5", "5-20", "20-50", "50-100")
AGE = (0.0, 3.0, 8.0, 31.0, math.inf)
"""Edges of the age classes, whole days between frame 0 and the high-resolution image."""
AGE_LABELS = ("0-2", "3-7", "8-30", "over 30")
DETAIL_LABELS = ("low", "medium", "high")

_AXES: tuple[Axis, ...] = (
    Axis("ipcc", "IPCC class", "Land use class of the tile as WorldStrat states it"),
    Axis("smod", "SMOD class", "Degree of urbanisation, GHS settlement model", SMOD_LABELS),
    Axis("source", "Source", "Where WorldStrat took the location from"),
    Axis("continent", "Continent", "From the tile's coordinates; Russia is split at 60° E"),
    Axis("latitude", "Latitude", "Absolute latitude, degrees", LATITUDE_LABELS),
    Axis("cloud", "Cloud", "Mean cloudy share of the offered Sentinel-2 frames, per cent", CLOUD_LABELS),
    Axis("age", "Age", "Days between the first frame and the high-resolution image", AGE_LABELS),
    Axis("detail", "Detail", "Fine texture of the target; thirds of the run's largest list by rank", DETAIL_LABELS),
)

AXES: tuple[str, ...] = tuple(axis.name for axis in _AXES)
"""The names of the axes, in the order of pages."""


def axis(name: str) -> Axis:
    """Return the axis of that name; an unknown one (from a newer record) gets a plain description."""
    return next((a for a in _AXES if a.name == name), Axis(name, name, "Axis of this record"))


def stratum_name(axis_name: str, stratum: str) -> str:
    """Return the label as a page prints it beside its axis: "Dense urban cluster", "35-55°", "5-20 %"."""
    if stratum in _SHOWN:
        return _SHOWN[stratum]
    dashed = stratum.replace("-", "–") if axis_name in ("latitude", "cloud", "age") else stratum
    return dashed + {"latitude": "°", "cloud": " %", "age": " days"}.get(axis_name, "")


def stratum_title(axis_name: str, stratum: str) -> str:
    """Return axis and label together: "SMOD class: Water". Two axes have a "Water"."""
    return f"{axis(axis_name).title}: {stratum_name(axis_name, stratum)}"


def sort_strata(axis_name: str, strata: Iterable[str]) -> tuple[str, ...]:
    """Sort labels in the order of pages: the axis's own, then alphabetically, labels for "none" last."""
    order = {label: i for i, label in enumerate(axis(axis_name).order)}
    return tuple(sorted(set(strata), key=lambda s: (s in _SHOWN, order.get(s, len(order)), s)))


def strata_of(table: TileTable, within: Iterable[str] | None = None) -> dict[str, tuple[str, ...]]:
    """Return the stratum of every row on every axis.

    Parameters
    ----------
    table : the rows.
    within : tiles of the run's largest list, by whose ranks the thirds of ``detail`` are cut; none: all rows.
        Rows outside it are "unknown" on that axis.

    Returns
    -------
    axis name to one label a row.
    """
    numbers: Mapping[str, NDArray[np.float64]] = table.numbers
    return {
        "ipcc": _texts(table.text("ipcc"), UNLABELLED),
        "smod": _texts(table.text("smod"), UNLABELLED),
        "source": _texts(table.text("source"), UNLABELLED),
        "continent": _texts(table.text("continent"), UNLOCATED),
        "latitude": _binned(np.abs(numbers["lat"]), LATITUDE, LATITUDE_LABELS, UNLOCATED),
        "cloud": _binned(numbers["cloud"], CLOUD, CLOUD_LABELS, UNKNOWN),
        "age": _binned(np.abs(numbers["days"]), AGE, AGE_LABELS, UNKNOWN),
        "detail": _thirds(table.tiles, numbers["detail"], set(table.tiles if within is None else within)),
    }


def members(labels: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Return the row numbers of every label, (k,) ascending; labels sorted."""
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return {label: np.array(rows[label], dtype=np.intp) for label in sorted(rows)}


def _texts(values: Iterable[str], missing: str) -> tuple[str, ...]:
    return tuple(value or missing for value in values)


def _binned(
    values: NDArray[np.float64], edges: Sequence[float], labels: Sequence[str], missing: str
) -> tuple[str, ...]:
    # The outer edges are left out: a value beyond them, as by rounding, belongs to the class beside it and not to
    # none.
    bins = np.clip(np.searchsorted(np.array(edges[1:-1]), values, side="right"), 0, len(labels) - 1)
    return tuple(missing if math.isnan(v) else labels[int(b)] for v, b in zip(values, bins, strict=True))


def _thirds(tiles: Sequence[str], detail: NDArray[np.float64], within: set[str]) -> tuple[str, ...]:
    kept = [i for i, tile in enumerate(tiles) if tile in within and not math.isnan(detail[i])]
    # By rank and then by name: thirds of equal size, the same on every machine.
    kept.sort(key=lambda i: (detail[i], tiles[i]))
    labels = [UNKNOWN] * len(tiles)
    for rank, i in enumerate(kept):
        labels[i] = DETAIL_LABELS[3 * rank // len(kept)]
    return tuple(labels)

"""The continent of a place, from the outlines of countries; standard library only."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise

UNLOCATED = "unlocated"
"""The continent of a tile without coordinates."""

RUSSIA_SPLIT_DEGREES = 60.0
"""East of this meridian Russia counts as Asia."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Outline:
    """One land polygon: the country's continent and its outer ring of (lon, lat) in degrees, closed."""

    continent: str
    russia: bool
    ring: tuple[Point, ...]
    box: tuple[float, float, float, float]


def continent_of(lon: float | None, lat: float | None) -> str:
    """Return the continent at a longitude and latitude in degrees.

    Inside a country of Natural Earth 1:110m it is that country's continent, elsewhere that of the nearest
    country by distance on a local equirectangular map. Russia is split at 60 E.

    Returns
    -------
    Africa, Antarctica, Asia, Europe, North America, Oceania, South America, or ``unlocated`` without finite
    coordinates on the globe.
    """
    if lon is None or lat is None or not (math.isfinite(lon) and math.isfinite(lat)) or abs(lat) > 90:
        return UNLOCATED
    point = ((lon + 180.0) % 360.0 - 180.0, lat)
    for outline in outlines():
        if _in_box(point, outline.box) and _inside(point, outline.ring):
            return _name(outline, point[0])
    nearest = min(outlines(), key=lambda outline: _distance(point, outline.ring))
    return _name(nearest, point[0])


@cache
def outlines() -> tuple[Outline, ...]:
    """Return the land polygons of the package data, decoded."""
    text = resources.files("worldstrat_bench.data.facts").joinpath("continents.json").read_text(encoding="utf-8")
    document = json.loads(text)
    return tuple(_outline(entry["continent"], entry["russia"], entry["ring"]) for entry in document["outlines"])


def _outline(continent: str, russia: bool, numbers: list[int]) -> Outline:
    ring = tuple(_decode(numbers))
    lons, lats = [p[0] for p in ring], [p[1] for p in ring]
    return Outline(continent, russia, ring, (min(lons), min(lats), max(lons), max(lats)))


def _decode(numbers: list[int]) -> Iterator[Point]:
    """Undo the coding of the file: hundredths of a degree, a start and then differences."""
    x = y = 0
    for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
        x, y = x + dx, y + dy
        yield x / 100.0, y / 100.0


def _name(outline: Outline, lon: float) -> str:
    # Chukotka lies beyond the date line, at negative longitudes.
    east = lon >= RUSSIA_SPLIT_DEGREES or lon < 0
    return "Asia" if outline.russia and east else outline.continent


def _in_box(point: Point, box: tuple[float, float, float, float]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _inside(point: Point, ring: tuple[Point, ...]) -> bool:
    """Return whether a ray to the east crosses the ring an odd number of times (the even-odd rule)."""
    x, y = point
    odd = False
    for (x0, y0), (x1, y1) in pairwise(ring):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            odd = not odd
    return odd


def _distance(point: Point, ring: tuple[Point, ...]) -> float:
    """Return the squared distance to the ring in degrees of latitude, longitudes shrunk to the point's parallel."""
    x, y = point
    shrink = max(math.cos(math.radians(y)), 1e-6)

    def local(vertex: Point) -> Point:
        return ((vertex[0] - x + 180.0) % 360.0 - 180.0) * shrink, vertex[1] - y

    best = math.inf
    ax, ay = local(ring[0])
    for vertex in ring[1:]:
        bx, by = local(vertex)
        best = min(best, _to_segment(ax, ay, bx, by))
        ax, ay = bx, by
    return best


def _to_segment(ax: float, ay: float, bx: float, by: float) -> float:
    """Return the squared distance from the origin to a segment; one across the date line is cut to its first end."""
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    if length == 0 or abs(dx) > 180:
        return ax * ax + ay * ay
    t = min(1.0, max(0.0, -(ax * dx + ay * dy) / length))
    return (ax + t * dx) ** 2 + (ay + t * dy) ** 2

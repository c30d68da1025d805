"""The map of the tiles: Equal Earth (Savric, Patterson and Jenny 2018) over Natural Earth's land (public domain)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from markupsafe import Markup, escape

from worldstrat_bench.site.svg import Drawing, element, fmt

WIDTH, HEIGHT = 720.0, 352.0
"""Of the whole globe, px; the scale of colours is below."""
_SCALE = 132.9
"""Px a unit of the projection, whose plane is 5.41 wide."""

CLASSES = 6
"""Colour classes of values, ``q1`` lowest to ``q6`` highest in the style sheet."""


@dataclass(frozen=True)
class Mark:
    """One tile on the map."""

    lon: float
    lat: float
    shade: int
    title: str
    href: str


def world_map(marks: Sequence[Mark], label: str, ends: tuple[str, str]) -> Markup:
    """Draw tiles as small circles; `ends` label the colour scale.

    The keyboard skips the circles: the same tiles are in the gallery and on the pages of strata.
    """
    drawing = Drawing(WIDTH, HEIGHT + 22, label, css="fig map")
    drawing.add("path", css="globe", d=_path(_edge()) + "Z")
    drawing.add("path", css="la", d=_land())
    for lon in range(-120, 180, 60):
        drawing.add("path", css="gr", d=_path([(lon, lat) for lat in range(-90, 91, 10)]))
    for lat in (-60, -30, 0, 30, 60):
        drawing.add("path", css="zr" if lat == 0 else "gr", d=_path([(-180, lat), (180, lat)]))
    for mark in marks:
        x, y = place(mark.lon, mark.lat)
        circle = element("circle", element("title", escape(mark.title)), css=f"q{mark.shade}", cx=x, cy=y, r=3)
        drawing.raw(Markup(element("a", Markup(circle), href=mark.href, tabindex=-1)))
    left = (WIDTH - CLASSES * 26) / 2
    drawing.text(left - 6, HEIGHT + 16, ends[0], "tk", "end")
    drawing.text(left + CLASSES * 26 + 6, HEIGHT + 16, ends[1], "tk")
    for i in range(CLASSES):
        drawing.add("rect", css=f"q{i + 1}", x=left + 26 * i, y=HEIGHT + 7, width=26, height=10)
    return drawing.render()


def place(lon: float, lat: float) -> tuple[float, float]:
    """Return where a place lies on the map, px."""
    a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796
    t = math.asin(math.sqrt(3) / 2 * math.sin(math.radians(max(-90.0, min(90.0, lat)))))
    slope = 9 * a4 * t**8 + 7 * a3 * t**6 + 3 * a2 * t**2 + a1
    x = 2 * math.sqrt(3) * math.radians(lon) * math.cos(t) / (3 * slope)
    y = a4 * t**9 + a3 * t**7 + a2 * t**3 + a1 * t
    return WIDTH / 2 + _SCALE * x, HEIGHT / 2 - _SCALE * y


def _edge() -> list[tuple[float, float]]:
    return [(-180.0, float(lat)) for lat in range(-90, 91, 5)] + [(180.0, float(lat)) for lat in range(90, -91, -5)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{fmt(x)} {fmt(y)}" for x, y in (place(lon, lat) for lon, lat in points))


def shade(value: float, low: float, high: float) -> int:
    """Return the colour class of a value, 1 to :data:`CLASSES`, in equal steps."""
    if high <= low:
        return (CLASSES + 1) // 2
    return 1 + min(CLASSES - 1, max(0, int((value - low) / (high - low) * CLASSES)))


def land_rings() -> list[list[tuple[float, float]]]:
    """Return the outlines as (lon, lat) in degrees; stored as a start and steps, in 0.1 degree."""
    text = resources.files("worldstrat_bench.site").joinpath("assets", "land.json").read_text(encoding="utf-8")
    rings = []
    for flat in json.loads(text):
        x, y = flat[0], flat[1]
        ring = [(x / 10, y / 10)]
        for dx, dy in zip(flat[2::2], flat[3::2], strict=True):
            x, y = x + dx, y + dy
            ring.append((x / 10, y / 10))
        rings.append(ring)
    return rings


@cache
def _land() -> str:
    """Return the path of all rings."""
    return "".join(_path(ring) + "Z" for ring in land_rings())

"""The map of the tiles: a plate carree drawing over Natural Earth's land outlines (public domain)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from markupsafe import Markup, escape

from worldstrat_bench.site.svg import Drawing, element, fmt

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
    """Tiles as small circles, 2 px a degree, latitudes 84 north to 60 south; `ends` label the colour scale."""
    drawing = Drawing(720, 288, label, css="fig map")
    for lon in range(-150, 180, 30):
        drawing.line(_x(lon), 0, _x(lon), 288, "gr")
    for lat in (60, 30, 0, -30):
        drawing.line(0, _y(lat), 720, _y(lat), "zr" if lat == 0 else "gr")
    drawing.add("path", css="la", d=_land())
    for mark in marks:
        circle = element("circle", element("title", escape(mark.title)), css=f"q{mark.shade}",
                         cx=_x(mark.lon), cy=_y(mark.lat), r=3)  # fmt: skip
        drawing.raw(Markup(element("a", Markup(circle), href=mark.href)))
    drawing.text(10, 262, ends[0], "tk")
    drawing.text(10 + CLASSES * 16, 262, ends[1], "tk", "end")
    for i in range(CLASSES):
        drawing.add("rect", css=f"q{i + 1}", x=10 + 16 * i, y=267, width=16, height=9)
    return drawing.render()


def shade(value: float, low: float, high: float) -> int:
    """Return the colour class of a value, 1 to :data:`CLASSES`, in equal steps."""
    if high <= low:
        return (CLASSES + 1) // 2
    return 1 + min(CLASSES - 1, max(0, int((value - low) / (high - low) * CLASSES)))


def _x(lon: float) -> float:
    return 2 * (lon + 180)


def _y(lat: float) -> float:
    return 2 * (84 - max(-60.0, min(84.0, lat)))


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
    """Return the path of all rings that reach into the map."""
    rings = [ring for ring in land_rings() if max(lat for _, lat in ring) > -60]
    return "".join("M" + "L".join(f"{fmt(_x(lon))} {fmt(_y(lat))}" for lon, lat in ring) + "Z" for ring in rings)

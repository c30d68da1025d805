"""The two charts on top of a board: every model against the first, and quality against speed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from worldstrat_bench.site.leader import Difference
from worldstrat_bench.site.svg import (
    WIDE,
    Drawing,
    Scale,
    Width,
    at_both_widths,
    element,
    fmt,
    grid,
    nice_ticks,
    text_element,
    tick_label,
)
from worldstrat_bench.site.text import cut_middle, number

LETTER = 7.3
"""Width of a character, px."""


@dataclass(frozen=True)
class Row:
    """One model in the chart of differences."""

    label: str
    href: str
    difference: Difference


@dataclass(frozen=True)
class Point:
    """One model in the plane of quality and speed; `named` ones have their name beside them."""

    label: str
    x: float
    y: float
    href: str
    hollow: bool = False
    named: bool = False


def cut(label: str, limit: int = WIDE.name) -> str:
    """Return a name that fits into a drawing; the whole one is in the table and in its tooltip."""
    return cut_middle(label, limit)


def link(href: str, content: str) -> Markup:
    """Return a link that the keyboard skips: the table has the same one."""
    return Markup(element("a", Markup(content), href=href, tabindex=-1))


def difference_chart(rows: Sequence[Row], label: str, unit: str, decimals: int, *, up: bool) -> Markup:
    """Draw differences to the first model, better to the right: 95 % as a bar, the level of a verdict as whisker.

    Parameters
    ----------
    rows : the first one on top, with difference 0.
    up : whether higher is better; if not, the axis is turned round.
    """
    return at_both_widths(lambda width: _differences(rows, label, unit, decimals, up, width))


def _differences(rows: Sequence[Row], label: str, unit: str, decimals: int, up: bool, width: Width) -> Drawing:
    ends = [0.0, *(v for r in rows for v in r.difference.drawn)]
    ticks = nice_ticks(min(ends), max(ends), 2 if width.narrow else 4)
    left, right = (122.0, 286.0) if width.narrow else (186.0, 488.0)
    step, top, end = 19.0, 40.0, width.total - 6
    scale = Scale(ticks[0], ticks[-1], *((left, right) if up else (right, left)))
    bottom = top + step * len(rows)
    drawing = Drawing(width.total, bottom + 8, label, css=f"fig {width.css}")
    drawing.text(end, 14, f"difference{', ' if unit else ''}{unit}", "hd", "end")
    drawing.text(left if width.narrow else right, 14, "better →", "tk", "" if width.narrow else "end")
    for tick in ticks:
        drawing.line(scale(tick), top - 6, scale(tick), bottom, "zr" if tick == 0 else "gr")
        drawing.text(scale(tick), top - 11, tick_label(tick, ticks), "tk", "middle")
    for i, row in enumerate(rows):
        y, found = top + step * (i + 0.5), row.difference
        name = element("title", escape(row.label)) + str(escape(cut(row.label, width.name)))
        text = f'<text x="{fmt(left - 8)}" y="{fmt(y + 4)}" text-anchor="end">{name}</text>'
        drawing.raw(link(row.href, text))
        if found.wide is not None:
            drawing.line(scale(found.wide[0]), y, scale(found.wide[1]), y, "wk")
        if found.interval is not None:
            drawing.line(scale(found.interval[0]), y, scale(found.interval[1]), y, "iv")
        drawing.dot(scale(found.value), y, 3.4, "pt" if found.apart or i == 0 else "ho")
        drawing.text(end, y + 4, "first" if i == 0 else number(found.value, decimals, signed=True), "nu", "end")
    return drawing


def speed_chart(
    points: Sequence[Point], label: str, x_title: str, y_title: str, *, up: bool, front: Sequence[int]
) -> Markup:
    """Draw models in a plane, x logarithmic, better up and to the right.

    Parameters
    ----------
    up : whether higher is better; if not, the axis is turned round.
    front : the points that no other is ahead of in both, from slow to fast: the corners of a staircase.
    """
    return at_both_widths(lambda width: _speeds(points, (label, x_title, y_title), up, front, width))


def _speeds(
    points: Sequence[Point], titles: tuple[str, str, str], up: bool, front: Sequence[int], width: Width
) -> Drawing:
    label, x_title, y_title = titles
    left, right, top, bottom = 58.0, width.total - 16, 30.0, 256.0
    xs, ys = [p.x for p in points], [p.y for p in points]
    y_ticks = nice_ticks(min(ys), max(ys), 4)
    low, high = math.floor(math.log10(min(xs)) - 0.05), math.ceil(math.log10(max(xs)) + 0.05)
    x_ticks = [10.0**i for i in range(low, high + 1)]
    sx = Scale(x_ticks[0], x_ticks[-1], left, right, log=True)
    sy = Scale(y_ticks[0], y_ticks[-1], *((bottom, top) if up else (top, bottom)))
    drawing = Drawing(width.total, 300.0, label, css=f"fig {width.css}")
    grid(drawing, sx, x_ticks, sy, y_ticks)
    drawing.text(right, bottom + 34, x_title, "hd", "end")
    drawing.text(6, 16, y_title, "hd")
    drawing.add("path", css="fr", d=staircase([(sx(points[i].x), sy(points[i].y)) for i in front], left))
    spots = [(sx(p.x), sy(p.y)) for p in points]
    wanted = [i for i, point in enumerate(points) if point.named]
    widths = [LETTER * len(cut(points[i].label, width.name)) for i in wanted]
    found = name_places([spots[i] for i in wanted], widths, spots, (right, bottom))
    places = {i: place for i, place in zip(wanted, found, strict=True) if place is not None}
    for i, (point, (x, y)) in enumerate(zip(points, spots, strict=True)):
        circle = element(
            "circle", element("title", escape(point.label)), css="ho" if point.hollow else "pt", cx=x, cy=y, r=4.0
        )
        text = ""
        if i in places:
            nx, ny, anchor = places[i]
            text = text_element(nx, ny, cut(point.label, width.name), "", anchor)
        drawing.raw(link(point.href, circle + text))
    return drawing


def pareto(points: Sequence[Point], *, y_higher: bool) -> list[int]:
    """Return the numbers of the points that no other beats in both, from slow to fast. x: higher is better."""
    sign = 1 if y_higher else -1
    order = sorted(range(len(points)), key=lambda i: (-points[i].x, -sign * points[i].y))
    front: list[int] = []
    for i in order:
        if not front or sign * points[i].y > sign * points[front[-1]].y:
            front.append(i)
    return front[::-1]


def staircase(corners: Sequence[tuple[float, float]], left: float) -> str:
    """Return the path of what can be had: at each speed the best quality of a model that is as fast or faster."""
    if not corners:
        return ""
    parts = [f"M{fmt(left)} {fmt(corners[0][1])}H{fmt(corners[0][0])}"]
    parts += [f"V{fmt(y)}H{fmt(x)}" for x, y in corners[1:]]
    return "".join(parts)


def name_places(
    wanted: Sequence[tuple[float, float]],
    widths: Sequence[float],
    dots: Collection[tuple[float, float]],
    corner: tuple[float, float],
) -> list[tuple[float, float, str] | None]:
    """Return x, baseline and anchor of every name, near its dot where nothing lies; None where there is no room.

    Parameters
    ----------
    wanted, widths : dots that have a name, and the width of each name, px.
    dots : all dots.
    corner : right and lower end of the plane, px.
    """
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in dots]
    places: list[tuple[float, float, str] | None] = []
    for (x, y), width in zip(wanted, widths, strict=True):
        found = None
        for dy in (-8, 12, 2, -20, 24, -32, 36, -44, 48):
            for anchor, left in (("start", x + 8), ("end", x - 8 - width)):
                box = (left, y + dy - 6, left + width, y + dy + 6)
                inside = left > 60 and box[2] < corner[0] + 14 and box[1] > 18 and box[3] < corner[1]
                if found is None and inside and not any(_overlap(box, other) for other in taken):
                    found = (x + 8 if anchor == "start" else x - 8, y + dy + 4, anchor)
                    taken.append(box)
        places.append(found)
    return places


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]

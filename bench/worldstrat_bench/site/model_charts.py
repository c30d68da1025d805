"""The charts of a model's page: strata against its own mean, and the gains of all tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from worldstrat_bench.site.board_charts import cut
from worldstrat_bench.site.leader import Difference
from worldstrat_bench.site.svg import (
    Drawing,
    Scale,
    Width,
    at_both_widths,
    element,
    fmt,
    nice_ticks,
    text_element,
    tick_label,
)
from worldstrat_bench.site.text import number


@dataclass(frozen=True)
class GainRow:
    """One stratum; `difference` is its mean minus that of all tiles, without an interval where it has few groups."""

    label: str
    href: str
    n: int
    difference: Difference


@dataclass(frozen=True)
class CurveLine:
    """Values of one model, largest first; `css` is the class of its line."""

    label: str
    values: Sequence[float]
    css: str


def gain_rows(rows: Sequence[GainRow], mean: float, label: str) -> Markup:
    """Draw bars from the mean to the left and right, one a stratum, with intervals, and the gain of each as a number.

    Parameters
    ----------
    mean : gain on all tiles, from which the differences are taken, dB.
    """
    return at_both_widths(lambda width: _gains(rows, mean, label, width))


def _gains(rows: Sequence[GainRow], mean: float, label: str, width: Width) -> Drawing:
    ends = [0.0, *(v for r in rows for v in r.difference.drawn)]
    ticks = nice_ticks(min(ends), max(ends), 2 if width.narrow else 4)
    left, right = (122.0, 246.0) if width.narrow else (190.0, 470.0)
    step, top, end = 20.0, 46.0, width.total - 6
    scale = Scale(ticks[0], ticks[-1], left, right)
    bottom = top + step * len(rows)
    drawing = Drawing(width.total, bottom + 8, label, css=f"fig {width.css}")
    tiles = end - (48 if width.narrow else 66)
    drawing.text(tiles, 32, "n", "tk", "end")
    drawing.text(end, 32, "gain" if width.narrow else "gain, dB", "hd", "end")
    # Words, because a bar to the left was read as a loss.
    drawing.text(scale(0), 12, "at its mean gain", "tk", "middle")
    if scale(0) - left > 78:
        drawing.text(scale(0) - 62, 12, "← less", "tk", "end")
    drawing.text(scale(0) + 62, 12, "more →", "tk")
    for tick in ticks:
        drawing.line(scale(tick), top - 6, scale(tick), bottom, "zr" if tick == 0 else "gr")
        drawing.text(scale(tick), 32, tick_label(tick, ticks), "tk", "middle")
    for i, row in enumerate(rows):
        y, found = top + step * (i + 0.5), row.difference
        name = text_element(left - 8, y + 4, cut(row.label, width.name), "", "end")
        drawing.raw(Markup(element("a", Markup(name), href=row.href)))
        x0, x1 = sorted((scale(0), scale(found.value)))
        css = "up" if found.value >= 0 else "down"
        css = css if found.interval is not None else f"{css} thin"
        drawing.add("rect", css=css, x=x0, y=y - 6, width=x1 - x0, height=12)
        if found.interval is not None:
            drawing.line(scale(found.interval[0]), y, scale(found.interval[1]), y, "wk")
        drawing.text(tiles, y + 4, str(row.n), "nu", "end")
        drawing.text(end, y + 4, number(mean + found.value, 2, signed=True), "nu", "end")
    return drawing


def gain_curve(lines: Sequence[CurveLine], label: str) -> Markup:
    """Draw sorted values, the largest first, over the share of tiles, with a line at zero for bicubic."""
    return at_both_widths(lambda width: _curve(lines, label, width))


def _curve(lines: Sequence[CurveLine], label: str, width: Width) -> Drawing:
    values = [v for line in lines for v in line.values]
    ticks = nice_ticks(min(0.0, *values), max(0.0, *values))
    left, right, top, bottom = 46.0, width.total - 16, 40.0, 230.0
    sx, sy = Scale(0, 100, left, right), Scale(ticks[0], ticks[-1], bottom, top)
    drawing = Drawing(width.total, 270, label, css=f"fig lines {width.css}")
    for tick in ticks:
        drawing.line(left, sy(tick), right, sy(tick), "zr" if tick == 0 else "gr")
        drawing.text(left - 6, sy(tick) + 4, tick_label(tick, ticks), "tk", "end")
    for share in (0, 25, 50, 75, 100):
        drawing.text(sx(share), bottom + 18, f"{share} %", "tk", "end" if share == 100 else "middle")
    drawing.text(right, bottom + 36, "share of the tiles", "hd", "end")
    drawing.text(6, 14, "gain, dB", "hd")
    for i, line in enumerate(lines):
        count = len(line.values)
        spots = [(sx(100 * (k + 0.5) / count), sy(v)) for k, v in enumerate(line.values)]
        drawing.add("path", css=line.css, d="M" + "L".join(f"{fmt(x)} {fmt(y)}" for x, y in spots))
        # On a phone the names stand below each other.
        x, y = (150.0, 10.0 + 16 * i) if width.narrow else (150.0 + 210 * i, 24.0)
        drawing.line(x, y, x + 26, y, line.css)
        drawing.text(x + 32, y + 4, cut(line.label, width.name), "tk")
    drawing.text(left + 4, sy(0) - 5, "bicubic", "tk")
    return drawing

"""The figures of the pages, each a pure function from numbers to an SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from worldstrat_bench.site.svg import Drawing, Scale, element, fmt, nice_ticks, text_element, tick_label
from worldstrat_bench.site.text import cut_middle, number


@dataclass(frozen=True)
class ForestRow:
    """One row of a forest plot; without a value it is a heading."""

    label: str
    n: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None
    href: str | None = None


def span(
    value: float,
    interval: tuple[float, float] | None,
    wide: tuple[float, float] | None,
    bounds: tuple[float, float],
    *,
    hollow: bool = False,
) -> Markup:
    """Return a dot with an interval as a bar and a wider one as a thin line, 64 x 12 px, for a table cell.

    Parameters
    ----------
    bounds : the common scale; what reaches beyond it ends at the edge with an arrow.
    """
    scale = Scale(bounds[0], bounds[1], 4, 60)
    parts = []
    for css, ends in (("wk", wide), ("iv", interval)):
        if ends is not None:
            low, high = (max(1.0, min(63.0, scale(end))) for end in ends)
            # Only the thin line may be cut: the scale of a column holds the 95 % intervals.
            arrows = ("M4 3 1 6l3 3" if low == 1 else "") + ("M60 3l3 3-3 3" if high == 63 else "")
            parts.append(f'<path class="{css}" d="M{fmt(low)} 6H{fmt(high)}{arrows}"/>')
    parts.append(f'<circle class="{"ho" if hollow else "pt"}" cx="{fmt(scale(value))}" cy="6" r="2.6"/>')
    drawn = "".join(parts)
    return Markup(f'<svg class="sp" viewBox="0 0 64 12" width="64" height="12" aria-hidden="true">{drawn}</svg>')


def rank_bar(low: int, high: int, models: int) -> Markup:
    """Return ranks `low` to `high` of so many models as a bar, 64 x 12 px, for a table cell."""
    scale = Scale(0, max(1, models), 1, 63)
    start, width = scale(low - 1), max(2.0, scale(high) - scale(low - 1))
    return Markup(
        '<svg class="sp" viewBox="0 0 64 12" width="64" height="12" aria-hidden="true"><path class="gr" d="M1 6H63"/>'
        f'<rect class="br" x="{fmt(start)}" y="3" width="{fmt(width)}" height="6"/></svg>'
    )


def forest(rows: Sequence[ForestRow], label: str, unit: str, decimals: int, zero: float | None) -> Markup:
    """Draw values with intervals, one row each, under a common axis; `zero` draws a reference line."""
    ends = [v for r in rows for v in (r.low, r.high, r.value) if v is not None]
    ends += [] if zero is None else [zero]
    ticks = nice_ticks(min(ends, default=0), max(ends, default=1))
    left, right, step, top = 190.0, 520.0, 17.0, 24.0
    scale = Scale(ticks[0], ticks[-1], left, right)
    bottom = top + step * len(rows)
    drawing = Drawing(760, bottom + 8, label)
    for tick in ticks:
        drawing.line(scale(tick), top - 4, scale(tick), bottom, "gr")
        drawing.text(scale(tick), top - 9, tick_label(tick, ticks), "tk", "middle")
    drawing.text(right + 44, top - 9, "n", "tk", "end")
    drawing.text(752, top - 9, f"mean and interval{', ' if unit else ''}{unit}", "tk", "end")
    if zero is not None:
        drawing.line(scale(zero), top - 4, scale(zero), bottom, "zr")
    for i, row in enumerate(rows):
        y = top + step * i + step / 2
        if row.value is None and not row.n:
            drawing.text(6, y + 4, row.label, "hd")
            drawing.line(6, y + 8, 752, y + 8, "gr")
            continue
        name = text_element(left - 8, y + 4, row.label, anchor="end")
        drawing.raw(Markup(element("a", Markup(name), href=row.href) if row.href else name))
        if row.low is not None and row.high is not None:
            drawing.line(scale(row.low), y, scale(row.high), y, "iv")
        if row.value is not None:
            drawing.dot(scale(row.value), y, 3.2, "pt")
        drawing.text(right + 44, y + 4, str(row.n), "nu", "end")
        interval = "" if row.low is None else f" [{number(row.low, decimals)}, {number(row.high, decimals)}]"
        drawing.text(752, y + 4, number(row.value, decimals) + interval, "nu", "end")
    return drawing.render()


def histogram(values: Sequence[float], edges: Sequence[float], label: str, x_title: str) -> Markup:
    """Draw how many values each bin holds; the last bin holds its upper edge as well."""
    counts = [0] * (len(edges) - 1)
    for value in values:
        for i in range(len(counts)):
            if edges[i] <= value < edges[i + 1] or (i == len(counts) - 1 and value == edges[-1]):
                counts[i] += 1
                break
    drawing = Drawing(340, 190, label)
    sx, top = Scale(edges[0], edges[-1], 40, 330), max([*counts, 1])
    ticks = nice_ticks(0, top, 4)
    sy = Scale(0, ticks[-1], 150, 12)
    for tick in ticks:
        drawing.line(40, sy(tick), 330, sy(tick), "gr")
        drawing.text(34, sy(tick) + 4, tick_label(tick, ticks), "tk", "end")
    for i, count in enumerate(counts):
        x, w = sx(edges[i]) + 0.5, sx(edges[i + 1]) - sx(edges[i]) - 1
        drawing.add("rect", css="br", x=x, y=sy(count), width=w, height=150 - sy(count))
    for tick in nice_ticks(edges[0], edges[-1], 6):
        if edges[0] <= tick <= edges[-1]:
            drawing.text(sx(tick), 166, f"{tick:g}".replace("-", "−"), "tk", "middle")
    drawing.text(330, 184, x_title, "hd", "end")
    return drawing.render()


def shift_map(shifts: Sequence[tuple[float, float]], radius: int, label: str) -> Markup:
    """Draw estimated shifts (x, y) counted in squares of 1 px, over the whole search window."""
    counts: dict[tuple[int, int], int] = {}
    for x, y in shifts:
        cell = (max(-radius, min(radius, round(x))), max(-radius, min(radius, round(y))))
        counts[cell] = counts.get(cell, 0) + 1
    cells, size = 2 * radius + 1, 150.0
    side = size / cells
    drawing = Drawing(340, 190, label)
    x0, y0 = 95.0, 6.0
    drawing.add("rect", css="ax", x=x0, y=y0, width=size, height=size)
    most = max(counts.values(), default=1)
    for (x, y), count in sorted(counts.items()):
        # By the root: most tiles have a small shift, and single far ones would not be seen beside them.
        shade = 1 + round(5 * math.sqrt(count / most))
        drawing.add(
            "rect", css=f"q{shade}", x=x0 + (x + radius) * side, y=y0 + (y + radius) * side, width=side, height=side
        )
    middle = x0 + size / 2
    drawing.line(middle, y0, middle, y0 + size, "zr")
    drawing.line(x0, y0 + size / 2, x0 + size, y0 + size / 2, "zr")
    for value in (-radius, 0, radius):
        drawing.text(x0 + (value + radius + 0.5) * side, 168, number(value, 0), "tk", "middle")
        drawing.text(x0 - 5, y0 + (value + radius + 0.5) * side + 4, number(value, 0), "tk", "end")
    drawing.text(330, 184, "shift of the prediction, target px", "hd", "end")
    return drawing.render()


STRIP_NAMES = 12
"""Models of a strip whose names are tried; of a hundred most would not fit."""


def strip(values: Sequence[tuple[str, float]], label: str, unit: str) -> Markup:
    """Draw all models on one line, with the names that fit above it: the best, the worst, then from the best down."""
    numbers = [value for _, value in values]
    ticks = nice_ticks(min(numbers), max(numbers))
    scale = Scale(ticks[0], ticks[-1], 20, 700)
    # Below the axis there is room for the names of two models that the reader chose.
    drawing = Drawing(720, 108, label, css="fig strip")
    for tick in ticks:
        drawing.line(scale(tick), 22, scale(tick), 46, "gr")
        drawing.text(
            scale(tick),
            62,
            tick_label(tick, ticks) + (f" {unit}" if tick == ticks[-1] else ""),
            "tk",
            "end" if tick == ticks[-1] else "middle",
        )
    # Written out: a hundred models on 394 tiles have 39,400 of these.
    dots = (
        f'<circle class="dt" cx="{fmt(scale(value))}" cy="34" r="4"><title>{escape(name)}</title></circle>'
        for name, value in values
    )
    drawing.raw(Markup("".join(dots)))
    for name, x, anchor in strip_names([(name, scale(value)) for name, value in values], drawing.width):
        drawing.text(x, 12, name, "tk nm", anchor)
    return drawing.render()


def strip_names(spots: Sequence[tuple[str, float]], width: float) -> list[tuple[str, float, str]]:
    """Return (name, x, anchor) of the names that fit above their dots without touching each other.

    Parameters
    ----------
    spots : (name, x) of all models.
    """
    down = sorted(spots, key=lambda spot: -spot[1])
    taken: list[tuple[float, float]] = []
    found = []
    for name, x in [*down[:1], *down[-1:], *down[1:-1]][:STRIP_NAMES]:
        text = cut_middle(name, 24)
        half = 3.4 * len(text)
        left = min(max(4.0, x - half), width - 4 - 2 * half)
        right = left + 2 * half
        if all(right + 8 < a or left - 8 > b for a, b in taken):
            taken.append((left, right))
            anchor = "middle" if left == x - half else "start" if left == 4 else "end"
            found.append((text, {"middle": x, "start": left, "end": right}[anchor], anchor))
    return found


def badge(left: str, right: str) -> Markup:
    """Return a small label for a README, with its own colours. Texts are drawn to measured widths."""
    a, b = 12 + 6.6 * len(left), 12 + 6.6 * len(right)
    total = a + b
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{fmt(total)}" height="20" role="img" '
        f'aria-label="{escape(left)}: {escape(right)}"><title>{escape(left)}: {escape(right)}</title>'
        f'<rect width="{fmt(a)}" height="20" fill="#37424a"/><rect x="{fmt(a)}" width="{fmt(b)}" height="20" '
        'fill="#0b5d6b"/><g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="6" y="14" textLength="{fmt(a - 12)}" lengthAdjust="spacingAndGlyphs">{escape(left)}</text>'
        f'<text x="{fmt(a + 6)}" y="14" textLength="{fmt(b - 12)}" lengthAdjust="spacingAndGlyphs">{escape(right)}'
        "</text></g></svg>\n"
    )


def label_places(spots: Sequence[tuple[float, float]], right: float) -> list[tuple[float, float, str] | None]:
    """Return where each point's name goes without covering another one; None: only in its tooltip."""
    taken: list[tuple[float, float]] = []
    places: list[tuple[float, float, str] | None] = []
    for x, y in spots:
        free = all(abs(y - ty) > 13 or abs(x - tx) > 150 for tx, ty in taken)
        if free:
            taken.append((x, y))
        anchor = "end" if x > right - 150 else "start"
        places.append((x - 8 if anchor == "end" else x + 8, y + 4, anchor) if free else None)
    return places

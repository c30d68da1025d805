"""The page of a board that says what a decibel of other protocols is worth on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from worldstrat_bench.printed import counted
from worldstrat_bench.site.board_charts import Point, cut
from worldstrat_bench.site.charts import label_places
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.figures import Figure
from worldstrat_bench.site.pages_board import Context
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.svg import Drawing, Scale, element, grid, nice_ticks
from worldstrat_bench.site.text import clean, number
from worldstrat_bench.stats.exchange import MODELS_MIN, Rate, exchange_rate

PAGE: Final = "exchange.html"


@dataclass(frozen=True)
class Exchange:
    """The models of two boards that have both scored.

    Attributes
    ----------
    points : their means, x there and y here.
    rate : None if there are too few for a line.
    """

    there: Division
    points: tuple[Point, ...]
    rate: Rate | None


def exchanges(division: Division, divisions: Sequence[Division]) -> list[Exchange]:
    """Return the boards of other protocols on the same data that share at least two models with a wsb board.

    Where ranks may be cited, only what maintainers verified is looked at: a practice board of another protocol may name
    the same release, and ranks what its authors say.

    Parameters
    ----------
    divisions : also those without a page, where the rules of others rank no predictions of ours.
    """
    if division.protocol.family != "wsb":
        return []
    key = division.release, division.inputs, division.list_name
    found = []
    for other in divisions:
        if other.protocol.id == division.protocol.id or (other.release, other.inputs, other.list_name) != key:
            continue
        ranked = (entry for entry in other.entries if entry.verified or not division.cited)
        # Ranked runs last: one that the other board ranks itself stands in place of predictions that were scored again.
        theirs = {entry.identity: entry for entry in (*_scored_again(other, division), *ranked)}
        points = []
        for entry in division.entries:
            match = theirs.get(entry.identity)
            x, y = None if match is None else _mean(other, match), _mean(division, entry)
            if x is not None and y is not None:
                points.append(Point(entry.title, x, y, f"m/{entry.slug}.html", entry.status != "verified"))
        if len(points) > 1:
            rate = exchange_rate([p.y for p in points], [p.x for p in points])
            found.append(Exchange(other, tuple(points), rate))
    return found


def _scored_again(other: Division, division: Division) -> list[Entry]:
    """Return the runs that a board of other rules does not rank because their predictions are those of this one."""
    given = (division.protocol.id, division.protocol.sha256)
    return [
        item.entry
        for item in other.apart
        if (source := item.entry.record.dataset.inputs_protocol) is not None
        and (source.id, source.sha256) == given
        and item.entry.record.rankable(other.list_name)
        and (item.entry.verified or not division.cited)
    ]


def _mean(division: Division, entry: Entry) -> float | None:
    summary = division.scores(entry).micro.get("psnr")
    return None if summary is None else summary.mean


def build_exchange(out: Output, division: Division, common: Context, found: Sequence[Exchange]) -> None:
    """Write the page; nothing without a board to compare with."""
    if not found:
        return
    blocks = [
        {
            "title": exchange.there.protocol.title,
            "id": exchange.there.protocol.id,
            "sentence": sentence(exchange.rate, len(exchange.points), exchange.there.protocol.id),
            "figure": _figure(exchange, division, number_of),
            "href": f"{exchange.there.prefix}index.html" if exchange.there.paged else "",
        }
        for number_of, exchange in enumerate(found)
    ]
    out.page(division.prefix + PAGE, "exchange.html.j2", {**common, "tab": "Board", "blocks": blocks})


def sentence(rate: Rate | None, models: int, there: str) -> str:
    """Return what a difference under another protocol is worth, or why it cannot be said."""
    if rate is None:
        return (
            f"No conversion: {counted(models, 'model')} that both protocols have scored are too few for a line, which "
            f"takes {MODELS_MIN} with different means."
        )
    missed = f"misses a model that is left out by {number(rate.residual, 3)} dB"
    gap = f"neighbours here differ by {number(rate.gap, 3)} dB"
    if not rate.converts:
        why = "the residual exceeds the median gap between neighbours"
        return f"No conversion: {why}. The line through the others {missed}, and {gap}."
    worth = f"{number(rate.slope, 2)} ± {number(rate.slope_error, 2)} dB here"
    return f"A difference of 1 dB under {there} is {worth}. The line through the others {missed}; {gap} (median)."


def _figure(exchange: Exchange, division: Division, number_of: int) -> Figure:
    there = exchange.there.protocol.id
    title = f"Mean PSNR under {division.protocol.id} against {there}"
    caption = (
        f"{counted(len(exchange.points), 'model')}, {counted(len(division.tiles), 'tile')} of list "
        f"{clean(division.list_name, 40)}. Line: least squares over the means. A line over models is a description of "
        "these models: others, of another kind, may lie elsewhere."
    )
    svg = scatter(exchange.points, exchange.rate, title, f"PSNR, {there}, dB", f"PSNR, {division.protocol.id}, dB")
    return Figure(f"exchange-{number_of}", title, caption, svg)


def scatter(points: Sequence[Point], rate: Rate | None, label: str, x_title: str, y_title: str) -> Markup:
    """Return models in a plane of two scores, with the line through them."""
    left, right, top, bottom = 58.0, 584.0, 30.0, 296.0
    x_ticks = nice_ticks(min(p.x for p in points), max(p.x for p in points))
    y_ticks = nice_ticks(min(p.y for p in points), max(p.y for p in points))
    sx, sy = Scale(x_ticks[0], x_ticks[-1], left, right), Scale(y_ticks[0], y_ticks[-1], bottom, top)
    drawing = Drawing(600, 340, label)
    grid(drawing, sx, x_ticks, sy, y_ticks)
    drawing.text(right, bottom + 34, x_title, "hd", "end")
    drawing.text(6, 16, y_title, "hd")
    if rate is not None:
        ends = [(x, rate.intercept + rate.slope * x) for x in (min(p.x for p in points), max(p.x for p in points))]
        # The fitted value of an outermost model may lie outside the axis.
        shown = [(x, min(max(y, y_ticks[0]), y_ticks[-1])) for x, y in ends]
        drawing.line(*(sx(shown[0][0]), sy(shown[0][1])), *(sx(shown[1][0]), sy(shown[1][1])), "fr")
    places = label_places([(sx(p.x), sy(p.y)) for p in points], right)
    for point, place in zip(points, places, strict=True):
        circle = element(
            "circle",
            element("title", escape(point.label)),
            css="ho" if point.hollow else "pt",
            cx=sx(point.x),
            cy=sy(point.y),
            r=4.0,
        )
        text = ""
        if place is not None:
            x, y, anchor = place
            text = element("text", escape(cut(point.label)), x=x, y=y, text_anchor=anchor)
        drawing.raw(Markup(element("a", Markup(circle + text), href=point.href)))
    return drawing.render()

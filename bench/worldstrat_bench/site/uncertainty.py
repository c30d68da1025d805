"""On a model's page: whether the error that it expects is the error that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.spectra import Curves
from worldstrat_bench.artefacts.uncertainty import CURVES, LEVELS, POINTS, UNCERTAINTY
from worldstrat_bench.measures import OPTIONAL, RETURNED, Measure
from worldstrat_bench.printed import counted
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.figures import Figure
from worldstrat_bench.site.svg import Drawing, Scale, fmt, nice_ticks, tick_label
from worldstrat_bench.site.tables import Cell, Column, Row, Table, render
from worldstrat_bench.site.text import NO_VALUE, clean, number
from worldstrat_bench.stats.ranking import drawn_interval

Floats = NDArray[np.float64]
Line = tuple[Sequence[float], Sequence[float], str]
"""The x and y of a line, and its class."""

TEXT = (
    "The model states for every value how large an error it expects, as the standard deviation of a Gaussian. Too few "
    "errors within the intervals: it is overconfident; too many: it is too careful. Read all five numbers together: "
    "one constant for every pixel may have nearly the right coverage and knows nothing of where the errors are, which "
    "AUSE and CRPS show. They rank nothing."
)
MEANINGS = {
    "coverage_68": "0.68 is right; below, the model is overconfident",
    "coverage_95": "0.95 is right; below, the model is overconfident",
    "ence": "0: expected errors have the right size wherever they are small or large",
    "ause": "0: values sort by expected error as they do by actual error",
    "crps": "reflectance; of an exact prediction that says so 0; without expected errors it is the mean absolute error",
}


@dataclass(frozen=True)
class TrustBlock:
    """The section: what it is about, the scores, and the drawings."""

    text: str
    table_html: Markup
    figures: list[Figure]


def returned(record: Record) -> str:
    """Return what a model gives beside red, green and blue; "" if that is nothing."""
    named = [what.replace("-", " ") for what, column in RETURNED.items() if column in record.optional]
    return f"red, green, blue, {', '.join(named)}" if named else ""


def uncertainty_block(division: Division, entry: Entry) -> TrustBlock | None:
    """Return the section of a model on the ranking list; None without ``uncertainty.csv``."""
    curves = entry.curves.get(UNCERTAINTY)
    if curves is None:
        return None
    tiles = [tile for tile in division.tiles if tile in curves[CURVES[0]]]
    if not tiles:
        return None
    where = f"Mean over {counted(len(tiles), 'tile')} of list {clean(division.list_name, 40)}."
    if len(tiles) < len(division.tiles):
        where += f" The model said nothing of the other {len(division.tiles) - len(tiles)}."
    figures = [_coverage_figure(curves, tiles, where), _sparsification_figure(curves, tiles, where)]
    return TrustBlock(TEXT, render(_table(division, entry), sortable=False), figures)


def _table(division: Division, entry: Entry) -> Table:
    columns = (
        Column("n", "Tiles", ""),
        Column("mean", "Mean", ""),
        Column("ci", "95 % interval", "Of the mean"),
        Column("means", "How to read it", "", numeric=False),
    )
    rows = [_row(division, entry, measure) for measure in OPTIONAL["uncertainty"].columns]
    name = clean(division.list_name, 40)
    head = Column("metric", "Score", "", numeric=False)
    return Table("trust", f"The expected error against the error made, list {name}", head, columns, tuple(rows))


def _row(division: Division, entry: Entry, measure: Measure) -> Row:
    summary = division.scores(entry).micro.get(measure.name)
    mean = None if summary is None else summary.mean
    ends = None if summary is None else drawn_interval(summary, division.protocol.aggregation, measure.name)
    interval = ", ".join(number(end, measure.decimals) for end in ends) if ends else NO_VALUE
    cells = (str(0 if summary is None else summary.n), number(mean, measure.decimals), interval)
    head = Markup("{} {}").format(measure.label, measure.arrow)
    return Row(Cell(head), (*(Cell(Markup(text)) for text in cells), Cell(Markup(MEANINGS[measure.name]))))


def _mean(curves: Curves, name: str, tiles: Sequence[str]) -> Floats:
    found: Floats = np.mean([curves[name][tile] for tile in tiles], axis=0)
    return found


def _coverage_figure(curves: Curves, tiles: Sequence[str], where: str) -> Figure:
    levels = [100 * level for level in LEVELS]
    found = (100 * _mean(curves, "coverage", tiles)).tolist()
    title = "Errors within the expected interval"
    svg = lines(
        [((0.0, 100.0), (0.0, 100.0), "zr"), ((0.0, *levels), (0.0, *found), "iv")],
        title,
        "should be within, %",
        "are within, %",
        100.0,
    )
    caption = (
        "For each level the share of the errors that lie within the central interval of the expected Gaussian. On the "
        f"diagonal the model is calibrated, below it overconfident, above it too careful. {where}"
    )
    return Figure("uncertainty-coverage", title, caption, svg)


def _sparsification_figure(curves: Curves, tiles: Sequence[str], where: str) -> Figure:
    left_out = [100 * k / POINTS for k in range(POINTS)]
    kept, least = (_mean(curves, name, tiles).tolist() for name in CURVES[1:])
    title = "Error left without the least trusted values"
    svg = lines(
        [(left_out, [1.0] * POINTS, "zr"), (left_out, least, "fr"), (left_out, kept, "iv")],
        title,
        "left out, %",
        "RMSE, share of the whole",
        max(1.0, *kept),
    )
    caption = (
        "RMSE of what is left when the values of the largest expected errors are left out, as a share of the whole "
        "RMSE. Dashed: left out by the errors themselves, the best order there is; the mean distance between both is "
        f"AUSE. On the straight line the expected error says nothing of where the errors are. {where}"
    )
    return Figure("uncertainty-sparsification", title, caption, svg)


def lines(drawn: Sequence[Line], label: str, x_title: str, y_title: str, most: float) -> Markup:
    """Return lines over 0 to 100 %.

    Parameters
    ----------
    most : greatest value of the axis of y, which starts at 0.
    """
    left, right, top, bottom = 46.0, 346.0, 28.0, 178.0
    ticks = nice_ticks(0.0, most, 4)
    sx, sy = Scale(0.0, 100.0, left, right), Scale(0.0, ticks[-1], bottom, top)
    drawing = Drawing(360, 226, label)
    for tick in ticks:
        drawing.line(left, sy(tick), right, sy(tick), "gr")
        drawing.text(left - 6, sy(tick) + 4, tick_label(tick, ticks), "tk", "end")
    for percent in (0, 25, 50, 75, 100):
        drawing.line(sx(percent), bottom, sx(percent), bottom + 4, "ax")
        drawing.text(sx(percent), bottom + 17, str(percent), "tk", "middle")
    for x, y, css in drawn:
        path = "L".join(f"{fmt(sx(a))} {fmt(sy(b))}" for a, b in zip(x, y, strict=True))
        drawing.add("path", css=css, d=f"M{path}")
    drawing.text(6, 14, y_title, "hd")
    drawing.text(right, bottom + 38, x_title, "hd", "end")
    return drawing.render()

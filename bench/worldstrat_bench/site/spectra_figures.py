"""The figures of the pages that are about resolution: curves of a model, and all models in the plane of its errors."""

from __future__ import annotations

from worldstrat_bench.artefacts.spectra import CURVES, SPECTRA
from worldstrat_bench.printed import counted
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.board_charts import Point
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.figures import Figure
from worldstrat_bench.site.spectra_charts import plane, spectrum
from worldstrat_bench.site.text import clean
from worldstrat_bench.stats.spectra import banded


def spectrum_figures(analysis: Analysis, entry: Entry) -> list[Figure]:
    """Return coherence and contrast of a model on the ranking list; nothing without ``spectra.csv``."""
    division = analysis.division
    curves = entry.curves.get(SPECTRA)
    if curves is None or not set(division.tiles) <= set(curves[CURVES[0]]):
        return []  # a tile that failed has no curve, and is never left out of a mean
    own = {tile: division.facts.groups[division.row_of[tile]] for tile in division.tiles}
    target, prediction, cross = (curves[name] for name in CURVES)
    coherence, contrast = banded(target, prediction, cross, own, division.protocol.aggregation)
    least = division.protocol.aggregation.groups_interval
    where = (
        f"{counted(len(own), 'tile')} of list {clean(division.list_name, 40)}; band: 95 % interval, where there are "
        f"{least:g} effective groups or more, weighted by detail."
    )
    truth = (
        "Is the detail true? 1: it goes up and down with the target; 0: it has nothing to do with it. The resolution "
        "is where this falls below 1/2. A blur keeps it"
    )
    strength = "How strongly is true detail shown? 1: fully; 0: not at all; above 1: overdone. A blur lowers it"
    charts = (
        spectrum(coherence, "Coherence with the target by half wavelength", "coherence", reference=0.5),
        spectrum(contrast, "Contrast of true detail by half wavelength", "contrast", reference=1.0, top_value=1.2),
    )
    names = ("coherence", "Coherence with the target"), ("contrast", "Contrast of true detail")
    return [
        Figure(f"spectrum-{key}", title, f"{text}. {where}", svg)
        for (key, title), text, svg in zip(names, (truth, strength), charts, strict=True)
    ]


def plane_figure(analysis: Analysis, base: str) -> list[Figure]:
    """Return the plane of missed against invented detail of a division's ranked runs; nothing if none has both."""
    points = [point for entry in analysis.division.entries if (point := _point(analysis, entry, base))]
    if not points:
        return []
    title = "Detail finer than 10 m: missed and invented"
    caption = (
        f"{counted(len(points), 'model')}, {counted(len(analysis.division.tiles), 'tile')}. Both are shares of the "
        "target's own detail: what of it is not shown, or too strongly, and what is shown and is not there (noise, "
        "aliasing, ringing, fabricated or misplaced texture). A perfect model is at 0, 0; one that shows no detail at "
        "1, 0. On the straight line the error is as large as without any detail; beyond it, larger. On the dashed "
        "curve is a least-squares predictor: from 1, 0 along it, as its detail becomes true. Noise of the target and "
        "what changed on the ground between the two dates count against all models alike."
    )
    return [Figure("plane", title, caption, plane(points, title))]


def _point(analysis: Analysis, entry: Entry, base: str) -> Point | None:
    found = [analysis.division.scores(entry).micro.get(name) for name in ("missed", "invented")]
    means = [None if summary is None else summary.mean for summary in found]
    if means[0] is None or means[1] is None:
        return None
    return Point(entry.title, means[0], means[1], f"{base}m/{entry.slug}.html", entry.status != "verified")

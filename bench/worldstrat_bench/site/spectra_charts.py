"""Drawings of spectra: a curve with its band over frequency, and the plane of missed against invented detail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from markupsafe import Markup, escape

from worldstrat_bench.artefacts.spectra import BIN_WIDTH
from worldstrat_bench.site.board_charts import Point, cut
from worldstrat_bench.site.charts import label_places
from worldstrat_bench.site.svg import Drawing, Scale, Width, at_both_widths, element, fmt, grid, nice_ticks, tick_label
from worldstrat_bench.stats.spectra import INPUT_NYQUIST_M, Band

HALF_WAVELENGTHS: Final = (20.0, 10.0, 5.0, 4.0, 3.0, 2.5)
"""Metres that are named on the axis: half a wavelength is the smallest thing that a frequency can show."""
_FINEST: Final = 0.2
"""Cycles/m at the right edge: half a wavelength of the target's pixel."""
_DIP: Final = 0.1


def spectrum(band: Band, label: str, y_title: str, *, reference: float, top_value: float = 1.0) -> Markup:
    """Return a curve over frequency with its interval, split where the input's frequencies end.

    Parameters
    ----------
    band : (bins,) values; the last bin, which holds all that is finer than the target's pixel, is left out.
    reference : value with a line of its own.
    top_value : least upper end of the axis.
    """
    left, right, top, bottom = 46.0, 346.0, 44.0, 178.0
    count = len(band.value) - 1
    sx = Scale(0.0, _FINEST, left, right)
    x = [sx((i + 0.5) * BIN_WIDTH) for i in range(count)]
    ends = np.concatenate([own[:count] for own in (band.value, band.low, band.high)])
    known = ends[np.isfinite(ends)].tolist()
    # A curve that ends in noise dips a little below 0, which is not worth an axis that goes to -0.5.
    least = min(known, default=0.0)
    ticks = nice_ticks(least if least < -_DIP else 0.0, max(top_value, *known, top_value), 4)
    value, low, high = (np.clip(own[:count], ticks[0], ticks[-1]) for own in (band.value, band.low, band.high))
    sy = Scale(ticks[0], ticks[-1], bottom, top)
    drawing = Drawing(360, 226, label)
    for tick in ticks:
        drawing.line(left, sy(tick), right, sy(tick), "gr")
        drawing.text(left - 6, sy(tick) + 4, tick_label(tick, ticks), "tk", "end")
    for metres in HALF_WAVELENGTHS:
        place = sx(1 / (2 * metres))
        drawing.line(place, bottom, place, bottom + 4, "ax")
        drawing.text(place, bottom + 17, f"{metres:g}", "tk", "middle")
    drawing.line(left, sy(reference), right, sy(reference), "zr")
    nyquist = sx(1 / INPUT_NYQUIST_M)
    drawing.line(nyquist, top - 18, nyquist, bottom, "fr")
    drawing.text(nyquist - 5, top - 7, "in the input", "tk", "end")
    drawing.text(nyquist + 5, top - 7, "finer than the input", "tk")
    for run in _runs(np.isfinite(low) & np.isfinite(high)):
        edge = [(x[i], sy(float(high[i]))) for i in run] + [(x[i], sy(float(low[i]))) for i in reversed(run)]
        drawing.add("path", css="dt", d=f"M{_path(edge)}Z")
    for run in _runs(np.isfinite(value)):
        drawing.add("path", css="wk", d=f"M{_path([(x[i], sy(float(value[i]))) for i in run])}")
    drawing.text(6, 14, y_title, "hd")
    drawing.text(right, bottom + 38, "half a wavelength, m", "hd", "end")
    return drawing.render()


def plane(points: Sequence[Point], label: str) -> Markup:
    """Return models in the plane of missed (x) against invented (y) detail, with two lines to read them by.

    On the straight one the error is as large as that of a prediction without any detail. The curve is what a
    least-squares predictor shows whose detail has the coherence c: ((1 - c^2)^2, c^2 (1 - c^2)).
    """
    return at_both_widths(lambda width: _plane(points, label, width))


def _plane(points: Sequence[Point], label: str, width: Width) -> Drawing:
    left, right, top, bottom = 52.0, width.total - 16, 34.0, 316.0
    x_ticks = nice_ticks(0.0, max(1.0, *(p.x for p in points), 1.0))
    y_ticks = nice_ticks(0.0, max(0.3, *(1.1 * p.y for p in points), 0.3))
    sx, sy = Scale(x_ticks[0], x_ticks[-1], left, right), Scale(y_ticks[0], y_ticks[-1], bottom, top)
    drawing = Drawing(width.total, 362, label, css=f"fig {width.css}")
    grid(drawing, sx, x_ticks, sy, y_ticks)
    drawing.text(right, bottom + 36, "missed: true detail not shown, share ↓", "hd", "end")
    drawing.text(6, 16, "invented: detail that is not there, share ↓", "hd")
    highest = min(1.0, y_ticks[-1])
    drawing.line(sx(1.0), sy(0.0), sx(1.0 - highest), sy(highest), "zr")
    shares = [i / 40 for i in range(41)]
    curve = [(sx((1 - s) ** 2), sy(s * (1 - s))) for s in shares]
    drawing.add("path", css="fr", d=f"M{_path(curve)}")
    named = [
        (sx(0.25) - 44, sy(0.25) - 8, "least squares"),
        (sx(1.0 - highest) + 14, top + 14, "as wrong as no detail"),
    ]
    for x, y, text in named:
        drawing.text(x, y, text, "tk")
    # The names of the lines have their places first, those of the models what is left.
    places = label_places([*((x, y) for x, y, _ in named), *((sx(p.x), sy(p.y)) for p in points)], right)[len(named) :]
    for point, place in zip(points, places, strict=True):
        title = escape(f"{point.label}: missed {point.x:.3f}, invented {point.y:.3f}")
        circle = element(
            "circle", element("title", title), css="ho" if point.hollow else "pt", cx=sx(point.x), cy=sy(point.y), r=4.0
        )
        text = ""
        if place is not None:
            x, y, anchor = place
            text = element("text", escape(cut(point.label, width.name)), x=x, y=y, text_anchor=anchor)
        drawing.raw(Markup(element("a", Markup(circle + text), href=point.href)))
    return drawing


def _runs(known: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[list[int]]:
    """Yield the stretches of two or more neighbours that have a value."""
    run: list[int] = []
    for i, here in enumerate([*known.tolist(), False]):
        if here:
            run.append(i)
            continue
        if len(run) > 1:
            yield run
        run = []


def _path(spots: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{fmt(x)} {fmt(y)}" for x, y in spots)

"""A curve over a few named steps, with intervals and the number of tiles under every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from worldstrat_bench.site.svg import Drawing, Scale, fmt, nice_ticks, tick_label
from worldstrat_bench.site.text import number


@dataclass(frozen=True)
class Step:
    """One step of a curve; without a value it is a gap."""

    label: str
    n: int
    value: float | None
    low: float | None = None
    high: float | None = None


def curve(steps: Sequence[Step], label: str, x_title: str, y_title: str, *, joined: bool = True) -> Markup:
    """Draw values at equal distances, an interval at each.

    Parameters
    ----------
    joined : a line through neighbours; not where the steps are different tiles.
    """
    left, right, top, bottom = 58.0, 344.0, 28.0, 158.0
    ends = [v for s in steps for v in (s.value, s.low, s.high) if v is not None]
    ticks = nice_ticks(min(ends, default=0.0), max(ends, default=1.0), 4)
    sy = Scale(ticks[0], ticks[-1], bottom, top)
    pitch = (right - left) / max(1, len(steps))
    drawing = Drawing(360, 214, label)
    for tick in ticks:
        drawing.line(left, sy(tick), right, sy(tick), "gr")
        drawing.text(left - 6, sy(tick) + 4, tick_label(tick, ticks), "tk", "end")
    drawing.text(6, 14, y_title, "hd")
    spots: list[tuple[float, float]] = []
    for i, step in enumerate(steps):
        x = left + pitch * (i + 0.5)
        drawing.text(x, bottom + 16, step.label, "tk", "middle")
        drawing.text(x, bottom + 31, f"n = {step.n}", "tk", "middle")
        if step.low is not None and step.high is not None:
            drawing.line(x, sy(step.low), x, sy(step.high), "iv")
        if step.value is not None:
            spots.append((x, sy(step.value)))
            drawing.dot(x, sy(step.value), 3.2, "pt")
            drawing.text(x + 6, sy(step.value) - 5, number(step.value, 2), "nu")
    if joined and len(spots) > 1:
        drawing.add("path", css="fr", d="M" + "L".join(f"{fmt(x)} {fmt(y)}" for x, y in spots))
    drawing.text(right, bottom + 50, x_title, "hd", "end")
    return drawing.render()

"""SVG made in Python: a drawing is a list of elements, every text escaped, every number short.

Colours are classes of the page's style sheet, so that a drawing follows the theme; there are no ``style``
attributes, which the page's content policy forbids.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Attribute = str | int | float | None


def fmt(value: float) -> str:
    """Return a number with at most two decimals and no trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


@dataclass(frozen=True)
class Width:
    """A width in which a drawing is made: one for wide screens, one for phones, where scaled text could not be read.

    Attributes
    ----------
    total : px.
    name : characters of a name that are shown.
    css : class by which the style sheet shows one of the two.
    """

    total: float
    name: int
    css: str

    @property
    def narrow(self) -> bool:
        """Whether it is the one for phones."""
        return self.css == "narrow"


WIDE = Width(600, 26, "wide")
NARROW = Width(344, 16, "narrow")


def at_both_widths(draw: Callable[[Width], Drawing]) -> Markup:
    """Return a drawing for wide screens and the same one for phones; the style sheet shows one of them."""
    return Markup("").join(draw(width).render() for width in (WIDE, NARROW))


class Drawing:
    """An SVG under construction. Coordinates are px, y downwards."""

    def __init__(self, width: float, height: float, label: str, *, css: str = "fig") -> None:
        self.width, self.height, self.label, self.css = width, height, label, css
        self._parts: list[str] = []

    def add(self, tag: str, content: str | Markup = "", **attributes: Attribute) -> None:
        """Add one element; ``_`` in attribute names is ``-``, ``css`` is ``class``; text content is escaped."""
        self._parts.append(element(tag, escape(content), **attributes))

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str = "ax") -> None:
        """Draw a straight line."""
        self._parts.append(f'<path class="{css}" d="M{fmt(x1)} {fmt(y1)}L{fmt(x2)} {fmt(y2)}"/>')

    def text(self, x: float, y: float, content: str, css: str = "", anchor: str = "") -> None:
        """Draw a text with its baseline at y."""
        self._parts.append(text_element(x, y, content, css, anchor))

    def dot(self, x: float, y: float, radius: float, css: str) -> None:
        """Draw a circle."""
        self._parts.append(f'<circle class="{css}" cx="{fmt(x)}" cy="{fmt(y)}" r="{fmt(radius)}"/>')

    def raw(self, markup: Markup) -> None:
        """Add markup that is already safe."""
        self._parts.append(str(markup))

    def render(self) -> Markup:
        """Return the whole drawing."""
        # a drawing with links is a group: inside an image no screen reader would find them
        role = "group" if any("<a " in part for part in self._parts) else "img"
        head = (
            f'<svg class="{self.css}" viewBox="0 0 {fmt(self.width)} {fmt(self.height)}" '
            f'width="{fmt(self.width)}" height="{fmt(self.height)}" role="{role}" aria-label="{escape(self.label)}">'
        )
        return Markup(head + "".join(self._parts) + "</svg>")  # every part was escaped when it was added


def element(tag: str, content: str | Markup = "", **attributes: Attribute) -> str:
    """Return the markup of an element; `content` must be safe already."""
    cells = []
    for name, value in attributes.items():
        if value is None:
            continue
        key = "class" if name == "css" else name.replace("_", "-")
        text = fmt(value) if isinstance(value, float) else str(value)
        cells.append(f' {key}="{escape(text)}"')
    return f"<{tag}{''.join(cells)}>{content}</{tag}>" if content else f"<{tag}{''.join(cells)}/>"


def text_element(x: float, y: float, content: str, css: str = "", anchor: str = "") -> str:
    """Return a text; `css` and `anchor` are ours, the content is escaped."""
    kind = (f' class="{css}"' if css else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text{kind} x="{fmt(x)}" y="{fmt(y)}">{escape(content)}</text>'


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers that cover [low, high], about so many."""
    if not math.isfinite(low) or not math.isfinite(high):
        return [0.0, 1.0]
    # Of two results that differ in the last digit of one tile: the numbers of such small steps would all be alike.
    if high - low < 1e-9 * max(1.0, abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(raw))
    # A hair less, or the step of an exact power of ten would jump to the next one by rounding.
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def tick_label(value: float, ticks: Sequence[float]) -> str:
    """Return a tick's label with as many decimals as the step needs."""
    step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{decimals}f}".replace("-", "−")


class Scale:
    """Linear or logarithmic mapping of a range of values to px."""

    def __init__(self, low: float, high: float, start: float, end: float, *, log: bool = False) -> None:
        self.log = log
        self.low, self.high = (math.log10(low), math.log10(high)) if log else (low, high)
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        v = math.log10(value) if self.log else value
        # A single value has no range to divide by.
        span = self.high - self.low or 1.0
        return self.start + (v - self.low) / span * (self.end - self.start)


def grid(drawing: Drawing, sx: Scale, x_ticks: Sequence[float], sy: Scale, y_ticks: Sequence[float]) -> None:
    """Draw the lines and the numbers of a plane's ticks, from end to end of both scales."""
    left, right = sx.start, sx.end
    top, bottom = sorted((sy.start, sy.end))
    for tick in x_ticks:
        drawing.line(sx(tick), top, sx(tick), bottom, "gr")
        drawing.text(sx(tick), bottom + 16, f"{tick:g}" if sx.log else tick_label(tick, x_ticks), "tk", "middle")
    for tick in y_ticks:
        drawing.line(left, sy(tick), right, sy(tick), "gr")
        drawing.text(left - 6, sy(tick) + 4, tick_label(tick, y_ticks), "tk", "end")

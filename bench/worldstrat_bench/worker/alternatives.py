"""The usual mistakes of a preprocessing: what undoes each at the input and in the answer, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.api import BANDS, RGB
from worldstrat_bench.preprocessing import Preprocessing

KNOWN_UNITS = (1.0, 10_000.0, 255.0, 65_535.0, 4095.0)
"""Value of a reflectance of 1 in images, the usual first: itself, digital numbers, 8 bits, 16 bits, 12 bits."""

FACTORS = (1e4, 1e-4, 255.0, 1 / 255, 1e4 / 255, 255 / 1e4)
"""Between two units that are mistaken for each other, where it is not known which one the network is given."""

OFFSET = 0.1
"""Reflectance that ESA's files since processing baseline 04.00 add: 1,000 digital numbers."""

PHOTOGRAPHS = 20.0
"""Scale below which a declared input is that of photographs, 0 to 1, of some brightness."""

Change = Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Alternative:
    """Another preprocessing.

    Attributes
    ----------
    name, hint : the mistake in a few words, and what is said to an author who made it.
    change : of the input bands (T, 12, h, w).
    undo : of the answer (3, H, W).
    is_offset : whether it is another offset.
    scenes : kinds of scenes that show it: a wrong offset costs most on dark land.
    """

    name: str
    hint: str
    change: Change
    undo: Change
    is_offset: bool = False
    scenes: tuple[str, ...] = ("land",)


def alternatives(says: Preprocessing | None) -> Iterator[Alternative]:
    """Yield what a network may have been trained on instead, the simpler mistake first.

    Parameters
    ----------
    says : the declared preprocessing, if there is one.
    """
    for offset in (OFFSET, -OFFSET):
        yield _shifted(offset, says)
    if says is not None and says.mean and says.std and min(says.mean) > 0:
        yield _swapped(says)
    scale = says.input_scale if says else 1.0
    if scale < PHOTOGRAPHS and not (says and (says.mean or says.std)):
        yield _signed(says)
    factors = [unit / scale for unit in KNOWN_UNITS] if says else FACTORS
    for factor in factors:
        # the units of photographs for land, twice or three times reflectance, are a choice and not a mistake
        if not 0.2 < factor < 5:
            yield _scaled(factor, says)


def exchanged(says: Preprocessing | None) -> Alternative:
    """Return the alternative in which blue and red are in each other's place, at the input and in the answer."""
    order = [RGB[2 - RGB.index(band)] if band in RGB else band for band in range(len(BANDS))]
    if says is None:
        how = "flip the channels on both ways"
    else:
        bands = ",".join(BANDS[order[band]] for band in says.bands)
        how = f"set bands={bands}" + (", and output in that order" if says.output else "")
    hint = f"it does better with red and blue in each other's place, BGR for RGB: {how}"
    return Alternative("BGR for RGB", hint, lambda images: images[:, order], lambda answer: answer[::-1])


def _shifted(offset: float, says: Preprocessing | None) -> Alternative:
    word = "more" if offset > 0 else "less"
    how = "apply it to the input and undo it in the answer"
    if says:
        total = says.input_offset + offset * says.input_scale
        how = f"set input_offset={total:g}, and output_offset likewise"
    numbers = f"{abs(offset):g} reflectance {word}, {1e4 * offset:+,.0f} in digital numbers"
    hint = f"it does better with {numbers}: an offset is forgotten; {how}"
    return Alternative(
        f"{offset:+g} reflectance",
        hint,
        partial(np.add, offset),
        partial(np.add, -offset),
        is_offset=True,
        scenes=("dark",),
    )


def _scaled(factor: float, says: Preprocessing | None) -> Alternative:
    times = factor if factor > 1 else 1 / factor
    shown = f"{times:,.0f}" if times > 100 else f"{times:.3g}"
    word, how = ("larger", "multiply") if factor > 1 else ("smaller", "divide")
    name = f"{shown} times {word}"
    remedy = f"{how} the input, and undo it in the answer"
    if says:
        scale = factor * says.input_scale
        remedy = f"{how} input_scale and output_scale by {shown}, which makes input_scale={scale:g}"
        name += f" (input_scale={scale:g})"
    hint = f"it does better with inputs {shown} times {word}, so that the scale is wrong by {shown}: {remedy}"
    return Alternative(name, hint, partial(np.multiply, factor), partial(np.multiply, 1 / factor))


def _signed(says: Preprocessing | None) -> Alternative:
    """Return the alternative in which the network sees and answers -1..1 for what it is given as 0..1."""
    slope, start = (says.input_scale, says.input_offset) if says else (1.0, 0.0)
    out_slope, out_start = (says.output_scale, says.output_offset) if says else (1.0, 0.0)

    def change(images: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        return (2 * (slope * images.astype(np.float64) + start) - 1 - start) / slope

    def undo(answer: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        return ((out_slope * answer.astype(np.float64) + out_start + 1) / 2 - out_start) / out_slope

    how = "give it 2 x - 1, and take (y + 1) / 2"
    if says:
        how = f"set input_scale={2 * slope:g} and input_offset={2 * start - 1:g}"
    hint = f"it does better with inputs from -1 to 1 in place of 0 to 1: {how}"
    return Alternative("inputs from -1 to 1", hint, change, undo)


def _swapped(says: Preprocessing) -> Alternative:
    """Return the alternative in which a network with a declared mean and std sees (x - std) / mean."""
    order, slope, start = says.bands, says.input_scale, says.input_offset
    mean, std = (np.array(x, np.float64)[:, None, None] for x in (says.mean, says.std))

    def change(images: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        changed = images.astype(np.float64)
        seen = changed[:, order] * slope + start
        changed[:, order] = (mean + std * (seen - std) / mean - start) / slope
        return changed

    def undo(answer: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        if not says.normalised_output:
            return answer
        rgb = [order.index(band) for band in RGB]
        normal = (answer * says.output_scale + says.output_offset - mean[rgb]) / std[rgb]
        return (normal * mean[rgb] + std[rgb] - says.output_offset) / says.output_scale

    hint = "it does better with mean and std exchanged: what is declared as the one is the other"
    return Alternative("mean and std exchanged", hint, change, undo, scenes=("land", "dark"))

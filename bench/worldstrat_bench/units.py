"""The unit of a prediction: what is in another one than reflectance is refused (protocol 3.3)."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.printed import plain_number

IMPOSSIBLE_REFLECTANCE = 10.0
"""A median |value| beyond this is another unit, not a bright scene: snow and cloud stay below 2."""

BYTE_MOST, DIGITAL_MOST = 255.0, 65_535.0
"""The greatest values of 8-bit images, and of digital numbers in 16 bits."""

_SAMPLES = 100

Image = TypeVar("Image", bound=Any)


def thinned(image: Image) -> Image:
    """Return about 100 rows and columns of a (..., H, W) array or tensor: enough to judge units by, and fast."""
    rows, columns = (max(1, side // _SAMPLES) for side in image.shape[-2:])
    part: Image = image[..., ::rows, ::columns]
    return part


def unit_fault(sample: NDArray[Any]) -> str:
    """Return why a prediction, thinned, is not reflectance, with its likely scale; empty if it may be."""
    sizes = np.abs(sample)
    middle = float(np.median(sizes))
    if middle <= IMPOSSIBLE_REFLECTANCE:
        return ""
    return f"{_likely(float(sizes.max()))} (their median is {plain_number(middle, 4)}), reflectance is expected"


def _likely(most: float) -> str:
    if most <= BYTE_MOST:
        return "values look like 0..255: divide by 255, or undo the stretch of 8-bit images"
    if most <= DIGITAL_MOST:
        return "values look like 0..10,000: divide by 10,000"
    return "values are far beyond any reflectance"

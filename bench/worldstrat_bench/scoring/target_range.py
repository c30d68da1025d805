"""Targets that are not reflectance are refused: a score in another unit looks like a score."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.target import is_usable
from worldstrat_bench.errors import DataError
from worldstrat_bench.printed import plain_number
from worldstrat_bench.units import BYTE_MOST, DIGITAL_MOST

if TYPE_CHECKING:
    from worldstrat_bench.data.target import TargetImage
    from worldstrat_bench.protocol import Protocol

LEAST, MOST = -0.01, 1.5
"""Range of a target, reflectance: the clamped images of the harness lie in [0, 1], others may overshoot."""

_SIGNED = 1.05
_UNCLIPPED = 7.0
"""Digital numbers of 16 bits / 10,000 reach 6.6."""


def check_range(image: NDArray[Any], valid: NDArray[np.bool_]) -> None:
    """Raise DataError unless the valid pixels of a (C, H, W) target lie in [-0.01, 1.5]; the error names the scale.

    Parameters
    ----------
    valid : (H, W) bool; values elsewhere may be anything.
    """
    # Nearly every target passes by its extremes, holes included, and is spared the selection of valid pixels.
    least, most = float(image.min()), float(image.max())
    if least >= LEAST and most <= MOST:
        return
    values = image[:, valid]
    if values.size == 0:
        return
    least, most = float(values.min()), float(values.max())
    if not np.isfinite([least, most]).all():
        raise DataError("a target has values that are not finite", where="target", remedy="no data is 0, valid=False")
    if least < LEAST or most > MOST:
        span = f"{plain_number(least, 4)} to {plain_number(most, 4)}"
        raise DataError(
            f"a target has values from {span}, reflectance from 0 to 1 is expected",
            where="target",
            remedy=_remedy(least, most),
        )


def _remedy(least: float, most: float) -> str:
    """Return what probably brings values of that range to reflectance."""
    if least < LEAST:
        if least >= -_SIGNED and most <= _SIGNED:
            return "these look like -1 to 1: score (x + 1) / 2 of target and prediction"
        return "values below 0 are not reflectance; mark pixels without data by valid=False"
    if most <= _UNCLIPPED:
        return "these look like reflectance that was not clipped: clip the target to [0, 1] (protocol 3.2)"
    if most <= BYTE_MOST:
        return "these look like 0 to 255: divide target and prediction by 255"
    if most <= DIGITAL_MOST:
        return "these look like reflectance x 10,000: divide target and prediction by 10,000"
    return "divide target and prediction by their scale; mark pixels without data by valid=False"


def checked_target(target: TargetImage, protocol: Protocol) -> TargetImage:
    """Return a target whose values were checked, clipped to [0, 1] (protocol 3.2).

    What its image masks, as a numpy masked array, is no longer valid.

    Raises
    ------
    DataError
        if it has too few valid pixels, or for values that are not reflectance.
    """
    # Before the range is looked at: below a mask any number may stand.
    if isinstance(target.image, np.ma.MaskedArray):
        valid = target.valid & ~np.ma.getmaskarray(target.image).any(axis=0)
        usable = target.usable and is_usable(valid, protocol.target)
        target = replace(target, image=target.image.filled(0), valid=valid, usable=usable)
    if not target.usable:
        raise DataError("a target has too few valid pixels", remedy="leave the tile out of the run")
    check_range(target.image, target.valid)
    # Targets of a data set are clipped already, and need no copy.
    if target.image.min() >= 0 and target.image.max() <= 1:
        return target
    return replace(target, image=np.clip(target.image, 0, 1))

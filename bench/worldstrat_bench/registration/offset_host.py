"""The offset of :mod:`registration.offset` on a CPU: only the few pixels near a limit are looked at more than once.

Few values of an image lie outside [0, 1] or near its ends. They are picked out once; every step of the search for the
offset then reads these alone, and what all others sum to is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.protocol import OffsetFirst

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

NEAR = 1 / 1024
"""Reflectance. Values so near a limit are picked out; an offset that moves by half of it picks them out again."""


def median(values: Floats) -> float:
    """Return the median of (n,) values, the mean of the middle two if they are even in number."""
    middle = (values.size - 1) // 2
    ordered = np.partition(values, middle)
    lower = ordered[middle]
    # Without a second selection: what comes after the middle is the least of what was put behind it.
    return float(lower if values.size % 2 else (lower + ordered[middle + 1 :].min()) / 2)


@dataclass(frozen=True)
class Plane:
    """One band of a pair over the pixels that count.

    Attributes
    ----------
    prediction, target : (h, w) reflectance.
    mask : (h, w), the pixels that count; None: all.
    count : how many do.
    surplus : sum of target - prediction over them.
    """

    prediction: Image
    target: Image
    mask: Mask | None
    count: float
    surplus: float


@dataclass(frozen=True)
class _Picked:
    """Pixels about an offset: those in doubt one by one, (k,) each, and of those surely inside number and sum.

    `surplus` is the sum of target - prediction.
    """

    offset: float
    prediction: Floats
    difference: Floats
    count: float
    surplus: float


def settled(plane: Plane, first: float, rule: OffsetFirst) -> float:
    """Return the offset of one band, see ``registration.offset.robust_offset``; it starts as `first`."""
    offset, picked = first, _pick(plane, first)
    for _ in range(rule.iterations):
        if abs(offset - picked.offset) > NEAR / 2:
            picked = _pick(plane, offset)
        inside = (picked.prediction > -offset) & (picked.prediction < 1 - offset)
        count = picked.count + np.count_nonzero(inside)
        before = offset
        if count > 0:
            offset = (picked.surplus + float(picked.difference[inside].sum())) / count
        if abs(offset - before) < rule.tolerance:
            break
    return offset


def count_outside(prediction: Image, target: Image, valid: Mask | None, offset: float) -> int:
    """Count the valid pixels that the offset leaves outside [0, 1] where the target lies strictly inside."""
    where = _beyond(prediction, offset, valid)
    seen, truth = prediction.ravel()[where].astype(np.float64), target.ravel()[where]
    outside = (seen < -offset) | (seen > 1 - offset)
    return int(np.count_nonzero(outside & (truth > 0) & (truth < 1)))


def _pick(plane: Plane, offset: float) -> _Picked:
    where = _beyond(plane.prediction, offset, plane.mask)
    prediction = plane.prediction.ravel()[where].astype(np.float64)
    difference = plane.target.ravel()[where] - prediction
    surplus, count = plane.surplus - float(difference.sum()), plane.count - prediction.size
    doubtful = (prediction > -offset - NEAR) & (prediction < 1 - offset + NEAR)
    return _Picked(offset, prediction[doubtful], difference[doubtful], count, surplus)


def _beyond(image: Image, offset: float, mask: Mask | None) -> NDArray[np.intp]:
    """Return the places in the flat image of the pixels that the offset leaves outside, or just inside, of [0, 1]."""
    low, high = np.float32(NEAR - offset), np.float32(1 - NEAR - offset)
    # Mostly no value is near a limit, and its least and its greatest value take a quarter of the time.
    if image.min() > low and image.max() < high:
        return np.empty(0, dtype=np.intp)
    found = (image <= low) | (image >= high)
    if mask is not None:
        found &= mask
    return np.flatnonzero(found)  # four times as fast as rows and columns

"""Consistency of a prediction with the low-resolution input, seen by the same sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from worldstrat_bench.filtering import banded_rows
from worldstrat_bench.sums import pixel_sum

_CUT = 1e-8
"""Weights below this share of the greatest are zero."""


def sensor_matrix(size_in: int, size_out: int, mtf_nyquist: float, like: Tensor) -> Tensor:
    """Return (size_out, size_in) weights that sample a fine axis with a Gaussian point spread function.

    Parameters
    ----------
    size_in, size_out : px of the fine and the coarse axis, which cover the same footprint.
    mtf_nyquist : modulation transfer at the coarse axis's Nyquist frequency, pixel area included: with sigma
        in coarse pixels, exp(-2 (pi sigma / 2)^2). The Gaussian is cut where it falls below 1e-8 and is
        normalised over the pixels inside the image.
    """
    ratio = size_in / size_out
    sigma = math.sqrt(-2 * math.log(mtf_nyquist)) / math.pi * ratio
    centre = (torch.arange(size_out, dtype=torch.float64, device=like.device)[:, None] + 0.5) * ratio - 0.5
    x = torch.arange(size_in, dtype=torch.float64, device=like.device) - centre
    weights = torch.exp(-0.5 * (x / sigma).square())
    weights = torch.where(weights >= _CUT, weights, 0)
    return (weights / weights.sum(dim=1, keepdim=True)).to(like.dtype)


@dataclass(frozen=True)
class Sensor:
    """A coarser sensor over the same footprint: the weights of its rows and columns, and how far they reach (px)."""

    rows: Tensor
    columns: Tensor
    reach: tuple[float, float]


def sensor(fine: tuple[int, int], coarse: tuple[int, int], mtf_nyquist: float, like: Tensor) -> Sensor:
    """Return the sensor that sees an image of `fine` (height, width) as one of `coarse`; see :func:`sensor_matrix`."""
    return _sensor(fine, coarse, mtf_nyquist, like.dtype, like.device)


@lru_cache(maxsize=16)
def _sensor(
    fine: tuple[int, int], coarse: tuple[int, int], mtf_nyquist: float, dtype: torch.dtype, device: torch.device
) -> Sensor:
    """Kept, since the tiles of a release are of a few sizes."""
    like = torch.empty(0, dtype=dtype, device=device)
    rows, columns = (sensor_matrix(n, m, mtf_nyquist, like) for n, m in zip(fine, coarse, strict=True))
    sigma = math.sqrt(-2 * math.log(mtf_nyquist)) / math.pi
    cut = math.sqrt(-2 * math.log(_CUT))
    return Sensor(rows, columns, (cut * sigma * fine[0] / coarse[0], cut * sigma * fine[1] / coarse[1]))


def degrade(image: Tensor, seen_by: Sensor) -> Tensor:
    """Return (..., H, W) as a coarser sensor sees it."""
    narrow = banded_rows(seen_by.rows, image, seen_by.reach[0])
    return banded_rows(seen_by.columns, narrow.transpose(-1, -2), seen_by.reach[1]).transpose(-1, -2)


def lr_consistency(image: Tensor, frame: Tensor, counts: Tensor, seen_by: Sensor) -> Tensor:
    """Return the mean absolute difference of a frame and an image, degraded and freed of its mean difference per band.

    Parameters
    ----------
    image : (..., C, H, W) reflectance, unshifted.
    frame : (..., C, h, w) reflectance.
    counts : (..., h, w) bool, the frame's pixels that count.
    seen_by : the frame's sensor.

    Returns
    -------
    (...) reflectance; NaN if no pixel counts.
    """
    weights = counts[..., None, :, :].double()
    delta = (degrade(image, seen_by).double() - frame.double()) * weights
    count = weights.sum(dim=(-2, -1), keepdim=True)
    # A constant difference of brightness costs nothing here, as it costs nothing in the other metrics.
    mean = pixel_sum(delta)[..., None, None] / count
    return pixel_sum(((delta - mean) * weights).abs(), 3) / (count.sum(dim=(-3, -2, -1)) * frame.shape[-3])

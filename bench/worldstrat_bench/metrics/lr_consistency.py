"""Does the prediction, seen by the low-resolution sensor, look like what that sensor saw?"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sensor_matrix(size_in: int, size_out: int, mtf_nyquist: float, like: Tensor) -> Tensor:
    """(size_out, size_in) weights that sample a fine axis with a Gaussian point spread function.

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
    weights = torch.where(weights >= 1e-8, weights, 0)
    return (weights / weights.sum(dim=1, keepdim=True)).to(like.dtype)


def degrade(image: Tensor, height: int, width: int, mtf_nyquist: float) -> Tensor:
    """(..., H, W) as a coarser sensor of `height` x `width` px over the same footprint sees it."""
    rows = sensor_matrix(image.shape[-2], height, mtf_nyquist, image)
    columns = sensor_matrix(image.shape[-1], width, mtf_nyquist, image)
    return rows @ image @ columns.t()


def lr_consistency(image: Tensor, frame: Tensor, counts: Tensor, mtf_nyquist: float = 0.3) -> Tensor:
    """Mean absolute difference between an image, degraded and freed of its mean difference per band, and a frame.

    Parameters
    ----------
    image : (..., C, H, W) reflectance, unshifted.
    frame : (..., C, h, w) reflectance.
    counts : (..., h, w) bool, the frame's pixels that count.

    Returns
    -------
    (...) reflectance; NaN if no pixel counts.
    """
    degraded = degrade(image, frame.shape[-2], frame.shape[-1], mtf_nyquist)
    weights = counts[..., None, :, :].double()
    delta = (degraded.double() - frame.double()) * weights
    count = weights.sum(dim=(-2, -1), keepdim=True)
    mean = delta.sum(dim=(-2, -1), keepdim=True) / count
    return ((delta - mean) * weights).abs().sum(dim=(-3, -2, -1)) / (count.sum(dim=(-3, -2, -1)) * frame.shape[-3])

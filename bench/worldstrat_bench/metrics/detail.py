"""How much fine detail a target holds: the axis of the detail strata."""

from __future__ import annotations

import torch
from torch import Tensor

from worldstrat_bench.filtering import correlate, crop_or_pad, gaussian_taps


def detail(target: Tensor, smoothed: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the mean over bands of the variance of target - smoothed target where pixels count; reflectance squared.

    Parameters
    ----------
    target, smoothed : (..., C, H, W).
    valid : (..., H, W) bool; None: all pixels.
    """
    # In float64, since what is fine is a small difference of two images.
    fine = (target.double() - smoothed.double()).flatten(-2)
    if valid is None:
        return fine.var(dim=-1, correction=0).mean(dim=-1)
    weights = valid.flatten(-2)[..., None, :].to(fine.dtype)
    count = weights.sum(dim=-1)
    mean = (fine * weights).sum(dim=-1) / count
    centred = (fine - mean[..., None]) * weights
    return torch.sum(centred * centred, dim=-1).div(count).mean(dim=-1)


def plain_detail(target: Tensor, valid: Tensor | None = None, *, sigma: float = 2.0, cut: int = 8) -> Tensor:
    """Return :func:`detail` where a protocol has no smoothing of its own: wsb-1's Gaussian, less `cut` px all round.

    Parameters
    ----------
    target : (..., C, H, W) reflectance.
    valid : (..., H, W) bool; None: all pixels.
    sigma : of the Gaussian, px.
    """
    taps = gaussian_taps(sigma, cut)
    inside = crop_or_pad(target, cut)
    return detail(inside, correlate(target.double(), taps, taps), None if valid is None else crop_or_pad(valid, cut))

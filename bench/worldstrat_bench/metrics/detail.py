"""How much fine detail a target holds: the axis of the detail strata."""

from __future__ import annotations

import torch
from torch import Tensor


def detail(target: Tensor, smoothed: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean over bands of the variance of target - smoothed target over the pixels that count; reflectance squared.

    Parameters
    ----------
    target, smoothed : (..., C, H, W).
    valid : (..., H, W) bool; None: all pixels.
    """
    fine = (target.double() - smoothed.double()).flatten(-2)
    if valid is None:
        return fine.var(dim=-1, correction=0).mean(dim=-1)
    weights = valid.flatten(-2)[..., None, :].to(fine.dtype)
    count = weights.sum(dim=-1)
    mean = (fine * weights).sum(dim=-1) / count
    centred = (fine - mean[..., None]) * weights
    return torch.sum(centred * centred, dim=-1).div(count).mean(dim=-1)

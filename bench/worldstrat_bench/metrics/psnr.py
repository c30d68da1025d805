"""Mean squared error over the pixels that count, and the peak signal-to-noise ratio that it means."""

from __future__ import annotations

import torch
from torch import Tensor


def squared_error(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean over bands and pixels of the squared difference of two (..., C, H, W) images, (...) float64.

    Parameters
    ----------
    valid : (..., H, W) bool, pixels that count; None: all.
    """
    delta = prediction.double() - target.double()
    if valid is None:
        count = delta.new_full(delta.shape[:-3], delta.shape[-2] * delta.shape[-1])
    else:
        delta = delta * valid[..., None, :, :]
        count = valid.sum(dim=(-2, -1)).double()
    flat = delta.flatten(-2)
    mean: Tensor = (torch.linalg.vecdot(flat, flat) / count[..., None]).mean(dim=-1)
    return mean


def psnr(mse: Tensor, floor: float | None) -> Tensor:
    """-10 log10 of a mean squared error, dB, for data of range 1.

    >>> round(float(psnr(torch.tensor(0.001), 1e-10)), 9)
    30.0
    >>> float(psnr(torch.tensor(0.0), 1e-10))
    100.0
    """
    floored = mse.double() if floor is None else mse.double().clamp_min(floor)
    return -10 * torch.log10(floored)

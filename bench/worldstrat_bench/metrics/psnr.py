"""Errors by pixel: mean squared error, the PSNR and root mean squared error made of it, mean absolute error."""

from __future__ import annotations

import torch
from torch import Tensor

from worldstrat_bench.sums import pixel_sum


def squared_error(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the mean over bands and pixels of the squared difference of two (..., C, H, W), (...) float64.

    Parameters
    ----------
    valid : (..., H, W) bool, pixels that count; None: all.
    """
    delta = prediction.double() - target  # which is widened on the way, without a copy of it
    if valid is None:
        count = delta.new_full(delta.shape[:-3], delta.shape[-2] * delta.shape[-1])
    else:
        delta = delta * valid[..., None, :, :]
        count = valid.sum(dim=(-2, -1)).double()
    flat = delta.flatten(-2)
    squares = torch.linalg.vecdot(flat, flat) if delta.device.type == "cpu" else pixel_sum(flat.square_(), 1)
    mean: Tensor = (squares / count[..., None]).mean(dim=-1)
    return mean


def psnr(mse: Tensor, floor: float | None) -> Tensor:
    """Return -10 log10 of a mean squared error, dB, for data of range 1.

    >>> round(float(psnr(torch.tensor(0.001), 1e-10)), 4)
    30.0
    >>> float(psnr(torch.tensor(0.0), 1e-10))
    100.0
    """
    floored = mse.double() if floor is None else mse.double().clamp_min(floor)
    return -10 * torch.log10(floored)


def rmse(mse: Tensor, floor: float | None) -> Tensor:
    """Return the square root of a mean squared error that is at least `floor`; reflectance."""
    return (mse if floor is None else mse.clamp_min(floor)).sqrt()


def mae(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference over bands and pixels, reflectance: (..., C, H, W) to (...) float64."""
    return (prediction - target).abs().mean(dim=(-2, -1), dtype=torch.float64).mean(dim=-1)

"""Errors by pixel: mean squared error, the PSNR and root mean squared error made of it, mean absolute error."""

from __future__ import annotations

import torch
from torch import Tensor

from worldstrat_bench.filtering import on_gpu
from worldstrat_bench.sums import pixel_sum


def squared_error(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the mean over bands and pixels of the squared difference of two (..., C, H, W), (...) float64.

    Parameters
    ----------
    valid : (..., H, W) bool, pixels that count; None: all.
    """
    if on_gpu(prediction):
        squares = _squares(prediction, target, valid)
    else:  # a band at a time fits into the caches
        bands = (slice(band, band + 1) for band in range(prediction.shape[-3]))
        parts = [_squares(prediction[..., own, :, :], target[..., own, :, :], valid) for own in bands]
        squares = torch.cat(parts, dim=-1)
    count = (
        prediction.shape[-2] * prediction.shape[-1] if valid is None else valid.sum(dim=(-2, -1)).double()[..., None]
    )
    mean: Tensor = (squares / count).mean(dim=-1)
    return mean


def _squares(prediction: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
    """Return the sum over the pixels that count of the squared difference of every band, (..., C) float64."""
    delta = prediction.to(torch.float64, copy=True).sub_(target)  # two in float64 would leave the caches
    if valid is not None:
        delta *= valid[..., None, :, :]
    flat = delta.flatten(-2)
    squares: Tensor = pixel_sum(flat.square_(), 1) if on_gpu(flat) else torch.linalg.vecdot(flat, flat)
    return squares


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

"""Peak signal-to-noise ratio from sums of differences, so that every variant shares one pass over the pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Differences:
    """Sums over the pixels that count of D = prediction - target.

    Attributes
    ----------
    count : pixels that count, (...).
    sums : per-band sum of D, (..., C) float64.
    squares : per-band sum of D squared, (..., C) float64.
    """

    count: Tensor
    sums: Tensor
    squares: Tensor

    @property
    def bias(self) -> Tensor:
        """(..., C) what is added to the prediction, per band, to make its squared error least."""
        return -self.sums / self.count[..., None]

    def mse(self, *, biased: bool) -> Tensor:
        """(...) mean squared error over bands and pixels, as it is, or (`biased` false) after adding the bias."""
        mean_square = self.squares / self.count[..., None]
        if not biased:
            mean_square = (mean_square - self.bias.square()).clamp_min(0)
        return mean_square.mean(dim=-1)


def differences(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Differences:
    """The sums of two (..., C, H, W) images over the pixels of `valid`, (..., H, W) bool; None: all of them.

    Computed in float64.
    """
    delta = prediction.double() - target.double()
    if valid is None:
        count = delta.new_full(delta.shape[:-3], delta.shape[-2] * delta.shape[-1])
    else:
        delta = delta * valid[..., None, :, :]
        count = valid.sum(dim=(-2, -1)).double()
    flat = delta.flatten(-2)
    return Differences(count, flat.sum(dim=-1), torch.linalg.vecdot(flat, flat))


def psnr(mse: Tensor, floor: float | None) -> Tensor:
    """-10 log10 of a mean squared error, dB, for data of range 1.

    >>> round(float(psnr(torch.tensor(0.001), 1e-10)), 9)
    30.0
    >>> float(psnr(torch.tensor(0.0), 1e-10))
    100.0
    """
    floored = mse.double() if floor is None else mse.double().clamp_min(floor)
    return -10 * torch.log10(floored)

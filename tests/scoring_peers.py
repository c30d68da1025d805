"""What people run today, to compare with: vectorised searches that hold every moved copy."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F


def copies_2022(prediction: Tensor, truth: Tensor, kernels: Tensor, crop: int) -> tuple[float, float, float]:
    """MSE, MAE and SSIM loss by 81 moved copies of nine chips at once, as the 2022 scorer works.

    The same work as upstream's, no more: the truth repeated 81 times (its convolution pads by nothing, which copies),
    81 moved truths, 81 equal copies of the prediction, the squared errors of all of them; then MAE and SSIM loss of
    the best pair alone, its five images filtered by ``conv2d`` with a 5 x 5 kernel.

    Parameters
    ----------
    prediction, truth : (9, 3, 156, 156), the bias already added.
    kernels : (9, 11), the same along both axes.
    """
    n, c, side, _ = truth.shape
    count, taps = kernels.shape
    weights = torch.einsum("ui,vj->uvij", kernels, kernels).reshape(count**2, 1, taps, taps)
    out = side - taps + 1
    expanded = truth.reshape(n * c, 1, side, side).expand(-1, count**2, -1, -1)
    moved = F.conv2d(F.pad(expanded, (0,) * 4, mode="reflect"), weights, groups=count**2)
    moved = moved.transpose(0, 1).contiguous().view(count**2, n, c, out, out)
    seen = prediction[..., crop : crop + out, crop : crop + out].expand(count**2, -1, -1, -1, -1).contiguous()
    errors = F.mse_loss(seen, moved, reduction="none").mean(dim=(-3, -2, -1))
    least, best = errors.min(dim=0)
    chosen = moved[best, torch.arange(n)]
    absolute = F.l1_loss(seen[0], chosen)
    return float(least.mean()), float(absolute), float(_ssim_loss(seen[0], chosen))


def _ssim_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """Mean of clamp((1 - SSIM) / 2, 0, 1) with reflect padding and a 5 x 5 window, straight from the formula."""
    x = torch.arange(5) - 2.0
    taps = torch.exp(-x.square() / (2 * 1.5**2))
    bands = truth.shape[1]
    window = (torch.outer(taps, taps) / taps.sum() ** 2).expand(bands, 1, -1, -1)

    def mean(image: Tensor) -> Tensor:
        return F.conv2d(F.pad(image, (2,) * 4, mode="reflect"), window, groups=bands)

    p, t = mean(prediction), mean(truth)
    variances = mean(prediction**2) - p**2 + mean(truth**2) - t**2
    covariance = mean(prediction * truth) - p * t
    values = (2 * p * t + 1e-4) * (2 * covariance + 9e-4) / ((p**2 + t**2 + 1e-4) * (variances + 9e-4))
    return ((1 - values) / 2).clamp(0, 1).mean()


def peak_mebibytes(*, fresh: bool = False) -> float:
    """Return the most memory that this process has held, or (`fresh`) holds now. Linux only."""
    if fresh:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024

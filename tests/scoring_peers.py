"""What people run today, to compare with: vectorised searches that hold every moved copy."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from worldstrat_bench.metrics.ssim_loss import ssim_loss


def copies_2022(prediction: Tensor, truth: Tensor, kernels: Tensor, crop: int) -> tuple[float, float, float]:
    """MSE, MAE and SSIM loss by 81 moved copies of nine chips at once, as the 2022 scorer works.

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
    moved = F.conv2d(expanded, weights, groups=count**2)
    moved = moved.view(n, c, count**2, out, out).movedim(2, 0).contiguous()
    seen = prediction[..., crop : crop + out, crop : crop + out].expand(count**2, -1, -1, -1, -1).contiguous()
    errors = F.mse_loss(seen, moved, reduction="none").mean(dim=(-3, -2, -1))
    least, best = errors.min(dim=0)
    chosen = moved[best, torch.arange(n)]
    absolute = F.l1_loss(seen[0], chosen)
    return float(least.mean()), float(absolute), float(ssim_loss(seen[0], chosen).mean())


def peak_mebibytes(*, anew: bool = False) -> float:
    """The most memory that this process has held, or (`anew`) holds now, forgetting what it held before. Linux only."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024

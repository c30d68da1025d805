"""The SSIM loss of the 2022 scorer, as kornia computes it."""

from __future__ import annotations

import torch
from torch import Tensor

from worldstrat_bench.filtering import crop_or_pad
from worldstrat_bench.metrics.ssim import ssim_map, ssim_target


def ssim_loss(prediction: Tensor, target: Tensor, *, window: int = 5, sigma: float = 1.5) -> Tensor:
    """Mean over bands and positions of clamp((1 - SSIM) / 2, 0, 1), with reflect padding and data range 1.

    (..., C, H, W) to (...) float64.
    """
    pad = window // 2
    seen = ssim_target(crop_or_pad(target, -pad), window=window, sigma=sigma)
    values = ssim_map(crop_or_pad(prediction, -pad), seen)
    return ((1 - values) / 2).clamp(0, 1).mean(dim=(-3, -2, -1), dtype=torch.float64)

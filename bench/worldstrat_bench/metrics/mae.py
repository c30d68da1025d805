"""Mean absolute error."""

from __future__ import annotations

import torch
from torch import Tensor


def mae(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over bands and pixels of the absolute difference, reflectance: (..., C, H, W) to (...) float64."""
    return (prediction - target).abs().mean(dim=(-2, -1), dtype=torch.float64).mean(dim=-1)

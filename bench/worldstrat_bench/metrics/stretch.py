"""The tile's own stretch, on which SSIM and LPIPS see what an analyst would see."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def white_level(target: Tensor, valid: Tensor | None, *, white_min: float, percentile: float) -> float:
    """Return the reflectance shown as white: a percentile over valid bands and pixels, at least `white_min`.

    Parameters
    ----------
    target : (C, H, W).
    valid : (H, W) bool; None: all pixels.
    """
    values = target if valid is None else target[:, valid]
    return max(white_min, float(np.percentile(values.cpu().numpy().astype(np.float64), percentile)))


def stretch(image: Tensor, white: float | Tensor) -> Tensor:
    """Return clip(x / white, 0, 1); `white` is a number, or a tensor that spreads over the image."""
    return (image / white).clamp_(0, 1)

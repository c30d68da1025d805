"""Spectral angle (Kruse et al. 1993, the spectral angle mapper)."""

from __future__ import annotations

import torch
from torch import Tensor


def sam(prediction: Tensor, target: Tensor, valid: Tensor | None = None, *, norm_min: float = 1e-6) -> Tensor:
    """Mean angle between the spectra of two images of three bands, degrees.

    The angle is atan2(|p x t|, p . t): the arc cosine of the cosine loses half the digits near 0.

    Parameters
    ----------
    prediction, target : (..., 3, H, W).
    valid : (..., H, W) bool, pixels that count; None: all.
    norm_min : pixels where either norm is not above this do not count.

    Returns
    -------
    (...) float64; NaN if no pixel counts.

    >>> grey, reddish = torch.full((3, 1, 1), 0.5), torch.tensor([0.5, 0.0, 0.0]).view(3, 1, 1)
    >>> round(float(sam(reddish, grey)), 4)
    54.7356
    """
    p0, p1, p2 = prediction.unbind(dim=-3)
    t0, t1, t2 = target.unbind(dim=-3)
    x, y, z = p1 * t2 - p2 * t1, p2 * t0 - p0 * t2, p0 * t1 - p1 * t0
    angle = torch.atan2((x * x + y * y + z * z).sqrt(), p0 * t0 + p1 * t1 + p2 * t2)
    counts = (_square_norm(p0, p1, p2) > norm_min**2) & (_square_norm(t0, t1, t2) > norm_min**2)
    if valid is not None:
        counts = counts & valid
    total = torch.where(counts, angle, 0).sum(dim=(-2, -1), dtype=torch.float64)
    return torch.rad2deg(total / counts.sum(dim=(-2, -1)))


def _square_norm(red: Tensor, green: Tensor, blue: Tensor) -> Tensor:
    return red * red + green * green + blue * blue

"""Spectral angle (Kruse et al. 1993, the spectral angle mapper)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from worldstrat_bench.sums import pixel_sum


def sam(prediction: Tensor, target: Tensor, valid: Tensor | None = None, *, norm_min: float = 1e-6) -> Tensor:
    """Return the mean angle between the spectra of two images of the same bands, degrees.

    The angle is atan2(|p ^ t|, p . t): the arc cosine of the cosine loses half the digits near 0.

    Parameters
    ----------
    prediction, target : (..., C, H, W).
    valid : (..., H, W) bool, pixels that count; None: all.
    norm_min : pixels where either norm is not above this do not count.

    Returns
    -------
    (...) float64; NaN if no pixel counts.

    >>> grey, reddish = torch.full((3, 1, 1), 0.5), torch.tensor([0.5, 0.0, 0.0]).view(3, 1, 1)
    >>> round(float(sam(reddish, grey)), 4)
    54.7356
    """
    p, t = prediction.unbind(dim=-3), target.unbind(dim=-3)
    # From the last pair of bands to the first: three bands are added up as the cross product always was, to the bit.
    pairs = reversed(list(combinations(range(len(p)), 2)))
    across = _square_norm([p[i] * t[j] - p[j] * t[i] for i, j in pairs])
    along = _total([own * other for own, other in zip(p, t, strict=True)])
    angle = torch.atan2(across.sqrt(), along)
    counts = (_square_norm(p) > norm_min**2) & (_square_norm(t) > norm_min**2)
    if valid is not None:
        counts = counts & valid
    total = pixel_sum(torch.where(counts, angle, 0))
    return torch.rad2deg(total / counts.sum(dim=(-2, -1)))


def _square_norm(bands: Sequence[Tensor]) -> Tensor:
    return _total([band * band for band in bands])


def _total(terms: Sequence[Tensor]) -> Tensor:
    """Return the sum, from the first term to the last."""
    found = terms[0]
    for term in terms[1:]:
        found = found + term
    return found

"""Which values a column of ``tiles.csv`` can have, and where the interval of a mean of such values ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "psnr": (-60, 100),
    "ssim": (-1, 1),
    "lpips": (0, 10),
    "rmse": (0, 1000),
    "psnr_raw": (-60, 100),
    "psnr_unregistered": (-60, 100),
    "sam": (0, 180),
    "lr_consistency": (0, 1000),
    "psnr_bicubic": (-60, 100),
    "lr_consistency_target": (0, 1000),
    "psnr_nir": (-60, 100),
    "stlpips": (0, 10),
    "sam4": (0, 180),
    "ndvi_mae": (0, 2),
    "coverage_68": (0, 1),
    "coverage_95": (0, 1),
    "ence": (0, 1e7),
    "ause": (-1e-6, 5),
    "crps": (0, 1000),
    "opensr_improvement": (0, 1),
    "opensr_omission": (0, 1),
    "opensr_hallucination": (0, 1),
    "resolution_m": (2.5, 40),
    "contrast_nyquist": (-1e6, 1e6),
    "missed": (0, 1e6),
    "invented": (0, 1e6),
    "detail_energy": (0, 1e12),
    "clipped": (0, 1),
    "mse": (0, 1e6),
    "mae": (0, 1000),
    "ssim_loss": (0, 1),
    "shift_y": (-16, 16),
    "shift_x": (-16, 16),
    "cloud": (0, 1),
    "detail": (0, 1000),
    "lon": (-180, 180),
    "lat": (-90, 90),
}
"""Possible range of a value, bounds included."""

_ROUNDING: Final = 1e-5
"""A bound this near to 0 is 0, with room for rounding."""


def within_range(metric: str, low: float, high: float) -> tuple[float, float]:
    """Return the ends of an interval of a mean, cut to what a mean can be: a share of -0.0001 is not possible.

    The record and the downloads hold the ends as the estimator gives them; a metric without a range keeps them here.
    """
    if metric not in RANGES:
        return low, high
    least, most = (0.0 if abs(bound) < _ROUNDING else float(bound) for bound in RANGES[metric])
    return max(least, low), min(most, high)

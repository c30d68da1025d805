"""Metrics of the near infrared, for predictions and targets that have it as their fourth band."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from worldstrat_bench.metrics.optional import Found, Pairs
from worldstrat_bench.metrics.psnr import psnr, squared_error
from worldstrat_bench.metrics.sam import sam
from worldstrat_bench.sums import pixel_sum

MSE_FLOOR = 1e-10
"""Upper limit of PSNR, as in ``wsb-1``."""
NDVI_LEAST = 0.05
"""R + NIR of the target, reflectance, above which a pixel counts for NDVI: darker ones are water and noise."""
_NOTHING = 1e-6

FourBands = tuple[Tensor, Tensor, Tensor, Tensor]
"""R, G, B and near infrared, (N, 3, h, w) and (N, 1, h, w), of the prediction, then of the target."""


@dataclass(frozen=True)
class NearInfrared:
    """One column of predictions that have the near infrared, none of others."""

    column: str
    measure: Callable[[FourBands, Tensor | None], Tensor]
    software: str = ""

    def __call__(self, pairs: Pairs) -> Found:
        """One column, or none where a band is lacking."""
        if pairs.nir is None or pairs.target_nir is None:
            return Found({})
        bands = (pairs.prediction, pairs.nir, pairs.target, pairs.target_nir)
        return Found({self.column: self.measure(bands, pairs.mask)})


def psnr_nir(bands: FourBands, valid: Tensor | None) -> Tensor:
    """Return ``psnr`` of the fourth band, moved as the others are, with its own offset and bias; (N,) float64, dB."""
    return psnr(squared_error(bands[1], bands[3], valid), MSE_FLOOR)


def sam4(bands: FourBands, valid: Tensor | None) -> Tensor:
    """Return the mean angle between the spectra of four bands, degrees; (N,) float64, NaN if no pixel counts."""
    return sam(torch.cat(bands[:2], dim=1), torch.cat(bands[2:], dim=1), valid)


def ndvi_mae(bands: FourBands, valid: Tensor | None) -> Tensor:
    """Return the mean absolute error of NDVI; (N,) float64, NaN if no pixel counts.

    The target alone says which pixels count: a prediction must not leave any out by being dark there.
    """
    image, nir, truth, truth_nir = bands
    red, infrared = truth[:, 0], truth_nir[:, 0]
    counts = red + infrared > NDVI_LEAST
    if valid is not None:
        counts = counts & valid
    error = (ndvi(image[:, 0], nir[:, 0]) - ndvi(red, infrared)).abs()
    total = pixel_sum(torch.where(counts, error, 0))
    return total / counts.sum(dim=(-2, -1))


def ndvi(red: Tensor, nir: Tensor) -> Tensor:
    """Return (NIR - R) / (NIR + R) of reflectance in [0, 1]; 0 where both are 0."""
    return (nir - red) / (nir + red).clamp(min=_NOTHING)


def load_psnr_nir(_: torch.device | str = "cpu") -> NearInfrared:
    """Return the computation of `psnr_nir`, which every machine has."""
    return NearInfrared("psnr_nir", psnr_nir)


def load_sam4(_: torch.device | str = "cpu") -> NearInfrared:
    """Return the computation of `sam4`, which every machine has."""
    return NearInfrared("sam4", sam4)


def load_ndvi(_: torch.device | str = "cpu") -> NearInfrared:
    """Return the computation of `ndvi_mae`, which every machine has."""
    return NearInfrared("ndvi_mae", ndvi_mae)

"""The search of the PROBA-V rule: the prediction X, less a border, against every whole-pixel window of the truth.

With Y_d the window of the truth H that starts at lag d and m_d its mask, n_d pixels,

    MSE(d) = mean over bands of [ (sum m_d X^2 - 2 sum m_d X H_d + sum m_d H_d^2) / n_d - b_d^2 ],
    b_d    = (sum m_d H_d - sum m_d X) / n_d.

These are correlations of X^2 and X with m, of X with m H, and box sums of m, m H and m H^2, which need the truth alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from worldstrat_bench.registration.lags import box_sums, fft_length, lag_table, spectrum


@dataclass(frozen=True)
class WindowedTruth:
    """The part of the search that depends on the truth alone.

    Attributes
    ----------
    radius : of the search, px.
    centre : (C, 1, 1) mean of the valid pixels, taken off before anything else.
    product, mask : spectra of m H, (C, Y, X / 2 + 1), and of m, (1, Y, X / 2 + 1).
    counts : (2 r + 1, 2 r + 1) n_d.
    sums, squares : (C, 2 r + 1, 2 r + 1) of m H and m H^2 over every window.
    """

    radius: int
    centre: Tensor
    product: Tensor
    mask: Tensor
    counts: Tensor
    sums: Tensor
    squares: Tensor


def prepare_windows(target: Tensor, valid: Tensor, radius: int) -> WindowedTruth:
    """Compute the statistics of a (C, H, W) target with its (H, W) bool mask."""
    weights = valid.double()[None]
    centre = (target.double() * weights).sum(dim=(-2, -1), keepdim=True) / weights.sum()
    product = (target.double() - centre) * weights
    height, width = (size - 2 * radius for size in target.shape[-2:])
    size = (fft_length(target.shape[-2]), fft_length(target.shape[-1]))
    return WindowedTruth(
        radius,
        centre,
        spectrum(product, *size),
        spectrum(weights, *size),
        box_sums(weights, height, width)[0],
        box_sums(product, height, width),
        box_sums(product * product, height, width),
    )


def window_mismatch(prediction: Tensor, truth: WindowedTruth) -> tuple[Tensor, Tensor]:
    """Return the mean squared error and bias against every window of the truth.

    Parameters
    ----------
    prediction : (C, h, w), already cropped by the radius.

    Returns
    -------
    (2 r + 1, 2 r + 1) float64 mean over bands, infinite where no pixel is valid; (C, 2 r + 1, 2 r + 1) the bias
    that is added to the prediction.
    """
    lags = 2 * truth.radius + 1
    size = tuple(fft_length(length + 2 * truth.radius) for length in prediction.shape[-2:])
    centred = prediction.double() - truth.centre
    spectra = spectrum(centred, *size)
    cross = lag_table(spectra, truth.product, lags, size[1])
    sums = lag_table(spectra, truth.mask, lags, size[1])
    squares = lag_table(spectrum(centred * centred, *size), truth.mask, lags, size[1])
    # Windows without a valid pixel become infinite below; here they must only not divide by 0.
    counts = truth.counts.clamp_min(1)
    bias = (truth.sums - sums) / counts
    errors = ((squares - 2 * cross + truth.squares) / counts - bias * bias).mean(dim=0)
    return torch.where(truth.counts > 0.5, errors, torch.inf), bias

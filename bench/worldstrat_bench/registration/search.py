"""The integer search of wsb-1 and the parabola that refines it.

With m the mask, n its size, S the smoothed prediction and H the smoothed target, both with their mean removed,

    J(d) = 1 / (C n) * sum over bands c of [ sum m S_d^2 - 2 sum m H S_d + sum m H^2 - (sum m S_d - sum m H)^2 / n ],

where S_d(y, x) = S(y + dy, x + dx) and the last term is the bias that makes J least. Every sum is a correlation
table: of S^2 and S with m, and of S with m H. Only the mean needs its bands apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldstrat_bench.filtering import correlate_columns, correlate_rows
from worldstrat_bench.registration.lags import box_sums, fft_length, first_lags, lag_table, spectrum
from worldstrat_bench.sums import pixel_mean

NOISE_FLOOR = 1e-16
"""Differences of J (reflectance squared) below this are ties: float32 images cannot carry them."""


@dataclass(frozen=True)
class Shift:
    """Where in the prediction the target's origin is found: the prediction is read at y + `y`, x + `x` (px)."""

    y: float
    x: float
    at_edge: bool


@dataclass(frozen=True)
class Shifts:
    """The shifts of N pairs: `y` and `x` (N,) float64 px, `at_edge` (N,) bool; see :class:`Shift`."""

    y: Tensor
    x: Tensor
    at_edge: Tensor


@dataclass(frozen=True)
class SearchTarget:
    """The part of a search that depends on the target alone.

    Attributes
    ----------
    radius : of the search, px.
    height, width : of the target window, px.
    product : conjugate spectrum of m H, (..., C, Y, X / 2 + 1).
    mask : spectrum of m, (..., 1, Y, X / 2 + 1); None if every pixel counts.
    count : n, (..., 1, 1).
    energy : sum over bands and mask of H^2, (..., 1, 1).
    """

    radius: int
    height: int
    width: int
    product: Tensor
    mask: Tensor | None
    count: Tensor
    energy: Tensor


def prepare_search(target: Tensor, mask: Tensor | None, radius: int) -> SearchTarget:
    """Compute the statistics of the smoothed target.

    Parameters
    ----------
    target : (..., C, h, w) float64, the window.
    mask : (..., h, w) bool, True where a pixel counts; None if all do. At least one pixel counts.
    radius : of the search, px.
    """
    height, width = target.shape[-2:]
    size = (fft_length(height + 2 * radius), fft_length(width + 2 * radius))
    if mask is None:
        weights = None
        count = target.new_full((*target.shape[:-3], 1, 1), height * width)
        # Centred, because J is a small difference of large sums; the bias is solved for, so that nothing is lost.
        centred = target - target.mean(dim=(-2, -1), keepdim=True)
    else:
        weights = mask.to(target.dtype)[..., None, :, :]
        count = weights.sum(dim=(-2, -1))[..., None]
        centred = (target - (target * weights).sum(dim=(-2, -1), keepdim=True) / count[..., None]) * weights
    energy = (centred * centred).sum(dim=(-3, -2, -1))[..., None, None]
    mask_spectrum = None if weights is None else spectrum(weights, *size)
    product = spectrum(centred, *size).conj().resolve_conj()
    return SearchTarget(radius, height, width, product, mask_spectrum, count.view_as(energy), energy)


def mismatch(moving: Tensor, target: SearchTarget) -> Tensor:
    """Return J at every integer shift.

    Parameters
    ----------
    moving : (..., C, h + 2 radius, w + 2 radius) float64, the smoothed prediction around the window.

    Returns
    -------
    (..., 2 radius + 1, 2 radius + 1) float64; [i, j] is J at dy = i - radius, dx = j - radius.
    """
    lags = 2 * target.radius + 1
    size = fft_length(moving.shape[-2]), fft_length(moving.shape[-1])
    centred = moving - pixel_mean(moving)[..., None, None]
    square = (centred * centred).sum(dim=-3, keepdim=True)
    spectra = spectrum(centred, *size)
    product = target.product[..., 0, :, :] * spectra[..., 0, :, :]
    for band in range(1, moving.shape[-3]):
        product.addcmul_(target.product[..., band, :, :], spectra[..., band, :, :])
    # Bands were added up as spectra, so that one transform brings all of them back.
    cross = first_lags(product, lags, size[1])
    if target.mask is None:
        squares = box_sums(square, target.height, target.width)[..., 0, :, :]
        sums = box_sums(centred, target.height, target.width)
    else:
        squares = lag_table(target.mask, spectrum(square, *size), lags, size[1])[..., 0, :, :]
        sums = lag_table(target.mask, spectra, lags, size[1])
    return _mean_square(squares, cross, sums, target)


def mismatch_smoothed(image: Tensor, taps: Sequence[float], target: SearchTarget) -> Tensor:
    """Return J as :func:`mismatch`, of a prediction that is smoothed on the way; for a CPU.

    One band after the other: what one needs fits into the caches, and its memory serves the next. A stack of bands
    would spend a third of the time on asking the system for memory.

    Parameters
    ----------
    image : (C, h + 2 radius + K - 1, w + 2 radius + K - 1) float32, the prediction around the window.
    taps : the K taps of the filter along each axis, whose sum is 1.
    """
    lags, cut = 2 * target.radius + 1, len(taps) - 1
    height, width = image.shape[-2] - cut, image.shape[-1] - cut
    size = fft_length(height), fft_length(width)
    filled = image.new_zeros(size, dtype=torch.float64)  # a transform would fill up a copy every time
    centred = filled[:height, :width]
    square, product = torch.zeros_like(filled), image.new_zeros(target.product.shape[-2:], dtype=torch.complex128)
    still, sums = None if target.mask is None else target.mask[0], []
    for band, truth in zip(image, target.product, strict=True):
        own = band.double()
        # A filter whose taps sum to 1 leaves a constant as it is, so that it may as well be taken off before.
        own -= pixel_mean(own)
        correlate_columns(correlate_rows(own, taps), taps, out=centred)
        square.addcmul_(filled, filled)
        moving = spectrum(filled, *size)
        product.addcmul_(truth, moving)
        sums.append(
            box_sums(centred, target.height, target.width) if still is None else lag_table(still, moving, lags, size[1])
        )
    squares = (
        box_sums(square[:height, :width], target.height, target.width)
        if still is None
        else lag_table(still, spectrum(square, *size), lags, size[1])
    )
    return _mean_square(squares, first_lags(product, lags, size[1]), torch.stack(sums), target)


def _mean_square(squares: Tensor, cross: Tensor, sums: Tensor, target: SearchTarget) -> Tensor:
    """J from its sums: (..., L, L) of S^2 and of S H over all bands, (..., C, L, L) of S."""
    bias = (sums * sums).sum(dim=-3) / target.count
    return (squares - 2 * cross + target.energy - bias) / (sums.shape[-3] * target.count)


def pick_shift(values: NDArray[np.float64], *, tie: float, fraction: int) -> Shift:
    """Return the shift of least J: ties to the smaller length, then dy, then dx; then a parabola's vertex per axis.

    Parameters
    ----------
    values : (2 r + 1, 2 r + 1), as :func:`mismatch` returns.
    tie : J within this relative difference of the least is equal to it.
    fraction : the vertex is rounded to 1 / fraction px; it is at most half a pixel from the integer optimum.
    """
    radius = values.shape[0] // 2
    least = float(values.min())
    limit = least + tie * abs(least) + NOISE_FLOOR
    rows, columns = np.nonzero(values <= limit)
    # Flat land gives many shifts alike: the nearest is taken, so that noise does not send the prediction far.
    best = min(
        (int(i - radius) ** 2 + int(j - radius) ** 2, int(i), int(j)) for i, j in zip(rows, columns, strict=True)
    )
    _, i, j = best
    y = i - radius + _vertex(values[:, j], i, fraction)
    x = j - radius + _vertex(values[i, :], j, fraction)
    return Shift(y, x, at_edge=radius in (abs(i - radius), abs(j - radius)))


def _vertex(line: NDArray[np.float64], index: int, fraction: int) -> float:
    # A neighbour is missing at the edge, and the optimum may lie beyond it.
    if index in (0, len(line) - 1):
        return 0.0
    before, here, after = (float(value) for value in line[index - 1 : index + 2])
    curvature = before - 2 * here + after
    # The vertex of a line that is flat to the noise could be anywhere.
    if curvature <= 4 * NOISE_FLOOR:
        return 0.0
    vertex = min(max(0.5 * (before - after) / curvature, -0.5), 0.5)
    return round(vertex * fraction) / fraction


def pick_shifts(values: Tensor, *, tie: float, fraction: int) -> Shifts:
    """Run :func:`pick_shift` on N tables where they are: the same numbers, and nothing waits for the device.

    Parameters
    ----------
    values : (N, 2 r + 1, 2 r + 1) float64.
    """
    lags = values.shape[-1]
    radius = lags // 2
    flat = values.flatten(1)
    least = flat.amin(dim=1, keepdim=True)
    axis = torch.arange(lags, device=values.device)
    squares = (axis - radius).square()
    # One number orders the shifts as tuples of squared length, row and column do.
    order = (((squares[:, None] + squares) * lags + axis[:, None]) * lags + axis).flatten()
    tied = flat <= least + tie * least.abs() + NOISE_FLOOR
    best = torch.where(tied, order, lags**4).argmin(dim=1)
    i, j = best // lags, best % lags
    y = (i - radius).double() + _vertices(flat, best, i, lags, fraction)
    x = (j - radius).double() + _vertices(flat, best, j, 1, fraction)
    edge = 2 * radius
    return Shifts(y, x, (i == 0) | (i == edge) | (j == 0) | (j == edge))


def _vertices(flat: Tensor, best: Tensor, index: Tensor, step: int, fraction: int) -> Tensor:
    """:func:`_vertex` of every row of (N, K) tables along the axis whose neighbours are `step` apart, (N,)."""
    lags = math.isqrt(flat.shape[1])
    around = torch.stack((best - step, best, best + step), dim=1).clamp(0, flat.shape[1] - 1)
    before, here, after = flat.gather(1, around).unbind(dim=1)
    curvature = before - 2 * here + after
    flat_or_edge = (index == 0) | (index == lags - 1) | (curvature <= 4 * NOISE_FLOOR)
    vertex = (0.5 * (before - after) / torch.where(flat_or_edge, 1.0, curvature)).clamp(-0.5, 0.5)
    # Divided by a tensor: a GPU multiplies by the reciprocal of a plain number, which may round otherwise.
    rounded = (vertex * fraction).round() / torch.full_like(vertex, fraction)
    return torch.where(flat_or_edge, 0.0, rounded)

"""Sub-pixel translation between the revisits of a tile, on cloud-free pixels, all frames at once.

Coarse to fine: an integer search on smoothed images, then Gauss-Newton on the linearised brightness equation
(Lucas and Kanade 1981) with a gain and a bias per band, because haze and season change both.

Nothing here waits for the device: no number is read back, and what a frame needs is chosen by masks. The
correlations of the search at all offsets come from three products of spectra, as in the scorer (Lewis 1995).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from worldstrat_bench_baselines.resampling import gaussian_blur, move

SEARCH_RADIUS = 3
ITERATIONS = 5
COMMON_PIXELS_MIN = 150
BORDER = 4
GAINS = (0.25, 4.0)


@dataclass(frozen=True)
class Fits:
    """How T frames relate to the reference: frame(p + shift) = gain * reference(p) + bias, per band.

    Attributes
    ----------
    shift : (T, 2) float64, rows and columns in LR px; 0 where it could not be estimated.
    gain, bias : (T, C).
    noise : (T, C) root mean square residual on common clear pixels, reflectance; infinite where not estimated.
    """

    shift: Tensor
    gain: Tensor
    bias: Tensor
    noise: Tensor

    @property
    def found(self) -> Tensor:
        """(T,) bool: whether there was enough in common with the reference."""
        return torch.isfinite(self.noise).all(dim=1)


@dataclass(frozen=True)
class Regression:
    """Least squares of moved frames (T, C, h, w) on the reference, per band: gain, bias (T, C, 1, 1) and residual."""

    gain: Tensor
    bias: Tensor
    residual: Tensor


def register(reference: Tensor, frames: Tensor, reference_clear: Tensor, clear: Tensor) -> Fits:
    """Estimate the shift of every frame against `reference`.

    Parameters
    ----------
    reference : (C, h, w) float32 reflectance.
    frames : (T, C, h, w).
    reference_clear, clear : (1, h, w) and (T, 1, h, w) bool.
    """
    common = _inside(_erode(reference_clear[None]) & _erode(clear))
    enough = common.sum((-3, -2, -1)) >= COMMON_PIXELS_MIN
    smooth_reference, smooth_frames = gaussian_blur(reference, 1.0), gaussian_blur(frames, 1.0)
    start = _integer_search(smooth_reference, smooth_frames, common)
    shift = _gauss_newton(smooth_reference, smooth_frames, common, start)
    found = enough & ((shift - start).abs() <= 1.0).all(dim=1)
    shift = torch.where(found[:, None], shift, 0.0)
    fit = _regress(reference, move(frames, shift), common)
    noise = _weighted_sum(fit.residual.square(), common).div(_weight_of(common)).sqrt()
    known = found[:, None]
    return Fits(
        shift,
        torch.where(known, fit.gain[..., 0, 0], 1.0),
        torch.where(known, fit.bias[..., 0, 0], 0.0),
        torch.where(known, noise[..., 0, 0], torch.inf),
    )


def _erode(clear: Tensor, by: int = 2) -> Tensor:
    """Clear pixels further than `by` px from a cloud: its fringe is not in the mask."""
    return F.max_pool2d((~clear).float(), 2 * by + 1, stride=1, padding=by) == 0


def _inside(clear: Tensor) -> Tensor:
    """Return the mask without its border, so that no offset of the search reads beyond an image."""
    inside = torch.zeros_like(clear)
    inside[..., BORDER:-BORDER, BORDER:-BORDER] = clear[..., BORDER:-BORDER, BORDER:-BORDER]
    return inside


def _weight_of(common: Tensor) -> Tensor:
    """Return the number of pixels of the mask that are set, (T, 1, 1, 1)."""
    return common.sum((-2, -1), keepdim=True)


def _weighted_sum(values: Tensor, common: Tensor) -> Tensor:
    """Return the sum of (T, C, h, w) over the pixels of the mask, (T, C, 1, 1)."""
    return (values * common).sum((-2, -1), keepdim=True)


def _gain(variance: Tensor, covariance: Tensor) -> Tensor:
    """Return the slope of a band on the reference, within :data:`GAINS`; 1 where the reference is flat."""
    return torch.where(variance > 1e-12, covariance / variance.clamp_min(1e-12), 1.0).clamp(*GAINS)


def _regress(reference: Tensor, moved: Tensor, common: Tensor) -> Regression:
    """Least-squares gain and bias per band on the common pixels, and the residual image."""
    count = _weight_of(common)
    mean_r, mean_m = _weighted_sum(reference, common) / count, _weighted_sum(moved, common) / count
    centred_r, centred_m = reference - mean_r, moved - mean_m
    weighted_r = centred_r * common
    variance = (centred_r * weighted_r).sum((-2, -1), keepdim=True)
    covariance = (centred_m * weighted_r).sum((-2, -1), keepdim=True)
    gain = _gain(variance, covariance)
    return Regression(gain, mean_m - gain * mean_r, centred_m - gain * centred_r)


def _integer_search(reference: Tensor, frames: Tensor, common: Tensor) -> Tensor:
    """Return (T, 2) float64: the offset within the radius whose regression leaves the smallest residual."""
    weight, reference, frames = common.double(), reference.double(), frames.double()
    count = _weight_of(weight)
    reference = reference - _weighted_sum(reference, weight) / count
    frames = frames - _weighted_sum(frames, weight) / count  # keeps the sums below from cancelling
    sums, squares = _lags(weight, torch.cat([frames, frames.square()], dim=1)).chunk(2, dim=1)
    products = _lags(reference * weight, frames)
    variance = _weighted_sum(reference.square(), weight)
    gain = _gain(variance, products)
    error = squares - sums.square() / count - 2 * gain * products + gain.square() * variance
    best = error.sum(1).flatten(1).argmin(dim=1)
    side = 2 * SEARCH_RADIUS + 1
    return torch.stack([best // side, best % side], dim=1).double() - SEARCH_RADIUS


def _lags(still: Tensor, moving: Tensor) -> Tensor:
    """Return sums over pixels p of still(p) * moving(p + offset): (T, C, side, side) over offsets of the search.

    `still` is 0 near the edges, so a cyclic correlation wraps nothing; the sides grow to what an FFT is fast at. Only
    the few offsets wanted are transformed back.
    """
    height, width = (-(-side // 16) * 16 for side in moving.shape[-2:])
    product = torch.fft.rfft2(still, s=(height, width)).conj() * torch.fft.rfft2(moving, s=(height, width))
    offsets = torch.arange(-SEARCH_RADIUS, SEARCH_RADIUS + 1, dtype=torch.float64, device=moving.device)
    rows, columns = (torch.arange(n, dtype=torch.float64, device=moving.device) for n in (height, width // 2 + 1))
    twice = 2 - ((columns == 0) | (columns == width // 2)).double()  # the half of the spectrum that is not stored
    back_x = torch.polar(twice[:, None] / width, 2 * math.pi / width * columns[:, None] * offsets)
    back_y = torch.polar(torch.full_like(offsets, 1 / height)[:, None], 2 * math.pi / height * offsets[:, None] * rows)
    table: Tensor = (back_y @ (product @ back_x)).real
    return table


def _gauss_newton(reference: Tensor, frames: Tensor, common: Tensor, start: Tensor) -> Tensor:
    """Return (T, 2): minimise the residual of the regression over the shifts, from `start`.

    A frame stops where the image has no structure in some direction, or after a step that is small enough.
    """
    shift, active = start, torch.ones_like(start[:, 0], dtype=torch.bool)
    for _ in range(ITERATIONS):
        moved = move(frames, shift)
        residual = _regress(reference, moved, common).residual
        weight = common / _weighted_sum(residual.square(), common).clamp_min(1e-12)
        slope_y, slope_x = _gradient(moved)
        weighted_y, weighted_x = weight * slope_y, weight * slope_x
        a, b, p = (_dot(weighted_y, other) for other in (slope_y, slope_x, residual))
        c, q = _dot(weighted_x, slope_x), _dot(weighted_x, residual)
        determinant = a * c - b * b
        active = active & (determinant > 1e-9 * (a + c).square())
        step = torch.stack([b * q - p * c, b * p - a * q], dim=1) / determinant[:, None]
        shift = torch.where(active[:, None], shift + step.clamp(-0.5, 0.5), shift)
        active = active & (step.abs().sum(1) >= 1e-3)
    return shift


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """Return the scalar products of two (T, C, h, w), (T,) float64."""
    product: Tensor = torch.linalg.vecdot(one.flatten(1), other.flatten(1))
    return product.double()


def _gradient(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences of (T, C, h, w) along rows and columns, edges replicated."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    rows = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    columns = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    return rows, columns

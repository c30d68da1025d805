"""Sub-pixel translation between the revisits of a tile, on cloud-free pixels.

Coarse to fine: an integer search on smoothed images, then Gauss-Newton on the linearised brightness equation
(Lucas and Kanade 1981) with a gain and a bias per band, because haze and season change both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from worldstrat_bench_baselines.resampling import gaussian_blur, resample

SEARCH_RADIUS = 3
ITERATIONS = 5
COMMON_PIXELS_MIN = 150
BORDER = 4


@dataclass(frozen=True)
class Fit:
    """How a frame relates to the reference: frame(p + shift) = gain * reference(p) + bias, per band.

    Attributes
    ----------
    shift : (rows, columns) in LR px; (0, 0) where it could not be estimated.
    gain, bias : (C,).
    noise : (C,) root mean square residual on common clear pixels, reflectance; infinite where not estimated.
    """

    shift: tuple[float, float]
    gain: Tensor
    bias: Tensor
    noise: Tensor

    @property
    def found(self) -> bool:
        """Whether there was enough in common with the reference."""
        return bool(torch.isfinite(self.noise).all())


def identity_fit(image: Tensor, noise: float) -> Fit:
    """A frame like `image` (C, h, w) that lies as the reference does and differs from it by `noise`."""
    ones = torch.ones_like(image[:, 0, 0])
    return Fit((0.0, 0.0), ones, torch.zeros_like(ones), ones * noise)


def register(reference: Tensor, frame: Tensor, reference_clear: Tensor, frame_clear: Tensor) -> Fit:
    """Estimate the shift of `frame` against `reference`.

    Parameters
    ----------
    reference, frame : (C, h, w) float32 reflectance.
    reference_clear, frame_clear : (1, h, w) bool.
    """
    common = _erode(reference_clear) & _erode(frame_clear) & _inside(reference_clear)
    unknown = identity_fit(reference, float("inf"))
    if int(common.sum()) < COMMON_PIXELS_MIN:
        return unknown
    smooth_reference, smooth_frame = gaussian_blur(reference, 1.0), gaussian_blur(frame, 1.0)
    start = _integer_search(smooth_reference, smooth_frame, common)
    shift = _gauss_newton(smooth_reference, smooth_frame, common, start)
    if max(abs(shift[0] - start[0]), abs(shift[1] - start[1])) > 1.0:
        return unknown
    moved = resample(frame, frame.shape[-2], frame.shape[-1], shift)
    gain, bias, residual = _regress(reference, moved, common)
    noise = (residual.square() * common).sum((-2, -1)).div(common.sum()).sqrt()
    return Fit(shift, gain, bias, noise)


def _erode(clear: Tensor, by: int = 2) -> Tensor:
    """Clear pixels further than `by` px from a cloud: its fringe is not in the mask."""
    cloud = (~clear).float()
    return F.max_pool2d(cloud[None], 2 * by + 1, stride=1, padding=by)[0] == 0


def _inside(clear: Tensor) -> Tensor:
    inside = torch.zeros_like(clear)
    inside[..., BORDER:-BORDER, BORDER:-BORDER] = True
    return inside


def _regress(reference: Tensor, moved: Tensor, common: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Least-squares gain and bias per band on the common pixels, and the residual image (C, h, w)."""
    weight = common.to(reference.dtype)
    count = weight.sum()
    mean_r = (reference * weight).sum((-2, -1), keepdim=True) / count
    mean_m = (moved * weight).sum((-2, -1), keepdim=True) / count
    centred_r, centred_m = reference - mean_r, moved - mean_m
    variance = (centred_r.square() * weight).sum((-2, -1), keepdim=True)
    covariance = (centred_r * centred_m * weight).sum((-2, -1), keepdim=True)
    gain = torch.where(variance > 1e-12, covariance / variance.clamp_min(1e-12), torch.ones_like(variance))
    gain = gain.clamp(0.25, 4.0)
    residual = centred_m - gain * centred_r
    bias = mean_m - gain * mean_r
    return gain.flatten(), bias.flatten(), residual


def _integer_search(reference: Tensor, frame: Tensor, common: Tensor) -> tuple[float, float]:
    best, found = float("inf"), (0.0, 0.0)
    offsets = range(-SEARCH_RADIUS, SEARCH_RADIUS + 1)
    for dy in offsets:
        for dx in offsets:
            moved = torch.roll(frame, (-dy, -dx), (-2, -1))
            _, _, residual = _regress(reference, moved, common)
            error = float((residual.square() * common).sum())
            if error < best:
                best, found = error, (float(dy), float(dx))
    return found


def _gauss_newton(reference: Tensor, frame: Tensor, common: Tensor, start: tuple[float, float]) -> tuple[float, float]:
    """Minimise the residual of the regression over the shift, from `start`."""
    shift_y, shift_x = start
    for _ in range(ITERATIONS):
        moved = resample(frame, frame.shape[-2], frame.shape[-1], (shift_y, shift_x))
        _, _, residual = _regress(reference, moved, common)
        slope_y, slope_x = _gradient(moved)
        spread = (residual.square() * common).sum((-2, -1), keepdim=True).clamp_min(1e-12)
        weight = common / spread
        a = (weight * slope_y * slope_y).sum()
        b = (weight * slope_y * slope_x).sum()
        c = (weight * slope_x * slope_x).sum()
        p = -(weight * slope_y * residual).sum()
        q = -(weight * slope_x * residual).sum()
        determinant = float(a * c - b * b)
        if determinant <= 1e-9 * float((a + c) ** 2):
            break
        step_y = float(p * c - b * q) / determinant
        step_x = float(a * q - b * p) / determinant
        shift_y += max(-0.5, min(0.5, step_y))
        shift_x += max(-0.5, min(0.5, step_x))
        if abs(step_y) + abs(step_x) < 1e-3:
            break
    return shift_y, shift_x


def _gradient(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences of (C, h, w) along rows and columns, edges replicated."""
    padded = F.pad(image[None], (1, 1, 1, 1), mode="replicate")[0]
    rows = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    columns = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    return rows, columns

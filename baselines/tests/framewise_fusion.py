"""Registration and fusion of the revisits as first written: one frame and one offset at a time, every branch taken.

Slow, and what :mod:`worldstrat_bench_baselines.fusion` is compared with. It shares with it the Lanczos matrices and the
Wiener filter, and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from worldstrat_bench.api import NIR, RGB, LowRes, Target
from worldstrat_bench_baselines.fusion import Fused, ShiftAndAdd, wiener
from worldstrat_bench_baselines.resampling import resample, sensor_sigma

SEARCH_RADIUS = 3
ITERATIONS = 5
COMMON_PIXELS_MIN = 150
BORDER = 4
CLOUDY_WEIGHT = 1e-4
UNREGISTERED_NOISE = 0.05
NOISE_MIN = 0.002


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian of `sigma` px over the last two axes of (..., h, w), cut at 4 sigma, edges replicated."""
    reach = max(1, math.ceil(4 * sigma))
    taps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(image)
    flat = image.reshape(-1, 1, *image.shape[-2:])
    flat = F.conv2d(F.pad(flat, (reach, reach, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    flat = F.conv2d(F.pad(flat, (0, 0, reach, reach), mode="replicate"), kernel.view(1, 1, -1, 1))
    return flat.reshape(image.shape)


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


def fits_of(images: Tensor, clear: Tensor) -> list[Fit]:
    """Relate every frame of (T, C, h, w) to frame 0. One that cannot be is kept as it is, with a large noise."""
    first = identity_fit(images[0], NOISE_MIN)
    lost = identity_fit(images[0], UNREGISTERED_NOISE)
    others = [register(images[0], images[t], clear[0], clear[t]) for t in range(1, images.shape[0])]
    return [first, *(fit if fit.found else lost for fit in others)]


def own_noise(frame: Tensor, clear: Tensor, fits: list[Fit]) -> Tensor:
    """(C, 1, 1) reflectance: what two frames of (C, h, w) without any change between them would differ by.

    Half of the fine detail of frame 0 (that is what aliasing moves about), or the best agreement with another
    frame if that is better, and never below the noise of the sensor.
    """
    fine = (frame - gaussian_blur(frame, 1.0)).square() * clear
    detail = (fine.sum((-2, -1)) / clear.sum().clamp_min(1)).sqrt() / 2
    best = torch.stack([fit.noise[: frame.shape[0]] for fit in fits[1:]] or [detail]).amin(dim=0)
    return torch.minimum(detail, best).clamp_min(NOISE_MIN)[:, None, None]


def matched_frame(images: Tensor, clear: Tensor, t: int, fit: Fit, own: Tensor) -> tuple[Tensor, Tensor]:
    """Frame t of (T, C, h, w) in the radiometry of frame 0, and its weights (C, h, w) without clouds.

    A gain and a bias per band, then a bias that varies slowly over the tile, bring haze and season to frame 0.
    The weight falls where the frame still differs by more than `own`: something else has changed there.
    """
    frame = images[t]
    if t == 0:
        return frame, torch.ones_like(frame)
    bands, (height, width) = frame.shape[0], frame.shape[-2:]
    matched = (frame - fit.bias[:bands, None, None]) / fit.gain[:bands, None, None]
    common = (soft_clear(clear[0]) * soft_clear(clear[t]) == 1).to(frame)
    difference = (resample(matched, height, width, fit.shift) - images[0]) * common
    slow = _local_mean(difference, common, 6.0)
    spread = _local_mean((difference - slow * common).square(), common, 2.0)
    known = gaussian_blur(common, 2.0) > 0.05
    spread = torch.where(known, spread, fit.noise[:bands, None, None].square().expand_as(spread))
    back = (-fit.shift[0], -fit.shift[1])
    excess = resample(spread, height, width, back) / (2 * own.square())
    return matched - resample(slow, height, width, back), 1 / excess.clamp_min(1.0)


def _local_mean(values: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Gaussian mean of already weighted `values` (C, h, w); it goes to 0 where there is no weight near."""
    return gaussian_blur(values, sigma) / (gaussian_blur(weight, sigma) + 0.02)


def fuse(model: ShiftAndAdd, images: Tensor, clear: Tensor, target: Target) -> Fused:
    """Add the frames (T, C, h, w), of which the first three bands are kept, on the target grid."""
    height, width = images.shape[-2:]
    scale = (target.height / height, target.width / width)
    if images.shape[0] == 1:  # nothing to add: interpolation leaves no blur of its own
        image = resample(images[0, :3], target.height, target.width)
        weight = F.interpolate(soft_clear(clear[0])[None], size=image.shape[-2:], mode="nearest-exact")[0]
        return Fused(image, weight, (sensor_sigma(scale[0]), sensor_sigma(scale[1])))
    fits = fits_of(images, clear)
    images = images[:, :3]
    spot = max(model.spot_min, model.spot / math.sqrt(len(fits)))
    total = torch.zeros(3, target.height, target.width).to(images)
    weights = torch.zeros_like(total)
    own = own_noise(images[0], clear[0], fits)
    for t, fit in enumerate(fits):
        matched, weight = matched_frame(images, clear, t, fit, own)
        weight = weight * soft_clear(clear[t])
        rows = spots(height, target.height, fit.shift[0], spot).to(images)
        columns = spots(width, target.width, fit.shift[1], spot).to(images)
        total += rows @ (matched * weight) @ columns.T
        weights += rows @ weight @ columns.T
    sigma = (
        math.hypot(sensor_sigma(scale[0]), spot * scale[0]),
        math.hypot(sensor_sigma(scale[1]), spot * scale[1]),
    )
    # An isolated spot sums to 2 pi spot^2 samples per LR px: in that unit the weight counts frames.
    return Fused(total / weights, weights.mean(dim=0, keepdim=True) / (2 * math.pi * spot**2), sigma)


def soft_clear(clear: Tensor, margin: int = 1) -> Tensor:
    """Weights of (1, h, w): 1 where clear and further than `margin` px from a cloud, else nearly nothing."""
    cloud = F.max_pool2d((~clear).float()[None], 2 * margin + 1, stride=1, padding=margin)[0]
    return torch.where(cloud > 0, CLOUDY_WEIGHT, 1.0)


def spots(size_in: int, size_out: int, shift: float, sigma: float) -> Tensor:
    """(size_out, size_in) float64: Gaussian spots of `sigma` LR px around the samples of a frame moved by `shift`.

    A tiny constant keeps the sum of weights positive where every spot is far away.
    """
    scale = size_out / size_in
    samples = (torch.arange(size_in, dtype=torch.float64) - shift + 0.5) * scale - 0.5
    distance = (torch.arange(size_out, dtype=torch.float64)[:, None] - samples[None, :]) / (sigma * scale)
    nearest = distance.square().amin(dim=1, keepdim=True).clamp_min(50.0) - 50.0
    return torch.exp(-0.5 * (distance.square() - nearest))


def predict(lr: LowRes, target: Target) -> Tensor:
    """Return the answer of shift-and-add, (B, 3, H, W)."""
    answers = []
    for images, clear in zip(lr.images, lr.clear, strict=True):
        fused = fuse(ShiftAndAdd(), images[:, [*RGB, NIR]], clear, target)
        answers.append(wiener(fused.image, fused.sigma, ShiftAndAdd.noise_to_signal))
    return torch.stack(answers)

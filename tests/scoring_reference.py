"""The definitions of protocol 3 and 4, written as literally and slowly as they read, in numpy and scipy alone.

Tests compare the harness with these, and the figures of tests/perf are ratios to some of them.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]


def gaussian(image: NDArray[Any], sigma: float = 2.0, cut: int = 8) -> Floats:
    """G * image over the last two axes, the image reflected at its edge."""
    x = np.arange(-cut, cut + 1)
    taps = np.exp(-0.5 * (x / sigma) ** 2)
    taps /= taps.sum()
    rows = ndimage.correlate1d(image.astype(np.float64), taps, axis=-2, mode="mirror")
    return np.asarray(ndimage.correlate1d(rows, taps, axis=-1, mode="mirror"))


def mismatch(
    prediction: NDArray[Any], target: NDArray[Any], mask: NDArray[np.bool_], radius: int, border: int
) -> Floats:
    """J(d) of protocol 3.4 for every integer d, one shifted copy after the other.

    Parameters
    ----------
    prediction, target : (C, H, W), not yet smoothed.
    mask : (H - 2 border, W - 2 border), the pixels of the window that count.
    """
    moving, still = gaussian(prediction), gaussian(target)
    height, width = target.shape[-2] - 2 * border, target.shape[-1] - 2 * border
    window = still[:, border : border + height, border : border + width]
    count = mask.sum()
    values = np.empty((2 * radius + 1, 2 * radius + 1))
    for dy, dx in itertools.product(range(-radius, radius + 1), repeat=2):
        top, left = border + dy, border + dx
        difference = (moving[:, top : top + height, left : left + width] - window) * mask
        bias = -difference.sum(axis=(1, 2)) / count
        difference += bias[:, None, None] * mask
        values[dy + radius, dx + radius] = np.vdot(difference, difference) / (count * len(target))
    return values


def integer_optimum(values: Floats) -> tuple[int, int]:
    """The (dy, dx) of least J; ties within a relative 1e-9 go to the smaller length, then dy, then dx."""
    radius = values.shape[0] // 2
    least = values.min()
    shifts = itertools.product(range(-radius, radius + 1), repeat=2)
    tied = [(y, x) for y, x in shifts if values[y + radius, x + radius] <= least + 1e-9 * abs(least) + 1e-16]
    return min(tied, key=lambda shift: (shift[0] ** 2 + shift[1] ** 2, shift[0], shift[1]))


def refined(values: Floats, fraction: int = 16) -> tuple[float, float]:
    """The integer optimum moved to the vertex of the parabola along each axis, unless it lies on the edge."""
    radius = values.shape[0] // 2
    y, x = integer_optimum(values)
    i, j = y + radius, x + radius
    result = []
    for index, line in ((i, values[:, j]), (j, values[i, :])):
        offset = 0.0
        if 0 < index < 2 * radius and line[index - 1] + line[index + 1] - 2 * line[index] > 4e-16:
            a, b, c = line[index - 1], line[index], line[index + 1]
            offset = float(np.clip((a - c) / (2 * (a - 2 * b + c)), -0.5, 0.5))
        result.append(index - radius + round(offset * fraction) / fraction)
    return result[0], result[1]


def moved(image: NDArray[Any], dy: float, dx: float, border: int, lobes: int = 8) -> Floats:
    """T_d of protocol 3.4 over the window: pixel (y, x) reads the image at (y + dy, x + dx)."""
    rows = _read_line(np.moveaxis(image.astype(np.float64), -2, -1), dy, border, lobes)
    return _read_line(np.moveaxis(rows, -2, -1), dx, border, lobes)


def _read_line(image: Floats, shift: float, border: int, lobes: int) -> Floats:
    """Read along the last axis at whole pixels plus `shift`; the edge pixel goes on outside."""
    size = image.shape[-1]
    whole = round(shift)
    part = shift - whole
    out = np.zeros((*image.shape[:-1], size - 2 * border))
    offsets = range(-lobes, lobes + 1)
    weights = [1.0 * (k == 0) for k in offsets] if part == 0 else [_lanczos(k - part, lobes) for k in offsets]
    for k, weight in zip(offsets, weights, strict=True):
        index = np.clip(np.arange(border, size - border) + whole + k, 0, size - 1)
        out += weight / sum(weights) * image[..., index]
    return out


def _lanczos(x: float, lobes: int) -> float:
    return float(np.sinc(x) * np.sinc(x / lobes)) if abs(x) < lobes else 0.0


def psnr(prediction: NDArray[Any], target: NDArray[Any], valid: NDArray[np.bool_]) -> float:
    """-10 log10 of the mean squared error on the valid pixels, all bands together, of at least 1e-10."""
    difference = prediction.astype(np.float64)[:, valid] - target.astype(np.float64)[:, valid]
    return float(-10 * np.log10(max(float(np.mean(difference**2)), 1e-10)))


def first_offset(prediction: NDArray[Any], target: NDArray[Any], mask: NDArray[np.bool_]) -> Floats:
    """Where b0 of protocol 3.4 starts for every band of a window: a median over some pixels of a mask."""
    sampled = np.zeros_like(mask)
    sampled[::4, ::4] = mask[::4, ::4]
    if not sampled.any():
        sampled = mask
    difference = target.astype(np.float64) - prediction.astype(np.float64)
    return np.asarray(np.median(difference[:, sampled], axis=1))


def without_absurd(image: NDArray[Any], first: Floats) -> Floats:
    """The image with what `first` leaves below -1 or above 2 clipped to [0, 1]."""
    result = image.astype(np.float64)
    for band, b0 in zip(result, first, strict=True):
        for wild in (band + b0 < -1, band + b0 > 2):
            band[wild] = band[wild].clip(0, 1)
    return result


def robust_offset(prediction: NDArray[Any], target: NDArray[Any], mask: NDArray[np.bool_], first: Floats) -> Floats:
    """b0 of protocol 3.4 for every band of a window over the pixels of a mask, pixel lists at a time."""
    offsets = []
    for seen, truth, start in zip(prediction.astype(np.float64), target.astype(np.float64), first, strict=True):
        b0 = float(start)
        for _ in range(8):
            use = mask & (seen + b0 > 0) & (seen + b0 < 1)
            new = float(np.mean(truth[use] - seen[use])) if use.any() else b0
            change, b0 = abs(new - b0), new
            if change < 1e-7:
                break
        offsets.append(b0)
    return np.array(offsets)


def unbiased(window: NDArray[Any], target: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """P = clip(window + b, 0, 1), and b, the mean per band of target - window over the valid pixels."""
    bias = (target.astype(np.float64) - window)[:, valid].mean(axis=1)
    return np.clip(window + bias[:, None, None], 0, 1), bias


def wsb(
    prediction: NDArray[Any], target: NDArray[Any], valid: NDArray[np.bool_], mask: NDArray[np.bool_], border: int = 20
) -> dict[str, float]:
    """Every number of protocol 3.4 and 3.5 that needs neither a network nor frame 0.

    Parameters
    ----------
    prediction, target : (3, H, W).
    valid, mask : (H - 2 border, W - 2 border), the window's valid pixels, and those that offset and search compare.
    """
    inside = slice(border, target.shape[1] - border), slice(border, target.shape[2] - border)
    truth, seen = (image[:, *inside].astype(np.float64) for image in (target, prediction))
    first = first_offset(seen, truth, mask)
    possible = without_absurd(prediction, first)
    b0 = robust_offset(possible[:, *inside], truth, mask, first)
    raised = seen + b0[:, None, None]
    levelled = np.clip(possible + b0[:, None, None], 0, 1)
    y, x = refined(mismatch(levelled, target, mask, 8, border))
    shown, bias = unbiased(moved(levelled, y, x, border), truth, valid)
    still, _ = unbiased(levelled[:, *inside], truth, valid)
    raw = np.clip(moved(np.clip(prediction, 0, 1), y, x, border), 0, 1)
    outside = ((raised < 0) | (raised > 1)) & (truth > 0) & (truth < 1)
    return {
        "psnr": psnr(shown, truth, valid),
        "ssim": ssim(shown, truth, valid),
        "rmse": math.sqrt(max(float(np.mean((shown - truth)[:, valid] ** 2)), 1e-10)),
        "psnr_raw": psnr(raw, truth, valid),
        "psnr_unregistered": psnr(still, truth, valid),
        "sam": sam(shown, truth, valid),
        "shift_y": y,
        "shift_x": x,
        "clipped": float(outside[:, valid].mean()),
        **{f"bias_{band}": float(value) for band, value in zip("rgb", b0 + bias, strict=True)},
    }


def ssim(prediction: Floats, target: Floats, valid: NDArray[np.bool_]) -> float:
    """Wang et al. 2004 on the stretch, over positions whose 11 x 11 is valid; NaN without any."""
    white = max(0.3, float(np.percentile(target[:, valid], 99.5)))
    p, t = (np.clip(image / white, 0, 1) for image in (prediction, target))
    x = np.arange(-5, 6)
    taps = np.exp(-0.5 * (x / 1.5) ** 2)
    taps /= taps.sum()

    def mean(image: Floats) -> Floats:
        rows = ndimage.correlate1d(image, taps, axis=1)
        return np.asarray(ndimage.correlate1d(rows, taps, axis=2)[:, 5:-5, 5:-5])

    mp, mt = mean(p), mean(t)
    covariance, vp, vt = mean(p * t) - mp * mt, mean(p * p) - mp**2, mean(t * t) - mt**2
    values = (2 * mp * mt + 1e-4) * (2 * covariance + 9e-4) / ((mp**2 + mt**2 + 1e-4) * (vp + vt + 9e-4))
    whole = ndimage.minimum_filter(valid, 11)[5:-5, 5:-5]
    return float(values[:, whole].mean()) if whole.any() else math.nan


def sam(prediction: Floats, target: Floats, valid: NDArray[np.bool_]) -> float:
    """The mean spectral angle, degrees, where both norms exceed 1e-6."""
    p, t = prediction[:, valid], target[:, valid]
    norms = np.linalg.norm(p, axis=0), np.linalg.norm(t, axis=0)
    use = (norms[0] > 1e-6) & (norms[1] > 1e-6)
    angle = np.arctan2(np.linalg.norm(np.cross(p, t, axis=0), axis=0), np.sum(p * t, axis=0))
    return float(np.degrees(angle[use].mean()))


def lanczos_resize(line: Floats, size: int, lobes: int = 8) -> Floats:
    """One line brought to another length, pixel by pixel."""
    ratio = len(line) / size
    stretch = max(1.0, ratio)
    out = np.empty(size)
    for i in range(size):
        centre = (i + 0.5) * ratio - 0.5
        near = range(math.ceil(centre - lobes * stretch), math.floor(centre + lobes * stretch) + 1)
        weights = [_lanczos((j - centre) / stretch, lobes) for j in near]
        values = [line[min(max(j, 0), len(line) - 1)] for j in near]
        out[i] = np.dot(weights, values) / sum(weights)
    return out


def copied_search(prediction: Floats, truth: Floats, kernels: Floats, crop: int) -> Floats:
    """MSE of one chip against every moved copy of the truth, (S, S), as the 2022 scorer works.

    Parameters
    ----------
    prediction, truth : (C, L, L).
    kernels : (S, K).
    crop : first row and column of the prediction that is compared.
    """
    count, taps = kernels.shape
    side = truth.shape[-1] - taps + 1
    seen = prediction[:, crop : crop + side, crop : crop + side].astype(np.float64)
    values = np.empty((count, count))
    for u, v in itertools.product(range(count), repeat=2):
        copy = np.zeros_like(seen)
        for i, j in itertools.product(range(taps), repeat=2):
            copy += kernels[u, i] * kernels[v, j] * truth[:, i : i + side, j : j + side]
        values[u, v] = np.mean((seen - copy) ** 2)
    return values


def kelvins(prediction: NDArray[Any], target: NDArray[Any], valid: NDArray[np.bool_], radius: int = 3) -> Floats:
    """MSE after the best bias for every whole-pixel window of the target, (2 radius + 1)^2."""
    height, width = (size - 2 * radius for size in target.shape[-2:])
    seen = prediction[:, radius : radius + height, radius : radius + width].astype(np.float64)
    values = np.empty((2 * radius + 1, 2 * radius + 1))
    for i, j in itertools.product(range(2 * radius + 1), repeat=2):
        mask = valid[i : i + height, j : j + width]
        difference = target[:, i : i + height, j : j + width].astype(np.float64)[:, mask] - seen[:, mask]
        values[i, j] = np.mean((difference - difference.mean(axis=1, keepdims=True)) ** 2)
    return values

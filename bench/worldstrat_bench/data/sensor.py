"""A model of Sentinel-2: what it would have recorded of a scene that is known at 1.5 m.

Optics with a modulation of 0.3 at the Nyquist frequency, point sampling on a shifted grid (so the frames are
aliased, and each differently), bands of 10, 20 and 60 m, growth of plants, haze, gain, noise, clouds with
their shadows and masks, and the rounding of the product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from worldstrat_bench.data.synthetic.noise import fractal

RATIO = 1054 / 160
"""High-resolution pixels per 10 m pixel of WorldStrat."""

MTF_NYQUIST = 0.3
SIGMA = math.sqrt(-math.log(MTF_NYQUIST) / 2) / (math.pi * 0.5)
"""Width of the Gaussian in pixels whose modulation at 0.5 cycles a pixel is :data:`MTF_NYQUIST`."""

_NATIVE = (6, 1, 1, 1, 2, 2, 2, 1, 2, 6, 2, 2)  # size of a band's own pixels, in 10 m pixels
_NANOMETRES = (443, 490, 560, 665, 705, 740, 783, 842, 865, 945, 1610, 2190)
# Every band as a mixture of R, G, B and NIR: least squares on real L2A spectra, rounded; plausible, not measured.
_MIXTURE = (
    (0.00, 0.00, 0.95, 0.00),
    (0.00, 0.00, 1.00, 0.00),
    (0.00, 1.00, 0.00, 0.00),
    (1.00, 0.00, 0.00, 0.00),
    (0.91, -0.12, 0.03, 0.18),
    (0.15, -0.05, 0.09, 0.73),
    (-0.06, 0.26, -0.23, 0.90),
    (0.00, 0.00, 0.00, 1.00),
    (0.08, -0.12, -0.09, 1.03),
    (0.10, 0.00, 0.00, 0.95),
    (1.66, -2.34, 0.90, 0.64),
    (1.24, -1.95, 1.16, 0.33),
)
_HAZE_EXPONENT = -2.5
_NOISE = (0.0012, 0.006)  # constant and proportional parts

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Sky:
    """Differences between acquisitions beside the position of the grid.

    Attributes
    ----------
    cloudiness : share of the revisits that have clouds.
    haze : mean haze in blue, reflectance.
    jitter : largest shift of a frame's grid either way, in 10 m pixels.
    """

    cloudiness: float = 0.35
    haze: float = 0.010
    jitter: float = 0.5


@dataclass(frozen=True)
class Revisits:
    """Simulated revisits in order of time.

    Attributes
    ----------
    images : (T, 12, h, w) float32 reflectance.
    clear : (T, 1, h, w) bool.
    days : (T,) int64, relative to the scene's own date.
    shifts : (T, 2) place of each grid, y and x, in 10 m pixels; LR(y, x) sees the scene at (y + dy, x + dx).
    opacity : (T, h, w) float32, of the clouds, 0..1.
    """

    images: NDArray[np.float32]
    clear: NDArray[np.bool_]
    days: NDArray[np.int64]
    shifts: NDArray[np.float64]
    opacity: NDArray[np.float32]


def simulate_revisits(
    hr: NDArray[np.floating],
    seed: int | tuple[int, ...],
    frames: int = 8,
    *,
    shape: tuple[int, int] | None = None,
    margin: int = 0,
    offset: tuple[float, float] = (0.0, 0.0),
    sky: Sky | None = None,
) -> Revisits:
    """Return what `frames` overpasses would have recorded of a scene.

    Parameters
    ----------
    hr : (4, H, W) reflectance R, G, B, NIR, a grid of 1.5 m.
    seed : the same seed gives the same revisits.
    shape : (h, w) of the frames; default the size without margins divided by :data:`RATIO`, rounded.
    margin : pixels of `hr` on every side that lie outside the footprint of the frames.
    offset : shift common to all frames, y and x, in 10 m pixels: the sensors' geolocation differs.
    sky : default :class:`Sky`.

    Raises
    ------
    ValueError
        if `hr` is not (4, H, W) or has no pixel inside the margins.
    """
    if hr.ndim != 3 or hr.shape[0] != 4 or min(hr.shape[1:]) <= 2 * margin or frames < 1:
        raise ValueError(f"cannot simulate {frames} revisits of an image of shape {hr.shape}")
    sky = sky or Sky()
    size = (hr.shape[1] - 2 * margin, hr.shape[2] - 2 * margin)
    h, w = shape or (max(1, round(size[0] / RATIO)), max(1, round(size[1] / RATIO)))
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    days = _days(rng, frames)
    shifts = np.asarray(offset) + rng.uniform(-sky.jitter, sky.jitter, (frames, 2))
    scene = hr.astype(np.float64)
    images, masks, opacities = [], [], []
    for t in range(frames):
        ground = _expose(scene, (h, w), margin, shifts[t], float(days[t]), sky, rng)
        opacity, shadow = _clouds(rng, (h, w), sky)
        bright = 0.62 + 0.38 * opacity + 0.04 * fractal(rng, max(h, w), 2.4)[:h, :w]
        image = ground * (1 - 0.5 * shadow) * (1 - opacity) + opacity * bright
        # Four decimals: the product holds whole ten-thousandths of reflectance.
        images.append(np.round(np.clip(image, 0.0, 6.5), 4).astype(np.float32))
        opacities.append(opacity.astype(np.float32))
        masks.append(~binary_dilation(opacity > 0.4, iterations=1)[None])
    return Revisits(np.stack(images), np.stack(masks), days, shifts, np.stack(opacities))


def sample(
    image: NDArray[np.floating | np.integer],
    shape: tuple[int, int],
    margin: int = 0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Image:
    """See an image (C, H, W) through the sensor's optics on a coarser grid: (C, h, w).

    Parameters
    ----------
    shape : (h, w) of the result, which covers the image without its margins.
    shift : y and x of the grid in pixels of the result.
    """
    rows = sampling_weights(shape[0], image.shape[1], margin, shift[0])
    columns = sampling_weights(shape[1], image.shape[2], margin, shift[1])
    seen: Image = rows @ image.astype(np.float64) @ columns.T
    return seen


def sampling_weights(size: int, fine: int, margin: int, shift: float, ratio: float | None = None) -> Image:
    """Return how much of every fine pixel a coarse one sees, along one axis.

    Parameters
    ----------
    size, fine : numbers of coarse and of fine pixels, margins included in the latter.
    shift : of the coarse grid, in its pixels.
    ratio : fine pixels per coarse one; default: the coarse pixels cover the fine ones without margins.

    Returns
    -------
    (size, fine), each row summing to 1.
    """
    ratio = ratio or (fine - 2 * margin) / size
    centres = (np.arange(size) + 0.5 + shift) * ratio + margin
    # A pixel beyond the image sees its edge: far from every fine pixel all its weights would be 0, and could not be
    # made to sum to 1.
    distance = (np.arange(fine) + 0.5)[None, :] - np.clip(centres, 0.5, fine - 0.5)[:, None]
    weights: Image = np.exp(-0.5 * (distance / (SIGMA * ratio)) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _expose(
    scene: Image,
    shape: tuple[int, int],
    margin: int,
    shift: NDArray[np.float64],
    days: float,
    sky: Sky,
    rng: np.random.Generator,
) -> Image:
    """Return the twelve bands of one overpass on the 10 m grid, without clouds."""
    growth = float(np.clip(0.0016 * days + 0.02 * rng.standard_normal(), -0.15, 0.15))
    haze = float(rng.exponential(sky.haze))
    gains = 1 + 0.02 * rng.standard_normal() + 0.015 * rng.standard_normal(12)
    image = np.empty((12, *shape))
    # Sampled once for each size of pixels and not for each band: all twelve are mixtures of the same four.
    for native in (1, 2, 6):
        basis = _grow(_sample_native(scene, shape, margin, shift, native), growth)
        for band in (b for b in range(12) if _NATIVE[b] == native):
            # Some mixtures have negative weights, and no surface has a reflectance below 0.
            clean = np.maximum(np.tensordot(np.array(_MIXTURE[band]), basis, 1), 0.001) * gains[band]
            hazy = clean * (1 - 1.5 * haze) + haze * (_NANOMETRES[band] / 490.0) ** _HAZE_EXPONENT
            noisy = hazy + (_NOISE[0] + _NOISE[1] * hazy) * rng.standard_normal(hazy.shape)
            image[band] = noisy.repeat(native, 0).repeat(native, 1)[: shape[0], : shape[1]]
    return image


def _sample_native(scene: Image, shape: tuple[int, int], margin: int, shift: NDArray[np.float64], native: int) -> Image:
    """Return R, G, B, NIR on a grid of `native` 10 m pixels, the last of which may lie beyond the footprint."""
    weights = []
    for size, fine, place in zip(shape, scene.shape[1:], shift, strict=True):
        ratio = native * (fine - 2 * margin) / size
        weights.append(sampling_weights(-(-size // native), fine, margin, float(place) / native, ratio))
    seen: Image = weights[0] @ scene @ weights[1].T
    return seen


def _grow(rgbn: Image, growth: float) -> Image:
    """Return the plants in another season: less or more pigment, and the infrared the other way."""
    ndvi = (rgbn[3] - rgbn[0]) / np.maximum(rgbn[3] + rgbn[0], 1e-6)
    plants = np.clip((ndvi - 0.2) / 0.5, 0, 1)
    return np.concatenate([rgbn[:3] * (1 + growth * plants), rgbn[3:] * (1 - 0.5 * growth * plants)])


def _clouds(rng: np.random.Generator, shape: tuple[int, int], sky: Sky) -> tuple[Image, Image]:
    """Return the opacity of clouds and of their shadows, (h, w), 0 to 1, both 0 for a clear sky."""
    cloudy = rng.random() < sky.cloudiness
    cover = float(
        rng.choice([rng.uniform(0.02, 0.25), rng.uniform(0.25, 0.75), rng.uniform(0.8, 1.0)], p=[0.5, 0.35, 0.15])
    )
    away = rng.integers(4, 12, 2)
    side = max(shape) + int(away.max())
    field = fractal(rng, side, 3.0, 0.6 * side) + 0.12 * fractal(rng, side, 1.8)
    if not cloudy:
        return np.zeros(shape), np.zeros(shape)
    opacity = 0.98 * np.clip((field - np.quantile(field, 1 - cover)) / 0.45, 0, 1) ** 0.8
    dy, dx = int(away[0]), int(away[1])
    return opacity[: shape[0], : shape[1]], opacity[dy : dy + shape[0], dx : dx + shape[1]]


def _days(rng: np.random.Generator, frames: int) -> NDArray[np.int64]:
    """Return ascending days, every five or a few of those apart, on both sides of the scene's own date."""
    first = int(rng.integers(-2, 3))
    steps = rng.choice(np.arange(-max(frames, 8), max(frames, 8) + 1), size=frames, replace=False)
    days: NDArray[np.int64] = np.sort(first + 5 * steps).astype(np.int64)
    return days

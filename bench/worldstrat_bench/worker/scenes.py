"""Synthetic scenes with a known truth, on which `models check` compares one preprocessing with another.

Their bands differ as those of land do: a network that has learned what goes with what does worse once two of them are
exchanged, and nothing can be told on a scene whose bands all show the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from worldstrat_bench.api import BANDS, RGB
from worldstrat_bench.data.task import Task

SIDE, FACTOR = 64, 4
"""Pixels of a scene, and how much finer its truth is."""

DARK = 0.25
"""Brightness of the dark scenes, water and wood in shadow: less than an offset that was forgotten."""

NOISE = 5e-4
"""Standard deviation in reflectance of what two frames differ by."""

SPECTRA = np.array(
    [
        # B01, B02, B03, B04, B05, B06, B07, B08, B8A, B09, B11, B12
        [0.020, 0.030, 0.060, 0.030, 0.10, 0.28, 0.35, 0.38, 0.40, 0.42, 0.18, 0.080],  # meadow
        [0.015, 0.020, 0.035, 0.020, 0.05, 0.16, 0.19, 0.21, 0.22, 0.23, 0.10, 0.045],  # wood
        [0.030, 0.040, 0.070, 0.070, 0.13, 0.20, 0.22, 0.25, 0.27, 0.28, 0.25, 0.160],  # dry grass
        [0.050, 0.070, 0.100, 0.140, 0.17, 0.19, 0.21, 0.23, 0.25, 0.26, 0.32, 0.270],  # soil
        [0.100, 0.140, 0.220, 0.320, 0.36, 0.38, 0.40, 0.42, 0.44, 0.45, 0.52, 0.470],  # sand
        [0.050, 0.050, 0.045, 0.030, 0.03, 0.02, 0.02, 0.02, 0.02, 0.02, 0.01, 0.008],  # water
        [0.120, 0.140, 0.160, 0.180, 0.19, 0.20, 0.21, 0.22, 0.23, 0.23, 0.25, 0.240],  # concrete
        [0.070, 0.080, 0.110, 0.240, 0.27, 0.29, 0.31, 0.33, 0.34, 0.34, 0.40, 0.360],  # roof tiles
        [0.200, 0.240, 0.220, 0.160, 0.16, 0.17, 0.18, 0.18, 0.19, 0.20, 0.20, 0.180],  # blue roofs
    ]
)
"""Surface reflectance in the twelve bands that is usual for each."""

RED = np.array([0.1, 0.1, 0.2, *[1.0] * (len(BANDS) - 3)])
"""One saturated red, which photographs have much more of than of blue."""

COARSE = tuple(BANDS.index(band) for band in ("B05", "B06", "B07", "B8A", "B11", "B12"))
"""Bands that Sentinel-2 samples at 20 m."""

Fine = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """Inputs of a model, (T, 12, SIDE, SIDE), and the truth (3, FACTOR * SIDE, FACTOR * SIDE), in reflectance."""

    images: NDArray[np.float32]
    truth: NDArray[np.float32]

    def task(self, images: NDArray[np.float32] | None = None) -> Task:
        """Return a clear tile of these images, or of others in their place."""
        shown = self.images if images is None else images
        frames = len(shown)
        clear, days = np.ones((frames, 1, SIDE, SIDE), bool), np.arange(frames, dtype=np.int64)
        return Task.single(shown, clear, days, *self.truth.shape[1:])


@lru_cache(maxsize=16)
def land(frames: int, seed: int, brightness: float = 1.0) -> Scene:
    """Return overlapping fields of the usual spectra, times `brightness`; the same arrays every time."""
    chance = np.random.default_rng(seed)
    fine = _fields(chance, lambda: SPECTRA[chance.integers(len(SPECTRA))] * chance.uniform(0.75, 1.3))
    return _seen(fine * brightness, frames, chance)


@lru_cache(maxsize=16)
def red_things(frames: int, seed: int, brightness: float) -> Scene:
    """Return overlapping fields of one saturated red, up to `brightness` in B04."""
    chance = np.random.default_rng(seed)
    return _seen(_fields(chance, lambda: RED * chance.uniform(0.05, 1.0)) * brightness, frames, chance)


def _fields(chance: np.random.Generator, spectrum: Callable[[], Fine]) -> Fine:
    """Return an image (12, H, W) of 250 rectangles, each of a spectrum that is drawn for it."""
    side = SIDE * FACTOR
    fine = np.empty((len(BANDS), side, side))
    fine[:] = spectrum()[:, None, None]
    for _ in range(250):
        y, x, h, w = (*chance.integers(0, side, 2), *chance.integers(4, 40, 2))
        fine[:, y : y + h, x : x + w] = spectrum()[:, None, None]
    return fine


def _seen(fine: Fine, frames: int, chance: np.random.Generator) -> Scene:
    """Return the scene that a sensor makes of an image: blurred, sampled, with noise, some bands more coarsely."""
    taps = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
    taps /= taps.sum()
    blurred = fine
    for axis in (1, 2):
        width = [(0, 0), (0, 0), (0, 0)]
        width[axis] = (6, 6)
        windows = sliding_window_view(np.pad(blurred, width, mode="reflect"), len(taps), axis=axis)
        blurred = np.tensordot(windows, taps, axes=1)
    coarse = blurred.reshape(len(BANDS), SIDE, FACTOR, SIDE, FACTOR).mean(axis=(2, 4))
    for band in COARSE:
        halves = coarse[band].reshape(SIDE // 2, 2, SIDE // 2, 2).mean(axis=(1, 3))
        coarse[band] = halves.repeat(2, axis=0).repeat(2, axis=1)
    images = coarse + chance.normal(0, NOISE, (frames, *coarse.shape))
    return Scene(images.astype(np.float32), fine[list(RGB)].astype(np.float32))

"""Random fields from which ground is made; every function is a pure function of its arguments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]


def fractal(rng: np.random.Generator, side: int, slope: float, longest: float | None = None) -> Field:
    """A random field of side x side with power spectrum f^-slope, zero mean and unit deviation.

    Parameters
    ----------
    slope : 0 is white; 2 to 3 looks like soil and canopy; above 3 like relief.
    longest : longest wavelength in pixels; default the side.
    """
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    shortest = 1.0 / (longest or side)
    amplitude = np.maximum(frequency, shortest) ** (-slope / 2)
    amplitude[frequency < 0.5 * shortest] = 0.0
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) * amplitude
    field: Field = np.fft.irfft2(spectrum, s=(side, side))
    return (field - field.mean()) / max(float(field.std()), 1e-12)


def cell_random(i: NDArray[np.int64], j: NDArray[np.int64], salt: int) -> Field:
    """A uniform number in [0, 1) for every integer cell, the same wherever the cell is asked for."""
    h = i.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + j.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    h = h + np.uint64((salt * 0x165667B19E3779F9) % 2**64)
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    return ((h ^ (h >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53


def cells(coordinate: Field) -> NDArray[np.int64]:
    """The integer cell of every coordinate."""
    return np.floor(coordinate).astype(np.int64)


@dataclass(frozen=True)
class Seeds:
    """For every place its nearest seed point: the offset to it in cells, and the seed's own random numbers."""

    dx: Field
    dy: Field
    one: Field
    two: Field

    @property
    def distance(self) -> Field:
        """In cells."""
        return np.hypot(self.dx, self.dy)


def nearest_seed(x: Field, y: Field, salt: int, jitter: float = 0.9) -> Seeds:
    """The nearest of one jittered seed per unit cell (Worley 1996), jitter from 0 (a grid) to 1."""
    ci, cj = cells(x), cells(y)
    best = np.full(x.shape, np.inf)
    found = [np.zeros_like(x) for _ in range(4)]
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            i, j = ci + di, cj + dj
            dx = i + 0.5 + jitter * (cell_random(i, j, salt) - 0.5) - x
            dy = j + 0.5 + jitter * (cell_random(i, j, salt + 1) - 0.5) - y
            square = dx * dx + dy * dy
            nearer = square < best
            best[nearer] = square[nearer]
            values = (dx, dy, cell_random(i, j, salt + 2), cell_random(i, j, salt + 3))
            for target, value in zip(found, values, strict=True):
                target[nearer] = value[nearer]
    return Seeds(*found)


def step(distance: Field, width: float) -> Field:
    """1 where `distance` is negative, 0 where it is positive, with a soft edge of `width`."""
    return np.clip(0.5 - distance / width, 0.0, 1.0)

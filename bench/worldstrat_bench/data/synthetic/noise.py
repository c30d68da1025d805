"""Random fields from which ground is made; every function is a pure function of its arguments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]
Cells = NDArray[np.int64]


def fractal(rng: np.random.Generator, side: int, slope: float, longest: float | None = None) -> Field:
    """Return a random field of side x side with power spectrum f^-slope, zero mean and unit deviation.

    Parameters
    ----------
    slope : 0 is white; 2 to 3 looks like soil and canopy; above 3 like relief.
    longest : longest wavelength in pixels; default the side.
    """
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    shortest = 1.0 / (longest or side)
    amplitude = np.maximum(frequency, shortest) ** (-slope / 2)
    amplitude[frequency < 0.5 * shortest] = 0.0
    parts = rng.standard_normal((2, *frequency.shape))
    field: Field = np.fft.irfft2((parts[0] + 1j * parts[1]) * amplitude, s=(side, side))
    field -= field.mean()
    field /= max(float(field.std()), 1e-12)
    return field


def cell_random(i: Cells, j: Cells, salt: int) -> Field:
    """Return a uniform number in [0, 1) for every integer cell, the same wherever the cell is asked for."""
    i0, j0 = int(i.min()), int(j.min())
    rows, columns = int(i.max()) - i0 + 1, int(j.max()) - j0 + 1
    if rows * columns >= i.size:
        return _hashed(i, j, salt)
    # Many places share a cell: hash each cell once.
    table = _hashed(np.arange(i0, i0 + rows)[:, None], np.arange(j0, j0 + columns)[None, :], salt)
    numbers: Field = table.ravel()[(i - i0) * columns + (j - j0)]
    return numbers


def _hashed(i: Cells, j: Cells, salt: int) -> Field:
    # Multipliers of SplitMix64 and of xxHash64.
    h = i.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + j.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    h = h + np.uint64((salt * 0x165667B19E3779F9) % 2**64)
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    # 53 bits, as many as a float64 holds exactly.
    numbers: Field = ((h ^ (h >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return numbers


def cells(coordinate: Field) -> Cells:
    """Return the integer cell of every coordinate, of the same shape."""
    return np.floor(coordinate).astype(np.int64)


@dataclass(frozen=True)
class Seeds:
    """For every place its nearest seed: offset and distance in cells, and two random numbers of the seed."""

    dx: Field
    dy: Field
    distance: Field
    one: Field
    two: Field


def nearest_seed(x: Field, y: Field, salt: int, jitter: float = 0.9) -> Seeds:
    """Return the nearest of one jittered seed per unit cell (Worley 1996), jitter from 0 (a grid) to 1."""
    ci, cj = cells(x), cells(y)
    i = np.arange(int(ci.min()) - 1, int(ci.max()) + 2)[:, None]
    j = np.arange(int(cj.min()) - 1, int(cj.max()) + 2)[None, :]
    seed_x = (i + 0.5 + jitter * (_hashed(i, j, salt) - 0.5)).ravel()
    seed_y = (j + 0.5 + jitter * (_hashed(i, j, salt + 1) - 0.5)).ravel()
    home = (ci - i[0, 0]) * j.size + (cj - j[0, 0])
    best, nearest = np.full(x.shape, np.inf), home
    for step_i in (-j.size, 0, j.size):
        for step_j in (-1, 0, 1):
            index = home + (step_i + step_j)
            square = (seed_x[index] - x) ** 2 + (seed_y[index] - y) ** 2
            nearest = np.where(square < best, index, nearest)
            best = np.minimum(square, best)
    numbers = (_hashed(i, j, salt + k).ravel()[nearest] for k in (2, 3))
    return Seeds(seed_x[nearest] - x, seed_y[nearest] - y, np.sqrt(best), *numbers)


def step(distance: Field, width: float) -> Field:
    """Return 1 where `distance` is negative, 0 where it is positive, with a soft edge of `width`."""
    return np.clip(0.5 - distance / width, 0.0, 1.0)

"""Parts of the plain ``wsb-1``: the metrics without constants, and the resampling of one axis.

Resampling is a matrix of (size_out, size_in); all of an axis of the input is in it, zeros included.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def normalised(weights: Floats) -> Floats:
    """Rows that sum to 1."""
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def antialiased_bicubic(size_in: int, size_out: int, a: float) -> Floats:
    """Protocol 3.2, rule 3."""
    ratio = size_in / size_out
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        centre = (i + 0.5) * ratio
        first = max(0, math.floor(centre - 2 * ratio + 0.5))
        last = min(size_in, math.floor(centre + 2 * ratio + 0.5))
        for j in range(first, last):
            matrix[i, j] = keys((j + 0.5 - centre) / ratio, a)
    return normalised(matrix)


def keys(x: float, a: float) -> float:
    """Keys's cubic kernel."""
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def lanczos(x: float, lobes: int) -> float:
    """sinc(x) sinc(x / lobes) inside the lobes."""
    return float(np.sinc(x) * np.sinc(x / lobes)) if abs(x) < lobes else 0.0


def lanczos_resize(size_in: int, size_out: int, lobes: int) -> Floats:
    """Protocol 3.3: stretched when shrinking, the edge pixel repeated."""
    ratio = size_in / size_out
    stretch = max(1.0, ratio)
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        centre = (i + 0.5) * ratio - 0.5
        for j in range(math.ceil(centre - lobes * stretch), math.floor(centre + lobes * stretch) + 1):
            matrix[i, min(max(j, 0), size_in - 1)] += lanczos((j - centre) / stretch, lobes)
    return normalised(matrix)


def sensor(size_in: int, size_out: int, mtf: float) -> Floats:
    """Protocol 3.5: what the pixels of frame 0 see of the target's."""
    ratio = size_in / size_out
    sigma = math.sqrt(-2 * math.log(mtf)) / math.pi * ratio
    centre = (np.arange(size_out)[:, None] + 0.5) * ratio - 0.5
    weights = np.exp(-0.5 * ((np.arange(size_in) - centre) / sigma) ** 2)
    weights[weights < 1e-8] = 0
    return normalised(weights)


def plain_bicubic(size_in: int, size_out: int) -> Floats:
    """Protocol 3.5: the reference bicubic, Keys's cubic with a = -0.75, the edge pixel repeated."""
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        centre = (i + 0.5) * size_in / size_out - 0.5
        for j in range(math.floor(centre) - 1, math.floor(centre) + 3):
            matrix[i, min(max(j, 0), size_in - 1)] += keys(j - centre, -0.75)
    return matrix


def decibels(mse: float) -> float:
    """-10 log10."""
    return -10 * math.log10(mse)


def clipped_share(seen: Floats, truth: Floats, inside: Mask) -> float:
    """The share of valid values of SR + b0 outside [0, 1] while HR lies strictly inside."""
    outside = ((seen < 0) | (seen > 1)) & (truth > 0) & (truth < 1)
    return float(outside[:, inside].mean())


def spectral_angle(image: Floats, truth: Floats, inside: Mask) -> float | None:
    """`sam`, degrees; None if no pixel has two spectra."""
    p, t = image[:, inside].T, truth[:, inside].T
    counts = (np.linalg.norm(p, axis=1) > 1e-6) & (np.linalg.norm(t, axis=1) > 1e-6)
    if not counts.any():
        return None
    p, t = p[counts], t[counts]
    across, along = np.linalg.norm(np.cross(p, t), axis=1), (p * t).sum(axis=1)
    return float(np.degrees(np.arctan2(across, along)).mean())

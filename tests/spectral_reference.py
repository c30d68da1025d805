"""The spectral scores once more, in plain NumPy and straight from their definition, for tests to compare with.

Full transforms instead of half ones, loops over rings, SciPy for nothing but distances.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """What the definition gives; the numbers are NaN and `null` says why if the tile has none."""

    resolution_m: float
    contrast_nyquist: float
    missed: float
    invented: float
    energy: float
    coherence: Floats
    contrast: Floats
    frequency: Floats
    null: str = ""


def weight_of(valid: NDArray[np.bool_]) -> tuple[Floats, float]:
    """The window, and the share of it that the taper towards holes leaves."""
    height, width = valid.shape
    y, x = np.mgrid[:height, :width]
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * y / (height - 1))) * (0.5 - 0.5 * np.cos(2 * np.pi * x / (width - 1)))
    if valid.all():
        return hann, 1.0
    holes = cKDTree(np.argwhere(~valid))
    distance = holes.query(np.argwhere(np.ones_like(valid)))[0].reshape(valid.shape)
    tapered = hann * (0.5 - 0.5 * np.cos(np.pi * np.minimum(1, distance / 16)))
    return tapered, float(tapered.sum() / hann.sum())


def spectra(image: NDArray[np.floating], weight: Floats) -> list[NDArray[np.complex128]]:
    """The transform of every band."""
    bands = [band.astype(np.float64) for band in image]
    return [np.fft.fft2((band - (weight * band).sum() / weight.sum()) * weight) for band in bands]


def scores(
    prediction: NDArray[np.floating],
    target: NDArray[np.floating],
    *,
    valid: NDArray[np.bool_] | None = None,
    pixel: float = 2.5,
) -> Scores:
    """The scores of (3, n, n) images with the pixel in metres."""
    side = target.shape[-1]
    mask = np.ones(target.shape[-2:], dtype=bool) if valid is None else valid
    weight, share = weight_of(mask)
    cycles = np.fft.fftfreq(side)
    ring = np.rint(np.hypot(cycles[:, None], cycles[None]) * side).astype(int)
    count = side // 2 + 1
    s_p, s_h, x = np.zeros(count), np.zeros(count), np.zeros(count)
    for p, h in zip(spectra(prediction, weight), spectra(target, weight), strict=True):
        for r in range(count):
            inside = ring == r
            s_p[r] += float((np.abs(p[inside]) ** 2).sum())
            s_h[r] += float((np.abs(h[inside]) ** 2).sum())
            x[r] += float((p[inside] * np.conj(h[inside])).real.sum())
    frequency = np.arange(count) / side
    coherence, contrast = x / np.sqrt(s_p * s_h), x / s_h
    above = frequency > pixel / 20
    energy = float(s_h[above].sum())
    null = ""
    if share < 0.75:
        null = "holes"
    elif math.sqrt(energy / side**2 / 3 / float((weight**2).sum())) < 0.002:
        null = "no detail"
    return Scores(
        resolution_m=_resolution(coherence, frequency, pixel),
        contrast_nyquist=float(np.interp(pixel / 20, frequency, contrast)),
        missed=float(((s_h - x) ** 2 / s_h)[above].sum()) / energy,
        invented=float((s_p - x**2 / s_h)[above].sum()) / energy,
        energy=energy,
        coherence=coherence,
        contrast=contrast,
        frequency=frequency,
        null=null,
    )


def _resolution(coherence: Floats, frequency: Floats, pixel: float) -> float:
    start = next(i for i, f in enumerate(frequency) if f >= pixel / 80 - 1e-12)
    for i in range(start, len(frequency) - 1):
        if coherence[i] < 0.5 and coherence[i + 1] < 0.5:
            f0 = frequency[i]
            if i > start:
                part = (coherence[i - 1] - 0.5) / (coherence[i - 1] - coherence[i])
                f0 = frequency[i - 1] + part * (frequency[i] - frequency[i - 1])
            return float(min(40.0, max(2.5, pixel / (2 * f0))))
    return 2.5

"""How much of an image's fine structure survives a change that a local method does not mind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIGMA = 3.0
"""Of the Gaussian that is taken off, in px of the four-fold grid: what is left is finer than the input shows."""

BORDER = 24
"""Left out on every side, px of the four-fold grid: padding differs there."""

FLOOR = 1e-4
"""Smallest detail that is divided by, reflectance."""

Floats = NDArray[np.float64]


def fine_structure(image: NDArray[np.floating]) -> Floats:
    """Return (3, H, W) minus its Gaussian blur of :data:`SIGMA`."""
    from scipy.ndimage import gaussian_filter

    values = np.asarray(image, dtype=np.float64)
    blurred: Floats = gaussian_filter(values, (0, SIGMA, SIGMA), mode="nearest")
    return values - blurred


def change(image: NDArray[np.floating], reference: NDArray[np.floating], border: int = BORDER) -> float:
    """Return the RMS difference of two images' fine structure over that of the reference's: 0 unchanged, 1 all gone.

    Both are (3, H, W) on the same grid; `border` px on every side do not count.
    """
    inner = (slice(None), slice(border, -border or None), slice(border, -border or None))
    a, b = fine_structure(image)[inner], fine_structure(reference)[inner]
    # Over the reference's own detail, so that one limit fits flat and busy tiles; the floor keeps flat ones from
    # counting.
    return float(np.sqrt(np.mean((a - b) ** 2)) / max(float(np.sqrt(np.mean(b**2))), FLOOR))


def on_fourfold(image: NDArray[np.float32], height: int, width: int) -> Floats:
    """Return a prediction on the grid of 4 h x 4 w px, resampled as the harness does where it is on another."""
    values = np.asarray(image, dtype=np.float64)
    if values.shape[1:] == (4 * height, 4 * width):
        return values
    import torch

    from worldstrat_bench.resampling import lanczos_resize

    resized: Floats = lanczos_resize(torch.from_numpy(values), 4 * height, 4 * width).numpy()
    return resized

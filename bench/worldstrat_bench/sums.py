"""Sums over the pixels of an image that do not depend on where the image lies in memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

VECTOR = 4
"""A GPU's sums read so many numbers at once, from the first address on that is a multiple of them."""


def pixel_sum(values: Tensor, axes: int = 2) -> Tensor:
    """Return the float64 sum over the last `axes` axes.

    On a GPU the order of a sum follows from the address at which a row of numbers begins: of images whose number
    of pixels is not a multiple of four, each in a batch would have another. Zeros at the end of each give all the same.
    """
    if values.device.type == "cpu":
        within = tuple(range(-axes, 0))
        if values.ndim == axes or values.dtype == torch.float64:
            return values.sum(dim=within, dtype=torch.float64)
        # One after the other: each is copied to float64 first, and such a copy of all would leave the caches.
        each = [image.sum(dim=within, dtype=torch.float64) for image in values.flatten(0, -axes - 1)]
        return torch.stack(each).view(values.shape[:-axes])
    flat = values.flatten(-axes)
    return F.pad(flat, (0, -flat.shape[-1] % VECTOR)).sum(dim=-1, dtype=torch.float64)


def pixel_mean(values: Tensor, axes: int = 2) -> Tensor:
    """Return the mean over the last `axes` axes in the values' own kind of number; see :func:`pixel_sum`."""
    if values.device.type == "cpu":
        return values.mean(dim=tuple(range(-axes, 0)))
    return (pixel_sum(values, axes) / values.shape[-axes:].numel()).to(values.dtype)

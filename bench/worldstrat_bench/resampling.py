"""Bringing an image of one size to another: the harness's Lanczos and the reference bicubic."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from worldstrat_bench.filtering import banded_rows


def lanczos_resize(image: Tensor, height: int, width: int, lobes: int = 8) -> Tensor:
    """Resample to `height` x `width` px over the same footprint.

    Pixels are areas: output pixel i of n covers [i, i + 1] * N / n of the N input pixels. The kernel is
    Lanczos's of `lobes` lobes with weights that sum to 1; it is stretched when shrinking, so that nothing
    aliases; outside the image its edge pixels are repeated. An axis whose size does not change is copied.

    Parameters
    ----------
    image : (..., H, W) floating point. Computed in float64.

    Returns
    -------
    (..., height, width) of the image's type and device. Values may overshoot the input's range.
    """
    if (height, width) == tuple(image.shape[-2:]):
        return image
    out = image.double()
    if height != image.shape[-2]:
        out = _resize_rows(out, height, lobes)
    if width != image.shape[-1]:
        out = _resize_rows(out.transpose(-1, -2), width, lobes).transpose(-1, -2)
    return out.to(image.dtype).contiguous()


def _resize_rows(image: Tensor, height: int, lobes: int) -> Tensor:
    size = image.shape[-2]
    return banded_rows(resize_matrix(size, height, lobes, image), image, lobes * max(1.0, size / height))


def resize_matrix(size_in: int, size_out: int, lobes: int, like: Tensor) -> Tensor:
    """Return the (size_out, size_in) float64 matrix of :func:`lanczos_resize` along one axis."""
    return _resize_matrix(size_in, size_out, lobes, like.device)


@lru_cache(maxsize=8)
def _resize_matrix(size_in: int, size_out: int, lobes: int, device: torch.device) -> Tensor:
    """Made on the CPU, since a GPU adds what falls on one edge pixel in any order; kept, since sizes are few."""
    ratio = size_in / size_out
    stretch = max(1.0, ratio)
    reach = math.ceil(lobes * stretch)
    centre = (torch.arange(size_out, dtype=torch.float64)[:, None] + 0.5) * ratio - 0.5
    position = centre.floor() + torch.arange(-reach, reach + 2)
    x = (position - centre) / stretch
    weights = torch.where(x.abs() < lobes, torch.sinc(x) * torch.sinc(x / lobes), 0)
    matrix = torch.zeros((size_out, size_in), dtype=torch.float64)
    matrix.scatter_add_(1, position.long().clamp(0, size_in - 1), weights)
    return (matrix / matrix.sum(dim=1, keepdim=True)).to(device, non_blocking=True)


def bicubic(rgb: Tensor, height: int, width: int) -> Tensor:
    """Return the reference bicubic: torch's, align_corners=False, without antialiasing.

    (B, 3, h, w) float32 to (B, 3, height, width). Every `gain` is measured against it.
    """
    return F.interpolate(rgb, size=(height, width), mode="bicubic", align_corners=False, antialias=False)


def nearest(mask: Tensor, height: int, width: int) -> Tensor:
    """Return a (h, w) mask on another grid, (height, width) bool: each pixel takes the one whose area holds its centre.

    In whole numbers: torch's "nearest-exact" computes the centre in float32, which may fall beyond an edge.
    """
    rows, columns = (
        (2 * torch.arange(new, device=mask.device) + 1) * old // (2 * new)
        for new, old in zip((height, width), mask.shape, strict=True)
    )
    return mask.bool()[rows[:, None], columns]

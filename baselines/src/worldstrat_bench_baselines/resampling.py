"""Separable resampling as a pair of matrices: enlargement, reduction and sub-pixel moves are one operation.

Positions follow the pixel-area convention: the centre of pixel i of an image enlarged by s lies at
``(i + 0.5) / s - 0.5`` of the small one, so that both cover the same footprint. Edges are replicated.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

MTF_NYQUIST = 0.3
"""Modulation of a Sentinel-2 like sensor at its Nyquist frequency, as the protocol assumes it too."""


MOVE_MAX = 6
"""Furthest in px that :func:`move` moves: the search of the registration reaches 3 px and refines by 2.5 at most."""


def lanczos_kernel(x: Tensor, lobes: int) -> Tensor:
    """Return sinc(x) sinc(x / lobes), 0 outside of the lobes (Duchon 1979)."""
    return torch.where(x.abs() < lobes, torch.sinc(x) * torch.sinc(x / lobes), torch.zeros_like(x))


def lanczos_matrix(size_in: int, size_out: int, offset: float = 0.0, lobes: int = 8) -> Tensor:
    """Return (size_out, size_in) float64 matrix that resamples one axis.

    Parameters
    ----------
    offset : where to look, in input pixels: output pixel o is read at its own position plus `offset`.
    lobes : of the Lanczos kernel, which is stretched when shrinking (antialiasing).
    """
    scale = size_in / size_out
    stretch = max(scale, 1.0)
    reach = math.ceil(lobes * stretch)
    centre = (torch.arange(size_out, dtype=torch.float64) + 0.5) * scale - 0.5 + offset
    taps = centre.floor().long()[:, None] + torch.arange(-reach, reach + 2)[None, :]
    weights = lanczos_kernel((taps - centre[:, None]) / stretch, lobes)
    weights = weights / weights.sum(dim=1, keepdim=True)
    matrix = torch.zeros(size_out, size_in, dtype=torch.float64)
    return matrix.scatter_add_(1, taps.clamp(0, size_in - 1), weights)


@lru_cache(maxsize=8)
def _kept_matrix(
    size_in: int, size_out: int, offset: float, lobes: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return :func:`lanczos_matrix` on the device; kept, since sizes are few and a copy is waited for."""
    return lanczos_matrix(size_in, size_out, offset, lobes).to(device, dtype)


def resample(
    image: Tensor, height: int, width: int, offset: tuple[float, float] = (0.0, 0.0), lobes: int = 8
) -> Tensor:
    """Resample (..., h, w) to (..., height, width) by Lanczos, read at `offset` (rows, columns) in input pixels."""
    rows = _kept_matrix(image.shape[-2], height, offset[0], lobes, image.dtype, image.device)
    columns = _kept_matrix(image.shape[-1], width, offset[1], lobes, image.dtype, image.device)
    return rows @ image @ columns.T


def move(images: Tensor, shifts: Tensor, lobes: int = 8) -> Tensor:
    """Read (T, C, h, w) at its pixels plus `shifts`: (T, 2) float64 rows and columns, at most :data:`MOVE_MAX` px.

    The same as :func:`resample` of every image at its own offset, but one kernel serves all pixels of an image, and
    the shifts stay on the device.
    """
    reach = lobes + MOVE_MAX
    taps = torch.arange(-reach, reach + 1, dtype=torch.float64, device=images.device)
    kernels = lanczos_kernel(taps - shifts.clamp(-MOVE_MAX, MOVE_MAX)[..., None], lobes)
    kernels = (kernels / kernels.sum(dim=-1, keepdim=True)).to(images)
    rows, columns = kernels.repeat_interleave(images.shape[1], dim=0).unbind(1)
    return convolve(images, rows, columns)


def convolve(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Correlate the n images of (..., h, w) with one kernel each along each axis, (n or 1, taps); edges replicated."""
    reach = rows.shape[-1] // 2
    flat = images.reshape(1, -1, *images.shape[-2:])
    count = flat.shape[1]
    # TF32 would cost three digits, and only these convolutions are told
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        flat = F.pad(flat, (reach, reach, 0, 0), mode="replicate")
        flat = F.conv2d(flat, columns.expand(count, -1)[:, None, None, :], groups=count)
        flat = F.pad(flat, (0, 0, reach, reach), mode="replicate")
        flat = F.conv2d(flat, rows.expand(count, -1)[:, None, :, None], groups=count)
    return flat.reshape(images.shape)


def bicubic(rgb: Tensor, height: int, width: int) -> Tensor:
    """Return the reference bicubic: torch's, (B, C, h, w) to (B, C, height, width), without antialiasing."""
    return F.interpolate(rgb, size=(height, width), mode="bicubic", align_corners=False, antialias=False)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Blur by a separable Gaussian of `sigma` px the last two axes of (..., h, w), cut at 4 sigma, edges replicated."""
    reach = max(1, math.ceil(4 * sigma))
    taps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum())[None].to(image, non_blocking=True)
    return convolve(image, kernel, kernel)


def sensor_sigma(scale: float, mtf: float = MTF_NYQUIST) -> float:
    """Return sigma in target px of the Gaussian that passes `mtf` at the Nyquist frequency of pixels `scale` wide."""
    return scale / math.pi * math.sqrt(-2 * math.log(mtf))

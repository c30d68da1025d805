"""Correlation tables at all integer lags of a search, by FFT."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from worldstrat_bench.filtering import on_gpu


def fft_length(size: int) -> int:
    """Return the smallest length of at least `size` whose only prime factors are 2, 3 and 5, and even.

    >>> fft_length(608), fft_length(640), fft_length(156)
    (640, 640, 160)
    """
    length = size + size % 2
    while not _smooth(length):
        length += 2
    return length


def _smooth(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1


def spectrum(image: Tensor, height: int, width: int) -> Tensor:
    """Return the real FFT of (..., h, w) float64, filled up with zeros to `height` x `width`."""
    transformed: Tensor = torch.fft.rfft2(image, s=(height, width))
    return transformed


def lag_table(still: Tensor, moving: Tensor, lags: int, width: int) -> Tensor:
    """Sum still[y, x] * moving[y + i, x + j] over (y, x) for i, j = 0 .. lags - 1: cross-correlations.

    Parameters
    ----------
    still, moving : (..., Y, width / 2 + 1) spectra on a grid that holds the moving image, so that no lag wraps.

    Returns
    -------
    (..., lags, lags) float64.
    """
    return first_lags(still.conj() * moving, lags, width)


def first_lags(product: Tensor, lags: int, width: int) -> Tensor:
    """Return the first `lags` x `lags` values of the inverse of a spectrum (..., Y, `width` / 2 + 1).

    On a CPU only the rows that are wanted are brought back along the second axis: the same numbers in a third of the
    time.
    """
    table: Tensor
    if on_gpu(product):
        table = torch.fft.irfft2(product, s=(product.shape[-2], width))
        return table[..., :lags, :lags]
    rows = torch.fft.ifft(product, dim=-2)[..., :lags, :]
    table = torch.fft.irfft(rows, n=width)
    return table[..., :lags]


def box_sums(image: Tensor, height: int, width: int) -> Tensor:
    """Return sums of (..., H, W) over every `height` x `width` window: (..., H - height + 1, W - width + 1).

    By two products with matrices of ones, which neither cancel nor accumulate as running sums do. On a CPU they leave
    out what all windows have in common, which is summed once.
    """
    rows = _row_sums(image, height)
    return _row_sums(rows.transpose(-1, -2), width).transpose(-1, -2)


def _row_sums(image: Tensor, length: int) -> Tensor:
    """Return sums of (..., H, W) over every `length` rows that follow each other: (..., H - length + 1, W)."""
    size = image.shape[-2]
    lags = size - length + 1
    if lags > length or on_gpu(image):
        return _ones_band(size, length, image.dtype, image.device) @ image
    common = image[..., lags - 1 : length, :].sum(dim=-2, keepdim=True)
    ends = torch.cat([image[..., : lags - 1, :], image[..., length:, :]], dim=-2)
    # The ends alone are an image of twice `lags` - 1 rows, whose windows have half of them.
    return common + _ones_on_cpu(2 * lags - 2, lags - 1, image.dtype) @ ends


def _ones_band(size: int, length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the (size - length + 1, size) matrix that sums every `length` numbers that follow each other."""
    start = torch.arange(size - length + 1, device=device)[:, None]
    position = torch.arange(size, device=device)[None, :]
    return ((position >= start) & (position < start + length)).to(dtype)


@lru_cache(maxsize=8)
def _ones_on_cpu(size: int, length: int, dtype: torch.dtype) -> Tensor:
    return _ones_band(size, length, dtype, torch.device("cpu"))

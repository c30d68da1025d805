"""Correlation tables at all integer lags of a search, by FFT."""

from __future__ import annotations

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

    By two products with matrices of ones, which neither cancel nor accumulate as running sums do.
    """
    rows = _ones_band(image.shape[-2], height, image)
    columns = _ones_band(image.shape[-1], width, image)
    return rows @ image @ columns.t()


def _ones_band(size: int, length: int, like: Tensor) -> Tensor:
    start = torch.arange(size - length + 1, device=like.device)[:, None]
    position = torch.arange(size, device=like.device)[None, :]
    return ((position >= start) & (position < start + length)).to(like.dtype)

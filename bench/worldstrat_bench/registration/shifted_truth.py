"""The search of the 2022 protocols: the truth Y is moved by separable kernels, the prediction X stays.

For row kernel k_u and column kernel k_v of K taps, Y_uv(y, x) = sum over i, j of k_u[i] k_v[j] Y(y + i, x + j), so

    E[X Y_uv] = k_u' C k_v      with C[i, j] = E[X(y, x) Y(y + i, x + j)], K x K correlations at integer lags,
    E[Y_uv]   = k_u' M k_v      with M[i, j] the mean of Y over the window that starts at (i, j),
    E[Y_uv^2] = k_v' R_u k_v    with R_u[j, j'] = E[Z(y, x + j) Z(y, x + j')], Z = Y filtered along rows by k_u.

The last two need the truth alone. Nothing is approximated, and no copy of the truth is moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from worldstrat_bench.filtering import correlate_rows
from worldstrat_bench.registration.lags import box_sums, fft_length, spectrum

BLOCK = 39
"""Columns of a block of products; four make up a chip of 156 px."""


def truth_kernels(
    shifts: Sequence[float], *, taps: int, lobes: int, cut: bool, normalised: bool, epsilon: float
) -> tuple[tuple[float, ...], ...]:
    """Return `taps` values a shift: k(x) = lobes sin(p) sin(p / lobes) / p^2, p = pi (x - shift) + epsilon.

    Parameters
    ----------
    cut : 0 where abs(x - shift) is not below `lobes`; otherwise the function runs on with the wrong sign.
    normalised : make each kernel sum to 1.
    epsilon : added to the phase against division by 0; 0 takes the limit, 1.
    """
    kernels = []
    for shift in shifts:
        offsets = [x - taps // 2 - shift for x in range(taps)]
        values = [0.0 if cut and abs(x) >= lobes else _window(math.pi * x + epsilon, lobes) for x in offsets]
        if cut and shift == int(shift) and epsilon == 0:
            values = [float(x == 0) for x in offsets]
        total = math.fsum(values) if normalised else 1.0
        kernels.append(tuple(value / total for value in values))
    return tuple(kernels)


def _window(phase: float, lobes: int) -> float:
    square = phase * phase  # 0 for the tiniest phases, too
    return 1.0 if square == 0 else lobes * math.sin(phase) * math.sin(phase / lobes) / square


@dataclass(frozen=True)
class Truth:
    """The part of the search that depends on N chips of the truth alone.

    Attributes
    ----------
    kernels : (S, K) float64, the same along both axes.
    centre : (N, C) mean of each chip's band, taken off before anything else.
    spectrum : (C, N, Y, X / 2 + 1) of the centred chips, conjugate.
    means : (N, C, S, S) E[Y_uv] of the centred chips.
    squares : (N, S, S) sum over bands of E[Y_uv^2] of the centred chips.
    side : of the compared window, px: the chip's side - K + 1.
    """

    kernels: Tensor
    centre: Tensor
    spectrum: Tensor
    means: Tensor
    squares: Tensor
    side: int


def prepare_truth(chips: Tensor, kernels: Sequence[Sequence[float]]) -> Truth:
    """Compute the statistics of (N, C, L, L) chips of the truth."""
    weights = torch.tensor([list(kernel) for kernel in kernels], dtype=torch.float64, device=chips.device)
    taps = weights.shape[1]
    side = chips.shape[-1] - taps + 1
    centre = chips.double().mean(dim=(-2, -1))
    centred = chips.double() - centre[..., None, None]
    length = fft_length(chips.shape[-1])
    means = weights @ (box_sums(centred, side, side) / side**2) @ weights.t()
    squares = _energies(centred, kernels, weights, side)
    spectra = spectrum(centred.transpose(0, 1), length, length).conj().resolve_conj()
    return Truth(weights, centre, spectra, means, squares, side)


def _energies(chips: Tensor, kernels: Sequence[Sequence[float]], weights: Tensor, side: int) -> Tensor:
    """Sum over bands of E[Y_uv^2] of (N, C, L, L) chips: (N, S, S).

    Products of columns at most K - 1 apart are all that R_u is made of. By blocks of columns they are a third of
    the work of all pairs.
    """
    taps = weights.shape[1]
    width, reach = chips.shape[-1], taps - 1
    padded = F.pad(chips, (0, reach))
    ahead = F.pad(weights, (0, reach)).unfold(1, taps, 1)  # [s, j, l] is k_s[j + l]
    forms = 2 * weights[:, :, None] * ahead
    forms[..., 0] /= 2
    energies = []
    for kernel in kernels:
        lines = _trimmed_rows(padded, kernel).reshape(chips.shape[0], -1, width + reach)
        near = torch.cat([_near(lines, start, min(BLOCK, width - start), reach) for start in range(0, width, BLOCK)], 1)
        sums = near.unfold(1, side, 1).sum(dim=-1) / side**2  # [n, j, l]: of Z(y, x + j) Z(y, x + j + l)
        energies.append(torch.einsum("sjl,njl->ns", forms, sums))
    return torch.stack(energies, dim=1)


def _near(lines: Tensor, start: int, size: int, reach: int) -> Tensor:
    """Map (N, Y, X + reach) to (N, size, reach + 1), [n, x, l]: sum over y of Z(y, start + x) Z(y, start + x + l)."""
    products = lines[..., start : start + size].transpose(1, 2) @ lines[..., start : start + size + reach]
    row = size + reach
    return products.as_strided((lines.shape[0], size, reach + 1), (size * row, row + 1, 1))


def _trimmed_rows(image: Tensor, kernel: Sequence[float]) -> Tensor:
    """``correlate_rows`` without the zeros at the kernel's ends, which the corrected kernels have many of."""
    used = [index for index, value in enumerate(kernel) if value != 0]
    first, last = used[0], used[-1]
    part = image[..., first : image.shape[-2] - (len(kernel) - 1 - last), :]
    return part * kernel[first] if first == last else correlate_rows(part, kernel[first : last + 1])


def truth_mismatch(prediction: Tensor, truth: Truth) -> Tensor:
    """Return the mean squared error over bands and pixels against every moved truth.

    Parameters
    ----------
    prediction : (N, C, side, side), already cropped.

    Returns
    -------
    (N, S, S) float64; [n, u, v] for the truth moved by kernel u along rows and v along columns.
    """
    (chips, bands, side, _), length = prediction.shape, truth.spectrum.shape[-2]
    taps = truth.kernels.shape[1]
    filled = truth.centre.new_zeros((bands, chips, length, length))  # centred and filled up with zeros in one pass
    centred = filled[..., :side, :side]
    torch.sub(prediction.transpose(0, 1), truth.centre.t()[..., None, None], out=centred)
    sums = centred.sum(dim=(-2, -1)).t()
    flat = filled.flatten(-2)
    own = torch.linalg.vecdot(flat, flat).sum(dim=0)[:, None, None] / side**2
    spectra = torch.fft.rfft2(filled)
    product = spectra[0] * truth.spectrum[0]
    for band in range(1, bands):  # over bands before going back: one transform a chip
        product.addcmul_(spectra[band], truth.spectrum[band])
    table = torch.fft.irfft2(product.conj(), s=(length, length))[..., :taps, :taps]
    cross = truth.kernels @ (table / side**2) @ truth.kernels.t()
    gains = truth.kernels.sum(dim=1)
    offset = truth.centre[..., None, None] * (1 - gains[:, None] * gains[None, :])
    level = (offset * (offset + 2 * (sums[..., None, None] / side**2 - truth.means))).sum(dim=1)
    errors: Tensor = (own + truth.squares - 2 * cross + level) / bands
    return errors

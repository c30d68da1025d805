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

from worldstrat_bench.filtering import correlate_rows
from worldstrat_bench.registration.lags import box_sums, fft_length, spectrum


def truth_kernels(
    shifts: Sequence[float], *, taps: int, lobes: int, cut: bool, normalised: bool, epsilon: float
) -> tuple[tuple[float, ...], ...]:
    """One kernel of `taps` values a shift: k(x) = lobes sin(p) sin(p / lobes) / p^2, p = pi (x - shift) + epsilon.

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
    """What the search needs of N chips of the truth alone.

    Attributes
    ----------
    kernels : (S, K) float64, the same along both axes.
    centre : (N, C) mean of each chip's band, taken off before anything else.
    spectrum : (N, C, Y, X / 2 + 1) of the centred chips.
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
    """Statistics of (N, C, L, L) chips of the truth."""
    weights = torch.tensor([list(kernel) for kernel in kernels], dtype=torch.float64, device=chips.device)
    taps = weights.shape[1]
    side = chips.shape[-1] - taps + 1
    centre = chips.double().mean(dim=(-2, -1))
    centred = chips.double() - centre[..., None, None]
    length = fft_length(chips.shape[-1])
    means = weights @ (box_sums(centred, side, side) / side**2) @ weights.t()
    squares = torch.stack([_row_energies(correlate_rows(centred, k), weights, side) for k in kernels], dim=1)
    return Truth(weights, centre, spectrum(centred, length, length), means, squares, side)


def _row_energies(filtered: Tensor, weights: Tensor, side: int) -> Tensor:
    """Sum over bands of E[(filtered along columns by each kernel)^2]: (N, C, side, L) to (N, S)."""
    chips, _, _, width = filtered.shape
    columns = filtered.movedim(1, 2).reshape(chips, -1, width)
    products = columns.transpose(1, 2) @ columns
    taps = weights.shape[1]
    windows = products.as_strided((chips, side, taps, taps), (width * width, width + 1, width, 1))
    table = windows.sum(dim=1) / side**2
    return torch.einsum("sj,njk,sk->ns", weights, table, weights)


def truth_mismatch(prediction: Tensor, truth: Truth) -> Tensor:
    """Mean squared error over bands and pixels against every moved truth.

    Parameters
    ----------
    prediction : (N, C, side, side), already cropped.

    Returns
    -------
    (N, S, S) float64; [n, u, v] for the truth moved by kernel u along rows and v along columns.
    """
    bands, taps = prediction.shape[1], truth.kernels.shape[1]
    length = truth.spectrum.shape[-2]
    centred = prediction.double() - truth.centre[..., None, None]
    product = (spectrum(centred, length, length).conj() * truth.spectrum).sum(dim=1)  # over bands, before going back
    table: Tensor = torch.fft.irfft2(product, s=(length, length))[..., :taps, :taps]
    cross = truth.kernels @ (table / truth.side**2) @ truth.kernels.t()
    own = centred.square().mean(dim=(-2, -1)).sum(dim=1)[:, None, None]
    sums = truth.kernels.sum(dim=1)
    offset = truth.centre[..., None, None] * (1 - sums[:, None] * sums[None, :])
    level = (offset * (offset + 2 * (centred.mean(dim=(-2, -1))[..., None, None] - truth.means))).sum(dim=1)
    return (own + truth.squares - 2 * cross + level) / bands

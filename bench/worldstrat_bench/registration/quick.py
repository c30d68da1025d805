"""The shift of wsb-1 by the differences of J alone, which cost half of its table; for a CPU and a target without holes.

With S0 the prediction before it is smoothed by G, and H the smoothed target, both centred,

    C n J(d) = T + rim(d) - 2 sum H (G S0)_d - sum over bands of (sum (G S0)_d)^2 / n,

where T, what all windows have in common, moves no optimum. So only a rim of the prediction is smoothed. In the
correlation with H the filter is a factor of the target's spectrum; it leaves next to nothing of the high frequencies,
which are not computed. What they could add has a bound. Where that, or rounding, could decide which shift is
the best, whether two are tied or to which fraction of a pixel a vertex is rounded, there is no answer here, and the
whole table is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldstrat_bench.filtering import correlate_columns, toeplitz
from worldstrat_bench.registration.lags import fft_length, spectrum
from worldstrat_bench.registration.search import NOISE_FLOOR, SearchTarget, Shift

KEPT = 0.35
"""Frequency along either axis up to which spectra are multiplied, cycles a pixel."""
ROUNDING = 1e-12
"""Share of the energy of prediction and target that float64 may get wrong; it gets a hundredth of it wrong."""


@dataclass(frozen=True)
class QuickTarget:
    """Everything that :func:`quick_shift` needs of a target.

    Attributes
    ----------
    height, width : of the window, px.
    radius : of the search, px.
    taps : of G along either axis.
    centre : (C, 1, 1) float64, taken off the prediction.
    spectrum : (C, 2 K + 1, L) complex128, conjugate, of H times that of G, low frequencies alone.
    energy : sum of H^2 over window and bands.
    dropped : the root of what the frequencies left out of `spectrum` have of it.
    """

    height: int
    width: int
    radius: int
    taps: tuple[float, ...]
    centre: Tensor
    spectrum: Tensor
    energy: float
    dropped: float


@dataclass(frozen=True)
class _Geometry:
    """Everything that depends on the sizes alone.

    Attributes
    ----------
    size : of the transforms, px.
    rows, columns : (lags, 2 K + 1) and (L, lags) complex128, which bring a spectrum back at the lags alone.
    boxes : along y and x, the weights that a smoothed window's sum gives the prediction's first and last `reach` rows
        and what all others sum to: (lags, 2 reach + 1).
    windows : (lags, 2 lags - 1) ones where a window holds a row of the rim; its middle column is all other rows.
    edge : (lags - 1, reach) weights that smooth the first or last `reach` rows.
    """

    size: tuple[int, int]
    gain: Tensor
    weights: Tensor
    rows: Tensor
    columns: Tensor
    boxes: tuple[Tensor, Tensor]
    windows: Tensor
    edge: Tensor


def prepare_quick(target: Tensor, search: SearchTarget, taps: Sequence[float]) -> QuickTarget | None:
    """Return what the target adds; None if it has holes, is on a GPU or is hardly larger than the rim.

    Parameters
    ----------
    target : (C, h, w) float64, smoothed by the `taps`, an odd and symmetric number of them.
    """
    height, width = target.shape[-2:]
    reach = 2 * search.radius + len(taps) - 1
    if search.mask is not None or target.device.type != "cpu" or min(height, width) <= reach:
        return None
    geometry = _geometry(height, width, search.radius, tuple(taps))
    centre = target.mean(dim=(-2, -1), keepdim=True)
    # Mostly the grid of the whole search holds the few pixels more that are not smoothed yet.
    same = geometry.size == (fft_length(height + 2 * search.radius), fft_length(width + 2 * search.radius))
    whole = search.product if same else spectrum(target - centre, *geometry.size).conj().resolve_conj()
    seen = whole * geometry.gain
    rows, columns = geometry.rows.shape[1] // 2, geometry.columns.shape[0]
    beyond = [seen[:, :, columns:] * geometry.weights[columns:], seen[:, rows + 1 : -rows, :columns] * math.sqrt(2)]
    dropped = sum(float(part.abs().square().sum()) for part in beyond) / math.prod(geometry.size)
    kept = torch.cat([seen[:, : rows + 1, :columns], seen[:, -rows:, :columns]], dim=1)
    energy = float(search.energy.sum())
    return QuickTarget(height, width, search.radius, tuple(taps), centre, kept, energy, math.sqrt(dropped))


def quick_shift(image: Tensor, target: QuickTarget, *, tie: float, fraction: int) -> Shift | None:
    """Return what ``search.pick_shift`` makes of the whole table; None where it takes the table to know.

    Parameters
    ----------
    image : (C, h + reach, w + reach) float32, the prediction around the window, not smoothed.
    tie, fraction : see there.
    """
    values, doubt, most = _differences(image, target)
    radius = target.radius
    i, j = (int(index) for index in np.unravel_index(values.argmin(), values.shape))
    near = values <= values[i, j] + tie * most + NOISE_FLOOR + 2 * doubt
    # Another shift may be as good within the doubt, and ties have a rule that needs exact values.
    if np.count_nonzero(near) > 1:
        return None
    y, x = _vertex(values[:, j], i, fraction, doubt), _vertex(values[i, :], j, fraction, doubt)
    if y is None or x is None:
        return None
    return Shift(i - radius + y, j - radius + x, at_edge=radius in (abs(i - radius), abs(j - radius)))


def _vertex(line: NDArray[np.float64], index: int, fraction: int, doubt: float) -> float | None:
    """Return the rounded vertex of three values that are right to `doubt` each; None if that does not settle it."""
    if index in (0, len(line) - 1):
        return 0.0
    before, here, after = (float(value) for value in line[index - 1 : index + 2])
    curvature = before - 2 * here + after
    least = curvature - 4 * doubt
    if least <= 4 * NOISE_FLOOR:
        return None
    vertex = 0.5 * (before - after) / curvature
    error = doubt * (1 + 4 * abs(vertex)) / least
    low, high = (round(min(max(end, -0.5), 0.5) * fraction) for end in (vertex - error, vertex + error))
    return low / fraction if low == high else None


def _differences(image: Tensor, target: QuickTarget) -> tuple[NDArray[np.float64], float, float]:
    """Return J but for a constant, (lags, lags), how far off a value may be, and what no J exceeds.

    One band after the other, as in ``search.mismatch_smoothed``.
    """
    geometry = _geometry(target.height, target.width, target.radius, target.taps)
    (bands, height, width), reach = image.shape, geometry.edge.shape[1]
    rows, columns = geometry.rows.shape[1] // 2, geometry.columns.shape[0]
    filled = image.new_zeros((height, geometry.size[1]), dtype=torch.float64)
    centred = filled[:, :width]
    lines = image.new_zeros((geometry.size[0], geometry.size[1] // 2 + 1), dtype=torch.complex128)
    product = torch.zeros_like(target.spectrum[0])
    energy, inner = 0.0, []
    for band, centre, truth in zip(image, target.centre, target.spectrum, strict=True):
        centred.copy_(band).sub_(centre)
        flat = filled.view(-1)
        energy += float(torch.dot(flat, flat))
        inner.append(centred[reach:-reach].sum(dim=0))
        torch.fft.rfft(filled, out=lines[:height])
        seen = torch.fft.fft(lines[:, :columns], dim=0)
        product[: rows + 1].addcmul_(seen[: rows + 1], truth[: rows + 1])
        product[rows + 1 :].addcmul_(seen[-rows:], truth[rows + 1 :])
    cross = (geometry.rows @ product @ geometry.columns).real
    ends = torch.stack([image[:, :reach], image[:, -reach:]], dim=1).double() - target.centre[:, None]
    sums = _sums(ends, torch.stack(inner), geometry)
    count = target.height * target.width
    table = _rim(image, ends, target, geometry) - 2 * cross - (sums * sums).sum(dim=0) / count
    both = energy + target.energy
    doubt = 2 * target.dropped * math.sqrt(energy) + ROUNDING * both
    # The filter lengthens no image, so that no sum of squared differences exceeds twice that of both squares.
    return (table / (bands * count)).numpy(), doubt / (bands * count), 2 * both / (bands * count)


def _sums(ends: Tensor, inner: Tensor, geometry: _Geometry) -> Tensor:
    """Return the sums of the smoothed prediction over every window, (C, lags, lags).

    Parameters
    ----------
    ends : (C, 2, reach, W) the first and last rows of the centred prediction; `inner` (C, W) what the others sum to.
    """
    reach = ends.shape[-2]
    lines = torch.cat([ends[:, 0], inner[:, None], ends[:, 1]], dim=1)
    return geometry.boxes[0] @ _grouped(lines, reach) @ geometry.boxes[1].t()


def _rim(image: Tensor, ends: Tensor, target: QuickTarget, geometry: _Geometry) -> Tensor:
    """Return the sum over every window of the squared smoothed prediction, less what all share: (lags, lags)."""
    (cut, reach), taps = geometry.edge.shape, target.taps
    lines = _grouped(correlate_columns(geometry.edge @ ends, taps).square_().sum(dim=0), cut)
    turned = image[..., cut:-cut, :].transpose(-1, -2)
    sides = torch.stack([turned[..., :reach, :], turned[..., -reach:, :]], dim=1).double() - target.centre[:, None]
    left, right = correlate_columns(geometry.edge @ sides, taps).square_().sum(dim=(0, 3))
    middle = torch.cat([left, left.new_zeros(1), right])[None]
    return geometry.windows @ torch.cat([lines[0], middle, lines[1]]) @ geometry.windows.t()


def _grouped(lines: Tensor, ends: int) -> Tensor:
    """Return the first and last columns of (..., W) as they are, and between them what the others sum to."""
    inner = lines[..., ends:-ends].sum(dim=-1, keepdim=True)
    return torch.cat([lines[..., :ends], inner, lines[..., -ends:]], dim=-1)


@lru_cache(maxsize=16)
def _geometry(height: int, width: int, radius: int, taps: tuple[float, ...]) -> _Geometry:
    """Kept, since the tiles of a release are of a few sizes."""
    lags, cut = 2 * radius + 1, len(taps) - 1
    size = (fft_length(height + 2 * radius + cut), fft_length(width + 2 * radius + cut))
    y, x = torch.fft.fftfreq(size[0], dtype=torch.float64), torch.fft.rfftfreq(size[1], dtype=torch.float64)
    rows, columns = int(KEPT * size[0]), int(KEPT * size[1]) + 1
    low = torch.cat([y[: rows + 1], y[-rows:]])
    lag = torch.arange(lags, dtype=torch.float64) + cut // 2  # the filter's centre is that far inside
    # Half of the spectrum stands for the other half, all but its first and last columns.
    twice = torch.full_like(x, 2.0)
    twice[[0, -1]] = 1.0
    windows = torch.ones(lags, 2 * lags - 1, dtype=torch.float64).tril(lags - 1).triu(0)
    back = _waves(x[:columns, None] * lag) * (twice[:columns, None] / math.prod(size))
    return _Geometry(
        size,
        _gain(y, taps)[:, None] * _gain(x, taps),
        twice.sqrt(),
        _waves(lag[:, None] * low),
        back,
        (_box(height, radius, taps), _box(width, radius, taps)),
        windows,
        toeplitz(taps, lags - 1, windows),
    )


def _gain(frequencies: Tensor, taps: Sequence[float]) -> Tensor:
    """Return what the filter leaves of each frequency, (n,); it is symmetric, and so its response real."""
    reach = len(taps) // 2
    position = torch.arange(-reach, reach + 1, dtype=torch.float64)
    return (2 * math.pi * frequencies[:, None] * position).cos() @ torch.tensor(taps, dtype=torch.float64)


def _waves(cycles: Tensor) -> Tensor:
    phase = 2 * math.pi * cycles
    return torch.complex(phase.cos(), phase.sin())


def _box(size: int, radius: int, taps: Sequence[float]) -> Tensor:
    """Return one of ``_Geometry.boxes``."""
    reach, lags = 2 * radius + len(taps) - 1, 2 * radius + 1
    whole = torch.zeros(lags, size + reach, dtype=torch.float64)
    for lag in range(lags):
        for start, tap in enumerate(taps, lag):
            whole[lag, start : start + size] += tap
    return torch.cat([whole[:, :reach], whole[:, reach : reach + 1], whole[:, -reach:]], dim=1)

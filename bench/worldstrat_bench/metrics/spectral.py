"""How fine the true detail is, and how much of it is missed and invented, from the spectra of a registered pair.

Both images are freed of their weighted mean, weighted by a 2-D Hann window (tapered towards no-data) and transformed.
Sums over rings of one frequency sample and over the bands, S_P, S_H and X = Re sum P^ conj(H^), give everything:
coherence X / sqrt(S_P S_H), contrast X / S_H, and the two shares of the error above the input's Nyquist frequency.
``docs/optional-metrics.md`` says what the numbers mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from worldstrat_bench.artefacts.spectra import BIN_WIDTH, BINS, CURVES
from worldstrat_bench.metrics.optional import Found, Pairs
from worldstrat_bench.stats.spectra import INPUT_NYQUIST_M

COARSEST_M = 80.0
"""Wavelength from which on the coherence is followed, metres."""
FINEST_RESOLUTION_M, COARSEST_RESOLUTION_M = 2.5, 40.0
"""Limits of `resolution_m`."""
TAPER_PX = 16.0
"""Distance from no-data at which the taper ends."""
WEIGHT_MIN = 0.75
"""Least share of the weight that the taper may leave."""
DETAIL_MIN = 0.002
"""Least weighted RMS of the target's detail above the input's Nyquist frequency, reflectance."""

HOLES = "no-data leaves under 75 % of the weight"
NO_DETAIL = "the target has no detail above the input's Nyquist frequency (RMS under 0.002)"
COLUMNS = ("resolution_m", "contrast_nyquist", "missed", "invented", "detail_energy")


@dataclass(frozen=True)
class Rings:
    """Which samples of a half-plane transform lie in which ring.

    Attributes
    ----------
    samples : of the longer side, so that ring r is the frequency r / samples, cycles/px.
    order : (M,) positions in the flattened half plane, ring by ring, up to 0.5 cycles/px.
    counts : (M,) float64, 2 where a sample stands for its mirror image as well, else 1.
    lengths : (R,) samples of each ring.
    """

    samples: int
    order: Tensor
    counts: Tensor
    lengths: Tensor

    def sums(self, values: Tensor) -> Tensor:
        """Return (K, R) float64 sums over the rings of (K, h, w // 2 + 1) values."""
        picked = values.flatten(1)[:, self.order].double() * self.counts
        # Every ring is summed in one fixed order, so that no sum depends on what else is in the batch.
        return torch.stack([torch.segment_reduce(one, "sum", lengths=self.lengths) for one in picked])


@dataclass(frozen=True)
class SpectralTarget:
    """The part that depends on the target alone.

    Attributes
    ----------
    weight : (h, w) float32.
    spectrum : (3, h, w // 2 + 1) complex64, of the weighted target.
    power : (R,) float64, S_H.
    null : why there are no numbers; "" if there are.
    """

    weight: Tensor
    spectrum: Tensor
    power: Tensor
    null: str


@lru_cache(maxsize=8)
def rings(height: int, width: int, device: torch.device) -> Rings:
    """Return the rings of an image of that size: frequencies in samples of the longer side, rounded."""
    samples = max(height, width)
    rows = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    columns = torch.fft.rfftfreq(width, dtype=torch.float64)[None]
    ring = (torch.hypot(rows, columns) * samples).round().long().flatten()
    counts = torch.full((height, columns.shape[1]), 2.0, dtype=torch.float64)
    counts[:, 0] = 1
    if width % 2 == 0:
        counts[:, -1] = 1
    order = ring.argsort(stable=True)
    order = order[ring[order] <= samples // 2]
    lengths = torch.bincount(ring[order], minlength=samples // 2 + 1)
    return Rings(samples, order.to(device), counts.flatten()[order].to(device), lengths.to(device))


def weights(valid: Tensor | None, height: int, width: int) -> tuple[Tensor, float]:
    """Return (h, w) float64 weights on the CPU, and the share of them that the taper towards no-data leaves."""
    hann = torch.from_numpy(np.outer(np.hanning(height), np.hanning(width)))
    if valid is None:
        return hann, 1.0
    from scipy.ndimage import distance_transform_edt

    distance = torch.from_numpy(distance_transform_edt(valid.cpu().numpy()))
    tapered = hann * (0.5 - 0.5 * torch.cos(math.pi * (distance / TAPER_PX).clamp(max=1)))
    return tapered, float(tapered.sum() / hann.sum())


def transform(image: Tensor, weight: Tensor) -> Tensor:
    """Return the (3, h, w // 2 + 1) complex64 transform of a (3, h, w) image less its weighted mean, times the weight.

    Single precision is 1e-7 of reflectance, ten thousand times below the least detail that is measured.
    """
    mean = image.flatten(1) @ weight.flatten() / weight.sum()
    spectrum: Tensor = torch.fft.rfft2((image - mean[:, None, None]) * weight)
    return spectrum


def power(spectrum: Tensor) -> Tensor:
    """Return (h, w') sum over the bands of the squared magnitudes of (3, h, w')."""
    return (spectrum.real.square() + spectrum.imag.square()).sum(dim=0)


def prepare_target(target: Tensor, valid: Tensor | None, pixel: float) -> SpectralTarget:
    """Return what depends on a (3, h, w) target alone; `pixel` is its pixel in metres."""
    height, width = target.shape[-2:]
    weight, share = weights(valid, height, width)
    energy = float(weight.square().sum())
    weight = weight.to(target.device, torch.float32)
    own = rings(height, width, target.device)
    if share < WEIGHT_MIN:
        nothing = torch.zeros(0, dtype=torch.float64, device=target.device)
        return SpectralTarget(weight, nothing, nothing, HOLES)
    spectrum = transform(target, weight)
    sums = own.sums(power(spectrum)[None])[0]
    fine = torch.arange(len(sums), device=sums.device) / own.samples > pixel / INPUT_NYQUIST_M
    # Parseval: the transform's energy is the number of pixels times that of the weighted image.
    variance = float(sums[fine].sum()) / (height * width * 3 * energy)
    return SpectralTarget(weight, spectrum, sums, NO_DETAIL if math.sqrt(variance) < DETAIL_MIN else "")


@dataclass(frozen=True)
class Spectral:
    """The optional metric."""

    software: str = ""

    def __call__(self, pairs: Pairs) -> Found:
        """Five columns and three curves of each pair, one after the other.

        The last bits of a transform and of a sum along rows depend on how many are made together, and on a GPU on the
        address of each, so that it is copied to one of its own.
        """
        device = pairs.target.device
        columns = {n: torch.full((len(pairs),), torch.nan, dtype=torch.float64, device=device) for n in COLUMNS}
        curves = {n: torch.zeros((len(pairs), BINS), dtype=torch.float64, device=device) for n in CURVES}
        reasons: list[dict[str, str]] = [{} for _ in range(len(pairs))]
        own = rings(*pairs.target.shape[-2:], device)
        for i in range(len(pairs) - pairs.fill):
            target = self._target(pairs, i)
            if target.null:
                reasons[i] = dict.fromkeys(COLUMNS, target.null)
                continue
            spectrum = transform(pairs.prediction[i].clone(), target.weight)
            shown, cross = own.sums(power(spectrum)[None]), own.sums(_cross(spectrum, target.spectrum)[None])
            truth = target.power[None]
            pixel = torch.full((1,), pairs.pixel[i], dtype=torch.float64, device=device)
            for name, values in numbers(truth, shown, cross, pixel, own.samples).items():
                columns[name][i] = values[0]
            for name, sums in zip(CURVES, (truth, shown, cross), strict=True):
                curves[name][i] = binned(sums, pixel, own.samples)[0]
        return Found(columns, reasons, curves)

    def _target(self, pairs: Pairs, i: int) -> SpectralTarget:
        kept = pairs.kept[i]
        if "spectral" not in kept:
            kept["spectral"] = prepare_target(pairs.target[i].clone(), pairs.valid[i], pairs.pixel[i])
        found = kept["spectral"]
        assert isinstance(found, SpectralTarget)
        return found


def numbers(truth: Tensor, shown: Tensor, cross: Tensor, pixel: Tensor, samples: int) -> dict[str, Tensor]:
    """Return the columns, each (N,), from ring sums S_H, S_P and X, each (N, R), and the pixel in metres, (N,)."""
    contrast = _divided(cross, truth)
    above = torch.arange(truth.shape[-1], device=truth.device) / samples > pixel[:, None] / INPUT_NYQUIST_M
    energy = (truth * above).sum(dim=-1)
    missed = (_divided((truth - cross).square(), truth) * above).sum(dim=-1)
    invented = ((shown - cross * contrast) * above).sum(dim=-1)
    return {
        "resolution_m": resolution(coherence(truth, shown, cross), pixel, samples),
        "contrast_nyquist": _interpolated(contrast, pixel / INPUT_NYQUIST_M * samples),
        "missed": missed / energy,
        # An energy, which rounding may bring a little below 0.
        "invented": (invented / energy).clamp_min(0),
        "detail_energy": energy,
    }


def coherence(truth: Tensor, shown: Tensor, cross: Tensor) -> Tensor:
    """Return X / sqrt(S_P S_H) of (..., R) rings, in [-1, 1]; 0 where one of the images has nothing."""
    return _divided(cross, (truth * shown).sqrt()).clamp(-1, 1)


def resolution(coherent: Tensor, pixel: Tensor, samples: int) -> Tensor:
    """Return (N,) metres: half the wavelength at which (N, R) coherences first stay below 1/2 for two rings."""
    positions = torch.arange(coherent.shape[-1] - 1, device=coherent.device)
    first = (pixel / COARSEST_M * samples - 1e-9).ceil()
    below = coherent < 0.5
    # Two rings in a row, since one may dip by chance.
    ends = below[:, :-1] & below[:, 1:] & (positions >= first[:, None])
    at = ends.to(torch.int8).argmax(dim=-1)
    here = coherent.gather(-1, at[:, None])[:, 0]
    before = coherent.gather(-1, (at - 1).clamp_min(0)[:, None])[:, 0]
    crossing = torch.where(at > first, at - 1 + (before - 0.5) / (before - here), at.double())
    metres = torch.where(ends.any(dim=-1), pixel * samples / (2 * crossing), FINEST_RESOLUTION_M)
    return metres.clamp(FINEST_RESOLUTION_M, COARSEST_RESOLUTION_M)


def binned(sums: Tensor, pixel: Tensor, samples: int) -> Tensor:
    """Return (N, BINS) sums of (N, R) ring sums over bins of one width in cycles/m; the mean, ring 0, is left out."""
    position = torch.arange(1, sums.shape[-1], dtype=torch.float64, device=sums.device) / samples / pixel[:, None]
    bins = (position / BIN_WIDTH).long().clamp(max=BINS - 1)
    member = bins[..., None] == torch.arange(BINS, device=sums.device)
    return torch.stack([(own[1:, None] * inside).sum(dim=0) for own, inside in zip(sums, member, strict=True)])


def load_spectral(_: torch.device | str = "cpu") -> Spectral:
    """Return the computation, which every machine has."""
    return Spectral()


def _cross(one: Tensor, other: Tensor) -> Tensor:
    """Return (h, w') Re sum over the bands of A conj(B) of two (3, h, w') spectra."""
    return (one.real * other.real + one.imag * other.imag).sum(dim=0)


def _divided(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below > 0, above / below, 0.0)


def _interpolated(curve: Tensor, position: Tensor) -> Tensor:
    """Return (N,) values of (N, R) curves between their rings."""
    low = position.floor().long().clamp(0, curve.shape[-1] - 2)
    left, right = (curve.gather(-1, one[:, None])[:, 0] for one in (low, low + 1))
    return left + (right - left) * (position - low)

"""How well a model knows its error: coverage, calibration, sparsification and CRPS of its expected error.

A model may say of every value how large an error it expects, as the standard deviation of a Gaussian. It is compared
with the error that the value has in P, the image that every other metric judges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from worldstrat_bench.artefacts.uncertainty import CURVES, LEVELS, POINTS
from worldstrat_bench.metrics.optional import Found, Pairs

COVERAGES: Final = {"coverage_68": 0.68, "coverage_95": 0.95}
"""Column to the share of the errors that should lie within."""
FLOOR: Final = 1e-6
"""Least expected error, reflectance: a model that claims less would divide by nothing."""
BINS: Final = POINTS
"""Bins of ENCE, as many as points of a curve."""
COLUMNS: Final = (*COVERAGES, "ence", "ause", "crps")


@dataclass(frozen=True)
class Uncertainty:
    """The scores of the expected error of R, G and B."""

    software: str = ""

    def __call__(self, pairs: Pairs) -> Found:
        """Five columns and three curves, or none where the model does not say what error it expects."""
        if pairs.expected_error is None:
            return Found({})
        found = [
            judge(pairs.prediction[k], pairs.target[k], pairs.expected_error[k], pairs.valid[k])
            for k in range(len(pairs) - pairs.fill)
        ]
        found += found[-1:] * pairs.fill
        values = {name: torch.stack([own[name] for own in found]) for name in COLUMNS}
        curves = {name: torch.stack([own[name] for own in found]).nan_to_num(0.0) for name in CURVES}
        return Found(values, curves=curves)


def judge(prediction: Tensor, target: Tensor, expected: Tensor, valid: Tensor | None) -> dict[str, Tensor]:
    """Return the columns, () float64 each, and the curves, (BINS,) float64 each, of one pair.

    Parameters
    ----------
    prediction, target : (3, h, w) reflectance.
    expected : (1 or 3, h, w), the standard deviation of the error, reflectance.
    valid : (h, w) bool, pixels that count; None: all.
    """
    error, spread = prediction - target, expected.expand_as(prediction)
    if valid is not None:
        error, spread = error[:, valid], spread[:, valid]
    size, width = error.flatten().double().abs(), spread.flatten().double().clamp(min=FLOOR)
    ratio = size / width
    within = torch.erf(ratio / math.sqrt(2))
    density = torch.exp(-0.5 * ratio.square()) / math.sqrt(2 * math.pi)
    coverage = [(within <= level).double().mean() for level in (*COVERAGES.values(), *LEVELS)]
    order = width.argsort()
    kept = sparsified(size[order].square(), width[order])
    least = _errors_left(size.square().sort().values)
    return {
        **dict(zip(COVERAGES, coverage[: len(COVERAGES)], strict=True)),
        "ence": calibration_error(size[order].square(), width[order]),
        "ause": (kept - least).mean(),
        "crps": (width * (ratio * within + 2 * density - 1 / math.sqrt(math.pi))).mean(),
        **dict(zip(CURVES, (torch.stack(coverage[len(COVERAGES) :]), kept, least), strict=True)),
    }


def calibration_error(square: Tensor, width: Tensor) -> Tensor:
    """Return ENCE (Levi et al. 2020) of (n,) squared errors and expected errors, sorted by the latter.

    Values with one expected error share a bin, so that the order in which they come has no part in it.
    """
    count = len(width)
    places = [-(-k * count // BINS) - 1 for k in range(1, BINS)]
    bins = torch.bucketize(width, width[places].contiguous())
    sizes = torch.bincount(bins, minlength=BINS)
    expected, found = (_sums(values, sizes).div(sizes).sqrt() for values in (width.square(), square))
    shares = (expected - found).abs() / expected * sizes / count
    return torch.where(sizes > 0, shares, 0.0).sum()


def sparsified(square: Tensor, width: Tensor) -> Tensor:
    """Return the RMSE that is left without the values of the largest expected errors, in units of the whole RMSE.

    Parameters
    ----------
    square, width : (n,) squared errors and expected errors, sorted by the latter, rising. Values with one expected
        error leave in random order, so that each stands for their mean.

    Returns
    -------
    (BINS,) float64: less 0, 1 / BINS, 2 / BINS ... of the values. NaN if there is no error at all.
    """
    _, counts = torch.unique_consecutive(width, return_counts=True)
    return _errors_left((_sums(square, counts) / counts).repeat_interleave(counts))


def _errors_left(square: Tensor) -> Tensor:
    """Return the same of (n,) squared errors in the order in which they stay."""
    count = len(square)
    kept = torch.tensor([count - k * count // BINS for k in range(BINS)], device=square.device)
    lengths = kept.flip(0).diff(prepend=kept.new_zeros(1))
    totals = _sums(square, lengths).cumsum(0).flip(0)
    return (totals / kept / (totals[0] / count)).sqrt()


def _sums(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the sums of consecutive stretches of values, each in one fixed order."""
    return torch.segment_reduce(values, "sum", lengths=lengths)


def load_uncertainty(_: torch.device | str = "cpu") -> Uncertainty:
    """Return the computation, which every machine has."""
    return Uncertainty()

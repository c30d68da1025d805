"""How stable the order of a board is: halves of the groups, resamples of them, and orders by other metrics.

This describes the order of means. It is not a test: what the board says of two models is the paired test of these two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from worldstrat_bench.stats.estimate import Floats, group_sums
from worldstrat_bench.stats.paired import sign_of

SPLITS: Final = 1000
"""Random splits into halves, and as many resamples."""
_SEED: Final = 20
_LOW_HIGH: Final = (5.0, 95.0)
_BLOCK: Final = 20


@dataclass(frozen=True)
class Stability:
    """How the order of one metric holds on other tiles of the same kind.

    Attributes
    ----------
    groups : of the tiles; halves and resamples are of whole groups.
    agreement : mean over the splits of Kendall's tau between the orders of the two halves.
    agreement_low, agreement_high : its 5th and 95th percentile over the splits.
    same_first : share of the splits in which both halves have the same model first.
    first : model to the share of resamples in which it is first, in the order of the board.
    """

    metric: str
    groups: int
    agreement: float
    agreement_low: float
    agreement_high: float
    same_first: float
    first: Mapping[str, float]


def stability(columns: Mapping[str, Floats], groups: Sequence[str], metric: str) -> Stability | None:
    """Return how stable the order of models by a metric is; None for fewer than two models or four groups.

    Parameters
    ----------
    columns : model to (n,) finite values over the same tiles, in the order of the board.
    groups : (n,) the group of every tile.
    """
    count = len(set(groups))
    if len(columns) < 2 or count < 4:
        return None
    sums, sizes = group_sums(sign_of(metric) * np.stack(list(columns.values())), groups)
    # Only uniform numbers are drawn: their stream is the same with every version of numpy.
    draws = np.random.default_rng(_SEED)
    halves = (draws.random((SPLITS, count)).argsort(axis=1) < count // 2).astype(np.float64)
    picked = (draws.random((SPLITS, count)) * count).astype(np.intp)
    resamples = np.stack([np.bincount(own, minlength=count) for own in picked]).astype(np.float64)
    one, other, again = (_means(sums, sizes[0], weights) for weights in (halves, 1 - halves, resamples))
    taus = _taus(one, other)
    low, high = (float(end) for end in np.percentile(taus, _LOW_HIGH))
    winners = np.bincount(again.argmax(axis=1), minlength=len(columns)) / SPLITS
    return Stability(
        metric=metric,
        groups=count,
        agreement=float(taus.mean()),
        agreement_low=low,
        agreement_high=high,
        same_first=float((one.argmax(axis=1) == other.argmax(axis=1)).mean()),
        first=dict(zip(columns, winners.tolist(), strict=True)),
    )


def kendall_tau(a: Floats, b: Floats) -> float:
    """Return Kendall's tau-b between two orders of the same models; NaN if one of them is all ties.

    >>> kendall_tau(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))
    0.3333333333333333
    """
    return float(_taus(a[None], b[None])[0])


def _taus(a: Floats, b: Floats) -> Floats:
    """Return (k,) tau-b of k pairs of orders, (k, m) each."""
    rows, columns = np.triu_indices(a.shape[-1], 1)
    # Signs are summed exactly in single precision, in blocks that stay in the processor's cache.
    found = np.empty(len(a))
    for start in range(0, len(a), _BLOCK):
        part = slice(start, start + _BLOCK)
        one, other = (np.sign(own[part][:, rows] - own[part][:, columns]).astype(np.float32) for own in (a, b))
        scale = np.sqrt((one**2).sum(axis=1, dtype=np.float64) * (other**2).sum(axis=1, dtype=np.float64))
        agree = (one * other).sum(axis=1, dtype=np.float64)
        found[part] = np.divide(agree, scale, out=np.full_like(scale, np.nan), where=scale > 0)
    return found


def _means(sums: Floats, sizes: Floats, weights: Floats) -> Floats:
    """Return (k, m) means over the tiles of k weighted sets of groups."""
    found: Floats = (weights @ sums.T) / (weights @ sizes)[:, None]
    return found

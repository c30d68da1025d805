"""Two models on the same tiles: the paired t-test on group means of protocol 3.7."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import measure
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.stats.aggregate import metric_names, metric_values
from worldstrat_bench.stats.bootstrap import Floats, group_index
from worldstrat_bench.tiles import TileTable


def sign_of(metric: str) -> int:
    """1 where higher is better, -1 where lower is, 0 for a diagnostic."""
    return {"higher": 1, "lower": -1, "none": 0}[measure(metric).direction]


def group_means(values: Floats, groups: Sequence[str]) -> Floats:
    """(..., n) values of tiles to (..., G) means over the tiles of each group, groups in alphabetical order."""
    index, count = group_index(groups)
    sizes = np.bincount(index, minlength=count)
    flat = values.reshape(-1, values.shape[-1])
    sums = np.stack([np.bincount(index, weights=row, minlength=count) for row in flat]) if len(flat) else flat
    means: Floats = (sums / sizes).reshape(*values.shape[:-1], count)
    return means


def two_sided_p(mean: Floats, sd: Floats, groups: int) -> Floats:
    """P-values of a paired t-test from mean and SD (ddof 1) of the differences over `groups` groups.

    Fewer than two groups tell nothing: 1. A difference that never varies is certain: 0, or 1 where it is 0.
    """
    from scipy.special import stdtr  # 0.3 s; scipy.stats would cost 1.3 s

    if groups < 2:
        return np.ones_like(mean)
    error = sd / math.sqrt(groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(mean) / error
    p: Floats = np.where(np.isnan(t), 1.0, 2 * stdtr(groups - 1, -np.where(np.isnan(t), 0.0, t)))
    return p


@dataclass(frozen=True)
class Comparison:
    """One metric of two models on the tiles that both scored.

    Attributes
    ----------
    difference : mean over groups of the paired difference a - b, with its t interval.
    mean_a, mean_b : means over tiles.
    sd : standard deviation of the differences of group means; None with one group.
    p_value : two-sided, of one test: not corrected for others.
    wins, ties, losses : tiles on which a is better than b, within the margin of it, or worse.
    verdict : who beats whom by significance and margin; "tie" otherwise and for diagnostics; "none" where a caller
        knows of tiles that failed, so that nobody may be ranked.
    wilcoxon_p : a diagnostic only: on skewed differences it can contradict the mean, which is what ranks.
    """

    metric: str
    tiles: int
    groups: int
    mean_a: float
    mean_b: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    sd: float | None
    p_value: float
    wins: int
    ties: int
    losses: int
    verdict: Literal["a", "b", "tie", "none"]
    wilcoxon_p: float | None = None


def compare(
    a: TileTable,
    b: TileTable,
    *,
    metric: str,
    protocol: Protocol,
    tiles: Iterable[str] | None = None,
    wilcoxon: bool = False,
) -> Comparison | None:
    """Compare two runs on the tiles that both scored.

    Parameters
    ----------
    tiles : restrict to these; none: all that both have.
    wilcoxon : also the rank test (imports scipy.stats, 1.3 s).

    Returns
    -------
    None if no tile has the metric in both.

    Raises
    ------
    UsageError
        if a tile is in different groups in the two runs.
    """
    pairs = _paired_values(a, b, metric, None if tiles is None else set(tiles))
    if not pairs:
        return None
    groups = [group for _, _, group in pairs]
    left, right = (np.array([pair[i] for pair in pairs], dtype=np.float64) for i in (0, 1))
    means = group_means(left - right, groups)
    count = len(means)
    mean = float(means.mean())
    sd = float(means.std(ddof=1)) if count > 1 else None
    p = float(two_sided_p(np.array([mean]), np.array([sd or 0.0]), count)[0])
    margin = protocol.ranking.margin.get(metric, 0.0)
    low, high = _t_interval(mean, sd, count, protocol.aggregation.confidence)
    gains = sign_of(metric) * (left - right)
    return Comparison(
        metric=metric, tiles=len(pairs), groups=count, mean_a=float(left.mean()), mean_b=float(right.mean()),
        difference=mean, ci_low=low, ci_high=high, sd=sd, p_value=p,
        wins=int((gains > margin).sum()), losses=int((gains < -margin).sum()),
        ties=int((np.abs(gains) <= margin).sum()), verdict=_verdict(sign_of(metric) * mean, p, margin, protocol),
        wilcoxon_p=_wilcoxon(means) if wilcoxon else None,
    )  # fmt: skip


def compare_all(
    a: TileTable, b: TileTable, *, protocol: Protocol, tiles: Iterable[str] | None = None, wilcoxon: bool = False
) -> tuple[Comparison, ...]:
    """:func:`compare` for every metric that both tables have, in column order."""
    shared = [name for name in metric_names(a) if name in metric_names(b)]
    wanted = None if tiles is None else set(tiles)
    found = (compare(a, b, metric=m, protocol=protocol, tiles=wanted, wilcoxon=wilcoxon) for m in shared)
    return tuple(comparison for comparison in found if comparison)


def _paired_values(a: TileTable, b: TileTable, metric: str, wanted: set[str] | None) -> list[tuple[float, float, str]]:
    left, right = metric_values(a, metric), metric_values(b, metric)
    groups_a, groups_b = a.text("group"), b.text("group")
    row_b = {tile: i for i, tile in enumerate(b.tiles)}
    pairs = []
    for i, tile in enumerate(a.tiles):
        j = row_b.get(tile)
        if j is None or (wanted is not None and tile not in wanted):
            continue
        if groups_a[i] != groups_b[j]:
            raise UsageError("the two runs put a tile into different groups", where=tile, remedy="score both again")
        if not (np.isnan(left[i]) or np.isnan(right[j])):
            pairs.append((float(left[i]), float(right[j]), groups_a[i]))
    return pairs


def _verdict(gain: float, p: float, margin: float, protocol: Protocol) -> Literal["a", "b", "tie"]:
    if p > protocol.ranking.alpha or gain == 0 or abs(gain) < margin:
        return "tie"
    return "a" if gain > 0 else "b"


def _t_interval(mean: float, sd: float | None, count: int, confidence: float) -> tuple[float | None, float | None]:
    if sd is None:
        return None, None
    from scipy.special import stdtrit

    half = float(stdtrit(count - 1, 0.5 + confidence / 2)) * sd / math.sqrt(count)
    return mean - half, mean + half


def _wilcoxon(differences: Floats) -> float | None:
    if len(differences) < 2 or not np.any(differences):
        return None
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue)

"""Two models on the same tiles: the paired difference of protocol 3.6 and the verdict of 3.7."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import measure
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.stats.aggregate import metric_names, metric_values, metric_weights
from worldstrat_bench.stats.estimate import Bools, Estimate, Floats, estimate, group_sums


def sign_of(metric: str) -> int:
    """Return 1 where higher is better, -1 where lower is, 0 for a diagnostic."""
    return {"higher": 1, "lower": -1, "none": 0}[measure(metric).direction]


def decided(difference: Estimate, metric: str, protocol: Protocol) -> Bools:
    """Return where one of two models beats the other. It depends on these two alone (protocol 3.7).

    Parameters
    ----------
    difference : of the two models; its sign and the direction of the metric say which one it is.
    """
    size, rules = np.abs(difference.value), protocol.aggregation
    # Far out in the tail each test alone is wrong too often for some kind of values; where both agree it is rare.
    p = difference.largest_p(rules, protocol.ranking.tests)
    surely = (p <= protocol.ranking.level) | difference.certain(rules)
    found: Bools = surely & (size > 0) & (size >= protocol.ranking.margin.get(metric, 0.0))
    return found


def verdict_interval(difference: Estimate, protocol: Protocol) -> tuple[Floats, Floats]:
    """Return the ends of the interval that excludes 0 exactly where every test is below the level of a verdict.

    It holds the intervals of all tests of the protocol at that level, hence is wider than the 95 % interval. Both are
    (...); NaN where there is no test. A verdict also needs the margin.
    """
    from scipy.special import stdtrit

    level = protocol.ranking.level
    rules = protocol.aggregation.model_copy(update={"confidence": 1 - level})
    ends: list[tuple[Floats, Floats]] = []
    if "skewness-corrected-t" in protocol.ranking.tests:
        ends.append(difference.interval(rules))
    if "t" in protocol.ranking.tests:
        tested = difference.tested(rules)
        half = difference.error * stdtrit(np.where(tested, difference.effective, 2.0) - 1, 1 - level / 2)
        left, right = difference.value - half, difference.value + half
        ends.append((np.where(tested, left, np.nan), np.where(tested, right, np.nan)))
    low: Floats = np.min([low for low, _ in ends], axis=0)
    high: Floats = np.max([high for _, high in ends], axis=0)
    return low, high


@dataclass(frozen=True)
class Comparison:
    """One metric of two models on the tiles that both scored.

    Attributes
    ----------
    groups, effective_groups : groups of those tiles, and how many of equal size would tell as much.
    mean_a, mean_b : means over tiles.
    difference : mean_a - mean_b, the estimate of the paired difference, with its 95 % interval and standard error.
    ci_low, ci_high, p_value, p_plain : None with too few effective groups, or where the difference never varies.
    p_value : two-sided, of this pair alone, corrected for skewness.
    p_plain : the same without that correction. A verdict needs both to be at most the level.
    wins, ties, losses : tiles on which a is better than b, within the margin of it, or worse.
    verdict : who beats whom, at the protocol's level for one pair and by its margin; "tie" otherwise and for
        diagnostics; "none" where a caller knows of tiles that failed or of too few groups (``ranking.as_shown``).
    """

    metric: str
    tiles: int
    groups: int
    effective_groups: float
    mean_a: float
    mean_b: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    standard_error: float | None
    p_value: float | None
    p_plain: float | None
    wins: int
    ties: int
    losses: int
    verdict: Literal["a", "b", "tie", "none"]


def compare(
    a: TileTable, b: TileTable, *, metric: str, protocol: Protocol, tiles: Iterable[str] | None = None
) -> Comparison | None:
    """Compare two runs on the tiles that both scored.

    Parameters
    ----------
    tiles : restrict to these; none: all that both have.

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
    left, right, weights = (np.array([pair[i] for pair in pairs], dtype=np.float64) for i in (0, 1, 2))
    sums, sizes = group_sums(np.stack([left * weights, right * weights, weights]), [pair[3] for pair in pairs])
    if measure(metric).weight:
        sizes = sums[2:]
    means = [float((own * weights).sum() / weights.sum()) for own in (left, right)]
    # The sums are subtracted as a board does it, so that both give the same number to the last bit.
    found = estimate((sums[0] - sums[1])[None], sizes[0])
    p, plain = found.p_values(protocol.aggregation), found.p_values(protocol.aggregation, "t")
    low, high = found.interval(protocol.aggregation)
    margin = protocol.ranking.margin.get(metric, 0.0)
    # Wins are counted by tiles and unweighted: they say where a model is ahead, the verdict says whether it is.
    gains = sign_of(metric) * (left - right)
    return Comparison(
        metric=metric,
        tiles=len(pairs),
        groups=int(found.groups[0]),
        effective_groups=float(found.effective[0]),
        mean_a=means[0],
        mean_b=means[1],
        difference=float(found.value[0]),
        ci_low=_known(low[0]),
        ci_high=_known(high[0]),
        standard_error=_known(found.error[0]),
        p_value=_known(p[0]),
        p_plain=_known(plain[0]),
        wins=int((gains > margin).sum()),
        losses=int((gains < -margin).sum()),
        ties=int((np.abs(gains) <= margin).sum()),
        verdict=_verdict(found, metric, protocol),
    )


def compare_all(
    a: TileTable, b: TileTable, *, protocol: Protocol, tiles: Iterable[str] | None = None
) -> tuple[Comparison, ...]:
    """Run :func:`compare` for every metric that both tables have, in column order."""
    shared = [name for name in metric_names(a) if name in metric_names(b)]
    wanted = None if tiles is None else set(tiles)
    found = (compare(a, b, metric=m, protocol=protocol, tiles=wanted) for m in shared)
    return tuple(comparison for comparison in found if comparison)


def _paired_values(
    a: TileTable, b: TileTable, metric: str, wanted: set[str] | None
) -> list[tuple[float, float, float, str]]:
    """Return the values of both, what they count for (it depends on the target, hence is the same) and the group."""
    weights = metric_weights(a, metric)
    left, right = metric_values(a, metric), metric_values(b, metric)
    groups_a, groups_b = a.groups, b.groups
    row_b = {tile: i for i, tile in enumerate(b.tiles)}
    pairs = []
    for i, tile in enumerate(a.tiles):
        j = row_b.get(tile)
        if j is None or (wanted is not None and tile not in wanted):
            continue
        # Groups are facts of the data: if two runs differ in them, they are not of the same tiles.
        if groups_a[i] != groups_b[j]:
            raise UsageError("the two runs put a tile into different groups", where=tile, remedy="score both again")
        # Both or none: a tile that only one has would compare two sets of tiles.
        if not np.isnan([left[i], right[j], weights[i]]).any():
            pairs.append((float(left[i]), float(right[j]), float(weights[i]), groups_a[i]))
    return pairs


def _verdict(difference: Estimate, metric: str, protocol: Protocol) -> Literal["a", "b", "tie"]:
    if not sign_of(metric) or not decided(difference, metric, protocol)[0]:
        return "tie"
    return "a" if sign_of(metric) * difference.value[0] > 0 else "b"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

"""Who beats whom on a board, and what may be said about ranks (protocol 3.7).

What is said of two models depends on their own values alone. Only *counting rows* move a rank: any number of other
rows, copies of each other or not, may stand beside them and change neither a verdict nor the rank of a counting row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from statistics import NormalDist
from typing import Literal

import numpy as np

from worldstrat_bench.artefacts.record import Summary
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.protocol import Aggregation, Protocol
from worldstrat_bench.stats.aggregate import metric_names, metric_values
from worldstrat_bench.stats.estimate import (
    Bools,
    Estimate,
    Floats,
    effective_groups,
    effective_number,
    estimate,
    group_sums,
)
from worldstrat_bench.stats.letters import letter_display
from worldstrat_bench.stats.paired import Comparison, decided, sign_of
from worldstrat_bench.stats.ranges import within_range

Display = Literal["ranks", "intervals", "values"]


def display_of(effective: float, rules: Aggregation) -> Display:
    """Return what a set of so many effective groups may show: ranks, values with intervals, or values alone."""
    if effective >= rules.groups_rank:
        return "ranks"
    return "intervals" if effective >= rules.groups_interval else "values"


def list_display(effective: float, rules: Aggregation) -> Display:
    """Return what a list may show: ranks as soon as there are tests. The higher limit is for strata: they are many."""
    return "ranks" if effective >= rules.groups_min else display_of(effective, rules)


def as_shown(found: Comparison, rules: Aggregation, *, stratum: bool) -> Comparison:
    """Return a comparison with what so many effective groups may show, as terminals, tables, pages and plots do.

    An interval is drawn from the groups of one, of a stratum p as well; a stratum has a verdict from those of ranks.
    """
    display = (display_of if stratum else list_display)(found.effective_groups, rules)
    if found.effective_groups < rules.groups_interval:
        found = replace(found, ci_low=None, ci_high=None)
    if stratum and display == "values":
        found = replace(found, p_value=None, p_plain=None)
    return found if display == "ranks" else replace(found, verdict="none")


def drawn_interval(summary: Summary, rules: Aggregation, metric: str) -> tuple[float, float] | None:
    """Return the interval of a summary if it has one and enough effective groups for pages to draw it.

    It ends where the values of the metric do: an estimate of a small share reaches below 0.
    """
    if summary.ci_low is None or summary.ci_high is None or summary.effective_groups < rules.groups_interval:
        return None
    return within_range(metric, summary.ci_low, summary.ci_high)


@dataclass(frozen=True)
class Standing:
    """The place of one model.

    Attributes
    ----------
    model : its key.
    mean : over tiles.
    counts : whether it is a counting row. A row that is not has the rank that it would have if it alone joined them.
    rank_low, rank_high : rank interval, 1 + counting rows that beat it to the number of rows - counting rows it beats.
    letters : of the maximal sets it belongs to; empty if there are too many sets, or for a row that does not count.
    beats, beaten_by : numbers of counting rows.
    """

    model: str
    mean: float
    counts: bool
    rank_low: int
    rank_high: int
    letters: tuple[str, ...]
    beats: int
    beaten_by: int

    @property
    def ties(self) -> int:
        """Counting rows that it neither beats nor is beaten by."""
        return self.rank_high - self.rank_low


@dataclass(frozen=True)
class RankedBoard:
    """One metric on one set of tiles.

    Attributes
    ----------
    groups, effective_groups : groups of the tiles, and how many of equal size would tell as much.
    standings : best mean first; equal means in the order of keys.
    pairs : (m, m) estimates of row minus column, in the unit of the metric.
    p : (m, m) two-sided p-values, each of its own pair alone: the largest of the protocol's tests, since all of them
        must be small for a verdict; NaN where there is no test.
    beats : (m, m) row beats column.
    detectable : the true difference at which two neighbours would be told apart with the protocol's power; None with
        fewer than two counting rows or too few groups.
    expected_wrong : wrong verdicts to be expected if all counting rows were equal.
    bounded : whether the chance of any wrong verdict is at most alpha: no more pairs than the protocol's family.
    lettered : False if there were too many sets to letter.
    """

    metric: str
    tiles: int
    groups: int
    effective_groups: float
    standings: tuple[Standing, ...]
    pairs: Estimate
    p: Floats
    beats: Bools
    detectable: float | None
    expected_wrong: float
    bounded: bool
    lettered: bool

    @cached_property
    def order(self) -> dict[str, int]:
        """Model to its row."""
        return {standing.model: row for row, standing in enumerate(self.standings)}

    @cached_property
    def counting(self) -> int:
        """Number of counting rows."""
        return sum(standing.counts for standing in self.standings)


def rank_tables(
    tables: Mapping[str, TileTable],
    tiles: Iterable[str],
    metric: str,
    protocol: Protocol,
    counting: Collection[str] | None = None,
) -> RankedBoard:
    """Rank the models that have the metric on every one of `tiles`; others are not on the board.

    Parameters
    ----------
    tables : key of a model to its tiles; the groups are those of the first table.
    counting : see :func:`rank`.
    """
    wanted = sorted(set(tiles))
    columns: dict[str, Floats] = {}
    groups: list[str] = []
    for model, table in tables.items():
        rows = table.index_of(wanted)
        # A model that lacks a tile is left out, not the tile: leaving it out would move the means of all others.
        if len(rows) != len(wanted) or metric not in metric_names(table):
            continue
        values = metric_values(table, metric)[rows]
        if np.isnan(values).any():
            continue
        columns[model] = values
        groups = groups or [table.groups[int(row)] for row in rows]
    return rank(columns, groups, metric=metric, protocol=protocol, counting=counting)


def rank(
    columns: Mapping[str, Floats],
    groups: Sequence[str],
    *,
    metric: str,
    protocol: Protocol,
    counting: Collection[str] | None = None,
) -> RankedBoard:
    """Rank models by a metric.

    Parameters
    ----------
    columns : model to (n,) finite values over the same tiles.
    groups : (n,) the group of every tile.
    protocol : its sections on aggregation and ranking hold the rules.
    counting : the counting rows among the models; None: all of them.
    """
    sign = sign_of(metric) or 1
    matrix = np.stack(list(columns.values())) if columns else np.zeros((0, len(groups)))
    sums, sizes = group_sums(matrix, groups)
    means = dict(zip(columns, _means(sums, sizes), strict=True))
    # Equal means by key, so that a rebuild gives the same page.
    models = sorted(columns, key=lambda model: (-sign * means[model], model))
    position = {model: row for row, model in enumerate(columns)}
    counts = np.array([counting is None or model in counting for model in models], dtype=bool)
    size = sizes[0] if len(sizes) else np.zeros(sizes.shape[-1])
    pairs = _pairwise(sums[[position[model] for model in models]], size)
    beats: Bools = decided(pairs, metric, protocol) & (sign * pairs.value > 0)
    standings, lettered = _placed(models, means, beats, counts)
    family = int(counts.sum()) * (int(counts.sum()) - 1) // 2
    return RankedBoard(
        metric=metric,
        tiles=len(groups),
        groups=len(size),
        effective_groups=effective_groups(groups),
        standings=standings,
        pairs=pairs,
        p=pairs.largest_p(protocol.aggregation, protocol.ranking.tests),
        beats=beats,
        detectable=_detectable(pairs, counts, metric, protocol),
        expected_wrong=family * protocol.ranking.level,
        bounded=family <= protocol.ranking.family,
        lettered=lettered,
    )


def _means(sums: Floats, sizes: Floats) -> list[float]:
    """Means over tiles; NaN where there are none."""
    total = sizes.sum(axis=-1)
    found: list[float] = np.divide(sums.sum(axis=-1), total, out=np.full(len(sums), np.nan), where=total > 0).tolist()
    return found


def _placed(
    models: Sequence[str], means: Mapping[str, float], beats: Bools, counts: Bools
) -> tuple[tuple[Standing, ...], bool]:
    """Standings in the order of `models`, and whether there are letters."""
    rows = np.flatnonzero(counts)
    among = beats[np.ix_(rows, rows)]
    # Letters are of counting rows only, or copies of a model could use up the alphabet.
    letters = letter_display(~(among | among.T))
    own = dict(zip(rows.tolist(), letters, strict=True)) if letters is not None else {}
    won, lost = (beats & counts).sum(axis=1), (beats & counts[:, None]).sum(axis=0)
    standings = tuple(
        Standing(
            model=model,
            mean=means[model],
            counts=bool(counts[i]),
            rank_low=1 + int(lost[i]),
            # A row that does not count is placed as if it alone had joined them, which makes one place more.
            rank_high=len(rows) + int(not counts[i]) - int(won[i]),
            letters=own.get(i, ()),
            beats=int(won[i]),
            beaten_by=int(lost[i]),
        )
        for i, model in enumerate(models)
    )
    return standings, letters is not None


def _pairwise(sums: Floats, sizes: Floats) -> Estimate:
    """Estimate row minus column, (m, m), from (m, G) group sums in the order of the board.

    Differences are formed before their variance: through covariances, two nearly equal models would cancel. Each pair
    is estimated once, the better row first, so that a pair gives the same numbers on every board that holds it.
    """
    count = len(sums)
    value, error, skewness = (np.zeros((count, count)) for _ in range(3))
    varies = np.zeros((count, count), dtype=bool)
    for i in range(count - 1):
        row, after = estimate(sums[i] - sums[i + 1 :], sizes), slice(i + 1, None)
        value[i, after], error[i, after], skewness[i, after] = row.value, row.error, row.skewness
        varies[i, after] = row.varies
    return Estimate(
        value=value - value.T,
        error=error + error.T,
        skewness=skewness - skewness.T,
        groups=np.full((count, count), len(sizes)),
        effective=np.full((count, count), effective_number(sizes)),
        varies=varies | varies.T,
    )


def _detectable(pairs: Estimate, counts: Bools, metric: str, protocol: Protocol) -> float | None:
    """Return the true difference that tells two neighbours apart with the protocol's power.

    max(margin, q s) + z(power) s, with s the median standard error of the paired difference over neighbours among
    counting rows, and q what t must exceed: the 1 - level / 2 point of Student's distribution.
    """
    from scipy.special import stdtrit

    rows = np.flatnonzero(counts).tolist()
    # Of neighbours, since a reader asks of those whether they could have been told apart; the median, since two near
    # copies have hardly any error.
    errors = [float(pairs.error[i, j]) for i, j in pairwise(rows)]
    if not errors or pairs.effective[0, 0] < protocol.aggregation.groups_min:
        return None
    rules, typical = protocol.ranking, float(np.median(errors))
    needed = float(stdtrit(pairs.effective[0, 0] - 1, 1 - rules.level / 2))
    return max(rules.margin.get(metric, 0.0), needed * typical) + NormalDist().inv_cdf(rules.power) * typical

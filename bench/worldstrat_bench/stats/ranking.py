"""Who beats whom on a board, and what may be said about ranks (protocol 3.7)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.protocol import Aggregation, Protocol, Ranking
from worldstrat_bench.stats.aggregate import metric_names, metric_values
from worldstrat_bench.stats.bootstrap import Floats
from worldstrat_bench.stats.letters import letter_display
from worldstrat_bench.stats.paired import group_means, sign_of, two_sided_p
from worldstrat_bench.tiles import TileTable

Bools = NDArray[np.bool_]
Display = Literal["ranks", "intervals", "values"]


def display_of(tiles: int, rules: Aggregation) -> Display:
    """What a set of that many tiles may show: ranks, values with intervals, or values alone."""
    if tiles >= rules.rank_min_tiles:
        return "ranks"
    return "intervals" if tiles >= rules.interval_min_tiles else "values"


@dataclass(frozen=True)
class Standing:
    """The place of one model.

    Attributes
    ----------
    model : its key.
    mean : over tiles.
    rank_low, rank_high : rank interval, 1 + those that beat it to m - those it beats.
    letters : of the maximal sets it belongs to; empty if there are too many sets.
    beats, beaten_by : numbers of models.
    """

    model: str
    mean: float
    rank_low: int
    rank_high: int
    letters: tuple[str, ...]
    beats: int
    beaten_by: int

    @property
    def ties(self) -> int:
        """Models that it neither beats nor is beaten by."""
        return self.rank_high - self.rank_low


@dataclass(frozen=True)
class RankedBoard:
    """One metric on one set of tiles.

    Attributes
    ----------
    standings : best mean first; equal means in the order of keys.
    difference : (m, m) mean over groups of row minus column, in the unit of the metric.
    p_holm : (m, m) two-sided p-values after Holm.
    beats : (m, m) row beats column.
    smallest_difference : that would be detected with the protocol's power; None with one model or group.
    lettered : False if there were too many sets to letter.
    """

    metric: str
    tiles: int
    groups: int
    standings: tuple[Standing, ...]
    difference: Floats
    p_holm: Floats
    beats: Bools
    smallest_difference: float | None
    lettered: bool

    @property
    def order(self) -> dict[str, int]:
        """Model to its row."""
        return {standing.model: row for row, standing in enumerate(self.standings)}


def rank_tables(tables: Mapping[str, TileTable], tiles: Iterable[str], metric: str, protocol: Protocol) -> RankedBoard:
    """Rank the models that have the metric on every one of `tiles`; others are not on the board.

    Parameters
    ----------
    tables : key of a model to its tiles; the groups are those of the first table.
    """
    wanted = sorted(set(tiles))
    columns: dict[str, Floats] = {}
    groups: list[str] = []
    for model, table in tables.items():
        rows = table.index_of(wanted)
        if len(rows) != len(wanted) or metric not in metric_names(table):
            continue
        values = metric_values(table, metric)[rows]
        if np.isnan(values).any():
            continue
        columns[model] = values
        texts = table.texts["group"]
        groups = groups or [texts[int(row)] or table.tiles[int(row)] for row in rows]
    return rank(columns, groups, metric=metric, rules=protocol.ranking)


def rank(columns: Mapping[str, Floats], groups: Sequence[str], *, metric: str, rules: Ranking) -> RankedBoard:
    """Rank models by a metric.

    Parameters
    ----------
    columns : model to (n,) finite values over the same tiles.
    groups : (n,) the group of every tile.
    rules : level, margin and power.
    """
    sign = sign_of(metric) or 1
    means = {model: float(values.mean()) if len(values) else math.nan for model, values in columns.items()}
    models = sorted(columns, key=lambda model: (-sign * means[model], model))
    count = len(models)
    if not count:
        empty = np.zeros((0, 0))
        return RankedBoard(metric, len(groups), 0, (), empty, empty, empty.astype(bool), None, True)
    by_group = group_means(np.stack([columns[model] for model in models]), groups)
    difference, sd = _pairwise(by_group)
    p = holm(two_sided_p(difference, sd, by_group.shape[1]))
    gain = sign * difference
    beats: Bools = (p <= rules.alpha) & (gain > 0) & (gain >= rules.margin.get(metric, 0.0))
    letters = letter_display(~(beats | beats.T))
    won, lost = beats.sum(axis=1), beats.sum(axis=0)
    standings = tuple(
        Standing(model, means[model], 1 + int(lost[i]), count - int(won[i]),
                 letters[i] if letters else (), int(won[i]), int(lost[i]))
        for i, model in enumerate(models)
    )  # fmt: skip
    smallest = smallest_detectable(sd, by_group.shape[1], rules, metric)
    return RankedBoard(
        metric, len(groups), by_group.shape[1], standings, difference, p, beats, smallest, letters is not None
    )


def holm(p: Floats) -> Floats:
    """Holm's step-down adjustment (1979) of the pairs above the diagonal of a symmetric (m, m) matrix."""
    count = len(p)
    upper = np.triu_indices(count, 1)
    raw = p[upper]
    order = np.argsort(raw, kind="stable")
    factors = np.arange(len(raw), 0, -1)
    stepped = np.minimum(1.0, np.maximum.accumulate(raw[order] * factors))
    adjusted = np.empty_like(raw)
    adjusted[order] = stepped
    result = np.ones((count, count))
    result[upper] = adjusted
    result.T[upper] = adjusted
    return result


def smallest_detectable(sd: Floats, groups: int, rules: Ranking, metric: str) -> float | None:
    """The difference that a typical pair needs to be told apart with the protocol's power.

    max(margin, (z(1 - alpha / (m (m - 1))) + z(power)) s / sqrt(G)) with s the median over pairs of the SD of
    the paired differences of group means.
    """
    count = len(sd)
    if count < 2 or groups < 2:
        return None
    normal = NormalDist()
    quantile = normal.inv_cdf(1 - rules.alpha / (count * (count - 1))) + normal.inv_cdf(rules.power)
    typical = float(np.median(sd[np.triu_indices(count, 1)]))
    return max(rules.margin.get(metric, 0.0), quantile * typical / math.sqrt(groups))


def _pairwise(by_group: Floats) -> tuple[Floats, Floats]:
    """Mean and SD (ddof 1; 0 with one group) over groups of row minus column, both (m, m).

    Differences are formed before their variance: through covariances, two nearly equal models would cancel.
    """
    count, groups = by_group.shape
    mean, sd = np.zeros((count, count)), np.zeros((count, count))
    for i in range(count - 1):
        rows = by_group[i] - by_group[i + 1 :]
        mean[i, i + 1 :] = rows.mean(axis=1)
        mean[i + 1 :, i] = -mean[i, i + 1 :]
        if groups > 1:
            sd[i, i + 1 :] = sd[i + 1 :, i] = rows.std(axis=1, ddof=1)
    return mean, sd

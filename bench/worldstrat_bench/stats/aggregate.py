"""From ``tiles.csv`` to the scores of a record: means, intervals, macro means, strata (protocol 3.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.protocol import Aggregation, Protocol
from worldstrat_bench.record import ListScores, Summaries, Summary
from worldstrat_bench.stats.bootstrap import Floats, intervals, rounded
from worldstrat_bench.stats.strata import AXES, UNLABELLED, members, strata_of
from worldstrat_bench.tiles import FACT_COLUMNS, TileTable

NOT_METRICS = frozenset({*FACT_COLUMNS, "shift_y", "shift_x"})
"""Number columns of ``tiles.csv`` that are no metrics."""


def metric_names(table: TileTable) -> tuple[str, ...]:
    """The metrics of a table in its column order, with the derived ``gain`` at the end."""
    return (*(name for name in table.numbers if name not in NOT_METRICS), "gain")


def metric_values(table: TileTable, metric: str) -> Floats:
    """(n,) one metric, NaN for null and for every tile that failed; ``gain`` is ``psnr`` - ``psnr_bicubic``.

    Raises
    ------
    KeyError
        if the table has no such column.
    """
    if metric == "gain":
        values = table.numbers["psnr"] - table.numbers["psnr_bicubic"]
    else:
        values = table.numbers[metric]
    return np.where(table.ok, values, np.nan)


def largest_list(lists: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The list with the most tiles; of equally long ones the first by name."""
    return min(lists.items(), key=lambda item: (-len(item[1]), item[0]))[1] if lists else frozenset()


def aggregate(
    table: TileTable, lists: Mapping[str, frozenset[str]], protocol: Protocol, *, with_intervals: bool = True
) -> dict[str, ListScores]:
    """The scores of every list.

    Parameters
    ----------
    table : the rows of ``tiles.csv`` **as written** (7 digits).
    lists : name of a list to its tiles; tiles that the table lacks are ignored.
    protocol : its ``aggregation`` section says how.
    with_intervals : False leaves all intervals null, a hundred times faster; for checks of means.

    A failed tile makes every mean null in the lists and strata that hold it; `n` still counts the values.
    Stored numbers have nine significant digits.
    """
    strata = strata_of(table, largest_list(lists))
    rules = protocol.aggregation if with_intervals else protocol.aggregation.model_copy(update={"resamples": 0})
    return {name: _list_scores(table, strata, table.index_of(tiles), rules) for name, tiles in sorted(lists.items())}


@dataclass(frozen=True)
class SetMeans:
    """The means of one set of tiles: a list as a whole if `axis` is empty, else a stratum."""

    list_name: str
    axis: str
    stratum: str
    tiles: int
    failed: int
    means: dict[str, tuple[int, float | None]]


def iter_means(table: TileTable, lists: Mapping[str, frozenset[str]]) -> Iterator[SetMeans]:
    """The means alone of all lists and strata, as :func:`aggregate` has them, many times faster.

    `means` holds metric to (number of values, mean).
    """
    strata, names = strata_of(table, largest_list(lists)), metric_names(table)
    values, ok = np.stack([metric_values(table, name) for name in names], axis=1), table.ok
    for list_name, tiles in sorted(lists.items()):
        rows = table.index_of(tiles)
        sets = [("", "", rows)]
        for axis in AXES:
            labels = [strata[axis][int(row)] for row in rows]
            sets += [(axis, stratum, rows[own]) for stratum, own in members(labels).items()]
        for axis, stratum, own in sets:
            failed = int((~ok[own]).sum())
            found = dict(zip(names, _means(values[own], not failed), strict=True))
            yield SetMeans(list_name, axis, stratum, len(own), failed, found)


def _list_scores(
    table: TileTable, strata: Mapping[str, tuple[str, ...]], rows: NDArray[np.intp], rules: Aggregation
) -> ListScores:
    names = metric_names(table)
    part = table.take(rows)
    values = np.stack([metric_values(part, name) for name in names], axis=1) if len(part) else np.empty((0, len(names)))
    groups, ok = part.text("group"), part.ok
    by_axis: dict[str, dict[str, Summaries]] = {}
    for axis in AXES:
        labels = [strata[axis][int(row)] for row in rows]
        by_axis[axis] = {
            stratum: _summaries(names, values[own], [groups[i] for i in own], bool(ok[own].all()), rules)
            for stratum, own in members(labels).items()
        }
    return ListScores(
        tiles=len(part),
        failed=int((~ok).sum()),
        micro=_summaries(names, values, groups, bool(ok.all()), rules),
        macro=_macro(names, by_axis["ipcc"], rules.macro_min_tiles) if ok.all() else dict.fromkeys(names),
        strata=by_axis,
    )


def _summaries(
    names: tuple[str, ...], values: Floats, groups: list[str] | tuple[str, ...], complete: bool, rules: Aggregation
) -> Summaries:
    bounds: list[tuple[float, float] | None] = [None] * len(names)
    if complete and rules.resamples:
        bounds = intervals(values, groups, resamples=rules.resamples, seed=rules.seed, confidence=rules.confidence)
    summaries: Summaries = {}
    for name, (n, mean), bound in zip(names, _means(values, complete), bounds, strict=True):
        low, high = bound or (None, None)
        summaries[name] = Summary(n=n, mean=mean, ci_low=low, ci_high=high)
    return summaries


def _means(values: Floats, complete: bool) -> list[tuple[int, float | None]]:
    """Number of values and mean of every column."""
    present = ~np.isnan(values)
    counts = present.sum(axis=0).tolist()
    sums = np.where(present, values, 0.0).sum(axis=0).tolist()
    return [(n, rounded(s / n) if complete and n else None) for n, s in zip(counts, sums, strict=True)]


def _macro(names: tuple[str, ...], classes: Mapping[str, Summaries], least: int) -> dict[str, float | None]:
    """Mean over the IPCC classes of at least `least` values; null with fewer than two. No label is no class."""
    named = [summaries for label, summaries in classes.items() if label != UNLABELLED]
    macro: dict[str, float | None] = {}
    for name in names:
        large = [summaries[name].mean for summaries in named if summaries[name].n >= least]
        means = [mean for mean in large if mean is not None]
        macro[name] = rounded(float(np.mean(means))) if len(means) >= 2 else None
    return macro

"""From ``tiles.csv`` to the scores of a record: means, intervals, macro means, strata (protocol 3.6)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.record import ListScores, Summaries, Summary
from worldstrat_bench.artefacts.tiles import FACT_COLUMNS, TileTable
from worldstrat_bench.measures import WEIGHTS, measure
from worldstrat_bench.protocol import Aggregation, Protocol
from worldstrat_bench.stats.estimate import Floats, estimate, group_index, group_sums, rounded
from worldstrat_bench.stats.strata import AXES, UNLABELLED, members, strata_of

NOT_METRICS = frozenset({*FACT_COLUMNS, *WEIGHTS, "shift_y", "shift_x"})
"""Number columns of ``tiles.csv`` that are not metrics."""


def metric_names(table: TileTable) -> tuple[str, ...]:
    """Return the metrics of a table in its column order, with the derived ``gain`` at the end."""
    return (*(name for name in table.numbers if name not in NOT_METRICS), "gain")


def metric_values(table: TileTable, metric: str) -> Floats:
    """Return (n,) one metric, NaN for null and for every tile that failed; ``gain`` is ``psnr`` - ``psnr_bicubic``.

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


def metric_weights(table: TileTable, metric: str) -> Floats:
    """Return (n,) what each tile counts for in a mean of a metric: 1, or the value of the metric's weight column.

    NaN where that column is lacking or not positive: a tile without a weight has no value either.
    """
    name = measure(metric).weight
    if not name:
        return np.ones(len(table))
    own = table.numbers.get(name, np.full(len(table), np.nan))
    found: Floats = np.where(own > 0, own, np.nan)
    return found


def weighted(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return (n,) values times weights and the weights, NaN where either is or their product is not finite."""
    with np.errstate(over="ignore"):
        products = values * weights
    finite = np.isfinite(products)
    return np.where(finite, products, np.nan), np.where(finite, weights, np.nan)


def largest_list(lists: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the list with the most tiles; of equally long ones the first by name."""
    # Ties go by name, or the thirds of detail would depend on the order of a mapping.
    return min(lists.items(), key=lambda item: (-len(item[1]), item[0]))[1] if lists else frozenset()


def aggregate(table: TileTable, lists: Mapping[str, frozenset[str]], protocol: Protocol) -> dict[str, ListScores]:
    """Return the scores of every list.

    Parameters
    ----------
    table : the rows of ``tiles.csv`` **as written** (7 digits).
    lists : name of a list to its tiles; tiles that the table lacks are ignored.
    protocol : its ``aggregation`` section says how.

    A failed tile makes every mean null in the lists and strata that hold it; `n` still counts the values.
    Stored numbers have nine significant digits.
    """
    strata = strata_of(table, largest_list(lists))
    rules = protocol.aggregation
    return {name: _list_scores(table, strata, table.index_of(tiles), rules) for name, tiles in sorted(lists.items())}


def _list_scores(
    table: TileTable, strata: Mapping[str, tuple[str, ...]], rows: NDArray[np.intp], rules: Aggregation
) -> ListScores:
    part, names = table.take(rows), metric_names(table)
    values, ok = np.stack([metric_values(part, name) for name in names]), part.ok
    weights = np.stack([metric_weights(part, name) for name in names])
    by_axis = {axis: members([strata[axis][int(row)] for row in rows]) for axis in AXES}
    # The list itself is the first set, so that micro means and strata come from one computation.
    everything = np.arange(len(part))
    sets = [everything, *(own for labels in by_axis.values() for own in labels.values())]
    micro, *each = _summaries(names, values, weights, group_index(part.groups)[0], sets, ok, rules)
    found = iter(each)
    summaries = {axis: {stratum: next(found) for stratum in labels} for axis, labels in by_axis.items()}
    return ListScores(
        tiles=len(part),
        failed=int((~ok).sum()),
        micro=micro,
        macro=_macro(names, summaries["ipcc"], rules.macro_min_tiles) if ok.all() else dict.fromkeys(names),
        strata=summaries,
    )


def _summaries(
    names: tuple[str, ...],
    values: Floats,
    weights: Floats,
    groups: NDArray[np.intp],
    sets: Sequence[NDArray[np.intp]],
    ok: NDArray[np.bool_],
    rules: Aggregation,
) -> list[Summaries]:
    """Summarise the metrics on sets of tiles; no mean and no interval on a set with a tile that failed.

    Parameters
    ----------
    values : (k, n) by metric and tile, NaN for null.
    weights : (k, n) what each counts for.
    groups : (n,) number of the group of every tile.
    sets : tiles of each set; only the first one may be empty, and if it is, it is alone.
    """
    if not len(groups):
        # Below, `reduceat` takes no empty set.
        return [{name: Summary(n=0) for name in names}]
    # All sets at once: a group is another one in every set, and sets follow each other.
    rows, lengths = np.concatenate(sets), [len(own) for own in sets]
    keys = np.repeat(np.arange(len(sets)), lengths) * len(groups) + groups[rows]
    starts = np.searchsorted(np.unique(keys), np.arange(len(sets)) * len(groups))
    products, shares = weighted(values, weights)
    sums, numbers = group_sums(products[:, rows], keys)
    # A metric with weights is a ratio of sums of its own, any other a mean over tiles.
    equal = bool((weights == 1).all())
    sizes = numbers if equal else group_sums(shares[:, rows], keys)[0]
    # Groups are summed before anything else: sub-tiles of one order resemble each other and count as one observation.
    found = estimate(sums, sizes, starts)
    whole = np.array([bool(ok[own].all()) for own in sets])
    ends = [np.where(whole, end, np.nan) for end in (found.value, *found.interval(rules))]
    counts = np.add.reduceat(numbers, starts, axis=-1)
    # (sets, 5, k) as plain lists
    columns = np.stack([counts, found.effective, *ends], axis=1).transpose(2, 1, 0).tolist()
    return [
        {
            name: Summary(
                n=int(n), effective_groups=rounded(size), mean=_stored(m), ci_low=_stored(a), ci_high=_stored(b)
            )
            for name, n, size, m, a, b in zip(names, *own, strict=True)
        }
        for own in columns
    ]


def _stored(value: float) -> float | None:
    return None if math.isnan(value) else rounded(value)


def _macro(names: tuple[str, ...], classes: Mapping[str, Summaries], least: int) -> dict[str, float | None]:
    """Return the mean over the IPCC classes of at least `least` values; null with fewer than two classes."""
    named = [summaries for label, summaries in classes.items() if label != UNLABELLED]
    macro: dict[str, float | None] = {}
    for name in names:
        # The size is asked of every class, the mean only then: a small class without a mean must not make the whole
        # null.
        large = [summaries[name].mean for summaries in named if summaries[name].n >= least]
        means = [mean for mean in large if mean is not None]
        macro[name] = rounded(float(np.mean(means))) if len(means) >= 2 else None
    return macro


Difference = tuple[str, object, object]
"""Dotted key, and the values that two documents have there."""


def not_from_tiles(
    scores: Mapping[str, ListScores], table: TileTable, lists: Mapping[str, frozenset[str]], protocol: Protocol
) -> Difference | None:
    """Return the first place where stated scores are not those that the tiles give, to a relative 1e-7; None if none.

    The values are the stated one and the computed one.
    """
    computed = aggregate(table, lists, protocol)
    stated, wanted = ({k: v.model_dump() for k, v in own.items()} for own in (scores, computed))
    return first_difference(stated, wanted)


def first_difference(stored: object, computed: object, key: str = "") -> Difference | None:
    """Return the first place (in key order) where two plain documents differ: dotted key and both values."""
    if stored == computed:
        return None
    if isinstance(stored, dict) and isinstance(computed, dict):
        for name in sorted(set(stored) | set(computed)):
            inner = f"{key}.{name}" if key else str(name)
            if name not in stored or name not in computed:
                return inner, stored.get(name, "absent"), computed.get(name, "absent")
            found = first_difference(stored[name], computed[name], inner)
            if found:
                return found
        return None
    return None if _equal(stored, computed) else (key, stored, computed)


def _equal(stored: object, computed: object) -> bool:
    """Equal, or numbers that another processor's last bits may have made different."""
    if isinstance(stored, float) and isinstance(computed, float):
        # Stored numbers have nine digits: this allows for the last two of them.
        return math.isclose(stored, computed, rel_tol=1e-7, abs_tol=1e-12)
    return stored == computed

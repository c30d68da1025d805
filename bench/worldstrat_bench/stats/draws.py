"""The draws of a stochastic model beside their mean: how far they lie apart, and how good their mean image is.

There is no score of the best draw: whoever has the truth to choose it by needs no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.draws import DRAWS, DrawTable
from worldstrat_bench.artefacts.record import DrawScores, Record
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.data.split import sublists
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.stats.aggregate import aggregate, first_difference, metric_names
from worldstrat_bench.stats.estimate import rounded

OF_THE_TILE = frozenset({"psnr_bicubic", "lr_consistency_target"})
"""Columns that are the same for every draw: they have no spread."""

PRINTED = 2e-6
"""Relative: two roundings to seven digits, of the draws and of their mean."""

Floats = NDArray[np.float64]


def draw_scores(
    table: TileTable, draws: DrawTable, lists: Mapping[str, frozenset[str]], protocol: Protocol
) -> dict[str, DrawScores]:
    """Return the spread of the draws and the scores of the mean image, by list.

    Parameters
    ----------
    table, draws : the rows of ``tiles.csv`` and ``draws.csv`` **as written**.
    lists : name of a list to its tiles; tiles that the table lacks are ignored.

    A failed tile makes the numbers of its lists null, as it does their means.
    """
    of_mean = aggregate(_with(table, draws), lists, protocol)
    metrics = [name for name in metric_names(table) if name in draws.values and name not in OF_THE_TILE]
    deviations = {name: _deviation(draws.values[name]) for name in metrics}
    found = {}
    for name, tiles in sorted(lists.items()):
        whole = not of_mean[name].failed
        rows = [row for row, tile in enumerate(draws.tiles) if tile in tiles]
        spread = {metric: _mean(own[rows]) if whole else None for metric, own in deviations.items()}
        found[name] = DrawScores(spread=dict(sorted(spread.items())), mean_image=of_mean[name].micro)
    return found


def draws_contradiction(record: Record, table: TileTable, draws: DrawTable | None) -> str | None:
    """Return how the draws contradict the record or its tiles; None if they do not.

    Parameters
    ----------
    draws : None if there is no file.
    """
    count = record.model.draws
    if not table.ok.any() and draws is None and record.draws is None:
        return None  # of tiles that all failed there is nothing to say
    if draws is None or record.draws is None or count == 1:
        if draws is None and record.draws is None and count == 1:
            return None
        return f"the record is of {count} draws a tile, which {'lacks' if count > 1 else 'has'} scores of draws"
    if draws.draws != count:
        return f"{DRAWS} has {draws.draws} draws a tile, the record says {count}"
    scored = tuple(tile for tile, ok in zip(table.tiles, table.ok, strict=True) if ok)
    if draws.tiles != scored:
        return f"{DRAWS} has other tiles than those that tiles.csv has a score of"
    # From the cheap to the dear, and so that the first message names the plainest contradiction.
    for name, values in draws.values.items():
        if name not in table.numbers:
            return f"{DRAWS} has a column {name[:40]!r}, which tiles.csv has not"
        if not _is_mean(table.numbers[name][table.ok], values):
            return f"{name} of tiles.csv is not the mean over the draws of {DRAWS}"
    lists = sublists(record.dataset.list, table.tiles)
    computed = draw_scores(table, draws, lists, load_protocol(record.protocol.id))
    stated, wanted = ({k: v.model_dump() for k, v in own.items()} for own in (record.draws, computed))
    difference = first_difference(stated, wanted)
    return f"draws.{difference[0]} does not follow from {DRAWS}" if difference else None


def draw_warnings(draws: DrawTable | None) -> tuple[str, ...]:
    """Return what a reader has to know of the draws of a run, in sentences.

    Parameters
    ----------
    draws : None for a model with one prediction a tile.
    """
    if (
        draws is None
        or not len(draws.tiles)
        or any(np.nan_to_num(np.ptp(own, axis=1)).any() for own in draws.values.values())
    ):
        return ()
    return (f"the {draws.draws} draws of every tile are alike: the model draws no random numbers, or not by its seed",)


def mean_deviation(values: Floats) -> float | None:
    """Return the root of the mean variance between draws; None without two draws of a tile.

    Parameters
    ----------
    values : (n, K) of one metric by tile and draw, NaN for null.
    """
    variance = np.square(_deviation(values))
    known = variance[~np.isnan(variance)]
    return float(np.sqrt(known.mean())) if len(known) else None


def _deviation(values: Floats) -> Floats:
    """Return (n,) the standard deviation between the draws of each tile, NaN where a draw has no value."""
    found: Floats = values.std(axis=1, ddof=1)
    return found


def _mean(values: Floats) -> float | None:
    """Return the mean over tiles that have a value; None if none has."""
    known = values[~np.isnan(values)]
    return rounded(float(known.mean())) if len(known) else None


def _with(table: TileTable, draws: DrawTable) -> TileTable:
    """Return the table with the scores of the mean images in place of the means over draws."""
    rows = table.index_of(draws.tiles)
    numbers = dict(table.numbers)
    for name, values in draws.mean_image.items():
        numbers[name] = np.full(len(table), np.nan)
        numbers[name][rows] = values
    return replace(table, numbers=numbers)


def _is_mean(stated: Floats, draws: Floats) -> bool:
    """Return whether (n,) values are the means of (n, K), null where a draw is, but for the digits written."""
    means = draws.mean(axis=1)
    if not np.array_equal(np.isnan(stated), np.isnan(means)):
        return False
    known = ~np.isnan(means)
    limit = PRINTED * np.abs(draws[known]).max(axis=1, initial=0.0)
    return bool((np.abs(stated - means)[known] <= limit + 1e-12).all())

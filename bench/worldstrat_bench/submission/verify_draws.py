"""How a stochastic model is compared with its record: draw by draw on such a device, by its means on another."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from worldstrat_bench.artefacts.draws import DrawTable
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.artefacts.verification import ColumnCheck
from worldstrat_bench.stats.draws import mean_deviation
from worldstrat_bench.submission.verify_columns import compare_tables, tolerance_of

STANDARD_ERRORS: Final = 4.0
"""Of the difference of two means over draws: five draws of ten tiles exceed it in 3 of 10,000 columns."""


def draws_differ(record: Record, device_class: str) -> bool:
    """Return whether a device is of another class than a record's, and the model draws: then it draws other numbers."""
    return record.model.draws > 1 and record.device.device_class != device_class


def compare_runs(
    submitted: Result, again: TileTable, draws: DrawTable | None, device_class: str
) -> dict[str, ColumnCheck]:
    """Return how every column compares with what was submitted.

    Parameters
    ----------
    again, draws : as they were computed on a device of that class; None for one prediction a tile.
    """
    if draws is not None and draws_differ(submitted.record, device_class):
        return compare_draws(submitted.table, again, draws)
    return compare_tables(submitted.table, again)


def compare_draws(submitted: TileTable, again: TileTable, draws: DrawTable) -> dict[str, ColumnCheck]:
    """Return how the columns of two tables of other draws compare, on the tiles of `again`.

    Facts and outcomes of tiles agree exactly. Of a column that the draws decide, the means over tiles agree within
    :data:`STANDARD_ERRORS` standard errors of their difference. The deviation between draws is that of `draws`, made
    here: the submitted one could be too large.

    Parameters
    ----------
    draws : those that `again` is the mean of.
    """
    found = compare_tables(submitted, again)
    rows = {tile: row for row, tile in enumerate(submitted.tiles)}
    here = [tile for tile in draws.tiles if tile in rows]
    for name, check in found.items():
        deviation = mean_deviation(draws.values[name]) if name in draws.values else None
        if name == "shift_at_edge":
            found[name] = check.model_copy(update={"contradicted": 0})
        if deviation is None or name not in submitted.numbers or not here:
            continue
        ours = submitted.numbers[name][[rows[tile] for tile in here]]
        theirs = again.numbers[name][again.index_of(here)]
        absolute, _ = tolerance_of(name)
        error = deviation * math.sqrt(2 / (draws.draws * len(here)))
        difference = float(np.abs(np.mean(ours) - np.mean(theirs)))
        one_sided = int((np.isnan(ours) != np.isnan(theirs)).sum())
        limit = absolute + STANDARD_ERRORS * error
        beyond = len(here) if np.isfinite(difference) and difference > limit else one_sided
        found[name] = ColumnCheck(
            largest=difference if np.isfinite(difference) else None, tile=None, tolerance=limit, contradicted=beyond
        )
    return found

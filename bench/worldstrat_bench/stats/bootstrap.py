"""The grouped percentile bootstrap of protocol 3.6.

Groups, not tiles, are drawn with replacement, because the sub-tiles of one order are not independent; a mean
is tile-weighted, that is the sum over the drawn tiles divided by their number. One matrix of draws serves all
metrics, so that differences of means are paired by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIGITS = 9
"""Significant digits of a stored mean: beyond them the order of a sum, hence the machine, would show."""


def rounded(value: float) -> float:
    """To :data:`DIGITS` significant digits, so that every machine stores the same number."""
    return float(f"{value:.{DIGITS}g}")


def group_index(groups: Sequence[str]) -> tuple[NDArray[np.intp], int]:
    """Number of the group of every row (groups in alphabetical order) and how many groups there are."""
    names, index = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)
    return index.astype(np.intp), len(names)


def draws(groups: int, resamples: int, seed: int) -> NDArray[np.float32]:
    """(resamples, groups) how often each group is drawn: PCG64(seed), `groups` draws with replacement a row."""
    return _draws(groups, resamples, seed)


@lru_cache(maxsize=24)
def _draws(groups: int, resamples: int, seed: int) -> NDArray[np.float32]:
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = generator.integers(0, groups, size=(resamples, groups))
    drawn += np.arange(resamples)[:, None] * groups
    counts = np.bincount(drawn.ravel(), minlength=resamples * groups).reshape(resamples, groups)
    matrix = counts.astype(np.float32)  # small whole numbers: exact, at half the memory
    matrix.flags.writeable = False
    return matrix


def intervals(
    values: Floats, groups: Sequence[str], *, resamples: int, seed: int, confidence: float
) -> list[tuple[float, float] | None]:
    """Percentile intervals of the tile-weighted mean of every column.

    Parameters
    ----------
    values : (n, k), NaN for null: a null is left out of its column's mean.
    groups : the group of every row.

    Returns
    -------
    For every column (low, high), linear percentiles; None with fewer than two groups that have a value.
    """
    columns = values.shape[1]
    if len(values) == 0:
        return [None] * columns
    index, count = group_index(groups)
    present = ~np.isnan(values)
    sums = np.zeros((count, columns))
    numbers = np.zeros((count, columns))
    np.add.at(sums, index, np.where(present, values, 0.0))
    np.add.at(numbers, index, present.astype(np.float64))
    if count < 2:
        return [None] * columns
    weights = draws(count, resamples, seed).astype(np.float64)
    drawn = weights @ numbers
    means = np.divide(weights @ sums, drawn, out=np.full_like(drawn, np.nan), where=drawn > 0)
    tail = 100 * (1 - confidence) / 2
    enough = (numbers > 0).sum(axis=0) >= 2
    found: list[tuple[float, float] | None] = []
    for column in range(columns):
        if not enough[column]:
            found.append(None)
            continue
        kept = means[:, column]
        kept = kept[~np.isnan(kept)]  # a resample without any value of a sparse metric says nothing
        low, high = np.percentile(kept, [tail, 100 - tail], method="linear")
        found.append((rounded(float(low)), rounded(float(high))))
    return found

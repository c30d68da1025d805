"""Scores of an expected error in plain NumPy and SciPy, written from docs/optional-metrics.md alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


def scores(error: Floats, expected: Floats) -> dict[str, float]:
    """All five of errors P - HR and expected errors, both (n,)."""
    s = np.maximum(np.asarray(expected, np.float64), 1e-6)
    e = np.asarray(error, np.float64)
    normal = stats.norm()
    z = e / s
    crps = s * (z * (2 * normal.cdf(z) - 1) + 2 * normal.pdf(z) - 1 / np.sqrt(np.pi))
    kept, oracle = sparsification(e, s), sparsification(e, np.abs(e))
    return {
        "coverage_68": float(np.mean(np.abs(e) <= normal.ppf(0.84) * s)),
        "coverage_95": float(np.mean(np.abs(e) <= normal.ppf(0.975) * s)),
        "ence": ence(e, s),
        "ause": float(np.mean(kept - oracle)),
        "crps": float(np.mean(crps)),
    }


def coverage_curve(error: Floats, expected: Floats) -> Floats:
    """Share of the errors within the central interval of 2.5, 7.5 ... 97.5 %."""
    s = np.maximum(expected, 1e-6)
    levels = np.arange(20) / 20 + 0.025
    return np.array([np.mean(np.abs(error) <= stats.norm.ppf(0.5 + level / 2) * s) for level in levels])


def ence(e: Floats, s: Floats) -> float:
    """Expected normalised calibration error over 20 bins of equally many values, ties together."""
    n, ranked = len(s), np.sort(s)
    edges = [ranked[int(np.ceil(k * n / 20)) - 1] for k in range(1, 20)]
    total = 0.0
    bins = (np.array(edges)[:, None] < s).sum(axis=0)
    for number in range(20):
        chosen = bins == number
        if chosen.any():
            expected, found = np.sqrt(np.mean(s[chosen] ** 2)), np.sqrt(np.mean(e[chosen] ** 2))
            total += chosen.sum() / n * abs(expected - found) / expected
    return float(total)


def sparsification(e: Floats, by: Floats) -> Floats:
    """RMSE without the values of the largest `by`, 0 to 95 % of them, relative; ties count as their mean."""
    square = e**2
    _, same, count = np.unique(by, return_inverse=True, return_counts=True)
    square = (np.bincount(same, square) / count)[same]
    ordered = square[np.argsort(by, kind="stable")]
    n = len(e)
    left = [np.sqrt(ordered[: n - k * n // 20].mean()) for k in range(20)]
    return np.asarray(np.array(left) / np.sqrt(np.mean(e**2)), np.float64)

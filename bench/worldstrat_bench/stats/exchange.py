"""Exchange rate between two protocols: a line over the means of models that both have scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from worldstrat_bench.stats.estimate import Floats

MODELS_MIN: Final = 4
"""A line that leaves a model out needs three others at least."""


@dataclass(frozen=True)
class Rate:
    """The line here = intercept + slope x there over the means of models.

    Attributes
    ----------
    slope : what a difference of 1 there is here.
    slope_error : its standard error, by leaving out one model after the other (jackknife).
    residual : root of the mean square by which the line through the others misses a model that is left out.
    gap : median difference here of models that follow each other; a residual above it reorders neighbours.
    """

    models: int
    slope: float
    intercept: float
    slope_error: float
    residual: float
    gap: float

    @property
    def converts(self) -> bool:
        """True if the line may stand for a conversion: it misses a model by no more than neighbours differ."""
        return self.residual <= self.gap


def exchange_rate(here: Sequence[float], there: Sequence[float]) -> Rate | None:
    """Return the line from the means of models under another protocol to those under this one.

    None for fewer than four models, or if a line cannot be fitted because models have equal means there.

    Parameters
    ----------
    here, there : (m,) means of the same models.
    """
    y, x = (np.asarray(own, dtype=np.float64) for own in (here, there))
    count = len(y)
    if count < MODELS_MIN:
        return None
    left_out = [np.arange(count) != i for i in range(count)]
    lines = [_line(x[kept], y[kept]) for kept in left_out]
    whole = _line(x, y)
    if whole is None or any(line is None for line in lines):
        return None
    slopes = np.array([line[0] for line in lines if line is not None])
    missed = np.array([y[i] - line[0] * x[i] - line[1] for i, line in enumerate(lines) if line is not None])
    gaps = np.diff(np.sort(y))
    return Rate(
        models=count,
        slope=whole[0],
        intercept=whole[1],
        slope_error=float(np.sqrt((count - 1) / count * ((slopes - slopes.mean()) ** 2).sum())),
        residual=float(np.sqrt((missed**2).mean())),
        gap=float(np.median(gaps)),
    )


def _line(x: Floats, y: Floats) -> tuple[float, float] | None:
    """Return slope and intercept of the least-squares line; None if all x are equal."""
    centred = x - x.mean()
    spread = float((centred**2).sum())
    if spread <= 1e-12 * max(1.0, float((x**2).sum())):
        return None
    slope = float((centred * (y - y.mean())).sum() / spread)
    return slope, float(y.mean() - slope * x.mean())

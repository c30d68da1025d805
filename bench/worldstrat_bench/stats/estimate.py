"""The one estimate of protocol 3.6, for order, interval, test and every difference that is shown.

A ratio of sums over groups (the sub-tiles of one order are not independent), its standard error with the CR2
correction for unequal groups (Bell and McCaffrey 2002), and a t statistic corrected for skewness (Hall 1992).
Everything is vectorised over the leading axes; groups lie on the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.protocol import Aggregation, Test

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DIGITS = 9
"""Significant digits of a stored number: beyond them the order of a sum, hence the machine, would show."""

SYMMETRIC = 1e-9
"""Below this skewness Hall's transform is the identity to machine precision."""

CONSTANT = 1e-9
"""Residuals below this share of the values are rounding errors: the values never vary."""


def rounded(value: float) -> float:
    """Round to :data:`DIGITS` significant digits, so that every machine stores the same number."""
    return float(f"{value:.{DIGITS}g}")


Groups = Sequence[str] | NDArray[np.intp]
"""The group of every tile, by name or by number."""


def group_index(groups: Groups) -> tuple[NDArray[np.intp], int]:
    """Return the number of the group of every tile, (n,) from 0 in the order of the groups, and how many there are."""
    names = groups if isinstance(groups, np.ndarray) else np.array(groups, dtype=np.str_)
    found, index = np.unique(names, return_inverse=True)
    return index.astype(np.intp), len(found)


def effective_groups(groups: Groups) -> float:
    """Return G_e of tiles that all have a value; 0 without any."""
    return float(effective_number(np.bincount(group_index(groups)[0]).astype(np.float64)))


def effective_number(sizes: Floats) -> Floats:
    """Return G_e = 1 / sum w^2 = (sum B)^2 / sum B^2 of groups of sizes B (..., G); 0 without any tile."""
    squares = np.asarray((sizes**2).sum(axis=-1))
    found: Floats = np.divide(sizes.sum(axis=-1) ** 2, squares, out=np.zeros_like(squares), where=squares > 0)
    return found


def group_sums(values: Floats, groups: Groups) -> tuple[Floats, Floats]:
    """Return A and B, both (..., G): sum and number of the values of each group, groups in their order.

    The sums of a row never depend on which other rows there are.

    Parameters
    ----------
    values : (..., n), NaN for null: a null is left out of both.
    groups : (n,) the group of every column.
    """
    if values.size == 0:
        empty = np.zeros((*values.shape[:-1], group_index(groups)[1]))
        return empty, empty
    index, count = group_index(groups)
    # A stable order and `reduceat`: each row's sum is taken in the same order whatever stands beside it, so that a
    # model's numbers do not move by a bit when another one joins the board.
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(count))
    ordered = values[..., order]
    present = ~np.isnan(ordered)
    sums: Floats = np.add.reduceat(np.where(present, ordered, 0.0), starts, axis=-1)
    sizes: Floats = np.add.reduceat(present.astype(np.float64), starts, axis=-1)
    return sums, sizes


@dataclass(frozen=True)
class Estimate:
    """Estimates of one shape.

    Attributes
    ----------
    value : R = sum A / sum B; NaN without any value.
    error : its standard error, se; NaN with fewer than two groups.
    skewness : a, the skewness of the residuals as Hall's transform takes it.
    groups : groups that have a value.
    effective : G_e, effective groups; 0 without any value.
    varies : False where all residuals vanish: such a value is certain and has neither interval nor test.
    """

    value: Floats
    error: Floats
    skewness: Floats
    groups: NDArray[np.intp]
    effective: Floats
    varies: Bools

    def tested(self, rules: Aggregation) -> Bools:
        """Return where there is an interval and a test."""
        return self.varies & (self.effective >= rules.groups_min)

    def certain(self, rules: Aggregation) -> Bools:
        """Return where a value other than 0 never varies over enough groups: it needs no test."""
        found: Bools = ~self.varies & (self.value != 0) & (self.effective >= rules.groups_min)
        return found

    @cached_property
    def _h(self) -> Floats:
        """Hall's transform of R / se. Its cubic is multiplied out: no difference of nearly equal numbers is left."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            t, a = self.value / self.error, self.skewness
            h: Floats = np.where(np.abs(a) < SYMMETRIC, t, t + a * t**2 + a**2 * t**3 / 3 + a / 2)
        return h

    def p_values(self, rules: Aggregation, test: Test = "skewness-corrected-t") -> Floats:
        """Return two-sided p-values of R = 0, (...); NaN where there is no test."""
        p: Floats = np.where(
            self.tested(rules), self._corrected if test == "skewness-corrected-t" else self._plain, np.nan
        )
        return p

    def largest_p(self, rules: Aggregation, tests: Sequence[Test]) -> Floats:
        """Return the greatest of the p-values of several tests, (...), which decides; NaN where there is no test."""
        found: Floats = np.max([self.p_values(rules, test) for test in tests], axis=0)
        return found

    @cached_property
    def _corrected(self) -> Floats:
        """The p-values of Hall's h."""
        return self._two_sided(self._h)

    @cached_property
    def _plain(self) -> Floats:
        """The p-values of R / se itself."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._two_sided(self.value / self.error)

    def _two_sided(self, statistic: Floats) -> Floats:
        """Return P(|T| > |statistic|), T of Student with G_e - 1 degrees of freedom; NaN where there are none."""
        from scipy.special import stdtr  # 0.3 s; scipy.stats would cost 1.3 s

        p: Floats = 2 * stdtr(np.where(self.effective > 1, self.effective - 1, np.nan), -np.abs(statistic))
        return p

    def interval(self, rules: Aggregation) -> tuple[Floats, Floats]:
        """Return the ends of the interval, (...), which excludes 0 exactly where p < 1 - confidence; NaN where none."""
        from scipy.special import stdtrit

        tested = self.tested(rules)
        quantile = stdtrit(np.where(tested, self.effective, 2.0) - 1, 0.5 + rules.confidence / 2)
        low = np.where(tested, self.value - self.error * self._inverse(quantile), np.nan)
        high = np.where(tested, self.value - self.error * self._inverse(-quantile), np.nan)
        return low, high

    def _inverse(self, x: Floats) -> Floats:
        """Return the t whose transform is x: (cbrt(1 + 3a (x - a/2)) - 1) / a, written without its difference."""
        a = self.skewness
        root = np.cbrt(1 + 3 * a * (x - a / 2))
        t: Floats = np.where(np.abs(a) < SYMMETRIC, x, 3 * (x - a / 2) / (root**2 + root + 1))
        return t


def estimate(sums: Floats, sizes: Floats, starts: NDArray[np.intp] | None = None) -> Estimate:
    """Estimate sum A / sum B.

    Parameters
    ----------
    sums : (..., G) A, the sum over each group of a value or of a paired difference.
    sizes : (..., G) or (G,) B >= 0, the number (or the weight) of what was summed.
    starts : (S,) first groups of S sets that follow each other: one estimate for each set, (..., S). None: all
        groups are one set.
    """
    sizes = np.broadcast_to(sizes, sums.shape)
    lengths = None if starts is None else np.diff(starts, append=sums.shape[-1])

    def over(values: Floats) -> Floats:
        return values.sum(axis=-1) if starts is None else np.add.reduceat(values, starts, axis=-1)

    def each(values: Floats) -> Floats:
        return values[..., None] if lengths is None else np.repeat(values, lengths, axis=-1)

    total, sizes_squared = over(sizes), over(sizes**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = over(sums) / total
        residuals = sums - each(value) * sizes
        squares = residuals**2
        # CR2: a large group pulls the mean towards itself, which makes its residual too small by this factor.
        error = np.sqrt(over(squares / (1 - sizes / each(total)))) / total
        spread = over(squares)
        skewness = over(squares * residuals) / (3 * spread**1.5)
        effective = np.where(total > 0, total**2 / sizes_squared, 0.0)
    return Estimate(
        value=value,
        error=error,
        skewness=np.where(np.isfinite(skewness), skewness, 0.0),
        groups=over((sizes > 0).astype(np.float64)).astype(np.intp),
        effective=effective,
        varies=np.sqrt(spread) > CONSTANT * over(np.abs(sums)),
    )

"""A line over the means of models against NumPy's, its error by leaving models out, and when there is no conversion."""

from __future__ import annotations

import numpy as np
import pytest

from worldstrat_bench.stats.exchange import exchange_rate


def test_the_line_and_what_is_left_out() -> None:
    rng = np.random.default_rng(0)
    there = np.sort(rng.uniform(25, 33, 9))
    here = 3 + 0.8 * there + rng.normal(0, 0.1, 9)
    rate = exchange_rate(here.tolist(), there.tolist())
    assert rate is not None
    slope, intercept = np.polyfit(there, here, 1)
    assert (rate.slope, rate.intercept) == pytest.approx((slope, intercept))
    lines = [np.polyfit(np.delete(there, i), np.delete(here, i), 1) for i in range(9)]
    missed = [here[i] - np.polyval(line, there[i]) for i, line in enumerate(lines)]
    assert rate.residual == pytest.approx(np.sqrt(np.mean(np.square(missed))))
    slopes = np.array([line[0] for line in lines])
    assert rate.slope_error == pytest.approx(np.sqrt(8 / 9 * ((slopes - slopes.mean()) ** 2).sum()))
    assert rate.gap == pytest.approx(np.median(np.diff(np.sort(here))))
    assert rate.converts


def test_models_on_a_line_have_no_residual() -> None:
    rate = exchange_rate([2.0, 4.0, 6.0, 8.0], [1.0, 2.0, 3.0, 4.0])
    assert rate is not None
    assert (rate.slope, rate.intercept) == pytest.approx((2.0, 0.0))
    assert (rate.slope_error, rate.residual) == pytest.approx((0.0, 0.0), abs=1e-12)


def test_a_residual_beyond_the_gap_converts_nothing() -> None:
    rate = exchange_rate([30.0, 30.1, 30.2, 30.3, 30.4], [28.0, 31.0, 27.0, 30.0, 29.0])
    assert rate is not None
    assert rate.residual > rate.gap
    assert not rate.converts


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        ([1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 5.0, 5.0]),
        ([1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 5.0, 6.0]),
    ],
)
def test_no_line(here: list[float], there: list[float]) -> None:
    """Too few models, equal means there, or means that are equal once a model is left out."""
    assert exchange_rate(here, there) is None

"""Protocol 3.6 and 3.7 once more, in plain Python and formula by formula, for tests to compare with. Slow and simple.

Student's distribution comes from its density, integrated numerically, so that not even that is shared with the package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import median


def density(x: float, freedom: float) -> float:
    """Density of Student's t."""
    log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return math.exp(log - (freedom + 1) / 2 * math.log1p(x * x / freedom))


def tail(x: float, freedom: float, steps: int = 2000) -> float:
    """P(T > x) for x >= 0, by Simpson's rule after the substitution y = x + s / (1 - s), which makes it finite."""

    def integrand(s: float) -> float:
        return 0.0 if s >= 1 else density(x + s / (1 - s), freedom) / (1 - s) ** 2

    h = 1 / steps
    inner = sum((4 if k % 2 else 2) * integrand(k * h) for k in range(1, steps))
    return (integrand(0.0) + inner + integrand(1.0)) * h / 3


@cache
def quantile(upper: float, freedom: float) -> float:
    """The x with P(T > x) = upper, by bisection."""
    low, high = 0.0, 1e4
    for _ in range(80):
        middle = (low + high) / 2
        if tail(middle, freedom) > upper:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@dataclass(frozen=True)
class Answer:
    """What protocol 3.6 says of some values; None where it says nothing."""

    mean: float
    effective: float
    error: float | None
    p: float | None
    plain: float | None
    low: float | None
    high: float | None


def answer(values: Sequence[float], groups: Sequence[str], confidence: float = 0.95) -> Answer:
    """Apply the formulas of protocol 3.6 in the order in which they stand there."""
    a_of: dict[str, float] = {}
    b_of: dict[str, int] = {}
    for value, group in zip(values, groups, strict=True):
        a_of[group] = a_of.get(group, 0.0) + value
        b_of[group] = b_of.get(group, 0) + 1
    names, total = sorted(a_of), sum(b_of.values())
    mean = sum(a_of.values()) / total
    e = {g: a_of[g] - mean * b_of[g] for g in names}
    w = {g: b_of[g] / total for g in names}
    effective = 1 / sum(w[g] ** 2 for g in names)
    if effective < 5 - 1e-9 or max(abs(x) for x in e.values()) < 1e-9 * sum(abs(x) for x in a_of.values()):
        return Answer(mean, effective, None, None, None, None, None)
    error = math.sqrt(sum(e[g] ** 2 / (1 - w[g]) for g in names) / total**2)
    a = sum(e[g] ** 3 for g in names) / (3 * sum(e[g] ** 2 for g in names) ** 1.5)
    t = mean / error
    h = t if abs(a) < 1e-9 else ((1 + a * t) ** 3 - 1) / (3 * a) + a / 2
    p, plain = 2 * tail(abs(h), effective - 1), 2 * tail(abs(t), effective - 1)
    q = quantile((1 - confidence) / 2, round(effective - 1, 9))

    def u(x: float) -> float:
        return x if abs(a) < 1e-9 else (math.cbrt(1 + 3 * a * (x - a / 2)) - 1) / a

    return Answer(mean, effective, error, p, plain, mean - error * u(q), mean - error * u(-q))


def beats(
    first: Sequence[float], second: Sequence[float], groups: Sequence[str], *, sign: int = 1, margin: float = 0.05
) -> bool:
    """Protocol 3.7: whether the first of two models beats the second."""
    found = answer([x - y for x, y in zip(first, second, strict=True)], groups)
    if sign * found.mean <= 0 or sign * found.mean < margin or found.effective < 5 - 1e-9:
        return False
    return found.p is None or found.plain is None or (found.p <= 0.05 / 190 and found.plain <= 0.05 / 190)


def detectable(rows: Sequence[Sequence[float]], groups: Sequence[str], margin: float = 0.05) -> float:
    """The X of the sentence in a board's header, of rows in their order."""
    errors = [
        answer([x - y for x, y in zip(one, other, strict=True)], groups).error or 0.0 for one, other in pairwise(rows)
    ]
    s, freedom = median(errors), answer(rows[0], groups).effective - 1
    return max(margin, quantile(0.05 / 190 / 2, round(freedom, 9)) * s) + 0.84 * s

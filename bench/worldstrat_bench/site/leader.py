"""Every model against the first of a board: the paired differences that a board draws, and what it says first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from worldstrat_bench.artefacts.record import Summary
from worldstrat_bench.measures import Measure, measure
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.site.text import number
from worldstrat_bench.stats.estimate import Estimate, Floats, estimate, group_sums
from worldstrat_bench.stats.paired import decided, sign_of, verdict_interval

BASELINE = "bicubic"
"""Slug of the entry that a metric without a column for the gain is held against."""
NAMED = 3
"""Up to so many models that cannot be told from the first are named."""


@dataclass(frozen=True)
class Difference:
    """A model minus another on the same tiles, in the unit of the metric.

    Attributes
    ----------
    value : the difference of the means.
    interval : its 95 % interval; None where pages draw none.
    wide : the interval at the level of a verdict, which holds the other one; None where pages draw none.
    apart : whether one of the two beats the other.
    """

    value: float
    interval: tuple[float, float] | None
    wide: tuple[float, float] | None
    apart: bool

    @property
    def drawn(self) -> tuple[float, ...]:
        """Everything that a chart draws of it, which its axis has to hold: value and ends; `wide` may be missing."""
        return (self.value, *(self.interval or ()), *(self.wide or ()))


@dataclass(frozen=True)
class Leader:
    """The first of a set of tiles by a metric, and every model against it.

    Attributes
    ----------
    slugs : models with a value on every tile, best mean first.
    differences : model to its difference to the first; that of the first itself is 0 and has no interval.
    judged : whether pages give verdicts on these tiles.
    """

    metric: str
    slugs: tuple[str, ...]
    differences: Mapping[str, Difference]
    judged: bool = True

    @property
    def first(self) -> str:
        """The slug of the first model, "" if there is no model."""
        return self.slugs[0] if self.slugs else ""

    @property
    def tied(self) -> tuple[str, ...]:
        """The models that cannot be told from the first, best mean first."""
        return tuple(slug for slug in self.slugs[1:] if not self.differences[slug].apart)

    def unjudged(self) -> Leader:
        """Return the same without a verdict: too few groups for one, so that differences and 95 % intervals remain."""
        plain = {slug: replace(d, wide=None, apart=False) for slug, d in self.differences.items()}
        return replace(self, differences=plain, judged=False)


def against(values: Floats, other: Floats, groups: Sequence[str]) -> Estimate:
    """Estimate rows of values minus one row, as a board does it.

    Parameters
    ----------
    values : (m, n) finite values by model and tile.
    other : (n,) those of the other model.
    groups : (n,) the group of every tile.
    """
    # Both are summed in one call, so that the numbers are those of the board to the last bit.
    sums, sizes = group_sums(np.concatenate([values, other[None]]), groups)
    return estimate(sums[:-1] - sums[-1], sizes[0])


def differences(found: Estimate, metric: str, protocol: Protocol) -> list[Difference]:
    """Return (m,) estimates as pages show them: without intervals where there are too few effective groups."""
    low, high = found.interval(protocol.aggregation)
    wide_low, wide_high = verdict_interval(found, protocol)
    apart, drawn = decided(found, metric, protocol), found.effective >= protocol.aggregation.groups_interval
    return [
        Difference(
            float(found.value[i]),
            _ends(low[i], high[i], bool(drawn[i])),
            _ends(wide_low[i], wide_high[i], bool(drawn[i])),
            bool(apart[i]),
        )
        for i in range(len(found.value))
    ]


def _ends(low: float, high: float, drawn: bool) -> tuple[float, float] | None:
    return (float(low), float(high)) if drawn and math.isfinite(low) and math.isfinite(high) else None


def leader(named: Mapping[str, Floats], groups: Sequence[str], metric: str, protocol: Protocol) -> Leader:
    """Return the first of some models and every model against it.

    Parameters
    ----------
    named : slug to (n,) values over the same tiles, without NaN.
    groups : (n,) the group of every tile.
    """
    if not named or not groups:
        return Leader(metric, (), {})
    sign = sign_of(metric) or 1
    matrix = np.stack(list(named.values()))
    sums, sizes = group_sums(matrix, groups)
    means = dict(zip(named, (sums.sum(axis=-1) / sizes.sum(axis=-1)).tolist(), strict=True))
    slugs = tuple(sorted(named, key=lambda slug: (-sign * means[slug], slug)))
    # From the tiles, not from the two means: only a paired difference knows how both vary together.
    found = differences(against(matrix, named[slugs[0]], groups), metric, protocol)
    by_slug = dict(zip(named, found, strict=True))
    return Leader(metric, slugs, by_slug)


def shown(value: float, m: Measure, *, signed: bool = True) -> str:
    """Return a difference with its sign and unit, as text: "+1.88 dB"."""
    return f"{number(value, m.decimals, signed=signed)} {m.unit}".rstrip()


def bracketed(ends: tuple[float, float] | None, m: Measure) -> str:
    """Return an interval in brackets, with a space before it; "" without one."""
    return "" if ends is None else f" [{', '.join(number(end, m.decimals, signed=True) for end in ends)}]"


def answer(found: Leader, titles: Mapping[str, str], gain: Summary | None, *, tested: bool) -> list[tuple[str, str]]:
    """Return one sentence: who is first, by how much, and who cannot be told from it.

    Parameters
    ----------
    titles : slug to the name on pages.
    gain : the gain of the first over the reference bicubic, for the metric that has one.
    tested : whether the board has tests; without them nothing is said of who can be told apart.

    Returns
    -------
    parts of the sentence, (slug, text): a slug makes the text a link to the model.
    """
    m, first = measure(found.metric), found.first
    if not first:
        return []
    if len(found.slugs) == 1:
        return [(first, titles[first]), ("", f" is the only model with {m.label}{_over_bicubic(m, gain)}.")]
    if not tested:
        return [
            (first, titles[first]),
            ("", f" has the best mean {m.label}; too few groups of tiles for a verdict; exploratory."),
        ]
    parts = [(first, titles[first]), ("", f" is first by {m.label}")]
    parts += _ahead(found, titles, gain)
    tied = found.tied
    if not tied:
        return [*parts, ("", ". It is told apart from every other model.")]
    parts.append(("", ". "))
    named = tied if len(tied) <= NAMED else ()
    for place, slug in enumerate(named):
        join = "" if place == 0 else " and " if place == len(named) - 1 else ", "
        parts += [("", join)] * bool(join) + [(slug, titles[slug])]
    who = "" if named else counted(len(tied), "model")
    return [*parts, ("", f"{who} cannot be told from it.")]


def _over_bicubic(m: Measure, gain: Summary | None) -> str:
    if m.name != "psnr" or gain is None or gain.mean is None:
        return ""
    ends = (gain.ci_low, gain.ci_high) if gain.ci_low is not None and gain.ci_high is not None else None
    return f", {shown(gain.mean, measure('gain'))}{bracketed(ends, m)} over bicubic"


def _ahead(found: Leader, titles: Mapping[str, str], gain: Summary | None) -> list[tuple[str, str]]:
    """Return by how much the first leads: over the reference bicubic, an entry of that name, or the second."""
    m = measure(found.metric)
    if text := _over_bicubic(m, gain):
        return [("", text)]
    # Bicubic rather than the second: a lead over it says the same on every board.
    other = BASELINE if BASELINE in found.differences and found.first != BASELINE else found.slugs[1]
    difference = found.differences[other]
    # Seen from the first, hence with the other sign.
    ends = tuple(-end for end in reversed(difference.interval)) if difference.interval else None
    text = f", {shown(-difference.value, m)}{bracketed((ends[0], ends[1]) if ends else None, m)} against "
    return [("", text), (other, titles[other])]

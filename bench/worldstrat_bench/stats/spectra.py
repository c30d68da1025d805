"""Spectra of a set of tiles: sums of tiles add up, so that a set has one coherence and one contrast a frequency."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.protocol import Aggregation
from worldstrat_bench.stats.estimate import effective_number, group_sums

Floats = NDArray[np.float64]

INPUT_NYQUIST_M: Final = 20.0
"""Wavelength of the input's Nyquist frequency, metres: two of its pixels."""


@dataclass(frozen=True)
class Band:
    """A curve with its interval: (bins,) each, NaN where there is nothing to draw."""

    value: Floats
    low: Floats
    high: Floats


def coherence_and_contrast(
    target: Mapping[str, Floats], prediction: Mapping[str, Floats], cross: Mapping[str, Floats], tiles: Collection[str]
) -> tuple[Floats, Floats]:
    """Return the coherence sum X / sqrt(sum S_P sum S_H) and the contrast sum X / sum S_H, both (bins,).

    NaN at frequencies at which the targets (or, for the coherence, the predictions) have nothing.

    Parameters
    ----------
    target, prediction, cross : tile to (bins,) sums S_H, S_P and X.
    tiles : the set, not empty; each of the three has all of them.
    """
    truth, shown, shared = (
        np.sum([own[tile] for tile in sorted(tiles)], axis=0) for own in (target, prediction, cross)
    )
    return _ratios(truth, shown, shared)


def banded(
    target: Mapping[str, Floats],
    prediction: Mapping[str, Floats],
    cross: Mapping[str, Floats],
    groups: Mapping[str, str],
    rules: Aggregation,
) -> tuple[Band, Band]:
    """Return coherence and contrast of a set of tiles with their intervals at every frequency, each of it alone.

    Both are smooth functions of sums over groups. A group's residual is the derivative in its direction; from the
    residuals the standard error follows as that of a mean does (protocol 3.6), with a share of the target's energy for
    a share of the tiles. The interval is value +- t x error, t of Student with the effective groups less 1 degrees of
    freedom: none below the number of effective groups from which pages draw intervals.

    Parameters
    ----------
    target, prediction, cross : see :func:`coherence_and_contrast`.
    groups : tile of the set to its group.
    rules : the aggregation of the protocol.
    """
    tiles = sorted(groups)
    names = [groups[tile] for tile in tiles]
    h, p, x = (group_sums(np.stack([own[t] for t in tiles], axis=1), names)[0] for own in (target, prediction, cross))
    truth, shown, shared = (own.sum(axis=-1) for own in (h, p, x))
    coherence, contrast = _ratios(truth, shown, shared)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = h / truth[:, None]
        both = np.sqrt(truth * shown)[:, None]
        residuals = (
            x / both - coherence[:, None] * (p / shown[:, None] + share) / 2,
            x / truth[:, None] - contrast[:, None] * share,
        )
        errors = [np.sqrt((own**2 / (1 - share)).sum(axis=-1)) for own in residuals]
    effective = effective_number(h)
    # Beyond 1 there is no coherence, hence no interval of it.
    return _band(coherence, errors[0], effective, rules, limit=1.0), _band(contrast, errors[1], effective, rules)


def _ratios(truth: Floats, shown: Floats, shared: Floats) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        coherence, contrast = shared / np.sqrt(truth * shown), shared / truth
    # Cauchy and Schwarz hold the exact sums within 1; those of the file have four digits.
    return np.where(truth * shown > 0, np.clip(coherence, -1, 1), np.nan), np.where(truth > 0, contrast, np.nan)


def _band(value: Floats, error: Floats, effective: Floats, rules: Aggregation, limit: float = np.inf) -> Band:
    from scipy.special import stdtrit  # 0.3 s

    enough = effective >= rules.groups_interval
    freedom = np.where(enough, effective - 1, 1.0)
    half = np.where(enough, stdtrit(freedom, (1 + rules.confidence) / 2) * error, np.nan)
    return Band(value, np.clip(value - half, -limit, limit), np.clip(value + half, -limit, limit))

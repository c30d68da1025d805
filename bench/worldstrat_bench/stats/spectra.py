"""Spectra of a set of tiles: sums of tiles add up, so that a set has one coherence and one contrast a frequency."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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
    with np.errstate(divide="ignore", invalid="ignore"):
        coherence, contrast = shared / np.sqrt(truth * shown), shared / truth
    # Cauchy and Schwarz hold the exact sums within 1; those of the file have four digits.
    return np.where(truth * shown > 0, np.clip(coherence, -1, 1), np.nan), np.where(truth > 0, contrast, np.nan)

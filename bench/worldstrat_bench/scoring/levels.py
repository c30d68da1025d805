"""Offsets of predictions, which cost nothing, but of which authors should know (protocol 3.5)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from worldstrat_bench.printed import plain_number, share_text
from worldstrat_bench.protocol import OffsetFirst

EXPLAINED = 0.5
"""An offset or a scale explains corrections if it leaves at most this share of their median size."""

TOO_SMALL = 0.005
"""Corrections (reflectance) that explain nothing."""


@dataclass(frozen=True)
class Levels:
    """The corrections of one tile, per band R, G, B, reflectance, and the same of the reference bicubic.

    Attributes
    ----------
    clipped : share of values, 0 to 1, that the offset leaves outside [0, 1] where the target lies strictly inside.
    bias : all that was added to the prediction, b0 + b.
    target : the target's mean.
    reference_clipped, reference_bias : of the reference bicubic; None without a frame.
    """

    clipped: float
    bias: tuple[float, ...]
    target: tuple[float, ...]
    reference_clipped: float | None = None
    reference_bias: tuple[float, ...] | None = None


def level_warnings(levels: Sequence[Levels], rule: OffsetFirst) -> tuple[str, ...]:
    """Return at most two sentences: on values clipped, and on what was added, if the reference bicubic had less.

    Shares are means over tiles, corrections medians over tiles and bands. Tiles without a reference do not count.
    """
    known = [one for one in levels if one.reference_clipped is not None and one.reference_bias is not None]
    if not known:
        return ()
    # A cause is sought over all tiles at once: a forgotten offset is in every one of them, weather in a few.
    cause = _explanation(known)
    warnings = []
    clipped = statistics.fmean(one.clipped for one in known)
    usual = statistics.fmean(one.reference_clipped or 0.0 for one in known)
    # Beside the bicubic of the same tiles: snow and haze take any prediction out of the range.
    if clipped > usual + rule.clipped_warning:
        warnings.append(
            f"{share_text(clipped)} of the values leave the range of reflectance where the target does not "
            f"(reference bicubic: {share_text(usual)}); {cause}"
        )
    # Medians, since one tile under cloud needs a correction that would decide a mean.
    size = statistics.median(abs(value) for one in known for value in one.bias)
    usual = statistics.median(abs(value) for one in known for value in one.reference_bias or ())
    if size > usual + rule.bias_warning:
        warnings.append(
            f"the median correction of a band's level is {size:.3f} reflectance "
            f"(reference bicubic: {usual:.3f}); {cause}"
        )
    return tuple(warnings)


def _explanation(levels: Sequence[Levels]) -> str:
    """Return the offset or scale that leaves less of what was added beyond the reference's, if either suffices."""
    extra, level = [], []
    for one in levels:
        for bias, usual, target in zip(one.bias, one.reference_bias or (), one.target, strict=True):
            extra.append(bias - usual)
            level.append(target - bias)  # the prediction's own mean
    offset = statistics.median(extra)
    # A black band has no scale.
    ratios = [add / mean for add, mean in zip(extra, level, strict=True) if abs(mean) > 1e-6]
    gain = statistics.median(ratios) if ratios else 0.0
    size = statistics.median(map(abs, extra))
    after_offset = statistics.median(abs(add - offset) for add in extra)
    after_scale = statistics.median(abs(add - gain * mean) for add, mean in zip(extra, level, strict=True))
    if size < TOO_SMALL or min(after_offset, after_scale) > EXPLAINED * size:
        return "neither one offset nor one scale explains it"
    # Where both explain it alike, the offset: it is the simpler mistake to look for.
    if after_offset <= after_scale:
        return f"an offset of {offset:+.3g} added to the predictions would explain it"
    return f"predictions multiplied by {plain_number(1 + gain)} would explain it"

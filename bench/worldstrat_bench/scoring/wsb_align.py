"""A prediction brought to its target's level and place, in the order of protocol 3.4 and 3.5."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from worldstrat_bench.filtering import correlate, crop_or_pad, gaussian_taps, on_gpu
from worldstrat_bench.protocol import GaussianParabola, Metrics, OffsetFirst
from worldstrat_bench.registration import SearchTarget, Shift, mismatch, mismatch_smoothed, move, pick_shift
from worldstrat_bench.registration.offset import (
    OffsetTarget,
    clipped_share,
    first_offset,
    remaining_bias,
    robust_offset,
    without_absurd,
)
from worldstrat_bench.registration.quick import QuickTarget, quick_shift


@dataclass(frozen=True)
class WsbRules:
    """The constants of a wsb protocol that its arithmetic needs.

    Attributes
    ----------
    wanted : the metrics to compute; None: all that need no network. Those that are computed do not depend on it.
    """

    offset: OffsetFirst
    search: GaussianParabola
    metrics: Metrics
    border: int
    no_data_above: float
    wanted: frozenset[str] | None = None

    def computes(self, *names: str) -> bool:
        """Return whether one of these metrics is wanted."""
        return self.wanted is None or not self.wanted.isdisjoint(names)


@dataclass(frozen=True)
class Levelled:
    """S: a prediction with a robust offset per band added, clipped to [0, 1].

    Attributes
    ----------
    image : (C, H, W) float32, on the whole grid.
    offset : (C,) float64 b0, reflectance.
    clipped : () float64, see ``registration.offset.clipped_share``; NaN where it is not wanted.
    """

    image: Tensor
    offset: Tensor
    clipped: Tensor


def level(image: Tensor, target: OffsetTarget, rules: WsbRules) -> Levelled:
    """Add the offset of a (C, H, W) prediction, not clipped, and clip.

    This comes before registration, so that no wild value and no offset steers it.
    """
    window = crop_or_pad(image, rules.border).contiguous()
    # A median, which absurd values do not move: which of them are absurd can be told only after it.
    first = first_offset(window, target)
    possible = without_absurd(image, first, rules.offset)
    seen = window if possible is image else crop_or_pad(possible, rules.border)
    offset = robust_offset(seen, target, first, rules.offset)
    shown = (possible + offset.to(image.dtype)[..., None, None]).clamp_(0, 1)
    # What is not asked for costs nothing; wherever levels are kept everything is.
    share = (
        clipped_share(window, target, offset)
        if rules.computes("clipped")
        else torch.full_like(offset[..., 0], torch.nan)
    )
    return Levelled(shown, offset, share)


def smooth(image: Tensor, extra: int, rules: WsbRules) -> Tensor:
    """Return G * image in float64 on the window widened by `extra` px; at the image's edge it is reflected."""
    taps = gaussian_taps(rules.search.sigma, rules.search.cut)
    return correlate(_around(image, extra, rules).double(), taps, taps)


def _around(image: Tensor, extra: int, rules: WsbRules) -> Tensor:
    """Return what :func:`smooth` reads of an image."""
    return crop_or_pad(image, rules.border - extra - rules.search.cut)


def search_table(image: Tensor, target: SearchTarget, rules: WsbRules) -> Tensor:
    """Return J at every integer shift of S, (..., C, H, W) on the grid; see ``registration.mismatch``."""
    radius = rules.search.radius
    if image.ndim > 3 or on_gpu(image):
        return mismatch(smooth(image, radius, rules), target)
    return mismatch_smoothed(_around(image, radius, rules), gaussian_taps(rules.search.sigma, rules.search.cut), target)


def find_shift(image: Tensor, target: SearchTarget, quick: QuickTarget | None, rules: WsbRules) -> Shift:
    """Return d of S, (C, H, W) on the grid: the quick search's, and where that cannot tell the whole table's."""
    rule = rules.search
    if quick is not None:
        found = quick_shift(_around(image, rule.radius, rules), quick, tie=rule.tie, fraction=rule.fraction)
        # It answers only where a bound proves that the table would answer the same.
        if found is not None:
            return found
    return pick_shift(search_table(image, target, rules).cpu().numpy(), tie=rule.tie, fraction=rule.fraction)


def moved(image: Tensor, shift: Shift, rules: WsbRules) -> Tensor:
    """Return T_d of a (C, H, W) image over the window."""
    return move(image, shift.y, shift.x, rules.border, rules.search.lobes)


def unbiased(window: Tensor, target: OffsetTarget) -> tuple[Tensor, Tensor]:
    """Return P = clip(window + b, 0, 1) and b, (C,) float64, of a (C, h, w) image over the window."""
    bias = remaining_bias(window, target)
    return (window + bias.to(window.dtype)[..., None, None]).clamp_(0, 1), bias


@dataclass(frozen=True)
class Aligned:
    """A prediction at its target's level and place, and the steps that led there.

    Attributes
    ----------
    levelled : S.
    shift : d.
    result : (3, h, w) float32 P, over the window.
    bias : (3,) float64 b, reflectance.
    """

    levelled: Levelled
    shift: Shift
    result: Tensor
    bias: Tensor


def align(
    image: Tensor, offset: OffsetTarget, search: SearchTarget, quick: QuickTarget | None, rules: WsbRules
) -> Aligned:
    """Level, register and move a (3, H, W) image on the grid, not clipped, and add the bias that is left."""
    levelled = level(image, offset, rules)
    shift = find_shift(levelled.image, search, quick, rules)
    # Other pixels overlap after the move, so a little of the level is left; it is taken off where scores are.
    result, bias = unbiased(moved(levelled.image, shift, rules), offset)
    return Aligned(levelled, shift, result, bias)

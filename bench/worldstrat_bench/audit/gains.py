"""Gains over bicubic on tiles that a model may have seen and on tiles that it has not, and their difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """A difference of two means.

    Attributes
    ----------
    known, unseen : tiles on each side.
    value : mean gain on known tiles minus that on unseen ones, dB.
    low, high : 95 % interval by Welch's t; None with fewer than two tiles on a side.
    """

    known: int
    unseen: int
    value: float
    low: float | None
    high: float | None

    @property
    def text(self) -> str:
        """The difference for readers."""
        interval = "no interval" if self.low is None else f"[{self.low:+.2f}, {self.high:+.2f}]"
        return f"{self.value:+.2f} dB {interval}, {self.known} known and {self.unseen} unseen tiles"


@dataclass(frozen=True)
class Gains:
    """Gains over bicubic by tile, dB.

    Attributes
    ----------
    psnr : of every known tile that has one, by its name, dB.
    """

    known: tuple[float, ...]
    unseen: tuple[float, ...]
    psnr: Mapping[str, float] = field(default_factory=dict)

    @property
    def excess(self) -> float:
        """Known minus unseen, dB: the larger of two.

        The difference of the medians (on a tile of flat water bicubic is nearly exact, and a gain over it may be any
        number); and how far the best fifth of the known tiles is above every unseen one, which is what a look-up of a
        part of the tiles looks like.
        """
        typical = float(np.median(self.known) - np.median(self.unseen))
        return max(typical, float(np.quantile(self.known, 0.8) - max(self.unseen)))

    @property
    def difference(self) -> Difference:
        """Known minus unseen with its interval."""
        return difference(self.known, self.unseen)


def difference(known: Sequence[float], unseen: Sequence[float]) -> Difference:
    """Return the difference of two means with its interval by Welch's t."""
    from scipy.stats import t

    a, b = np.asarray(known, dtype=np.float64), np.asarray(unseen, dtype=np.float64)
    value = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return Difference(len(a), len(b), value, None, None)
    parts = [float(x.var(ddof=1)) / len(x) for x in (a, b)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Difference(len(a), len(b), value, value, value)
    freedom = sum(parts) ** 2 / sum(part**2 / (len(x) - 1) for part, x in zip(parts, (a, b), strict=True))
    reach = float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return Difference(len(a), len(b), value, value - reach, value + reach)

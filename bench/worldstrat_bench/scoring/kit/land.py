"""Land made of formulas: sums of plane waves and of ridges with sharp sides, which can be seen at any point.

Nothing is interpolated, so a prediction that is 1.3 px off is exact, and no image of a place is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = (0.12, 0.14, 0.11, 0.3)
"""Mean reflectance of R, G, B and near infrared."""

CONTRAST = (0.05, 0.045, 0.04, 0.08)
"""Standard deviation of each, about."""


@dataclass(frozen=True)
class Land:
    """One piece of land.

    Attributes
    ----------
    waves : (4, K) frequency along y and x (cycles a target px), phase (rad), amplitude.
    own : (bands, K) how much of each wave a band has.
    level, contrast : (bands,) mean reflectance, and how much one unit of the waves is.
    """

    waves: Floats
    own: Floats
    level: Floats
    contrast: Floats

    @classmethod
    def of(cls, rng: np.random.Generator, *, count: int = 36) -> Land:
        """Make land with that generator: waves 3 to 60 target px long, the longer the stronger."""
        length = 3 * 20 ** rng.random(count)
        turn = 2 * np.pi * rng.random(count)
        strength = length**0.6
        waves = np.stack(
            [
                np.sin(turn) / length,
                np.cos(turn) / length,
                2 * np.pi * rng.random(count),
                strength / np.sqrt(0.5 * np.sum(strength**2)),
            ]
        )
        own = 0.75 + 0.5 * rng.random((len(LEVEL), count))
        return cls(waves, own, np.array(LEVEL), np.array(CONTRAST))

    def at(self, y: Floats, x: Floats) -> Floats:
        """Return reflectance at (h,) rows and (w,) columns in target px: (bands, h, w), not clipped."""
        rate_y, rate_x, phase, strength = self.waves[..., None]
        turn_y, turn_x = 2 * np.pi * rate_y * y + phase, 2 * np.pi * rate_x * x
        # sin(a + b) = sin a cos b + cos a sin b: products of (bands, h, K) and (K, w) in place of a sine a point
        parts = self.own[..., None] * strength
        smooth = _times(parts * np.sin(turn_y), np.cos(turn_x)) + _times(parts * np.cos(turn_y), np.sin(turn_x))
        ridges = np.tanh(4 * smooth)  # sides about a quarter of a wave wide
        return self.level[:, None, None] + self.contrast[:, None, None] * (0.6 * smooth + 0.4 * ridges)

    def seen(self, size: tuple[int, int], grid: tuple[int, int], move: tuple[float, float] = (0.0, 0.0)) -> Floats:
        """Return a sensor of `size` pixels over a target of `grid` pixels: means of 3 x 3 points, (bands, h, w).

        Parameters
        ----------
        move : px of the target by which everything appears further down and further right.
        """
        points = np.array([-1 / 3, 0.0, 1 / 3])
        axes = [
            (((np.arange(n)[:, None] + 0.5 + points) * (m / n)) - 0.5 - shift).ravel()
            for n, m, shift in zip(size, grid, move, strict=True)
        ]
        fine = self.at(*axes)
        return np.asarray(fine.reshape(len(fine), size[0], 3, size[1], 3).mean(axis=(2, 4)))


def _times(left: Floats, right: Floats) -> Floats:
    """Map (bands, K, h) and (K, w) to (bands, h, w)."""
    return np.asarray(left.transpose(0, 2, 1) @ right)

"""The ground that layers are painted on, and the reflectance of what covers it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.synthetic.noise import Field, fractal

METRES = 1.5
"""Side of a high-resolution pixel."""

COVERS = MappingProxyType(
    {
        "crop": (0.05, 0.085, 0.042, 0.42),
        "young crop": (0.085, 0.105, 0.062, 0.33),
        "rape": (0.15, 0.165, 0.058, 0.42),
        "ripe": (0.235, 0.19, 0.112, 0.34),
        "stubble": (0.26, 0.215, 0.145, 0.33),
        "soil": (0.15, 0.112, 0.078, 0.23),
        "dark soil": (0.09, 0.072, 0.056, 0.15),
        "red soil": (0.205, 0.112, 0.07, 0.27),
        "track": (0.27, 0.225, 0.165, 0.33),
        "conifer": (0.022, 0.038, 0.024, 0.23),
        "broadleaf": (0.034, 0.06, 0.028, 0.38),
        "jungle": (0.03, 0.052, 0.026, 0.36),
        "understory": (0.02, 0.028, 0.016, 0.14),
        "grass": (0.068, 0.092, 0.048, 0.34),
        "dry grass": (0.185, 0.155, 0.098, 0.29),
        "scrub": (0.062, 0.068, 0.042, 0.22),
        "asphalt": (0.098, 0.098, 0.096, 0.115),
        "concrete": (0.24, 0.232, 0.212, 0.265),
        "white": (0.56, 0.555, 0.535, 0.56),
        "red roof": (0.27, 0.132, 0.09, 0.3),
        "brown roof": (0.165, 0.118, 0.09, 0.2),
        "grey roof": (0.155, 0.155, 0.152, 0.17),
        "tin roof": (0.37, 0.375, 0.375, 0.38),
        "blue roof": (0.11, 0.175, 0.27, 0.24),
        "deep water": (0.018, 0.034, 0.05, 0.01),
        "water": (0.026, 0.042, 0.046, 0.013),
        "silty water": (0.11, 0.108, 0.075, 0.04),
        "shallow": (0.06, 0.14, 0.14, 0.022),
        "reed": (0.085, 0.088, 0.05, 0.25),
        "mud": (0.1, 0.086, 0.065, 0.12),
        "sand": (0.37, 0.312, 0.235, 0.43),
        "wet sand": (0.215, 0.18, 0.138, 0.24),
        "dune": (0.42, 0.315, 0.205, 0.5),
        "gravel": (0.29, 0.255, 0.215, 0.33),
        "rock": (0.17, 0.15, 0.13, 0.21),
        "snow": (0.86, 0.865, 0.88, 0.8),
    }
)
"""Surface reflectance R, G, B, NIR of every cover (orders of magnitude of field spectra)."""


@dataclass(frozen=True)
class Ground:
    """A plot of land to paint on.

    Attributes
    ----------
    rng : the scene's random numbers.
    x, y : (side, side) metres east and south.
    sun : unit vector on the map, x and y, towards the sun.
    image : (4, side, side) reflectance R, G, B, NIR, painted in place.
    salt : base of the numbers that cells get.
    """

    rng: np.random.Generator
    x: Field
    y: Field
    sun: tuple[float, float]
    image: NDArray[np.float64]
    salt: int

    @property
    def side(self) -> int:
        """Pixels of a side."""
        return int(self.x.shape[0])

    def noise(self, slope: float, longest_metres: float | None = None) -> Field:
        """Return a fractal field on this ground; see :func:`fractal`."""
        longest = None if longest_metres is None else longest_metres / METRES
        return fractal(self.rng, self.side, slope, longest)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number."""
        return float(self.rng.uniform(low, high))

    def turned(self, angle: float, warp_metres: float = 0.0, slope: float = 7.0) -> tuple[Field, Field]:
        """Return coordinates along and across a direction, bent by `warp_metres`; a small `slope` makes kinks."""
        u = self.x * np.cos(angle) + self.y * np.sin(angle)
        v = -self.x * np.sin(angle) + self.y * np.cos(angle)
        if warp_metres:
            longest = 0.8 * self.side * METRES
            u = u + warp_metres * self.noise(slope, longest)
            v = v + warp_metres * self.noise(slope, longest)
        return u, v

    def paint(self, alpha: Field, cover: str, texture: Field | float = 1.0) -> None:
        """Cover a share `alpha`, (side, side) in [0, 1], of every pixel."""
        self.paint_colours(alpha, np.array(COVERS[cover])[:, None, None], texture)

    def paint_colours(self, alpha: Field, colours: NDArray[np.float64], texture: Field | float = 1.0) -> None:
        """Cover a share `alpha` of every pixel by colours (4, side, side) times a texture."""
        change = colours * texture - self.image
        change *= alpha
        np.add(self.image, change, out=self.image)

    def paint_choice(self, alpha: Field, names: tuple[str, ...], number: Field, texture: Field | float = 1.0) -> None:
        """Cover by one of several covers, chosen by (side, side) numbers in [0, 1)."""
        palette = np.array([COVERS[name] for name in names])
        index = np.minimum((number * len(names)).astype(np.intp), len(names) - 1)
        self.paint_colours(alpha, np.moveaxis(palette[index], -1, 0), texture)

    def shade(self, factor: Field) -> None:
        """Multiply the light by (side, side) factors."""
        np.multiply(self.image, factor, out=self.image)


def new_ground(rng: np.random.Generator, side: int) -> Ground:
    """Make bare ground of side x side pixels, the sun somewhere in the south-east as at a morning overpass."""
    metres = (np.arange(side) + 0.5) * METRES
    y, x = np.meshgrid(metres, metres, indexing="ij")
    azimuth = float(rng.uniform(0.15, 0.45)) * np.pi
    salt = int(rng.integers(2**31))
    return Ground(rng, x, y, (float(np.cos(azimuth)), float(np.sin(azimuth))), np.zeros((4, side, side)), salt)

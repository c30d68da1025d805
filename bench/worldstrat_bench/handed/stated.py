"""Statements about handed-in files: the order of their bands, and the unit of their numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Self

from worldstrat_bench.errors import UsageError

MOST_BANDS: Final = 16

_ALIASES: Final = {
    spelling: name
    for name, spellings in {"R": "B04 B4 RED", "G": "B03 B3 GREEN", "B": "B02 B2 BLUE", "NIR": "B08 B8"}.items()
    for spelling in spellings.split()
}
_BAND: Final = re.compile(r"[A-Z0-9]{1,10}")


@dataclass(frozen=True)
class Stated:
    """Statement about files that were handed in.

    Attributes
    ----------
    bands : of every file, in its order; R, G, B and NIR are taken, others left out.
    scale : reflectance is (number + offset) / scale; None: the numbers are reflectance, or the file has its own scale.
    offset : added to a number before it is divided.

    Raises
    ------
    UsageError
        for a scale that is not above 0, or a number that is not finite.
    """

    bands: tuple[str, ...] = ("R", "G", "B")
    scale: float | None = None
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.scale is not None and not (math.isfinite(self.scale) and self.scale > 0):
            raise UsageError(f"a scale of {self.scale:g} makes no sense", where="--scale", remedy="give one above 0")
        if not math.isfinite(self.offset):
            raise UsageError("the offset is not a finite number", where="--offset")

    @classmethod
    def parse(cls, bands: str, scale: float | None = None, offset: float = 0.0) -> Self:
        """Read the bands as the command line gives them: ``B,G,R``, or ``B02,B03,B04,B08``.

        Raises
        ------
        UsageError
            unless red, green and blue are among at most 16 names, each once.
        """
        names = tuple(_ALIASES.get(name, name) for name in (part.strip().upper() for part in bands.split(",")))
        formed = len(names) <= MOST_BANDS and all(_BAND.fullmatch(name) for name in names)
        if not formed or len(set(names)) < len(names) or not {"R", "G", "B"} <= set(names):
            remedy = "name every band of the files in order, with R, G and B among them: R,G,B or B02,B03,B04,B08"
            raise UsageError(f"these are not the bands of an image: {bands[:60]!r}", where="--bands", remedy=remedy)
        return cls(names, scale, offset)

    @property
    def taken(self) -> list[int]:
        """Indices of red, green and blue, and of the near infrared if it is there."""
        return [self.bands.index(name) for name in ("R", "G", "B", "NIR") if name in self.bands]

    @property
    def says_a_scale(self) -> bool:
        """True if numbers are to be changed as it says."""
        return self.scale is not None or self.offset != 0.0

"""A tile of a WorldStrat folder: its facts and its files, and how their pixels are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from worldstrat_bench.data import split as fixed
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import DEFAULT_PROTOCOL, load_protocol
from worldstrat_bench.typed import typed

if TYPE_CHECKING:
    from worldstrat_bench.data.reading import TileInputs
    from worldstrat_bench.data.target import TargetImage


@dataclass(frozen=True)
class Revisit:
    """One Sentinel-2 acquisition of a tile.

    Attributes
    ----------
    n : its number in the folder, from 1.
    data, cloud_mask : the files; they need not exist.
    acquired : its date.
    days : its date minus the date of the high-resolution image.
    """

    n: int
    data: Path
    cloud_mask: Path
    acquired: date
    days: int


@dataclass(frozen=True)
class Tile:
    """One tile: its facts, its pan-sharpened high-resolution file, its revisits by ascending number."""

    facts: fixed.TileFacts
    hr: Path
    revisits: tuple[Revisit, ...]

    @property
    def name(self) -> str:
        """The tile's name."""
        return self.facts.tile

    @typed
    def target(self, protocol: str = DEFAULT_PROTOCOL) -> TargetImage:
        """Read the target: `image` (3, H, W) float32 reflectance and `valid` (H, W) bool.

        Raises
        ------
        UsageError
            for an unknown protocol.
        DataError
            if the high-resolution file is missing or damaged.
        """
        from worldstrat_bench.data.target import read_target

        return read_target(self, load_protocol(protocol))

    @typed
    def inputs(self, frames: int = 8, protocol: str = DEFAULT_PROTOCOL) -> TileInputs:
        """Read what a model is given: see `task` of the result.

        `task.images` are (1, T, 12, h, w) float32 reflectance, `task.clear` (1, T, 1, h, w) bool, `task.days` (1, T).

        Parameters
        ----------
        frames : revisits at most, best first.

        Raises
        ------
        UsageError
            for an unknown protocol, or fewer than one frame.
        DataError
            if a file is missing or damaged.
        """
        from worldstrat_bench.data.inputs import read_tile

        if frames < 1:
            raise UsageError(f"{frames} frames are too few", where="frames", remedy="ask for 1 or more")
        return read_tile(self, protocol=load_protocol(protocol), frames=frames)

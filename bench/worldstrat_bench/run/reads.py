"""Reading what a model is given, by threads ahead of it."""

from __future__ import annotations

from worldstrat_bench.data.kept import read_kept_inputs
from worldstrat_bench.data.layout import Tile
from worldstrat_bench.data.reading import Inputs
from worldstrat_bench.data.target import ArrayCache
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.notes import InputSource

MOST_AHEAD = 16
"""Tiles that are read or wait to be predicted: 10 MB each with eight frames of WorldStrat's size."""


def read_tile(
    tile: Tile, *, protocol: Protocol, frames: int, source: InputSource, cache: ArrayCache | None = None
) -> Inputs:
    """The real revisits of a tile, or inputs made from its high-resolution image by mini's sensor model."""
    if source == "synthetic":
        from worldstrat_bench.run.synthetic import synthetic_inputs

        return synthetic_inputs(tile, protocol, frames)
    return read_kept_inputs(tile, protocol, frames, cache)


def tiles_ahead(workers: int, cores: int) -> int:
    """How many tiles are read ahead: as many as there are cores to decode them, bounded whatever the machine has."""
    return max(1 + workers, min(cores, MOST_AHEAD))

"""What is fed to a model while it is timed: real tile shapes, and no two calls alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.loading import load_tiles
from worldstrat_bench.data.raster import read_header
from worldstrat_bench.data.sensor import simulate_revisits
from worldstrat_bench.data.synthetic.scenes import make_scene
from worldstrat_bench.protocol import Protocol

SYNTHETIC_SIDE = 1054
HR_METRES_PER_PIXEL = 1.5
VARIATION = 2.0**-22
"""Step of the gain from variant to variant: two steps of float32 above 1, so that no two variants are alike."""


@dataclass(frozen=True)
class SpeedTile:
    """The inputs of one tile and the size of its target.

    Attributes
    ----------
    name : of the tile; the host's own, no model sees it.
    images : (T, 12, h, w) float32 reflectance; clear : (T, 1, h, w) bool; days : (T,) int64.
    height, width : of the target, px.
    km2 : area on the ground, that of the high-resolution image.
    """

    name: str
    images: NDArray[np.float32]
    clear: NDArray[np.bool_]
    days: NDArray[np.int64]
    height: int
    width: int
    km2: float


@dataclass(frozen=True)
class Batch:
    """Tiles stacked: images (B, T, 12, h, w), clear (B, T, 1, h, w), days (B, T), and the size of their outputs, px."""

    images: NDArray[np.float32]
    clear: NDArray[np.bool_]
    days: NDArray[np.int64]
    height: int
    width: int


def synthetic_tiles(protocol: Protocol, frames: int, side: int = SYNTHETIC_SIDE) -> tuple[SpeedTile, ...]:
    """Four tiles of the size of WorldStrat's, the same on every machine: one synthetic place, seen four ways round."""
    size = protocol.target.size(side)
    scene = make_scene("Forest", 0, side, np.random.default_rng(1000))
    revisits = simulate_revisits(scene, 1000, min(frames, protocol.inputs.frames))
    return tuple(
        SpeedTile(
            f"synthetic-{number}",
            np.ascontiguousarray(np.flip(revisits.images, axes)),
            np.ascontiguousarray(np.flip(revisits.clear, axes)),
            revisits.days,
            size,
            size,
            area_km2(side, side),
        )
        for number, axes in enumerate(((), (-1,), (-2,), (-1, -2)))
    )


def dataset_tiles(
    folder: Path,
    protocol: Protocol,
    frames: int,
    count: int = 8,
    *,
    list_name: str = "auto",
    names: Collection[str] | None = None,
) -> tuple[SpeedTile, ...]:
    """The first `count` tiles of a dataset's list, or those of them that `names` holds."""
    tiles_of_list = open_dataset(folder).tiles(list_name)
    chosen = tiles_of_list[:count] if names is None else [tile for tile in tiles_of_list if tile.name in names]
    tiles = []
    for loaded in load_tiles(chosen, protocol, frames):
        height, width = loaded.target.image.shape[1:]
        inputs = loaded.inputs
        hr = read_header(loaded.tile.hr)
        area = area_km2(hr.height, hr.width)
        tiles.append(SpeedTile(loaded.tile.name, inputs.images, inputs.clear, inputs.days, height, width, area))
    return tuple(tiles)


def area_km2(hr_height: int, hr_width: int) -> float:
    """Ground that a high-resolution image of so many px covers."""
    return hr_height * hr_width * HR_METRES_PER_PIXEL**2 / 1e6


def batch_of(tiles: Sequence[SpeedTile], variant: int, batch: int) -> Batch:
    """The inputs of one call: `batch` tiles from a place that `variant` names, brightened a little by it.

    Variant 0 is the tiles as they are. Each of a million others differs from every other, so that nothing that was
    computed for one can serve another. With more than one tile, all are cropped to the smallest of them and to its
    number of frames.
    """
    chosen = [tiles[(variant * batch + k) % len(tiles)] for k in range(batch)]
    every = tiles if batch > 1 else chosen
    frames = min(tile.images.shape[0] for tile in every)
    h, w = (min(tile.images.shape[axis] for tile in every) for axis in (2, 3))
    gain = np.float32(1 + VARIATION * variant)
    return Batch(
        np.stack([tile.images[:frames, :, :h, :w] for tile in chosen]) * gain,
        np.stack([tile.clear[:frames, :, :h, :w] for tile in chosen]),
        np.stack([tile.days[:frames] for tile in chosen]),
        min(tile.height for tile in every),
        min(tile.width for tile in every),
    )

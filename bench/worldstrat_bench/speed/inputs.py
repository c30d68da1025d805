"""Inputs of a timed model: the content of real tiles, and no two calls alike."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.loading import read_ahead
from worldstrat_bench.data.raster import read_header
from worldstrat_bench.data.reading import read_inputs, refuse_few_revisits
from worldstrat_bench.data.sensor import simulate_revisits
from worldstrat_bench.data.synthetic.scenes import make_scene
from worldstrat_bench.data.task import Task
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.worker.inside.device import usable_cores
from worldstrat_bench.worker.types import MIB

SYNTHETIC_SIDE = 1054
HR_METRES_PER_PIXEL = 1.5
MOST_TILES = 64
"""Tiles in the inputs of one block, at most ..."""
SET_BYTES = 160 * MIB
"""... and bytes of them: 17 of WorldStrat's tiles with eight frames."""
STEPS = 10_000
"""Reflectance is a multiple of 1 / STEPS in the files."""
NOISE = 0.01
"""Range of what is added to every pixel, reflectance: ten times what an output may differ by."""


@dataclass(frozen=True)
class TimedTiles:
    """Tiles whose content is fed to a model while it is timed.

    Attributes
    ----------
    tasks : one for each tile.
    km2 : ground of the smallest tile, to which all are cropped; that of its high-resolution image.
    """

    tasks: tuple[Task, ...]
    km2: float


def synthetic_tiles(protocol: Protocol, frames: int, side: int = SYNTHETIC_SIDE) -> TimedTiles:
    """Make one tile of the size of WorldStrat's, the same on every machine."""
    size = protocol.target.size(side)
    scene = make_scene("Forest", 0, side, np.random.default_rng(1000))
    revisits = simulate_revisits(scene, 1000, min(frames, protocol.inputs.frames))
    task = Task.single(revisits.images, revisits.clear, revisits.days, size, size, "synthetic")
    return TimedTiles((task,), area_km2(side, side))


def dataset_tiles(
    folder: Path,
    protocol: Protocol,
    frames: int,
    count: int = 8,
    *,
    list_name: str = "auto",
    names: Collection[str] | None = None,
) -> TimedTiles:
    """Read the first `count` tiles of a dataset's list, or those of them that `names` holds."""
    dataset = open_dataset(folder)
    refuse_few_revisits(dataset, list_name, frames)
    tiles_of_list = dataset.tiles(list_name)
    chosen = tiles_of_list[:count] if names is None else [tile for tile in tiles_of_list if tile.name in names]
    # Only what a model is asked is decoded: nothing is scored here, so the target's pixels are not needed.
    tasks = tuple(task for _, task in read_ahead(chosen, lambda tile: read_inputs(tile, protocol, frames).task))
    headers = [read_header(tile.hr) for tile in chosen]
    return TimedTiles(tasks, min(area_km2(header.height, header.width) for header in headers))


def area_km2(hr_height: int, hr_width: int) -> float:
    """Return the ground that a high-resolution image of so many px covers."""
    return hr_height * hr_width * HR_METRES_PER_PIXEL**2 / 1e6


class _Draw(NamedTuple):
    """How a tile is varied: which it is, the axes it is flipped along, its shift, the noise's start and strength."""

    tile: int
    axes: tuple[int, ...]
    shift: tuple[int, ...]
    start: int
    strength: float


class Variations:
    """An endless supply of inputs that differ in content: tiles drawn at random, flipped, shifted, with noise.

    A call that could be answered from memory would be timed as a fast one. All are cropped to the smallest of the
    tiles and to its number of frames, so that a block has one shape.

    Parameters
    ----------
    frames : at most; the reference needs one.
    seed : of the draws; None draws from the system, so that no model can foresee them.
    """

    def __init__(self, tasks: Sequence[Task], frames: int | None = None, seed: int | None = None) -> None:
        self.frames = min(frames or MOST_TILES, *(task.frames for task in tasks))
        self.height, self.width = (min(getattr(task, side) for task in tasks) for side in ("height", "width"))
        h, w = (min(task.size[axis] for task in tasks) for axis in (0, 1))
        first = slice(self.frames)
        self._tiles = [
            (task.images[0, first, :, :h, :w], task.clear[0, first, :, :h, :w], task.days[0, first]) for task in tasks
        ]
        # A model must not tell these inputs from those of a file by their last digits.
        self._on_steps = all(np.array_equal(images, _on_steps(images)) for images, _, _ in self._tiles)
        self._rng = np.random.default_rng(secrets.randbits(64) if seed is None else seed)
        self._size = self._tiles[0][0].size
        self._noise = NOISE * self._rng.random(self._size + (1 << 16), dtype=np.float32)

    def inputs_at_most(self, batch: int) -> int:
        """Return inputs of `batch` tiles in one block: 64 tiles, or what 160 MiB hold; at least one."""
        return max(1, min(MOST_TILES, self.tiles_at_most) // batch)

    @property
    def tiles_at_most(self) -> int:
        """Tiles that the inputs of one block may hold."""
        return max(1, SET_BYTES // (4 * self._size))

    def tasks(self, batch: int, count: int) -> list[Task]:
        """Return `count` tasks of `batch` tiles that are nowhere else, made on all cores."""
        draws = [[self._draw() for _ in range(batch)] for _ in range(count)]
        with ThreadPoolExecutor(min(count, usable_cores())) as pool:
            return list(pool.map(self._task, draws))

    def task(self, batch: int) -> Task:
        """Return `batch` tiles that are nowhere else."""
        return self._task([self._draw() for _ in range(batch)])

    def _task(self, draws: Sequence[_Draw]) -> Task:
        images, clear, days = zip(*map(self._tile, draws), strict=True)
        return Task(np.stack(images), np.stack(clear), np.stack(days), self.height, self.width)

    def _draw(self) -> _Draw:
        rng = self._rng
        number = int(rng.integers(len(self._tiles)))
        shape = self._tiles[number][0].shape
        axes = tuple(axis for axis in (-2, -1) if rng.random() < 0.5)
        shift = tuple(int(rng.integers(shape[axis])) for axis in (-2, -1))
        start = int(rng.integers(len(self._noise) - self._size + 1))
        return _Draw(number, axes, shift, start, 1 - 0.5 * rng.random())

    def _tile(self, draw: _Draw) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
        images, clear, days = self._tiles[draw.tile]
        noise = self._noise[draw.start : draw.start + self._size].reshape(images.shape)
        varied = _moved(images, draw.axes, draw.shift) + np.float32(draw.strength) * noise
        return _on_steps(varied) if self._on_steps else varied, _moved(clear, draw.axes, draw.shift), days


def _on_steps(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to what a file can hold."""
    found: NDArray[np.float32] = np.rint(images * np.float32(STEPS)) / np.float32(STEPS)
    return found


def _moved(array: NDArray[Any], axes: tuple[int, ...], shift: tuple[int, ...]) -> NDArray[Any]:
    return np.roll(np.flip(array, axes), shift, (-2, -1))

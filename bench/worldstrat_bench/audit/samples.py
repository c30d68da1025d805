"""What an audit shows a model: tiles of the dataset, changed tiles, and scenes that nobody has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.layout import Tile
from worldstrat_bench.data.raster import read_header
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.protocol import Protocol

Floats = NDArray[np.float32]

GAIN, OFFSET = 1.03, 0.004
"""Reflectance of the gain-and-offset probe: within what an atmospheric correction may change."""

NOISE = 0.002
"""Standard deviation of the noise probe, reflectance: that of a Sentinel-2 band."""

CROP = (4, 6)
"""Rows and columns that the shift probe cuts off at the top and left, LR px."""

CELLS = 4
"""The mosaic is CELLS x CELLS."""


@dataclass(frozen=True)
class Sample:
    """One input of a model.

    Attributes
    ----------
    name : for messages.
    images, clear, days : (T, 12, h, w) float32 reflectance, (T, 1, h, w) bool, (T,) int64.
    height, width : of the target that is asked for, px.
    """

    name: str
    images: Floats
    clear: NDArray[np.bool_]
    days: NDArray[np.int64]
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the low-resolution grid."""
        return self.images.shape[2], self.images.shape[3]


def read_sample(tile: Tile, protocol: Protocol, frames: int) -> Sample:
    """A tile exactly as an evaluation shows it."""
    inputs = read_inputs(tile, protocol, frames)
    side = protocol.target.size(read_header(tile.hr).height)
    return Sample(tile.name, inputs.images, inputs.clear, inputs.days, side, side)


def with_gain(sample: Sample) -> Sample:
    """Every value times :data:`GAIN` plus :data:`OFFSET`."""
    return replace(sample, images=(sample.images * np.float32(GAIN) + np.float32(OFFSET)).astype(np.float32))


def with_noise(sample: Sample, seed: int) -> Sample:
    """White noise of :data:`NOISE` on every value."""
    noise = np.random.default_rng(seed).normal(0, NOISE, sample.images.shape)
    return replace(sample, images=(sample.images + noise).astype(np.float32))


def cropped(sample: Sample, rows: int = CROP[0], columns: int = CROP[1]) -> Sample:
    """Rows cut off at the top and columns at the left; the target is four times what is left."""
    height, width = sample.size[0] - rows, sample.size[1] - columns
    return replace(
        sample,
        images=np.ascontiguousarray(sample.images[:, :, rows:, columns:]),
        clear=np.ascontiguousarray(sample.clear[:, :, rows:, columns:]),
        height=4 * height,
        width=4 * width,
    )


def best_frame(sample: Sample) -> Sample:
    """The first revisit alone."""
    return replace(sample, images=sample.images[:1], clear=sample.clear[:1], days=sample.days[:1])


def mosaic(samples: Sequence[Sample]) -> Sample:
    """Cell (i, j) of sample number CELLS i + j, at its own place; samples are used again if there are too few.

    All are cut to the smallest size and number of frames; the target is four times that size.
    """
    height = min(sample.size[0] for sample in samples)
    width = min(sample.size[1] for sample in samples)
    frames = min(len(sample.images) for sample in samples)
    first = samples[0]
    images = first.images[:frames, :, :height, :width].copy()
    clear = first.clear[:frames, :, :height, :width].copy()
    for cell, (rows, columns) in enumerate(cells(height, width)):
        source = samples[cell % len(samples)]
        images[:, :, rows, columns] = source.images[:frames, :, rows, columns]
        clear[:, :, rows, columns] = source.clear[:frames, :, rows, columns]
    return Sample("mosaic", images, clear, first.days[:frames].copy(), 4 * height, 4 * width)


def cells(height: int, width: int) -> tuple[tuple[slice, slice], ...]:
    """The cells of a mosaic as slices of rows and columns, row by row."""
    rows = np.linspace(0, height, CELLS + 1).astype(int)
    columns = np.linspace(0, width, CELLS + 1).astype(int)
    return tuple(
        (slice(int(rows[i]), int(rows[i + 1])), slice(int(columns[j]), int(columns[j + 1])))
        for i in range(CELLS)
        for j in range(CELLS)
    )

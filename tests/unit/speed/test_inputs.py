"""What is fed to a model while it is timed."""

from __future__ import annotations

import hashlib

import numpy as np

from worldstrat_bench.speed.inputs import SpeedTile, batch_of


def tile(side: int, frames: int = 2) -> SpeedTile:
    images = np.random.default_rng(side).random((frames, 12, side, side), dtype=np.float32)
    clear = np.ones((frames, 1, side, side), dtype=bool)
    return SpeedTile(f"t{side}", images, clear, np.arange(frames), 4 * side, 4 * side, 1.0)


def test_no_two_calls_are_alike() -> None:
    tiles = [tile(4), tile(5)]
    seen = {hashlib.sha256(batch_of(tiles, variant, 1).images.tobytes()).digest() for variant in range(-200, 20_000)}
    assert len(seen) == 20_200


def test_a_single_tile_keeps_its_size_and_a_batch_is_cropped_to_the_smallest() -> None:
    tiles = [tile(8), tile(6, frames=1)]
    single = batch_of(tiles, 2, 1)
    assert (single.images.shape, single.height, single.width) == ((1, 2, 12, 8, 8), 32, 32)
    batch = batch_of(tiles, 1, 2)
    assert (batch.images.shape, batch.height, batch.width) == ((2, 1, 12, 6, 6), 24, 24)
    assert batch.clear.shape == (2, 1, 1, 6, 6)


def test_variant_nought_is_the_tiles_as_they_are() -> None:
    only = tile(8)
    assert np.array_equal(batch_of([only], 0, 1).images[0], only.images)
    assert np.abs(batch_of([only], 10_000, 1).images[0] - only.images).max() < 0.003

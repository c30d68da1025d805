"""What is fed to a model while it is timed."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from worldstrat_bench.data.task import Task
from worldstrat_bench.speed.inputs import MOST_TILES, NOISE, SET_BYTES, Variations


def tile(side: int, frames: int = 2) -> Task:
    images = np.random.default_rng(side).random((1, frames, 12, side, side), dtype=np.float32)
    clear = images[:, :, :1] > 0.5
    return Task(images, clear, np.arange(frames)[None], 4 * side, 4 * side)


def test_no_two_calls_are_alike() -> None:
    supply = Variations([tile(4), tile(5)])
    seen = {hashlib.sha256(supply.task(1).images.tobytes()).digest() for _ in range(2_000)}
    assert len(seen) == 2_000


def test_they_differ_by_more_than_an_output_may() -> None:
    """Also where the same tile comes the same way round: an output of one does not pass for that of the other."""
    supply = Variations([tile(4)])
    images = np.stack([supply.task(1).images[0, 0] for _ in range(200)])
    nearest = min(float(np.abs(images[k + 1 :] - images[k]).max(axis=(1, 2, 3)).min()) for k in range(199))
    assert nearest > NOISE / 4


def test_thumbnails_differ() -> None:
    supply = Variations([tile(16)])
    thumbnails = {np.round(supply.task(1).images[0, 0, 0, :8, :8].mean(), 2) for _ in range(50)}
    assert len(thumbnails) > 5


def test_a_tile_stays_what_it_is_but_for_its_place_and_some_noise() -> None:
    original = tile(8)
    moved = Variations([original]).task(1)
    before, after = (np.sort(images.ravel()) for images in (original.images, moved.images))
    assert np.abs(after - before).max() <= 2 * NOISE
    assert moved.clear.sum() == original.clear.sum()
    assert np.array_equal(moved.days, original.days)


def test_masks_move_with_their_pixels() -> None:
    task = Variations([tile(8)]).task(1)
    assert np.abs(task.images[:, :, :1][task.clear]).min() > 0.5 - NOISE


def test_all_are_cropped_to_the_smallest() -> None:
    supply = Variations([tile(8), tile(6, frames=1)])
    for batch in (1, 3):
        task = supply.task(batch)
        assert task.batch == batch
        assert (task.images.shape, task.height, task.width) == ((batch, 1, 12, 6, 6), 24, 24)
        assert task.clear.shape == (batch, 1, 1, 6, 6)
        assert task.days.shape == (batch, 1)


def test_frames_are_those_that_the_model_declares() -> None:
    assert Variations([tile(6, frames=8)], frames=1).task(2).images.shape[1] == 1
    assert Variations([tile(6, frames=8)]).task(2).images.shape[1] == 8


def test_a_block_has_64_tiles_or_what_memory_bounds() -> None:
    small = Variations([tile(8)])
    assert [small.inputs_at_most(batch) for batch in (1, 8, 64)] == [64, 8, 1]
    real = Variations([tile(158, frames=8)])
    assert real.inputs_at_most(1) == SET_BYTES // (8 * 12 * 158 * 158 * 4)
    assert real.inputs_at_most(1) < MOST_TILES
    assert real.inputs_at_most(64) == 1


def test_what_comes_from_a_file_stays_what_a_file_can_hold() -> None:
    """Or a model could tell by the last digits whether it is timed or scored."""
    original = tile(8)
    counts = np.rint(original.images * 10_000).astype(np.float32)
    held = replace(original, images=counts / np.float32(10_000))
    images = Variations([held]).task(3).images
    assert np.array_equal(images, np.rint(images * np.float32(10_000)) / np.float32(10_000))
    assert len(np.unique(images)) > 100
    loose = Variations([original]).task(1).images
    assert not np.array_equal(loose, np.rint(loose * np.float32(10_000)) / np.float32(10_000))

"""What a model is asked: the seed that goes with it, batches, and what is not a task."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from worldstrat_bench.data.task import Task

IMAGES = np.linspace(0, 1, 2 * 12 * 5 * 6, dtype=np.float32).reshape(2, 12, 5, 6)
CLEAR, DAYS = np.ones((2, 1, 5, 6), dtype=bool), np.array([0, -3])
TASK = Task.single(IMAGES, CLEAR, DAYS, 20, 24, "Town-1")


def test_a_seed_follows_from_the_run_and_from_every_input() -> None:
    other, cloudy = TASK.images.copy(), TASK.clear.copy()
    other[0, 1, 11, 4, 5] += 1e-6
    cloudy[0, 0, 0, 0, 0] = False
    changed = (replace(TASK, images=other), replace(TASK, clear=cloudy), replace(TASK, days=TASK.days + 1))
    seeds = {task.seed(run) for run in range(100) for task in (TASK, *changed)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_seed_is_the_rule_of_the_protocol() -> None:
    content = IMAGES.astype("<f4").tobytes() + CLEAR.tobytes() + DAYS.astype("<i8").tobytes()
    digest = hashlib.sha256(f"7\n{hashlib.sha256(content).hexdigest()}".encode()).digest()
    assert TASK.seed(7) == int.from_bytes(digest[:8], "big") // 2


def test_a_seed_tells_neither_the_tile_nor_the_layout_in_memory() -> None:
    same = Task(np.asfortranarray(TASK.images), TASK.clear.copy(), TASK.days.copy(), 20, 24, "Town-2")
    assert same.seed(0) == TASK.seed(0)


def test_a_changed_task_forgets_the_digest_that_was_known() -> None:
    known = TASK.with_known_sha256("0" * 64)
    assert known.sha256 == "0" * 64
    assert known.name == TASK.name
    assert replace(known, images=known.images * 2).sha256 == replace(TASK, images=TASK.images * 2).sha256
    assert known.tile(0).sha256 == TASK.sha256


def test_a_batch_holds_its_tiles_in_order() -> None:
    other = replace(TASK, images=TASK.images + 1)
    both = Task.together([TASK, other])
    assert (both.batch, both.frames, both.size) == (2, 2, (5, 6))
    for k, task in enumerate((TASK, other)):
        np.testing.assert_array_equal(both.tile(k).images, task.images)
        assert both.tile(k).seed(3) == task.seed(3)


@pytest.mark.parametrize(
    ("images", "clear", "days"),
    [
        (IMAGES, CLEAR[None], DAYS[None]),
        (IMAGES[None, :, :11], CLEAR[None], DAYS[None]),
        (IMAGES[None].astype(np.float64), CLEAR[None], DAYS[None]),
        (IMAGES[None], CLEAR[None, :1], DAYS[None]),
        (IMAGES[None], CLEAR[None, :, 0], DAYS[None]),
        (IMAGES[None], CLEAR[None].astype(np.uint8), DAYS[None]),
        (IMAGES[None], CLEAR[None], DAYS),
        (IMAGES[None], CLEAR[None], DAYS[None].astype(np.int32)),
    ],
)
def test_another_shape_or_type_is_refused(images: np.ndarray, clear: np.ndarray, days: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not"):
        Task(images, clear, days, 20, 24)

"""The batch size of the offline scenario."""

from __future__ import annotations

import pytest

from speed_models import MadeUp
from worldstrat_bench.speed.stopwatch import Block, BlockSize
from worldstrat_bench.speed.sweep import best_batch, sweep
from worldstrat_bench.worker.timed import TimedCallError


def model(batch: int, fixed: float, each: float) -> MadeUp:
    return MadeUp(fixed + each * batch, batch=batch, wait=False)


def test_batches_are_doubled_while_it_pays() -> None:
    heard: list[str] = []
    speeds = sweep(lambda batch: model(batch, 0.010, 0.001), 64, heard.append)
    assert list(speeds) == [1, 2, 4, 8, 16, 32, 64]
    assert best_batch(speeds) == 64
    assert heard[0].startswith("batches of 1: 9")


def test_the_smallest_that_is_as_fast_as_any_is_taken() -> None:
    speeds = sweep(lambda batch: model(batch, 0.0, 0.010), 64, lambda text: None)
    assert best_batch(speeds) == 1


def test_long_calls_are_not_doubled() -> None:
    assert list(sweep(lambda batch: model(batch, 0.12, 0.1), 64, lambda text: None)) == [1, 2]


def test_the_sweep_ends_where_it_has_levelled_off() -> None:
    assert list(sweep(lambda batch: model(batch, 0.0, 0.010), 64, lambda text: None)) == [1, 2, 4]
    assert list(sweep(lambda batch: model(batch, 0.010, 0.010), 64, lambda text: None)) == [1, 2, 4, 8, 16, 32]


def test_one_batch_that_was_held_up_does_not_end_the_sweep() -> None:
    seconds = {2: 3.0}
    speeds = sweep(lambda batch: model(batch, 0.010, 0.001 * seconds.get(batch, 1.0) ** 2), 64, lambda text: None)
    assert list(speeds) == [1, 2, 4, 8, 16, 32, 64]


class Full(MadeUp):
    outcome = "out_of_memory"

    def block(self, size: BlockSize) -> Block:
        if self.batch > 2:
            raise TimedCallError(self.outcome, "CUDA out of memory")
        return super().block(size)


def test_it_ends_where_memory_does() -> None:
    speeds = sweep(lambda batch: Full(0.001, batch=batch), 64, lambda text: None)
    assert list(speeds) == [1, 2, 4]
    assert speeds[4] is None
    assert best_batch(speeds) == 2


def test_another_failure_is_one_of_the_model() -> None:
    class Broken(Full):
        outcome = "model_error"

    with pytest.raises(TimedCallError, match="model_error"):
        sweep(lambda batch: Broken(0.001, batch=batch), 64, lambda text: None)

"""Which batch size the `offline` scenario takes: the smallest that is nearly as fast as any."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from worldstrat_bench.printed import three_digits
from worldstrat_bench.speed.stopwatch import BlockSize, Subject, size_of
from worldstrat_bench.worker.timed import TimedCallError

SWEEP_SECONDS = 0.1
LONGEST_CALL = 0.6
"""Batches are not doubled beyond calls of so many seconds: what a larger one could save is long since saved."""
GAIN = 1.02
"""It pays to double the batch if that makes a tile so much faster."""
WORTH = 0.97
"""A batch is good enough if it is so close to the fastest."""

Sweep = dict[int, float | None]


def sweep(subject_of: Callable[[int], Subject], batch_max: int, say: Callable[[str], None]) -> Sweep:
    """Measure tiles a second by batch size, doubled while it pays; None where memory is out.

    Parameters
    ----------
    subject_of : the model with batches of a size.

    Raises
    ------
    TimedCallError
        if the model fails for another reason.
    """
    speeds: Sweep = {}
    for batch in _sizes(batch_max):
        subject = subject_of(batch)
        try:
            # One call tells how many of this size fill a block: a batch that is twice as large may take any time.
            guess = subject.block(BlockSize(1, 1, 1, 1)).guess
            seconds = subject.block(size_of(subject, guess, SWEEP_SECONDS)).per_call
        except TimedCallError as error:
            # Out of memory ends a sweep in good order, but not at one tile: then the model cannot be timed at all.
            if error.outcome != "out_of_memory" or not speeds:
                raise
            speeds[batch] = None
            break
        speeds[batch] = batch / seconds
        say(f"batches of {batch}: {three_digits(batch / seconds)} tiles/s")
        if 2 * seconds > LONGEST_CALL or _levelled_off([speed for speed in speeds.values() if speed]):
            break
    return speeds


def _levelled_off(speeds: list[float]) -> bool:
    """Return whether two doublings in a row brought next to nothing: one alone may have been held up."""
    return len(speeds) > 2 and max(speeds[-2:]) < GAIN * max(speeds[:-2])


def best_batch(speeds: Sweep) -> int:
    """Return the smallest batch that is within 3 % of the fastest."""
    best = max((speed for speed in speeds.values() if speed), default=0.0)
    return min((batch for batch, speed in speeds.items() if speed and speed >= WORTH * best), default=1)


def _sizes(most: int) -> Iterator[int]:
    batch = 1
    while batch <= most:
        yield batch
        batch *= 2

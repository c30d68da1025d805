"""One scenario, timed: warm-up, then blocks of calls, the model and the reference in turn, in three repeats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from worldstrat_bench.speed.plan import Plan
from worldstrat_bench.speed.stopwatch import REPEATS, BlockSize, Rounds, Series, Subject, WarmUp, size_of, warm_up


def measure(
    subject: Subject,
    reference: Subject,
    plan: Plan,
    machine: dict[str, Any],
    after: Callable[[int, int], None] = lambda index, count: None,
    say: Callable[[str], None] = lambda text: None,
) -> Series:
    """Time `subject` with `reference` in turn.

    Parameters
    ----------
    machine : device, driver and clocks, added to pytest-benchmark's machine information.
    after : is called after each block of the model, with its index from 0 and how many there will be.
    say : is told what is done and how long it will take.

    Raises
    ------
    InfrastructureError
        if pytest-benchmark could not do its part.
    """
    from worldstrat_bench.speed import statistics

    say("warming up")
    # The reference first: the model's warm-up is then the shorter time before its own blocks.
    warm_reference, warm = warm_up(reference, plan.warm_up_seconds), warm_up(subject, plan.warm_up_seconds)
    length = plan.block_seconds
    size, reference_size = size_of(subject, warm.seconds, length), size_of(reference, warm_reference.seconds, length)
    one = _block_seconds(size, warm) + _block_seconds(reference_size, warm_reference)
    count = blocks_of(plan, size.calls * warm.seconds, one)
    say(f"{REPEATS} repeats of {count} blocks of {size.calls} calls, about {math.ceil(REPEATS * count * one)} s")
    rounds = Rounds(subject, reference, size, reference_size, count, after)
    document = statistics.run_rounds(rounds, machine, lambda repeat: say(f"repeat {repeat} of {REPEATS}"))
    model, references = zip(*rounds.pairs, strict=True)
    repeats = tuple(tuple(model[first : first + count]) for first in range(0, len(model), count))
    return Series(repeats, tuple(references), warm.settled, size, document)


def blocks_of(plan: Plan, block_seconds: float, pair_seconds: float) -> int:
    """Return how many blocks a repeat has: an even number of `plan.seconds` in all, within the budget."""
    wanted = max(plan.min_blocks, math.ceil(plan.seconds / block_seconds))
    affordable = plan.budget_seconds / REPEATS / pair_seconds
    count = math.ceil(min(wanted, max(2.0, affordable // 2 * 2)))
    return count + count % 2


def _block_seconds(size: BlockSize, warm: WarmUp) -> float:
    """Return what a block takes with its lead-in and its inputs, as a guess before."""
    return size.calls * warm.seconds + warm.beside

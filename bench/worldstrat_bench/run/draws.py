"""From several predictions of one tile to one score: the mean over draws, with the score of each and of the mean image.

The mean over draws is what ranks. No score of the best draw exists: choosing it takes the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from worldstrat_bench.data.task import Answer, Task
from worldstrat_bench.run.tile_score import DrawValues, Scored
from worldstrat_bench.worker.host import Worker
from worldstrat_bench.worker.types import Reply

MOST_BYTES: Final = 2 << 30
"""Of the predictions of one tile: 32 draws of four bands with errors, on the grid of the target, are half of it."""


def predict_draws(predict: Callable[[int], Reply], draws: int) -> tuple[Reply, ...]:
    """Return a reply for each draw, from 1; the last is a failure if any draw failed, and no further one is asked for.

    Parameters
    ----------
    predict : one draw, by its number.
    """
    replies: list[Reply] = []
    held = 0
    for number in range(1, draws + 1):
        replies.append(predict(number))
        held += sum(part.nbytes for part in (replies[-1].image, replies[-1].expected_error) if part is not None)
        # All draws of a tile are held at once, to be averaged; how many and how large they are is the model's choice.
        if held > MOST_BYTES:
            message = f"the draws of a tile are larger than {MOST_BYTES >> 30} GiB together"
            replies[-1] = Reply("invalid_output", None, message, replies[-1].seconds)
        # A tile with a failed draw is a failed tile, so the remaining draws would be paid for and thrown away.
        if replies[-1].image is None:
            break
    return tuple(replies)


def worker_draws(worker: Worker, task: Task, seed: int, draws: int) -> tuple[Reply, ...]:
    """Return the replies of a worker to the draws of a task.

    Parameters
    ----------
    seed : of the run.
    """
    return predict_draws(lambda number: worker.predict(task, task.seed(seed, number)), draws)


def together(replies: Sequence[Reply]) -> Reply:
    """Return one reply for the draws of a tile: the failure if there is one, else the first draw's.

    Its seconds are those of all draws. Draws of different sizes have no mean image, and are a failure.
    """
    first, last = replies[0], replies[-1]
    seconds = sum(reply.seconds for reply in replies)
    if last.image is None:
        message = f"draw {len(replies)}: {last.message}" if len(replies) > 1 else last.message
        return replace(last, message=message, seconds=seconds)
    assert first.image is not None
    for number, reply in enumerate(replies, start=1):
        if (reply.expected_error is None) != (first.expected_error is None):
            message = (
                f"of the draws 1 and {number} only one has an expected error: all draws of a tile have it, or none"
            )
            return Reply("invalid_output", None, message, seconds)
        if reply.image is not None and reply.image.shape != first.image.shape:
            sizes = " and ".join(" x ".join(map(str, one.shape)) for one in (first.image, reply.image))
            message = f"draws 1 and {number} have different shapes, {sizes}: all draws of a tile have one"
            return Reply("invalid_output", None, message, seconds)
    message = next((reply.message for reply in replies if reply.message), "")
    return replace(first, message=message, seconds=seconds)


def score_draws(score: Callable[[Answer], Scored], answers: Sequence[Answer]) -> Scored:
    """Score the draws of a tile and their mean image.

    A metric that is null for one draw is null for the tile. The shift is the mean over draws, and at the edge of the
    search if that of any draw is. The mean image has no expected error: those of the draws are not its own.

    Parameters
    ----------
    score : scores one prediction of the tile.
    """
    each = [score(answer) for answer in answers]
    # In float64, so that rounding to float32 hides the order in which draws were added.
    mean_image = np.stack([answer.image for answer in answers]).mean(axis=0, dtype=np.float64)
    of_mean = score(Answer(mean_image.astype(np.float32)))
    edges = [one.shift_at_edge for one in each if one.shift_at_edge is not None]
    kept = [name for name in each[0].curves if all(name in one.curves for one in each)]
    changes = {
        "values": {name: _mean([one.values.get(name) for one in each]) for name in each[0].values},
        # Reversed, so that of several reasons that of the first draw stands.
        "nulls": {name: reason for one in reversed(each) for name, reason in one.nulls.items()},
        "shift_y": _mean([one.shift_y for one in each]),
        "shift_x": _mean([one.shift_x for one in each]),
        "shift_at_edge": any(edges) if edges else None,
        "clipped": _mean([one.clipped for one in each]),
        "curves": {name: _mean_curve([one.curves[name] for one in each]) for name in kept},
        "draws": DrawValues(each=tuple(_numbers(one) for one in each), mean_image=_numbers(of_mean)),
    }
    return each[0].model_copy(update=changes)


def _numbers(scored: Scored) -> dict[str, float | None]:
    """Return what a draw contributes to the numbers of its tile."""
    return {**scored.values, "shift_y": scored.shift_y, "shift_x": scored.shift_x, "clipped": scored.clipped}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _mean_curve(curves: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in np.mean(np.array(curves), axis=0))

"""Draws of a tile that are larger than the host wants to hold."""

from __future__ import annotations

import numpy as np
import pytest

from worldstrat_bench.run import draws
from worldstrat_bench.run.draws import predict_draws, together
from worldstrat_bench.submission.verify_tiles import _on_disk
from worldstrat_bench.worker.types import Reply


def reply(side: int, error: bool = False) -> Reply:
    image = np.full((3, side, side), 0.25, np.float32)
    return Reply("ok", image, "a hint", 1.0, expected_error=image[:1].copy() if error else None)


def test_draws_larger_than_the_limit_are_a_failed_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "MOST_BYTES", 3 * reply(64).image.nbytes)  # type: ignore[union-attr]
    asked: list[int] = []

    def predict(number: int) -> Reply:
        asked.append(number)
        return reply(64)

    assert together(predict_draws(predict, 3)).outcome == "ok"
    failed = together(predict_draws(predict, 8))
    assert (failed.outcome, asked[-1]) == ("invalid_output", 4)
    assert "draw 4: the draws of a tile are larger than" in failed.message
    assert predict_draws(lambda number: reply(64, error=True), 3)[-1].image is None  # expected errors count as well


@pytest.mark.parametrize("error", [False, True])
def test_a_reply_that_is_laid_down_is_the_same(error: bool) -> None:
    held = reply(5, error)
    laid = _on_disk(held)
    assert isinstance(laid.image, np.memmap)
    assert np.array_equal(held.image, laid.image)  # type: ignore[arg-type]
    assert (laid.expected_error is not None) == error
    assert (laid.outcome, laid.message, laid.seconds) == (held.outcome, held.message, held.seconds)
    assert _on_disk(Reply("crash", None, "ended", 0.0)).image is None

"""Shift-and-add beside itself written frame by frame and offset by offset: processor time of one thread, in pairs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from baselines.tests import framewise_fusion
from baselines.tests.known_tiles import random_land

from worldstrat_bench.api import Target

fusion = pytest.importorskip("worldstrat_bench_baselines.fusion", reason="the baselines are not installed")

ROUNDS = 7
SIDE, FRAMES = 158, 8


def _seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def test_shift_and_add_beside_frame_by_frame(benchmark: Any, publish: Any) -> None:
    """A full-size tile of eight frames; the figure is the median ratio of the pairs, printed and never asserted."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a waiting thread spins, and its neighbours' load would count as ours
    lr, target = random_land(0, FRAMES, SIDE, SIDE, 0.15), Target(4 * SIDE, 4 * SIDE)
    model = fusion.ShiftAndAdd()
    try:
        pairs = [
            (_seconds(lambda: framewise_fusion.predict(lr, target)), _seconds(lambda: model.predict(lr, target)))
            for _ in range(ROUNDS + 1)
        ][1:]
        benchmark.pedantic(model.predict, args=(lr, target), rounds=3)
    finally:
        torch.set_num_threads(threads)
    figures = {
        "frame_by_frame_seconds": statistics.median(before for before, _ in pairs),
        "shift_and_add_seconds": statistics.median(now for _, now in pairs),
        "times_less": statistics.median(before / now for before, now in pairs),
    }
    publish("fusion", figures, [f"{name:24} {value:.3f}" for name, value in figures.items()])

"""Timing on a CUDA device."""

from __future__ import annotations

import time

import pytest
import torch

from worldstrat_bench.worker.timing import CudaClock, clock_for, peak_memory, precision_context, time_call

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the CUDA clock was not run"),
]


def test_the_clock_waits_for_the_device() -> None:
    matrix = torch.randn(8192, 8192, device="cuda")
    clock = clock_for("cuda")
    assert isinstance(clock, CudaClock)
    time_call(lambda: matrix @ matrix, clock)
    timed = time_call(lambda: [matrix @ matrix for _ in range(10)], clock)
    started = time.perf_counter()
    for _ in range(10):
        matrix @ matrix
    returned = time.perf_counter() - started
    torch.cuda.synchronize()
    assert timed.seconds > 5 * returned, "the calls return long before they are done"
    assert timed.wall_seconds == pytest.approx(timed.seconds, rel=0.2)


def test_work_on_another_stream_is_counted() -> None:
    matrix = torch.randn(8192, 8192, device="cuda")
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def call() -> None:
        with torch.cuda.stream(stream):
            for _ in range(10):
                matrix @ matrix

    time_call(call, clock_for("cuda"))
    assert time_call(call, clock_for("cuda")).wall_seconds > 1e-3


def test_memory_and_precision() -> None:
    with precision_context("bf16", "cuda"):
        assert (torch.ones(8, 8, device="cuda") @ torch.ones(8, 8, device="cuda")).dtype == torch.bfloat16
    assert (peak_memory("cuda")["device"] or 0) > 0

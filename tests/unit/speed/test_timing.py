"""Clocks that tell the truth about devices that work asynchronously; checked with a fake device."""

from __future__ import annotations

import pytest
import torch

from worldstrat_bench.worker.inside.timing import (
    WallClock,
    clock_for,
    count_flops,
    count_parameters,
    peak_memory,
    precision_context,
)


def test_a_wall_clock_marks() -> None:
    readings = iter([10.0, 10.5, 11.5, 11.75])
    clock = WallClock(lambda: next(readings))
    clock.start(2)
    clock.mark(wait=False)
    clock.mark(wait=True)
    clock.stop()
    assert clock.times() == [0.5, 1.5, 1.75]


def test_the_cpu_has_a_wall_clock() -> None:
    assert isinstance(clock_for("cpu"), WallClock)


def test_precisions() -> None:
    layer = torch.nn.Linear(4, 4)
    with precision_context("bf16", "cpu"):
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16
    with precision_context("fp32", "cpu"):
        assert layer(torch.ones(1, 4)).dtype == torch.float32
    with precision_context("declared", "cpu"):
        assert layer(torch.ones(1, 4)).dtype == torch.float32
    with pytest.raises(ValueError, match="one of declared, fp32, bf16, fp16"):
        precision_context("int8", "cpu")


class _Plugin:
    def __init__(self) -> None:
        self.net = torch.nn.Conv2d(3, 5, 3, padding=1)
        self.same = self.net


def test_parameters_are_counted_once() -> None:
    assert count_parameters(_Plugin()) == 5 * 3 * 9 + 5
    assert count_parameters(object()) is None


def test_flops_of_a_convolution() -> None:
    plugin = _Plugin()
    image = torch.ones(1, 3, 8, 8)
    assert count_flops(lambda: plugin.net(image)) == 2 * 8 * 8 * 3 * 9 * 5
    assert count_flops(lambda: image + 1) is None


def test_peak_memory_of_the_host() -> None:
    calls: list[int] = []
    memory = peak_memory(lambda: calls.append(1), 3, "cpu")
    assert memory["device_bytes"] is None
    assert memory["host_bytes"] is not None
    assert memory["host_bytes"] > 10_000_000
    assert len(calls) == 3

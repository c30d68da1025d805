"""The clock tells the truth about devices that work asynchronously; checked with a made-up device."""

from __future__ import annotations

import pytest
import torch

from worldstrat_bench.worker.timing import (
    WallClock,
    clock_for,
    count_flops,
    count_parameters,
    peak_memory,
    precision_context,
    time_call,
)


class AsynchronousDevice:
    """A device whose calls return at once and whose work takes as long as it is told; time is made up."""

    def __init__(self) -> None:
        self.now = 0.0
        self._busy_until = 0.0

    def read(self) -> float:
        """The wall clock: reading it takes a moment."""
        self.now += 1e-7
        return self.now

    def launch(self, seconds: float) -> None:
        """Hand over work; returns after 10 microseconds."""
        self.now += 1e-5
        self._busy_until = max(self._busy_until, self.now) + seconds

    def synchronise(self) -> None:
        """Wait until all work is done."""
        self.now = max(self.now, self._busy_until)


class DeviceClock:
    """What a clock has to do on such a device: wait on both sides."""

    def __init__(self, device: AsynchronousDevice) -> None:
        self._device = device
        self._started = 0.0

    def start(self) -> None:
        self._device.synchronise()
        self._started = self._device.now

    def stop(self) -> float:
        self._device.synchronise()
        return self._device.now - self._started


def test_a_call_that_returns_before_it_is_done_is_measured_to_its_end() -> None:
    device = AsynchronousDevice()
    timed = time_call(lambda: device.launch(0.25), DeviceClock(device), device.read)
    assert timed.seconds == pytest.approx(0.25, abs=1e-4)
    assert timed.wall_seconds == pytest.approx(timed.seconds, rel=1e-3), "the two clocks agree"
    naive = time_call(lambda: device.launch(0.25), WallClock(device.read), device.read)
    assert naive.seconds < 1e-3, "without waiting, the same call looks free: what the clock is for"


def test_work_left_over_from_before_is_not_counted() -> None:
    device = AsynchronousDevice()
    device.launch(5.0)
    assert time_call(lambda: device.launch(0.1), DeviceClock(device), device.read).seconds == pytest.approx(
        0.1, abs=1e-4
    )


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
    memory = peak_memory("cpu")
    assert memory["device"] is None
    assert memory["host"] is not None
    assert memory["host"] > 10_000_000

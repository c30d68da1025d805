"""The whole command on a fake clock: what it takes, what it says, what it makes of a device that throttles."""

from __future__ import annotations

import itertools

import pytest

from speed_models import Machine
from speed_session import Costs, run_session
from worldstrat_bench.speed.command import plan_of
from worldstrat_bench.speed.plan import Plan
from worldstrat_bench.speed.sensors import Reading, Sensor


@pytest.mark.parametrize(
    ("device", "seconds", "reference", "longest"),
    [("cpu", 0.1, 0.004, 180), ("cpu", 0.1, 0.1, 180), ("cpu", 0.004, 0.004, 180), ("cuda:0", 0.05, 5e-5, 60)],
)
def test_the_command_keeps_its_budget(
    monkeypatch: pytest.MonkeyPatch, device: str, seconds: float, reference: float, longest: float
) -> None:
    """Both scenarios: workers that start, sweep, warm-up, blocks, audits, the fresh process. See docs/speed.md."""
    machine = Machine()
    result, heard = run_session(
        monkeypatch, seconds, plan_of(device), machine=machine, device=device, reference_seconds=reference
    )
    assert [timing.verdict for timing in result.report.timings] == ["VALID", "VALID"]
    assert 20 < machine.now <= longest, "\n".join(f"{now:.0f} s: {line}" for now, line in heard)


@pytest.mark.parametrize("seconds", [1e-3, 0.01, 0.03])
def test_the_budget_holds_where_processes_start_slowly_and_no_clock_settles(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Slow starts of processes, and calls that differ by half, as on a shared machine with a GPU."""
    speeds = itertools.cycle((1.0, 0.66, 0.9))
    drawn: dict[int, float] = {}
    machine = Machine(speed=lambda now: drawn.setdefault(int(now / 0.3), next(speeds)))
    costs = Costs(start=8.0, both=8.0, tile=0.015)
    result, heard = run_session(
        monkeypatch, seconds, plan_of("cuda:0"), machine=machine, device="cuda:0", costs=costs, reference_seconds=5e-5
    )
    assert all(timing.blocks >= 3 * 2 for timing in result.report.timings)
    assert [timing.verdict for timing in result.report.timings] == ["INVALID", "INVALID"]
    # Not 60: where speeds differ by half the sweep may choose a batch whose calls are long.
    assert machine.now <= 70, "\n".join(f"{now:.0f} s: {line}" for now, line in heard)


def test_a_worker_that_claims_next_to_nothing_does_not_make_the_command_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many calls an audit and its lead-in make follows from what the host saw, not from the worker's word."""
    machine = Machine()
    result, heard = run_session(monkeypatch, 0.01, plan_of("cpu"), machine=machine, claims=1e-4)
    assert [timing.verdict for timing in result.report.timings] == ["INVALID", "INVALID"]
    assert machine.now <= 180, "\n".join(f"{now:.0f} s: {line}" for now, line in heard)


def test_a_quick_look_takes_about_ten_seconds_of_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    result, heard = run_session(monkeypatch, 0.03, plan_of("cpu", quick=True), machine=machine)
    assert [timing.verdict for timing in result.report.timings] == ["INVALID", "INVALID"]
    timed = sum(timing.calls * timing.call_ms for timing in result.report.timings) / 1e3
    assert 2 <= timed <= 5, "and as long again for the reference"
    first, last = heard[0][0], heard[-1][0]
    assert last - first < 30, "audits, sweep and the start of pytest-benchmark included"


def test_each_step_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is being done, and of the long part how long it will take: within a quarter of what it takes."""
    _, heard = run_session(monkeypatch, 0.03, Plan(seconds=1.0), machine=Machine(), scenarios=("offline",))
    lines = [line for _, line in heard]
    assert [line for line in lines if "tiles/s" in line] == [
        f"offline: batches of {batch}: {speed} tiles/s" for batch, speed in ((1, 33.3), (2, 33.3), (4, 33.3))
    ]
    starts = {line.rpartition(": ")[2]: now for now, line in heard}
    (about,) = [line for line in lines if "about" in line]
    took = starts["comparing outputs with those of a fresh process"] - starts["repeat 1 of 3"]
    assert "warming up" in starts
    assert int(about.split()[-2]) == pytest.approx(took, rel=0.5), "the audits come on top"


@pytest.mark.parametrize("tells", [True, False])
def test_throttling_as_the_sensor_tells_it(monkeypatch: pytest.MonkeyPatch, tells: bool) -> None:
    """The clocks are lowered once, for some seconds, while the model is timed."""
    machine = Machine()

    class Hot(Sensor):
        def read(self) -> Reading:
            return Reading(30 < machine.now < 34 if tells else None, None, None, 1980)

    monkeypatch.setattr(Sensor, "open", classmethod(lambda cls, device: Hot(None, 0)))
    result, _ = run_session(monkeypatch, 0.01, Plan(), machine=machine, scenarios=("single",), device="cuda:0")
    (timing,) = result.report.timings
    assert timing.reasons == (("the device lowered its clocks while it ran",) if tells else ())

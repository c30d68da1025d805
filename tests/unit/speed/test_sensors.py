"""What NVML says, with a library that says what it is told: there is no device here."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.speed import sensors
from worldstrat_bench.speed.inputs import synthetic_tiles
from worldstrat_bench.speed.plan import Plan
from worldstrat_bench.speed.sensors import NO_ENERGY, Reading, Sensor, strangers
from worldstrat_bench.speed.session import SpeedRequest, _TimingSession, time_model
from worldstrat_bench.worker.timed import TimedWorker
from worldstrat_bench.worker.types import ModelFigures, ModelSpec, PeakMemory

HEAT = 0x20
POWER_CAP = 0x4


class NVMLError(Exception):
    """As the library's own."""


@dataclass
class Library:
    """NVML with fake devices; a handle is what was asked for."""

    throttle: int = 0
    counts_energy: bool = True
    millijoules: int = 0
    NVMLError: type[Exception] = NVMLError
    NVML_CLOCK_SM: int = 1
    opened: list[Any] = field(default_factory=list)

    def nvmlInit(self) -> None:  # noqa: N802 - the library's name
        """Nothing to do."""

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        self.opened.append(index)
        return index

    def nvmlDeviceGetHandleByUUID(self, name: str) -> str:  # noqa: N802
        self.opened.append(name)
        return name

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object) -> int:  # noqa: N802
        if not self.counts_energy:
            raise NVMLError("not supported")
        self.millijoules += 36_000
        return self.millijoules

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: object) -> int:  # noqa: N802
        return self.throttle

    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=os.getpid()), SimpleNamespace(pid=11)]

    def nvmlDeviceGetClockInfo(self, handle: object, clock: int) -> int:  # noqa: N802
        return 1980


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library()
    monkeypatch.setitem(sys.modules, "pynvml", made)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return made


@pytest.mark.parametrize(
    ("visible", "device", "opened"),
    [(None, "cuda:1", 1), (None, "cuda", 0), ("3", "cuda:0", 3), ("2, 0", "cuda:1", 0), ("GPU-5f", "cuda:0", "GPU-5f")],
)
def test_the_device_is_the_one_that_cuda_sees(
    library: Library, monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str, opened: int | str
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Sensor.open(device) is not None
    assert library.opened == [opened]


def test_a_reading(library: Library) -> None:
    sensor = Sensor.open("cuda:0")
    assert sensor is not None
    reading = sensor.read()
    assert (reading.throttled, reading.millijoules, reading.clock_mhz) == (False, 36_000, 1980)
    assert strangers(reading, frozenset({os.getpid()})) == 1
    assert strangers(reading, frozenset({12})) is None, "in a container NVML gives the numbers of the host"
    library.throttle = POWER_CAP
    assert not sensor.read().throttled, "many devices run at their power cap all day"
    library.throttle = HEAT
    assert sensor.read().throttled
    library.counts_energy = False
    assert sensor.read().millijoules is None


def test_what_the_owner_of_the_device_does_not_tell_is_unknown(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise NVMLError("insufficient permissions")

    for name in dir(Library):
        if name.startswith("nvmlDeviceGet") and "Handle" not in name:
            monkeypatch.setattr(library, name, refused, raising=False)
    sensor = Sensor.open("cuda:0")
    assert sensor is not None
    reading = sensor.read()
    assert reading == Reading(None, None, None, None)
    assert strangers(reading, frozenset({10})) is None


def test_no_device_no_sensor(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Sensor.open("cpu") is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Sensor.open("cuda:0") is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Sensor.open("cuda:0") is None


def test_the_stand_in_is_named_as_the_library_is() -> None:
    """Every name and bit that the sensor uses is in nvidia-ml-py."""
    nvml = pytest.importorskip("pynvml", reason="not run here: needs pip install worldstrat-bench[nvml]")
    missing = [name for name in dir(Library) if name.lower().startswith("nvml") and not hasattr(nvml, name)]
    assert not missing
    names = ("HwSlowdown", "SwThermalSlowdown", "HwThermalSlowdown", "HwPowerBrakeSlowdown")
    assert sum(getattr(nvml, f"nvmlClocksThrottleReason{name}") for name in names) == sensors.THROTTLED
    assert issubclass(nvml.NVMLError, Exception)


def test_a_device_that_counts_no_energy_says_so(library: Library) -> None:
    library.counts_energy = False
    session: Any = SimpleNamespace(_sensor=Sensor(library, 0))
    assert _TimingSession._measure_energy(session, None) is None  # type: ignore[arg-type]
    session._run_seconds = lambda: 0.1
    assert _TimingSession._nulls(session, ModelFigures(1, 1), PeakMemory(1, 1), None, ()) == {"km2_per_kwh": NO_ENERGY}


def test_energy_is_that_of_the_model_alone(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two readings, 36 J apart, there are calls of the model and of nothing else."""
    monkeypatch.setattr(Sensor, "open", classmethod(lambda cls, device: cls(library, 0)))
    tiles = synthetic_tiles(load_protocol(), frames=1, side=200)
    events: list[tuple[str, int]] = []
    ask, read = TimedWorker._ask, Sensor.read

    def recorded(self: TimedWorker, header: dict[str, Any], op: str, **more: Any) -> Any:
        events.append((op, int(header.get("calls", 0))))
        return ask(self, header, op, **more)

    def recorded_reading(self: Sensor) -> Reading:
        events.append(("reading", 0))
        return read(self)

    monkeypatch.setattr(TimedWorker, "_ask", recorded)
    monkeypatch.setattr(Sensor, "read", recorded_reading)
    request = SpeedRequest(
        ModelSpec("worldstrat_bench.worker.inside.reference:load"),
        "bicubic",
        tiles,
        scenarios=("single",),
        plan=Plan(seconds=0.3, min_blocks=2, warm_up_seconds=0.2),
        isolation="process",
    )
    report = time_model(request, lambda line: None).report
    assert report.timings[0].verdict == "INVALID"
    assert any("process" in reason for reason in report.timings[0].reasons), "11 is not ours"
    readings = [k for k, (op, _) in enumerate(events) if op == "reading"]
    between = events[readings[-2] + 1 : readings[-1]]
    assert {op for op, _ in between} == {"block"}, "no reference, no inputs on their way"
    kwh = 36.0 / 3.6e6
    assert report.km2_per_kwh == pytest.approx(sum(calls for _, calls in between) * tiles.km2 / kwh)

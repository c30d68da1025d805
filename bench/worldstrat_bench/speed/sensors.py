"""Readings of the device while it is timed: clocks, other processes, energy. By NVML, where it is installed."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NO_NVML = "no NVML: no NVIDIA device, or no pynvml (pip install 'worldstrat-bench[nvml]')"
NO_ENERGY = "NVML counts no energy on this device"

# Clocks lowered for heat or by the power brake; a power cap alone is how many devices run all day.
THROTTLED = 0x0000000000000008 | 0x0000000000000020 | 0x0000000000000040 | 0x0000000000000080


@dataclass(frozen=True)
class Reading:
    """One look at the device.

    Attributes
    ----------
    throttled : whether the clocks are lowered for heat or by the hardware; None if it does not tell.
    processes : process numbers that compute on the device; None likewise.
    millijoules : energy used since the driver was loaded; None on devices that do not count it.
    clock_mhz : of the multiprocessors; None likewise.
    """

    throttled: bool | None
    processes: tuple[int, ...] | None
    millijoules: int | None
    clock_mhz: int | None


class Sensor:
    """NVML's view of one CUDA device; :meth:`open` gives None where there is none."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle

    @classmethod
    def open(cls, device: str) -> Sensor | None:
        """Return the sensor of ``cuda:N``; None for a CPU or without NVML."""
        if not device.startswith("cuda"):
            return None
        try:
            nvml = importlib.import_module("pynvml")
            nvml.nvmlInit()
            return cls(nvml, _handle(nvml, int(device.partition(":")[2] or 0)))
        except Exception:  # noqa: BLE001 - an NVML that is absent, old or refused all mean: it cannot tell
            return None

    def read(self) -> Reading:
        """Look once; what the device or its owner does not tell is None."""
        nvml, handle = self._nvml, self._handle
        reasons = self._ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
        processes = self._ask(nvml.nvmlDeviceGetComputeRunningProcesses, handle)
        energy = self._ask(nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        clock = self._ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM)
        return Reading(
            None if reasons is None else bool(int(reasons) & THROTTLED),
            None if processes is None else tuple(int(process.pid) for process in processes),
            None if energy is None else int(energy),
            None if clock is None else int(clock),
        )

    def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return question(*arguments)
        except self._nvml.NVMLError:
            return None


def _handle(nvml: Any, index: int) -> Any:
    """NVML counts all devices of the machine, CUDA only those that CUDA_VISIBLE_DEVICES names, in that order."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return nvml.nvmlDeviceGetHandleByIndex(index)
    name = [entry.strip() for entry in visible.split(",") if entry.strip()][index]
    return nvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdigit() else nvml.nvmlDeviceGetHandleByUUID(name)


def strangers(reading: Reading, ours: frozenset[int]) -> int | None:
    """Return the processes on the device that are not ours.

    None if NVML does not tell, or tells numbers of which none is ours: in a container it gives those of the host.
    """
    if reading.processes is None or not ours & set(reading.processes):
        return None
    return len(set(reading.processes) - ours)

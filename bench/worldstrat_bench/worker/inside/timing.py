"""Clocks for the worker, and what is counted beside the time: parameters, FLOPs, memory.

A device works asynchronously: a call may return long before its result is there. The clock therefore belongs to
the device and waits for it at both ends. This module runs in the worker: standard library and torch only, syntax of
Python 3.9.
"""

from __future__ import annotations

import contextlib
import resource
import time
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Dict, List, Optional, Protocol

if TYPE_CHECKING:
    import torch

PRECISIONS = ("declared", "fp32", "bf16", "fp16")
KIB = 1024


class Clock(Protocol):
    """Measures work on a device: :meth:`start`, any number of :meth:`mark`, :meth:`stop`, then :meth:`times`."""

    def start(self, marks: int) -> None:
        """Wait until the device is idle, then start; there will be so many marks."""
        ...

    def mark(self, wait: bool) -> None:
        """Note the time at which the device has done what it was given so far; wait for that, or go on at once."""
        ...

    def stop(self) -> None:
        """Wait until the device has done everything, and note that time as the end."""
        ...

    def times(self) -> List[float]:
        """Return seconds from the start to each mark, the end included."""
        ...

    def wait(self) -> None:
        """Wait until the device has done everything it was given, on all its streams."""
        ...


class WallClock:
    """The clock of a device that works synchronously: the CPU."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._started = 0.0
        self._marks: List[float] = []

    def start(self, marks: int) -> None:
        """Start."""
        self._marks = []
        self._started = self._now()

    def mark(self, wait: bool) -> None:
        """Note the time."""
        self._marks.append(self._now())

    def stop(self) -> None:
        """Note the end."""
        self._marks.append(self._now())

    def times(self) -> List[float]:
        """Return seconds from the start to each mark, the end included."""
        return [mark - self._started for mark in self._marks]

    def wait(self) -> None:
        """Return at once: what a CPU was given is done when the call returns."""


class CudaClock:
    """CUDA events on the current stream; the whole device is waited for at both ends, other streams included."""

    def __init__(self, device: str) -> None:
        import torch

        self._device = torch.device(device)
        self._events: List[Any] = []
        self._used = 0

    def start(self, marks: int) -> None:
        """Make the events before they are needed, wait for the device, then start."""
        import torch

        for _ in range(marks + 2 - len(self._events)):
            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(self._device))  # CUDA makes an event when it is first recorded
            self._events.append(event)
        self._used = 0
        self.wait()
        self._record()

    def mark(self, wait: bool) -> None:
        """Note the time at which the current stream gets here, or wait for all streams and note that."""
        if wait:
            self.wait()
        self._record()

    def stop(self) -> None:
        """Wait for the device, and note the end."""
        self.wait()
        self._record()
        self.wait()

    def times(self) -> List[float]:
        """Return seconds from the start to each mark, the end included: of thousands of events, milliseconds' work."""
        first = self._events[0]
        return [float(first.elapsed_time(event)) / 1e3 for event in self._events[1 : self._used]]

    def wait(self) -> None:
        """Wait for all streams of the device."""
        import torch

        torch.cuda.synchronize(self._device)

    def _record(self) -> None:
        import torch

        self._events[self._used].record(torch.cuda.current_stream(self._device))
        self._used += 1


def clock_for(device: str) -> Clock:
    """Return the clock that tells the truth about a device."""
    import torch

    return CudaClock(device) if torch.device(device).type == "cuda" else WallClock()


def precision_context(precision: str, device: str) -> ContextManager[Any]:
    """Return how a call computes: ``declared`` leaves it to the model, the others force it where torch can.

    ``fp32`` also turns TF32 off; ``bf16`` and ``fp16`` are torch's autocast.
    """
    import torch

    if precision not in PRECISIONS:
        raise ValueError("precision is one of {}, not {!r}".format(", ".join(PRECISIONS), precision))
    if precision == "declared":
        return contextlib.nullcontext()
    kind = torch.device(device).type
    if precision == "fp32":
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        return torch.autocast(kind, enabled=False)
    return torch.autocast(kind, dtype=torch.bfloat16 if precision == "bf16" else torch.float16)


def peak_memory(call: Callable[[], Any], calls: int, device: str) -> Dict[str, Optional[int]]:
    """Return the largest bytes: resident on the host since the start, allocated on the device in the last call.

    Parameters
    ----------
    calls : at least 1; what the calls before the last one leave behind (compiled code, a recorded graph) counts, what
        they used on the way does not.
    """
    import torch

    on_cuda = torch.device(device).type == "cuda"
    for _ in range(calls - 1):
        call()
    if on_cuda:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    call()
    if on_cuda:
        torch.cuda.synchronize(device)
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
    return {
        "host_bytes": int(host),
        "device_bytes": int(torch.cuda.max_memory_allocated(device)) if on_cuda else None,
    }


def count_parameters(model: object) -> Optional[int]:
    """Count the elements of all parameters of the torch modules that a model is or holds; None if it has none."""
    modules = _modules(model)
    if not modules:
        return None
    seen = {id(p): p.numel() for module in modules for p in module.parameters()}
    return sum(seen.values())


def count_flops(call: Callable[[], Any]) -> Optional[int]:
    """Count the floating point operations of one call as torch's own counter sees them; None if it sees none."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return int(counter.get_total_flops()) or None


def _modules(model: object) -> List["torch.nn.Module"]:
    import torch

    held = [model, *vars(model).values()] if hasattr(model, "__dict__") else [model]
    return [value for value in held if isinstance(value, torch.nn.Module)]

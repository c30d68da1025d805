"""Timing one call of a model, in the worker: input on the host before, output on the device after.

A device works asynchronously: a call may return long before its result is there. The clock therefore belongs to
the device, waits for it on both sides, and is cross-checked with a wall clock. This module runs in the worker:
standard library and torch only, syntax of Python 3.9.
"""

from __future__ import annotations

import contextlib
import resource
import time
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Dict, List, NamedTuple, Optional, Protocol

if TYPE_CHECKING:
    import torch

PRECISIONS = ("declared", "fp32", "bf16", "fp16")
KIB = 1024


class Clock(Protocol):
    """Measures a region of work on a device. :meth:`start` and :meth:`stop` come in pairs."""

    def start(self) -> None:
        """Wait until the device is idle, then start."""
        ...

    def stop(self) -> float:
        """Wait until the device is done; seconds since the start by the device's own clock."""
        ...


class WallClock:
    """The clock of a device that works synchronously: the CPU."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._started = 0.0

    def start(self) -> None:
        """Start."""
        self._started = self._now()

    def stop(self) -> float:
        """Seconds since the start."""
        return self._now() - self._started


class CudaClock:
    """CUDA events on the current stream, with a synchronisation of the whole device on both sides."""

    def __init__(self, device: str) -> None:
        import torch

        self._device = torch.device(device)
        self._first: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        self._last: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

    def start(self) -> None:
        """Wait for the device, then start."""
        import torch

        torch.cuda.synchronize(self._device)
        self._first.record(torch.cuda.current_stream(self._device))

    def stop(self) -> float:
        """Wait for the device (work on other streams included); seconds since the start."""
        import torch

        torch.cuda.synchronize(self._device)
        self._last.record(torch.cuda.current_stream(self._device))
        self._last.synchronize()
        return float(self._first.elapsed_time(self._last)) / 1e3


class Timed(NamedTuple):
    """One timed call: what the model returned, seconds by the device's clock and by the wall clock."""

    output: Any
    seconds: float
    wall_seconds: float


def clock_for(device: str) -> Clock:
    """The clock that tells the truth about a device."""
    import torch

    return CudaClock(device) if torch.device(device).type == "cuda" else WallClock()


def time_call(call: Callable[[], Any], clock: Clock, now: Callable[[], float] = time.perf_counter) -> Timed:
    """Run `call` between the two ends of `clock`, and between two readings of a wall clock around them."""
    wall = now()
    clock.start()
    output = call()
    seconds = clock.stop()
    return Timed(output, seconds, now() - wall)


def precision_context(precision: str, device: str) -> ContextManager[Any]:
    """How a call computes: ``declared`` leaves it to the model, the others force it where torch can.

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


def peak_memory(device: str) -> Dict[str, Optional[int]]:
    """Bytes at their largest since the process started: resident on the host, allocated on the device."""
    import torch

    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
    on_cuda = torch.device(device).type == "cuda"
    return {"host": int(host), "device": int(torch.cuda.max_memory_allocated(device)) if on_cuda else None}


def count_parameters(model: object) -> Optional[int]:
    """Elements of all parameters of the torch modules that a model is or holds; None if it has none."""
    modules = _modules(model)
    if not modules:
        return None
    seen = {id(p): p.numel() for module in modules for p in module.parameters()}
    return sum(seen.values())


def count_flops(call: Callable[[], Any]) -> Optional[int]:
    """Floating point operations of one call as torch's own counter sees them; None if it sees none."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return int(counter.get_total_flops()) or None


def inspect_model(model: object, call: Callable[[], Any], device: str) -> Dict[str, Optional[int]]:
    """Parameters, FLOPs of one further call, and the memory's peak so far."""
    memory = peak_memory(device)
    return {
        "parameters": count_parameters(model),
        "flops": count_flops(call),
        "host_bytes": memory["host"],
        "device_bytes": memory["device"],
    }


def _modules(model: object) -> List["torch.nn.Module"]:
    import torch

    held = [model, *vars(model).values()] if hasattr(model, "__dict__") else [model]
    return [value for value in held if isinstance(value, torch.nn.Module)]

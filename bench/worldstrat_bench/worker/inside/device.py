"""The name of a device and its class: speeds are compared only within a class.

This module runs in the worker too: standard library only (torch where it is used), Python 3.9 syntax.
"""

from __future__ import annotations

import os
import platform
import re
from typing import Dict, Optional

_MACHINES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "arm64"}


def usable_cores() -> int:
    """Return the CPU cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    """Return the processor's own name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            found = re.search(r"^model name\s*:\s*(.+)$", file.read(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else (platform.processor() or platform.machine())


def cpu_class(cores: int, machine: Optional[str] = None) -> str:
    """Return the class of the CPU, such as ``CPU 2 cores x86-64``."""
    name = (machine or platform.machine()).lower()
    return "CPU {} core{} {}".format(cores, "" if cores == 1 else "s", _MACHINES.get(name, name))


def cuda_class(name: str, memory_bytes: int) -> str:
    """Return the class of a GPU: ``H100-80GB`` of "NVIDIA H100 80GB HBM3", its memory as the vendor counts it."""
    words = re.sub(r"\b(NVIDIA|GeForce|Tesla|Quadro|Graphics|HBM\w*|PCIe|SXM\d?)\b", " ", name)
    words = re.sub(r"\b\d+\s*GB\b", " ", words)
    short = "-".join(re.findall(r"[A-Za-z0-9]+", words)) or "CUDA"
    found = re.search(r"\b(\d+)\s*GB\b", name)
    gigabytes = int(found.group(1)) if found else _marketed(memory_bytes)
    return "{}-{}GB".format(short, gigabytes)


def _marketed(memory_bytes: int) -> int:
    """Return the capacity that is printed on the box: drivers keep up to a twelfth of it for themselves."""
    gib = memory_bytes / 2**30
    sizes = (2, 3, 4, 6, 8, 10, 11, 12, 16, 20, 24, 32, 40, 48, 64, 80, 94, 96, 128, 141, 180, 192, 288)
    return next((size for size in sizes if gib <= size * 1.01), round(gib))


def device_problem(device: str) -> str:
    """Return why this process cannot use a torch device, in torch's words; "" if it can.

    A CUDA device is really started and described, without allocating on it: what the driver refuses is then known
    before any code of a model runs, and its settings of the allocator still count.
    """
    import torch

    if torch.device(device).type != "cuda":
        return ""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(device)
        device_facts(device, None)
    except Exception as error:  # a driver or a build that is too old also raises OSError, AttributeError and others
        said = " ".join("{}: {}".format(type(error).__name__, error).split())[:1000]
        return "this torch ({}) cannot use {}: {}".format(torch.__version__, device, said)
    return ""


def device_facts(device: str, threads: Optional[int]) -> Dict[str, Optional[str]]:
    """Return type, name and class of a torch device as this process sees it, and the CUDA version of torch."""
    import torch

    kind = torch.device(device)
    if kind.type == "cuda":
        properties = torch.cuda.get_device_properties(kind)
        label = cuda_class(properties.name, int(properties.total_memory))
        return {"type": "cuda", "name": properties.name, "class": label, "cuda": torch.version.cuda}
    cores = min(threads or usable_cores(), usable_cores())
    return {"type": "cpu", "name": cpu_name(), "class": cpu_class(cores), "cuda": None}

"""``--device``: which devices predict, and on which one the scores are computed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from worldstrat_bench.errors import InfrastructureError, UsageError

_GPU_NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg", "/dev/nvhost-ctrl", "/dev/nvmap")
"""Device files of NVIDIA's driver on servers, in WSL and on Tegra, and of AMD's."""


def resolve_devices(text: str) -> tuple[str, ...]:
    """Return the devices that a word stands for, one worker each.

    ``auto`` is every CUDA device that torch sees, else ``cpu``; ``cuda`` is every CUDA device; ``cuda:1`` is one, and
    ``cuda:0,cuda:2`` are some. CUDA_VISIBLE_DEVICES is respected.

    Raises
    ------
    UsageError
        for any other word.
    InfrastructureError
        if the CUDA devices asked for are not there.
    """
    # A mistyped word is refused before torch is imported, which takes a second or more.
    wanted = split_devices(text)
    if text == "cpu" or (text == "auto" and not _may_have_gpu()):
        return ("cpu",)
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == "auto" and count == 0:
        return ("cpu",)
    devices = tuple(f"cuda:{index}" for index in range(count))
    chosen = devices if text in ("auto", "cuda") else wanted
    missing = [device for device in chosen if device not in devices]
    if missing or not chosen:
        raise InfrastructureError(
            f"there is no CUDA device {missing[0]}" if missing else "there is no CUDA device",
            where="--device",
            remedy="see `worldstrat-bench doctor`, or use --device cpu",
        )
    return chosen


def split_devices(text: str) -> tuple[str, ...]:
    """Return the words of ``--device``, each once; whether such devices are there is not asked.

    Raises
    ------
    UsageError
        unless it is ``auto``, ``cpu``, ``cuda`` or one or more of ``cuda:N``, separated by commas.
    """
    words = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if text not in ("auto", "cpu", "cuda") and not all(re.fullmatch(r"cuda:\d{1,3}", word) for word in words):
        raise UsageError(f"unknown device {text[:40]!r}", where="--device", remedy="auto, cpu, cuda or cuda:N")
    return words


def scoring_device(devices: tuple[str, ...]) -> str:
    """Return where scores are computed: on the first device."""
    return devices[0]


def _may_have_gpu() -> bool:
    """Return whether it is worth a second to import torch and ask it: on Linux a GPU has a device file."""
    if sys.platform != "linux":
        return True
    return any(Path(node).exists() for node in _GPU_NODES)

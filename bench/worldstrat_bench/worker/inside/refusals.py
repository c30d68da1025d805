"""Refusals in Python, for calls that the kernel would refuse too late or without a reason.

This is for clear errors and confines nothing: landlock and seccomp do. Standard library only, syntax of Python 3.9.
"""

from __future__ import annotations

import errno
import importlib
from typing import Any

POOLS = "process pools and data loaders with workers do not work in a confined worker: use num_workers=0, or threads"
"""The sentence that the host recognises."""


class NoSemaphore:
    """In place of ``_multiprocessing.SemLock``: refuses at once."""

    SEM_VALUE_MAX = 2**31 - 1

    def __init__(self, *_arguments: Any, **_more: Any) -> None:
        raise PermissionError(errno.EACCES, POOLS)

    @staticmethod
    def _rebuild(*_arguments: Any) -> Any:
        raise PermissionError(errno.EACCES, POOLS)


def refuse_semaphores() -> None:
    """Let every named semaphore of :mod:`multiprocessing` fail with :data:`POOLS`.

    `strong` has no folder for semaphores. `full` has one of its own, but no sockets: a data loader would start its
    processes there and wait for their tensors without end. Refused at both, so that a model behaves alike, and with an
    OSError, after which tqdm and joblib go on without processes.
    """
    try:
        semaphores: Any = importlib.import_module("_multiprocessing")
    except ImportError:
        return  # a Python without semaphores refuses by itself
    semaphores.SemLock = NoSemaphore

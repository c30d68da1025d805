"""Waiting for a condition instead of for a time: a loaded machine is slow, and a quick one need not wait."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 60.0
"""Long enough for a machine with ten times the work of its cores; only a test that fails waits as long."""


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS, every: float = 0.05) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(every)
    return condition()


def wait_until_passed(check: Callable[[], None], seconds: float = PATIENCE_SECONDS, every: float = 0.05) -> None:
    """Make the same assertions again until they hold; at the end of the time the last failure is raised."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return check()
        except AssertionError:
            time.sleep(every)
    return check()

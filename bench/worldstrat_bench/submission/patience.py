"""A limit of processor time for work on the files of one stranger, so that it is not taken from everyone else."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TooLongError(BaseException):
    """The work has used up its time. Not an Exception: what handles those must not go on."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Stop what runs inside, in the main thread, once the process has used so many seconds of processor time.

    In another thread, and where there are no such timers (Windows), nothing is limited. Of two limits, one in the
    other, the time of the inner one does not count against the outer one.

    Raises
    ------
    TooLongError
        from wherever the work is at that moment.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise TooLongError

    handler = signal.signal(signal.SIGPROF, stop)
    # Again every second: a handler of the work itself may have caught the first.
    outer = signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, handler)
        signal.setitimer(signal.ITIMER_PROF, *outer)

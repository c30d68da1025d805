"""What became of a worker that hung up, in words, and whether it may be tried again."""

from __future__ import annotations

import signal

from worldstrat_bench.worker.log import ModelLog
from worldstrat_bench.worker.session import End


def outcome_of(end: End, log: ModelLog) -> tuple[str, str]:
    """Outcome and description of a worker that hung up; `log` has its last words."""
    if end.verdict is not None:
        return end.verdict.outcome, end.verdict.message
    lines = log.last_lines()
    said = f"; its last words:\n{lines}" if lines else ""
    if end.signal == signal.SIGKILL and end.kernel_killed:
        return "out_of_memory", "the kernel ended the model's process for want of memory"
    if end.code is None:
        return "crash", f"the model ended the process that keeps it{said}"
    if end.signal is not None:
        return "crash", f"the model's process died of {_signal_name(end.signal)}{said}"
    return "crash", f"the model's process left with exit code {end.code}{said}"


def may_be_chance(end: End) -> bool:
    """Whether a worker was killed, neither by its host nor for want of memory: by an operator, a scheduler or itself.

    From here the last looks like the first two. A model that kills itself does it again.
    """
    if end.verdict is not None:
        return False
    return end.code is None or (end.signal == signal.SIGKILL and not end.kernel_killed)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

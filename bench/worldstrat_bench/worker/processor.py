"""Processor time of a worker's whole tree, as the kernel counts it: the model's code has no say in it."""

from __future__ import annotations

import os
from pathlib import Path

_UTIME = 11
"""Place of the user time in ``/proc/PID/stat`` after the name; system time and those of ended children follow."""


def processor_seconds(root: int) -> float:
    """Return the processor time of the processes below `root` since they started, s.

    Children that have ended count once their parent waited for them; the time of `root` itself does not, which is the
    keeper's own.
    """
    ticks, pending = 0, [root]
    while pending:
        pid = pending.pop()
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
        except OSError:  # it has ended
            continue
        # The name of a program may hold spaces and parentheses; the last parenthesis is its end.
        own, system, waited, waited_system = map(int, stat.rpartition(")")[2].split()[_UTIME : _UTIME + 4])
        ticks += waited + waited_system + (0 if pid == root else own + system)
        for task in tasks:
            try:
                children = (task / "children").read_text(encoding="utf-8")
            except OSError:
                continue
            pending += map(int, children.split())
    return ticks / os.sysconf("SC_CLK_TCK")

"""Start a Python to ask it what it is, in a process that can only read: ``python -I -S ask.py DESCRIPTION``.

A package can put files among those that every Python reads at its start, whatever its options say: an archive of the
standard library, a module of it, a shared library. So an interpreter is confined before it is asked, like a worker
before its model is imported.

Runs on the harness's own interpreter: standard library only, syntax of Python 3.9.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sys

MEMORY_BYTES = 4 << 30
"""Address space: a Python without packages needs a hundredth."""

ANSWER_BYTES = 1 << 16
"""Largest file that it may write, which is the one that its answer goes to."""


def main() -> None:
    """Confine this process as far as the machine can, and become the interpreter of the description."""
    described = json.loads(sys.argv[1])
    sys.path.insert(0, described["harness"])
    # Elsewhere no model can be confined either: there is `process` alone, for models that are trusted.
    if sys.platform == "linux":
        confine()
    os.execve(described["argv"][0], described["argv"], described["env"])


def confine() -> None:
    """Give up everything but reading; for good."""
    from worldstrat_bench.worker.inside import landlock, probes, seccomp

    for limit, size in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_FSIZE, ANSWER_BYTES)):
        hard = resource.getrlimit(limit)[1]
        most = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(limit, (most, most))
    if landlock.version() < 1:
        return
    probes.drop_capabilities()
    # All may be read: where the libraries of a Python lie is its own affair (modules of a cluster, say), and what it
    # reads it can tell to no place but an answer of three small numbers.
    landlock.restrict(["/"], (), ("/dev/null",))
    # Without a table of its system calls no level but `process` is to be had on this processor, and the question is not
    # what has to fail there.
    if platform.machine() in seccomp.MACHINES:
        seccomp.install(os.getpid(), landlock.scopes_signals())


if __name__ == "__main__":
    main()

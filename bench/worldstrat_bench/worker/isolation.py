"""The levels of isolation: what each must stop, and which of them this machine gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from worldstrat_bench.errors import InfrastructureError, UsageError
from worldstrat_bench.record import IsolationReport

Level = Literal["full", "strong", "process"]
Request = Literal["auto", "full", "strong", "process"]

LEVELS: tuple[Level, ...] = ("full", "strong", "process")
"""From the best to the least."""

ONLY_FULL = frozenset({"stat_targets"})
"""Probes that Landlock and seccomp do not stop."""

PROBES = frozenset({
    "read_targets", "stat_targets", "list_outside", "write_outside", "change_outside", "tcp", "udp", "unix_socket",
    "abstract_socket", "datagram_pair", "shared_memory", "sysv_memory", "parent_files", "ptrace_parent",
    "signal_parent", "new_namespace", "io_uring", "capabilities",
})  # fmt: skip
"""Every attempt of the self-test."""


@dataclass(frozen=True)
class Attempt:
    """What came of trying a level: the probes that were stopped, or why it is not to be had."""

    level: Level
    held: Mapping[str, bool]
    problem: str | None = None

    @property
    def good(self) -> bool:
        """Whether the level was reached."""
        return self.problem is None


def parse_request(text: str) -> Request:
    """The value of ``--isolation``."""
    if text not in ("auto", *LEVELS):
        raise UsageError(f"there is no isolation level {text[:40]!r}", remedy="use auto, full, strong or process")
    return cast(Request, text)


def candidates(request: Request) -> tuple[Level, ...]:
    """The levels to try in turn. A better one than asked for is never needed."""
    return LEVELS if request == "auto" else (request,)


def required(level: Level) -> frozenset[str]:
    """The probes that a level must stop."""
    return {"full": PROBES, "strong": PROBES - ONLY_FULL, "process": frozenset[str]()}[level]


def judge_level(level: Level, held: Mapping[str, bool]) -> Attempt:
    """Whether the self-test's result is what the level promises."""
    failed = sorted(name for name in required(level) if not held.get(name, False))
    return Attempt(level, held, f"not stopped: {', '.join(failed)}" if failed else None)


def make_report(request: Request, attempts: list[Attempt]) -> IsolationReport:
    """What the record says: the level that was reached, what held, and why nothing better."""
    reached = attempts[-1]
    notes = tuple(f"{a.level}: {a.problem}" for a in attempts if a.problem)
    return IsolationReport(level=reached.level, requested=request, held=dict(sorted(reached.held.items())), notes=notes)


def unavailable(request: Request, attempts: list[Attempt]) -> InfrastructureError:
    """The error where nothing that was asked for is to be had."""
    reasons = "; ".join(f"{a.level}: {a.problem}" for a in attempts)
    return InfrastructureError(
        f"isolation {request!r} is not available on this machine",
        where=reasons,
        remedy="`full` needs bubblewrap (Debian: apt install bubblewrap) and user namespaces, "
        "`strong` needs Linux 5.13 with Landlock; use --isolation process only for models you trust",
    )

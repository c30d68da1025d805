"""The levels of isolation: what each must stop, and which of them this machine gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from worldstrat_bench.arguments import one_of
from worldstrat_bench.artefacts.record import ONLY_FULL, IsolationReport
from worldstrat_bench.errors import InfrastructureError
from worldstrat_bench.worker.grants import Grants

Level = Literal["full", "strong", "process"]
Request = Literal["auto", "full", "strong", "process"]
Profile = Literal["cpu", "cuda"]
"""Extra rights of a confined worker: none, or those that libcuda needs at its start."""

LEVELS: tuple[Level, ...] = ("full", "strong", "process")
"""From the best to the least."""

PROBES = frozenset(
    {
        "read_targets",
        "stat_targets",
        "list_outside",
        "write_outside",
        "change_outside",
        "tcp",
        "udp",
        "unix_socket",
        "abstract_socket",
        "datagram_pair",
        "datagram_socket",
        "shared_memory",
        "sysv_memory",
        "parent_files",
        "write_proc",
        "ptrace_parent",
        "signal_parent",
        "new_namespace",
        "io_uring",
        "capabilities",
    }
)
"""Every attempt of the self-test; each is stopped under both profiles."""


class LevelUnavailableError(InfrastructureError):
    """This machine does not have the isolation that was asked for."""


@dataclass(frozen=True)
class Attempt:
    """Result of trying a level.

    Attributes
    ----------
    held : the probes, and whether each was stopped.
    problem : why the level is not available; None if it was reached.
    profile : what was granted.
    refused : with the profile "cuda", the first call of libcuda's start that is refused nevertheless, and why.
    grants : the paths that the worker may use; None if it was not started.
    """

    level: Level
    held: Mapping[str, bool]
    problem: str | None = None
    profile: Profile = "cpu"
    refused: str = ""
    grants: Grants | None = None

    @property
    def good(self) -> bool:
        """True if the level was reached."""
        return self.problem is None


def parse_request(text: str) -> Request:
    """Return the value of ``--isolation``.

    Raises
    ------
    UsageError
        for an unknown level.
    """
    return cast(Request, one_of(text, ("auto", *LEVELS), "unknown isolation level", "--isolation"))


def candidates(request: Request, *, unconfined: bool = True) -> tuple[Level, ...]:
    """Return the levels to try in turn; `process` is one of those of ``auto`` only if the model may run unconfined.

    A better level than asked for is never needed.
    """
    if request != "auto":
        return (request,)
    return LEVELS if unconfined else tuple(level for level in LEVELS if level != "process")


def required(level: Level) -> frozenset[str]:
    """Return the probes that a level must stop."""
    return {"full": PROBES, "strong": PROBES - ONLY_FULL, "process": frozenset[str]()}[level]


def judge_level(level: Level, held: Mapping[str, bool]) -> Attempt:
    """Return whether the self-test's result is what the level promises."""
    failed = sorted(name for name in required(level) if not held.get(name, False))
    return Attempt(level, held, f"not stopped: {', '.join(failed)}" if failed else None)


def make_report(request: Request, attempts: list[Attempt]) -> IsolationReport:
    """Return what the record says: the level that was reached, what held, and why nothing better."""
    reached = attempts[-1]
    notes = tuple(f"{a.level}: {a.problem}" for a in attempts if a.problem)
    return IsolationReport(
        level=reached.level,
        requested=request,
        profile=None if reached.level == "process" else reached.profile,
        held=dict(sorted(reached.held.items())),
        notes=notes,
    )


def unavailable(request: Request, attempts: list[Attempt]) -> LevelUnavailableError:
    """Return the error if no requested level is available."""
    reasons = "; ".join(f"{a.level}: {a.problem}" for a in attempts)
    return LevelUnavailableError(
        f"isolation {request!r} is not available on this machine",
        where=reasons,
        remedy="`full` needs bubblewrap (Debian: apt install bubblewrap) and user namespaces, "
        "`strong` needs Linux 5.13 with Landlock; use --isolation process only for models you trust",
    )

"""The errors a user can meet, each with the exit code that the command line promises for it.

This module imports nothing but the standard library: the confined worker uses it too.
"""

from __future__ import annotations

from typing import ClassVar


class WorldstratBenchError(Exception):
    """An error with its cause, its place, and the way out.

    Parameters
    ----------
    what : one sentence without a full stop, in the user's words.
    where : a file, key, tile or URL, if there is one.
    remedy : what the user can do, as a command or an instruction.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: object = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"({self.where})")
        if self.remedy:
            parts.append(f"- {self.remedy}")
        return " ".join(parts)


class UsageError(WorldstratBenchError):
    """An argument or a combination of arguments that makes no sense."""

    exit_code = 2


class ModelError(WorldstratBenchError):
    """A model that cannot be loaded or that broke the plug-in contract."""

    exit_code = 3


class DataError(WorldstratBenchError):
    """A dataset that is missing, incomplete or damaged."""

    exit_code = 4


class InvalidArtefactError(WorldstratBenchError):
    """A run, record, submission, protocol or site that is not valid."""

    exit_code = 5


class InfrastructureError(WorldstratBenchError):
    """The machine, the network or the disk failed; the same command may work later."""

    exit_code = 6

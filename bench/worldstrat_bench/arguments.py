"""Checks of what callers of the Python API pass: a wrong type is an error that says which argument and what to do."""

from __future__ import annotations

import os
from pathlib import Path

from worldstrat_bench.errors import UsageError


def path_of(value: object, where: str) -> Path:
    """Return a path that is given as text or as a path.

    Raises
    ------
    UsageError
        for anything else.
    """
    given = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(given, str):
        remedy = "give a path, as text or as pathlib.Path"
        raise UsageError(f"{where} is of type {type(value).__name__}, not a path", where=where, remedy=remedy)
    return Path(given)


def path_or_none(value: object, where: str) -> Path | None:
    """Return None as it is, and else what :func:`path_of` does."""
    return None if value is None else path_of(value, where)


def check_text(value: object, where: str, remedy: str) -> None:
    """Raise UsageError unless `value` is text."""
    if not isinstance(value, str):
        raise UsageError(f"{where} is of type {type(value).__name__}, not text", where=where, remedy=remedy)


def check_whole(value: object, where: str) -> None:
    """Raise UsageError unless `value` is a whole number; True and False are not."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{value!r:.40} is not a whole number", where=where, remedy="give a number such as 8")


def check_kind(value: object, kind: type, where: str, remedy: str) -> None:
    """Raise UsageError unless `value` is of a class."""
    if not isinstance(value, kind):
        raise UsageError(f"{where} is of type {type(value).__name__}, not {kind.__name__}", where=where, remedy=remedy)

"""Checks of what callers of the Python API pass: a wrong type is an error that says which argument and what to do."""

from __future__ import annotations

import operator
import os
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
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


def check_several(value: object, where: str, example: str) -> None:
    """Raise UsageError unless `value` is text or a sequence of texts, each of which is still to be checked."""
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        remedy = f"give names, such as {example!r}, or a list of them"
        raise UsageError(f"{where} is of type {type(value).__name__}, not text", where=where, remedy=remedy)


def check_whole(value: object, where: str) -> None:
    """Raise UsageError unless `value` is a whole number; True and False are not."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{value!r:.40} is not a whole number", where=where, remedy="give a number such as 8")


def whole_numbers(values: object, where: str, count: int) -> list[int]:
    """Return positions in something of `count` items, which may also be an array or a tensor.

    Raises
    ------
    UsageError
        for anything but whole numbers from 0 to `count` - 1.
    """
    try:
        found = [operator.index(value) for value in values]  # type: ignore[attr-defined]
    except TypeError:
        what, remedy = f"{where} does not hold whole numbers", f"give a list of numbers from 0 to {count - 1}"
        raise UsageError(what, where=where, remedy=remedy) from None
    outside = [number for number in found if not 0 <= number < count]
    if outside:
        what = f"{where} holds {outside[0]}, and there are {count}, counted from 0"
        raise UsageError(what, where=where, remedy=f"give numbers from 0 to {count - 1}")
    return found


def check_kind(value: object, kind: type, where: str, remedy: str) -> None:
    """Raise UsageError unless `value` is of a class."""
    if not isinstance(value, kind):
        raise UsageError(f"{where} is of type {type(value).__name__}, not {kind.__name__}", where=where, remedy=remedy)


def one_of(value: object, known: Collection[str], what: str, where: str, also: Mapping[str, str] | None = None) -> str:
    """Return the known name that a text means: letter case, and spaces and dashes for ``_``, do not matter.

    >>> one_of("PSNR", ("psnr", "ssim"), "unknown metric", "--metrics")
    'psnr'

    Parameters
    ----------
    what : what to say of any other text, such as "unknown metric".
    also : further spellings, to the names they stand for.

    Raises
    ------
    UsageError
        for any other text, with the name that it may be meant for, or what is not text.
    """
    if isinstance(value, str) and value in known:
        return value
    everything = ", ".join(known)
    check_text(value, where, f"one of: {everything}")
    text = str(value)
    spelled = {_plain(spelling): name for spelling, name in (also or {}).items()} | {_plain(n): n for n in known}
    found = spelled.get(_plain(text))
    if found is not None:
        return found
    near = get_close_matches(_plain(text[:60]), list(spelled), n=1)
    guess = f"did you mean {spelled[near[0]]!r}? " if near else ""
    raise UsageError(f"{what} {text[:60]!r}", where=where, remedy=f"{guess}one of: {everything}")


def _plain(text: str) -> str:
    return text.strip().casefold().replace(" ", "_").replace("-", "_")

"""Verifications that were made, or begun, on this machine: the user's own folder lists them.

A run directory shows nothing: whoever hands one over can put every file into it that a run of ours has.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import UsageError

ENVIRONMENT_VARIABLE: Final = "WORLDSTRAT_BENCH_STATE"
BEGUN: Final = "verification-begun.txt"
"""In the folder of a full run that `verify` began: a random number, which the user's own folder lists as well."""
_FILE: Final = "verifications.txt"
_MARK: Final = "begun:"
"""Before such a number: the digests in the same file are those of published files, which anyone can compute."""
_LONGEST: Final = 100
"""Bytes of such a file; another one is a stranger's."""


def remember(verification: Path) -> None:
    """Keep the digest of a ``verification.json`` that was just written here.

    Raises
    ------
    OSError
        if the user's folder cannot be written to.
    """
    _note(file_sha256(verification))


def was_made_here(verification: Path) -> bool:
    """Return whether a ``verification.json`` is, to the last byte, one that was written on this machine."""
    try:
        return file_sha256(verification) in _listed().read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return False


def refuse_begun_elsewhere(out: Path) -> None:
    """Refuse a folder for a full run that holds anything but a run that `verify` began on this machine.

    A run says itself which of its tiles are done, and those are not run again: of another's run nothing would be run.

    Raises
    ------
    UsageError
        if it is such a folder.
    """
    if out.is_symlink():
        what, remedy = "it is a link, which a branch may have brought along", "give the folder itself, or another one"
        raise UsageError(what, where=f"--out {out}", remedy=remedy)
    if not os.path.lexists(out) or (out.is_dir() and (not any(out.iterdir()) or _was_begun_here(out))):
        return
    what = "it is not empty, and `verify` began no run there on this machine: its tiles may be a stranger's"
    raise UsageError(what, where=out, remedy="name a new folder with --out")


def begin(out: Path) -> None:
    """Note that a full run begins in a folder, so that it can go on there if it is interrupted.

    Where the user's folder cannot be written to, a run that is interrupted begins again elsewhere.

    Raises
    ------
    UsageError
        as :func:`refuse_begun_elsewhere`.
    """
    refuse_begun_elsewhere(out)
    # What cannot be made here, the run itself reports in its own words.
    with suppress(OSError):
        out.mkdir(parents=True, exist_ok=True)
        if not any(out.iterdir()):
            token = secrets.token_hex(32)
            _note(f"{_MARK}{token}")
            (out / BEGUN).write_text(f"{token}\n", encoding="ascii")


def _was_begun_here(out: Path) -> bool:
    """Return whether the number in a folder is one that was drawn on this machine."""
    path = out / BEGUN
    try:
        if path.is_symlink() or path.stat().st_size > _LONGEST:
            return False
        token = path.read_text(encoding="ascii").strip()
        return f"{_MARK}{token}" in _listed().read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return False


def _note(line: str) -> None:
    _listed().parent.mkdir(parents=True, exist_ok=True)
    with _listed().open("a", encoding="ascii") as file:
        file.write(f"{line}\n")


def _listed() -> Path:
    """Return the file of digests and numbers, in $WORLDSTRAT_BENCH_STATE or the user's folder of such files."""
    if named := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(named) / _FILE
    from platformdirs import user_state_path

    return user_state_path("worldstrat-bench", appauthor=False) / _FILE

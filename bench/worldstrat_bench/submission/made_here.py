"""Verifications that were made on this machine: their digests are kept in the user's own folder.

A run directory shows nothing: whoever hands one over can put every file into it that a run of ours has.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from worldstrat_bench.digests import file_sha256

ENVIRONMENT_VARIABLE: Final = "WORLDSTRAT_BENCH_STATE"
_FILE: Final = "verifications.txt"


def remember(verification: Path) -> None:
    """Keep the digest of a ``verification.json`` that was just written here.

    Raises
    ------
    OSError
        if the user's folder cannot be written to.
    """
    _listed().parent.mkdir(parents=True, exist_ok=True)
    with _listed().open("a", encoding="ascii") as file:
        file.write(f"{file_sha256(verification)}\n")


def was_made_here(verification: Path) -> bool:
    """Return whether a ``verification.json`` is, to the last byte, one that was written on this machine."""
    try:
        return file_sha256(verification) in _listed().read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return False


def _listed() -> Path:
    """Return the file of digests, in $WORLDSTRAT_BENCH_STATE or the user's folder of such files."""
    if named := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(named) / _FILE
    from platformdirs import user_state_path

    return user_state_path("worldstrat-bench", appauthor=False) / _FILE

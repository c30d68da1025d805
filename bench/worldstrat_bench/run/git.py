"""Asking git, of a checkout whose content is untrusted: nothing of the checkout runs, and no network is used."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from worldstrat_bench.errors import UsageError

_SAFE = (
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.quotePath=false",
    "-c",
    "diff.external=",
    "-c",
    "protocol.allow=never",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "core.excludesFile=/dev/null",
    "-c",
    "submodule.recurse=false",
)
_KEPT = re.compile(r"GIT_(CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)|DISCOVERY_ACROSS_FILESYSTEM)")
"""Variables with settings of the user and the machine, ``safe.directory`` for one; the others name a repository."""

_CAUSES: Final = (
    (
        "dubious ownership",
        "the checkout belongs to another user, and git does not read it",
        "git config --global --add safe.directory {folder}",
    ),
    (
        "cannot use bare repository",
        "this is a bare repository, which has no files to look at",
        "git worktree add FOLDER BRANCH, and work there",
    ),
    (
        "must be run in a work tree",
        "this is a bare repository, which has no files to look at",
        "git worktree add FOLDER BRANCH, and work there",
    ),
    ("not a git repository", "there is no git checkout here", "run it in a clone of the repository"),
    (
        "promisor remote",
        "this is a partial clone, and the files of the base are not here",
        "git fetch --refetch --no-filter origin",
    ),
    (
        "' not allowed",  # transport 'https' not allowed: what git would fetch
        "this is a partial clone, and the files of the base are not here",
        "git fetch --refetch --no-filter origin",
    ),
)


def git_environment(**more: str) -> dict[str, str]:
    """Return the variables that git runs with: none that would point it to another repository, as hooks have them."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or _KEPT.fullmatch(k)}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"} | more


def git_bytes(folder: Path, *arguments: str, seconds: float = 60, **variables: str) -> bytes:
    """Return what a git command prints.

    Parameters
    ----------
    folder : where it runs.
    seconds : that it may take.
    variables : to be set for it.

    Raises
    ------
    UsageError
        if there is no git, no checkout, or the command fails; with the cause where it is known.
    """
    try:
        done = subprocess.run(
            ["git", *_SAFE, *arguments],
            cwd=folder,
            env=git_environment(**variables),
            capture_output=True,
            check=False,
            timeout=seconds,
            # Git may ask for a password, in a terminal or in none.
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise UsageError("git is not installed", where=folder, remedy="install git") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"git did not answer within {seconds:.0f} s", where=folder, remedy="try again") from None
    except OSError as error:
        raise UsageError(f"git cannot be run: {error}", where=folder) from None
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode("utf-8", "replace")
    for sign, what, remedy in _CAUSES:
        if sign in said:
            raise UsageError(what, where=folder, remedy=remedy.format(folder=folder.resolve()))
    reason = " ".join(said.split())[:200]
    raise UsageError(f"git {arguments[0]} failed: {reason}", where=folder, remedy="run it in a git checkout")


def git_text(folder: Path, *arguments: str, seconds: float = 60, **variables: str) -> str:
    """Return what a git command prints as text; see :func:`git_bytes`."""
    return git_bytes(folder, *arguments, seconds=seconds, **variables).decode("utf-8", "replace")

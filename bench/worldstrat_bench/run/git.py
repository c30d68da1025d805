"""Asking git, of a checkout whose content is untrusted: nothing of the checkout runs, and no network is used."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
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
    "-c",
    "gpg.program=false",
    "-c",
    "gpg.x509.program=false",
    "-c",
    "gpg.ssh.program=false",
    # Files of a folder can be laid out as a repository with settings of its own, in a commit of another one, too.
    "-c",
    "safe.bareRepository=explicit",
)
_OWN_SCOPES: Final = ("local", "worktree")
"""Scopes of settings that come with a checkout; the others are the user's and the machine's."""

_SWITCHED_OFF: Final = {"clean": "", "smudge": "", "process": "", "required": "false"}
"""Settings of a filter without a program."""

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
    # Of what a partial clone lacks git would ask the remote, which may be a program. Settings of the checkout can allow
    # one kind of remote in spite of protocol.allow, and none of them in spite of the variable.
    nothing_fetched = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
    return kept | nothing_fetched | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"} | more


def git_bytes(folder: Path, *arguments: str, seconds: float = 60, **variables: str) -> bytes:
    """Return what a git command prints. No program runs that the settings of the checkout name.

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
    environment = git_environment(**variables)
    environment |= _without_filters(folder, environment, seconds)
    done = _run(folder, arguments, environment, seconds)
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


def _without_filters(folder: Path, environment: Mapping[str, str], seconds: float) -> dict[str, str]:
    """Return variables that switch off the filters of a checkout's own settings.

    To compare a file git passes it through the filter that attributes name for it, a program. Who packs a folder
    chooses both. Filters of the user, such as that of LFS, stay.
    """
    asked = ("config", "--includes", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\.")
    said = os.fsdecode(_run(folder, asked, environment, seconds).stdout).split("\0")
    names = {
        key.rpartition(".")[0]
        for scope, key in zip(said[0::2], said[1::2], strict=False)
        if scope in _OWN_SCOPES and key.count(".") > 1
    }
    pairs = [(f"{name}.{key}", value) for name in sorted(names) for key, value in _SWITCHED_OFF.items()]
    # Variables and not "-c": there a name with "=" in it could not be told from its value.
    first = int(environment.get("GIT_CONFIG_COUNT") or 0)
    made = {"GIT_CONFIG_COUNT": str(first + len(pairs))}
    for number, (key, value) in enumerate(pairs, first):
        made |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return made if pairs else {}


def _run(
    folder: Path, arguments: Sequence[str], environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder; UsageError if it cannot be run or takes too long."""
    try:
        return subprocess.run(
            ["git", *_SAFE, *arguments],
            cwd=folder,
            env=environment,
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

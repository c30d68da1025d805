"""The few questions that a check asks git, of a checkout whose content is untrusted."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from worldstrat_bench.errors import InfrastructureError, UsageError

_TIMEOUT_SECONDS = 60
_SAFE = (
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false",
    "-c", "diff.external=", "-c", "protocol.allow=never", "-c", "core.attributesFile=/dev/null",
)  # fmt: skip
LINK, SUBMODULE = "120000", "160000"


@dataclass(frozen=True)
class Change:
    """One changed path. `status` is A, M, D, T or ? (untracked); `mode` is git's mode of the new content."""

    status: str
    path: PurePosixPath
    mode: str


@dataclass(frozen=True)
class Checkout:
    """A work tree and one revision of it to compare with."""

    root: Path
    merge_base: str

    def changes(self) -> tuple[Change, ...]:
        """What differs between the merge base and the work tree, untracked files included, by path."""
        raw = _git(self.root, "diff", "--raw", "-z", "--no-renames", "--no-ext-diff", "--no-textconv",
                   "--ignore-submodules=none", "--no-abbrev", self.merge_base, "--")  # fmt: skip
        parts = raw.split("\0")
        changes = [
            Change(header.split()[4][0], PurePosixPath(path), header.split()[1])
            for header, path in zip(parts[0::2], parts[1::2], strict=False)
            if header.startswith(":")
        ]
        untracked = _git(self.root, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
        changes += [Change("?", PurePosixPath(path), "") for path in untracked if path]
        return tuple(sorted(changes, key=lambda change: str(change.path)))

    def files(self, folder: str) -> tuple[PurePosixPath, ...]:
        """Paths of the merge base under `folder`, relative to the root."""
        names = _git(self.root, "ls-tree", "-r", "-z", "--name-only", self.merge_base, "--", folder).split("\0")
        return tuple(PurePosixPath(name) for name in names if name)

    def read(self, path: PurePosixPath) -> str:
        """The text of a file in the merge base."""
        return _git(self.root, "cat-file", "blob", f"{self.merge_base}:{path}")


def open_checkout(folder: Path, base: str) -> Checkout:
    """The checkout around `folder`, compared with where it left `base`.

    Raises
    ------
    UsageError
        if there is no git, no checkout, no such revision or no common ancestor.
    """
    root = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
    remedy = "fetch it first: git fetch origin; in CI check out with fetch-depth: 0"
    if base.startswith("-") or any(not c.isprintable() or c.isspace() for c in base):
        raise UsageError(f"{base[:60]!r} is no revision", where="--base", remedy=remedy)
    try:
        commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}").strip()
        merge_base = _git(root, "merge-base", commit, "HEAD").strip()
    except UsageError:
        what = f"there is no revision {base[:60]!r} that shares history with HEAD"
        raise UsageError(what, where="--base", remedy=remedy) from None
    return Checkout(root, merge_base)


def _git(folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *_SAFE, *arguments], cwd=folder, env=environment, capture_output=True, check=False,
            timeout=_TIMEOUT_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        raise UsageError("git is not installed", where="--base", remedy="install git, or leave --base out") from None
    except subprocess.TimeoutExpired:
        raise InfrastructureError("git did not answer within a minute", where=folder) from None
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip()[:200]
        raise UsageError(f"git {arguments[0]} failed: {reason}", where=folder, remedy="run it in a git checkout")
    return done.stdout.decode("utf-8", "replace")

"""The few questions that a check asks git: what a pull request changes, and what is on its base."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from worldstrat_bench.artefacts.harness import RELEASED_FILE, KnownHarnesses, parse_released
from worldstrat_bench.artefacts.owners import OWNERS_FILE, Owners, parse_owners
from worldstrat_bench.errors import InvalidArtefactError, UsageError, WorldstratBenchError
from worldstrat_bench.run.git import git_bytes, git_text
from worldstrat_bench.run.known import with_history

LINK, SUBMODULE = "120000", "160000"


@dataclass(frozen=True)
class Change:
    """One changed path. `status` is A, M, D, T or ? (untracked); `mode` is git's mode of the new content."""

    status: str
    path: PurePosixPath
    mode: str


@dataclass(frozen=True)
class Checkout:
    """A work tree and the revision that it is compared with.

    Attributes
    ----------
    base : the commit of that revision: what is on the leaderboard now.
    merge_base : where the work tree left it: what is changed is changed since then.
    """

    root: Path
    base: str
    merge_base: str

    def changes(self) -> tuple[Change, ...]:
        """Return what differs between the merge base and the work tree, untracked files included, by path."""
        raw = _names(
            self.root,
            "diff",
            "--raw",
            "-z",
            "--no-renames",
            # A repository's own settings and attributes may name programs, which would be run here.
            "--no-ext-diff",
            "--no-textconv",
            # A submodule at another commit is a change. Whether its files are changed git would ask a git of its own,
            # with the settings of the submodule.
            "--ignore-submodules=dirty",
            "--no-abbrev",
            self.merge_base,
            "--",
        )
        parts = raw.split("\0")
        changes = [
            Change(header.split()[4][0], PurePosixPath(path), header.split()[1])
            for header, path in zip(parts[0::2], parts[1::2], strict=False)
            if header.startswith(":")
        ]
        untracked = _names(self.root, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
        changes += [Change("?", PurePosixPath(path), "") for path in untracked if path]
        return tuple(sorted(changes, key=lambda change: str(change.path)))

    def files(self, folder: str) -> tuple[PurePosixPath, ...]:
        """Return the paths of the base under `folder`, relative to the root."""
        names = _names(self.root, "ls-tree", "-r", "-z", "--name-only", self.base, "--", folder).split("\0")
        return tuple(PurePosixPath(name) for name in names if name)

    def read(self, path: PurePosixPath | str) -> str:
        """Return the text of a file in the base."""
        return git_text(self.root, "cat-file", "blob", f"{self.base}:{path}")

    def released(self) -> frozenset[str]:
        """Return the digests of the released harnesses that the base lists.

        Raises
        ------
        InvalidArtefactError
            if its list cannot be used.
        """
        listed = PurePosixPath(RELEASED_FILE) in self.files(RELEASED_FILE)
        return parse_released(self.read(RELEASED_FILE)) if listed else frozenset()

    def owners(self) -> Owners:
        """Return the owners as the base lists them, whatever the work tree says.

        Raises
        ------
        InvalidArtefactError
            if its list cannot be used.
        """
        listed = PurePosixPath(OWNERS_FILE) in self.files(OWNERS_FILE)
        return parse_owners(self.read(OWNERS_FILE)) if listed else Owners()

    def known(self) -> KnownHarnesses:
        """Return the harnesses that the base knows.

        Raises
        ------
        InvalidArtefactError
            if its list of released harnesses cannot be used.
        """
        return with_history(self.released(), self.root, self.base)

    def export(self, folder: str, into: Path) -> None:
        """Write the files of the base under `folder` to a folder on disk; links in it are left out.

        Raises
        ------
        UsageError
            if its content is not here, as in a partial clone.
        """
        if not self.files(folder):
            return
        # As committed: no line endings of this machine, or the digests would not be those of the records.
        plain = ("-c", "core.autocrlf=false", "-c", "core.eol=lf")
        content = git_bytes(self.root, *plain, "archive", "--format=tar", self.base, "--", folder)
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            members = [member for member in archive if member.isfile() or member.isdir()]
            try:
                archive.extractall(into, members, filter="data")
            except tarfile.TarError as error:
                raise InvalidArtefactError(f"the base holds what cannot be written: {error}", where=folder) from None


def _names(root: Path, *arguments: str) -> str:
    """Return what git prints with names in it, spelt as the file system spells them: they may be no UTF-8."""
    return os.fsdecode(git_bytes(root, *arguments))


def open_checkout(folder: Path, base: str) -> Checkout:
    """Return the checkout around `folder`, compared with where it left `base`.

    Raises
    ------
    UsageError
        if there is no git, no checkout, no such revision or no common ancestor.
    """
    root = Path(git_text(folder, "rev-parse", "--show-toplevel").removesuffix("\n"))
    remedy = "fetch it first: git fetch origin; in CI check out with fetch-depth: 0"
    if base.startswith("-") or any(not c.isprintable() or c.isspace() for c in base):
        raise UsageError(f"{base[:60]!r} is not a revision", where="--base", remedy=remedy)
    try:
        commit = git_text(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}").strip()
        merge_base = git_text(root, "merge-base", commit, "HEAD").strip()
    except UsageError:
        what = f"no revision {base[:60]!r} shares history with HEAD"
        if git_text(root, "rev-parse", "--is-shallow-repository").strip() == "true":
            what += ": this clone is shallow, and holds only the newest commits"
            remedy = "git fetch --unshallow origin; in CI check out with fetch-depth: 0"
        raise UsageError(what, where="--base", remedy=remedy) from None
    return Checkout(root, commit, merge_base)


def commit_of(path: Path) -> str | None:
    """Return the commit that holds a file or folder as it is; None outside of a checkout, or if it was changed."""
    folder, own = path if path.is_dir() else path.parent, str(path.resolve())
    try:
        commit = git_text(folder, "rev-parse", "--verify", "--quiet", "HEAD").strip()
        alone = "--ignore-submodules=dirty"  # see :meth:`Checkout.changes`
        changed = git_text(folder, "status", "--porcelain", "--untracked-files=all", "--ignored", alone, "--", own)
        tracked = git_text(folder, "ls-files", "--", own)
    except WorldstratBenchError:
        return None
    return commit if tracked and not changed else None

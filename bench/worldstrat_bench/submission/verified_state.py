"""Whether a submission is still what maintainers ran: its files at the commit of a verification, and here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from worldstrat_bench.artefacts.places import RESULTS
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.run.git import git_bytes, git_text
from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.check_manifest_changes import sealed
from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.git import Change, Checkout
from worldstrat_bench.submission.manifest import MANIFEST_NAME
from worldstrat_bench.toml_text import read_toml


def refuse_other_state(folder: Path, commit: str, *, elsewhere: bool) -> None:
    """Compare what decides what ran, lock, wheel, weights and statements, with the commit that was verified.

    Parameters
    ----------
    folder : of the submission.
    elsewhere : it was verified on another machine, so that the commit is all that says what ran.

    Raises
    ------
    InvalidArtefactError
        if a file differs, or the commit is not in this clone and it was verified elsewhere.
    """
    if not _here_is(folder, commit):
        if not elsewhere:
            return  # its checkout may have been another one, and `verify` itself compared record and model
        what = (
            f"the verified commit {commit[:12]} is not in this clone: whether the submission is what ran is not known"
        )
        remedy = f"git fetch origin {commit}, and read what it holds"
        raise InvalidArtefactError(what, where=folder, remedy=remedy)
    then, now = _at(folder, commit), _here(folder)
    if other := sorted(name for name in {*then, *now} if then.get(name) != now.get(name)):
        what = f"{other[0]} is not what it was at the verified commit {commit[:12]}"
        raise InvalidArtefactError(what, where=folder, remedy="verify the submission as it is here")


def verified_state_faults(checkout: Checkout, changes: Iterable[Change]) -> Iterator[CheckFinding]:
    """Compare submissions whose verification a branch adds with what was verified: others may have merged since.

    A commit that is not in this clone tells nothing, and is pointed out.
    """
    for change in changes:
        if change.path.name != Verification.FILE or change.status == "D" or len(change.path.parts) < 3:
            continue
        path, folder = checkout.root / change.path, checkout.root / Path(*change.path.parts[:2])
        commit = None if path.is_symlink() or not path.is_file() else _commit_of(path)
        if commit is None or folder.is_symlink():
            continue
        try:
            refuse_other_state(folder, commit, elsewhere=True)
        except InvalidArtefactError as error:
            if _here_is(folder, commit):
                yield CheckFinding("verified", error.what, where=str(change.path), remedy=error.remedy or "")
            else:
                yield notice("verified", error.what, where=str(change.path), remedy=error.remedy or "")


def _commit_of(path: Path) -> str | None:
    """Return the commit that a verification names; None for one that is not valid, which its own check says."""
    try:
        return Verification.load(path).commit
    except InvalidArtefactError:
        return None


def _here_is(folder: Path, commit: str) -> bool:
    """Return whether a commit is in the clone around a folder."""
    try:
        git_text(folder, "cat-file", "-e", f"{commit}^{{commit}}")
    except UsageError:
        return False
    return True


def _at(folder: Path, commit: str) -> dict[str, object]:
    """Return file to content of a submission in a commit, of what decides what ran."""
    root = f"{SUBMISSIONS}/{folder.resolve().name}/"
    listed = git_bytes(folder, "ls-tree", "-r", "-z", "--full-tree", "--name-only", commit, "--", root).split(b"\0")
    names = [name.decode("utf-8", "replace").removeprefix(root) for name in listed if name]
    return {
        name: _content(name, git_bytes(folder, "cat-file", "blob", f"{commit}:{root}{name}"))
        for name in names
        if _decides(name)
    }


def _here(folder: Path) -> dict[str, object]:
    """Return the same of a folder on disk."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    named = ((path.relative_to(folder).as_posix(), path) for path in files)
    return {name: _content(name, path.read_bytes()) for name, path in named if _decides(name)}


def _decides(name: str) -> bool:
    return PurePosixPath(name).parts[0] != RESULTS and not name.endswith(".md")


def _content(name: str, data: bytes) -> object:
    """Return what is compared: of a manifest what a verification seals, since its title may be corrected."""
    if name != MANIFEST_NAME:
        return data
    try:
        stated: Mapping[str, Any] = read_toml(data.decode("utf-8-sig"))
    except ValueError:
        return data
    return sealed(stated)

"""Whether a submission is still what maintainers ran: its files at the commit of a verification, and here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from worldstrat_bench.artefacts.places import RESULTS
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.run.git import git_bytes, git_text
from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.check_manifest_changes import sealed
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
    try:
        git_text(folder, "cat-file", "-e", f"{commit}^{{commit}}")
    except UsageError:
        if not elsewhere:
            return  # its checkout may have been another one, and `verify` itself compared record and model
        what = (
            f"the verified commit {commit[:12]} is not in this clone: whether the submission is what ran is not known"
        )
        remedy = f"git fetch origin {commit}, and read what it holds"
        raise InvalidArtefactError(what, where=folder, remedy=remedy) from None
    then, now = _at(folder, commit), _here(folder)
    if other := sorted(name for name in {*then, *now} if then.get(name) != now.get(name)):
        what = f"{other[0]} is not what it was at the verified commit {commit[:12]}"
        raise InvalidArtefactError(what, where=folder, remedy="verify the submission as it is here")


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
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
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

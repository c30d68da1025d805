"""Checks of a pull request: what it changes against the point where it left the base."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.git import LINK, SUBMODULE, Change
from worldstrat_bench.submission.results import IMMUTABLE_FILES

SUBMISSIONS = "submissions"


def slug_of(path: PurePosixPath) -> str | None:
    """The slug whose folder holds a path of the repository."""
    return path.parts[1] if len(path.parts) > 2 and path.parts[0] == SUBMISSIONS else None


def changed_slugs(changes: Sequence[Change]) -> tuple[str, ...]:
    """The submissions that a pull request touches."""
    return tuple(sorted({slug for slug in (slug_of(change.path) for change in changes) if slug}))


def change_faults(changes: Sequence[Change], *, maintainer: bool) -> Iterator[CheckFinding]:
    """Everything about the changes that a pull request with a submission must not do."""
    slugs = changed_slugs(changes)
    if not slugs:
        if changes:
            yield notice("changes", "no submission is changed, so there is nothing to check")
        return
    if not maintainer:
        yield from _scope_faults(changes, slugs)
    for change in changes:
        if slug_of(change.path):
            yield from _file_faults(change, maintainer=maintainer)


def _scope_faults(changes: Sequence[Change], slugs: tuple[str, ...]) -> Iterator[CheckFinding]:
    outside = [str(change.path) for change in changes if slug_of(change.path) is None]
    if outside:
        what = f"{len(outside)} files outside of submissions/{slugs[0]}/ are changed as well"
        yield CheckFinding("one-slug", what, where=outside[0], remedy="put them into a pull request of their own")
    if len(slugs) > 1:
        what = f"files of {len(slugs)} submissions are changed: {', '.join(slugs[:5])}"
        yield CheckFinding("one-slug", what, where=f"{SUBMISSIONS}/{slugs[1]}", remedy="one submission a pull request")


def _file_faults(change: Change, *, maintainer: bool) -> Iterator[CheckFinding]:
    where, name, existed = str(change.path), change.path.name, change.status not in ("A", "?")
    if change.mode in (LINK, SUBMODULE):
        yield CheckFinding(
            "files", "links and submodules are not accepted", where=where, remedy="commit the file itself"
        )
    if "results" not in change.path.parts:
        return
    if name in IMMUTABLE_FILES and existed:
        verb = "removed" if change.status == "D" else "altered"
        what = f"an existing record is {verb}: {name}"
        yield CheckFinding(
            "immutable", what, where=where, remedy="records never change; submit a new version under another slug"
        )
    if name == "speed.json" and existed:
        yield CheckFinding("immutable", "an existing speed.json is altered", where=where, remedy="restore it")
    if name == "verification.json" and not maintainer:
        yield CheckFinding(
            "verification", "only maintainers add or change verification.json", where=where, remedy="remove it"
        )

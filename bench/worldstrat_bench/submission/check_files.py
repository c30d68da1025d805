"""Checks of files: which ones a submission's folder may hold, and which ones a pull request may change."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.git import LINK, SUBMODULE, Change
from worldstrat_bench.submission.results import IMMUTABLE_FILES

SUBMISSIONS = "submissions"
MAX_FILES = 200
MAX_TOTAL_BYTES = 20 * 1024 * 1024
MAX_FILE_BYTES = 5 * 1024 * 1024
ALLOWED_SUFFIXES = (
    ".toml", ".lock", ".txt", ".md", ".json", ".csv", ".whl", ".safetensors", ".onnx", ".in", ".cff",
)  # fmt: skip
"""A submission is data: no code is read from its folder but what is in a wheel."""


def folder_faults(folder: Path) -> Iterator[CheckFinding]:
    """What does not belong into a submission's folder: links, code, results in the wrong depth, large files."""
    total = count = 0
    for root, folders, files in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(files + [f for f in folders if (Path(root) / f).is_symlink()]):
            path = Path(root) / name
            fault = _unwanted(path, folder)
            if fault:
                yield fault
            count += 1
            total += 0 if path.is_symlink() else path.stat().st_size
    if count > MAX_FILES or total > MAX_TOTAL_BYTES:
        what = f"{count} files of {total / 1e6:.0f} MB: at most {MAX_FILES} and {MAX_TOTAL_BYTES // 10**6} MB"
        yield CheckFinding("size", what, where=folder, remedy="keep large files behind a URL in [weights]")


def _unwanted(path: Path, folder: Path) -> CheckFinding | None:
    where = path
    if path.is_symlink() or not path.is_file():
        return CheckFinding(
            "files", "links and special files are not accepted", where=where, remedy="commit the file itself"
        )
    parts = path.relative_to(folder).parts
    if parts[0] == "results":
        if len(parts) != 4:
            what = "results lie in results/<protocol>/<dataset>-<device class>/"
            return CheckFinding(
                "files", what, where=where, remedy="let `worldstrat-bench submission add RUN FOLDER` place them"
            )
        return None  # the record's own check knows what may be there
    if path.suffix.lower() not in ALLOWED_SUFFIXES:
        what = f"files of type {path.suffix[:20]!r} do not belong in a submission"
        return CheckFinding(
            "files", what, where=where, remedy="code goes into the model's package, weights behind a URL"
        )
    if path.stat().st_size > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 10**6
        return CheckFinding("size", f"larger than {limit} MB", where=where, remedy="put it behind a URL")
    return None


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
            yield from _changed_file_faults(change, maintainer=maintainer)


def _scope_faults(changes: Sequence[Change], slugs: tuple[str, ...]) -> Iterator[CheckFinding]:
    outside = [str(change.path) for change in changes if slug_of(change.path) is None]
    if outside:
        what = f"{len(outside)} files outside of submissions/{slugs[0]}/ are changed as well"
        yield CheckFinding("one-slug", what, where=outside[0], remedy="put them into a pull request of their own")
    if len(slugs) > 1:
        what = f"files of {len(slugs)} submissions are changed: {', '.join(slugs[:5])}"
        yield CheckFinding("one-slug", what, where=f"{SUBMISSIONS}/{slugs[1]}", remedy="one submission a pull request")


def _changed_file_faults(change: Change, *, maintainer: bool) -> Iterator[CheckFinding]:
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

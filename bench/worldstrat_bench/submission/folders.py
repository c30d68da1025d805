"""Which submission a word means: every verb of ``submission`` takes a folder, a manifest or a slug."""

from __future__ import annotations

import os
from pathlib import Path

from worldstrat_bench.errors import UsageError
from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.manifest import MANIFEST_NAME

_DEEPEST = 12
"""Folders below the one that is given in which a site looks for runs."""

_REMEDY = "give its folder or its slug, or start one: worldstrat-bench submission new SLUG"


def named_submission(given: Path, submissions: Path = Path(SUBMISSIONS)) -> Path:
    """Return the folder of a submission.

    Parameters
    ----------
    given : its folder, its ``submission.toml``, its slug, or the folder that ``submission new`` wrote.
    submissions : where a slug is looked for.

    Raises
    ------
    UsageError
        if there is none.
    """
    if given.name == MANIFEST_NAME and given.is_file():
        return given.parent
    beside = [submissions / given.name] if len(given.parts) == 1 else []
    places = (given, *beside, given / SUBMISSIONS / given.resolve().name)
    found = next((place for place in places if is_submission_folder(place)), None)
    if found is None:
        raise UsageError("there is no submission", where=given, remedy=_REMEDY)
    return found


def submission_below(path: Path) -> Path | None:
    """Return the first submission below a folder, by name; None if there is none. Links are not followed."""
    for root, folders, files in os.walk(path):
        folders.sort()
        if MANIFEST_NAME in files:
            return Path(root)
        if len(Path(root).relative_to(path).parts) >= _DEEPEST:
            folders.clear()
    return None


def is_submission_folder(path: Path) -> bool:
    """Return whether a folder holds a manifest, or results of a submission whose manifest is missing."""
    return (path / MANIFEST_NAME).is_file() or (path / "results").is_dir()

"""Where the runs of a site lie: below folders of runs, in a built site, and in submissions that a check has seen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from worldstrat_bench.artefacts.places import record_folders
from worldstrat_bench.artefacts.record import Record

MANIFEST = "data/site.json"
"""Lists every file of a site with its sha256; marks a folder as a built site."""

DEEPEST = 12
"""Folders below the one that is given in which runs are looked for."""

Judged = Mapping[Path, Mapping[Path, str]]
"""Folder of submissions to folder of a submission to why a check refused it, "" if it passed."""


def passed_runs(verdicts: Mapping[Path, str]) -> Iterator[Path]:
    """Yield the records of the submissions that passed a check."""
    for folder, reason in sorted(verdicts.items()):
        if not reason:
            yield from (path for path in record_folders(folder) if (path / Record.FILE).is_file())


def find_runs(root: Path, *, of_site: bool = False) -> Iterator[Path]:
    """Yield the folders with a ``record.json`` at or below `root`, sorted; links are not followed.

    Runs below another run (``evaluate --robustness`` makes such) are curves of that one and no entries of their own.
    """
    if (root / "record.json").is_file():
        yield root
        return
    sites = frozenset() if of_site else sites_below(root)
    for file in sorted(named_below(root, "record.json")):
        built = any(parent in sites for parent in file.parents)
        if file.is_file() and not file.is_symlink() and not built and not _below_a_run(file.parent, root):
            yield file.parent


def named_below(root: Path, name: str) -> Iterator[Path]:
    """Yield the files of a name that lie at most `DEEPEST` folders below another one; links are not followed."""
    pending = [(root, 0)]
    while pending:
        folder, depth = pending.pop()
        try:
            entries = list(os.scandir(folder))
        # A folder that is closed to this user must not end the build of all others.
        except OSError:
            continue
        for entry in entries:
            if entry.name == name:
                yield Path(entry.path)
            elif depth < DEEPEST and entry.is_dir(follow_symlinks=False):
                pending.append((Path(entry.path), depth + 1))


def sites_below(root: Path) -> frozenset[Path]:
    """Return the built sites at or below `root`: the records in them are copies, often of an earlier state."""
    found = (path.parent.parent for path in named_below(root, "site.json"))
    return frozenset(folder for folder in found if (folder / MANIFEST).is_file())


def _below_a_run(folder: Path, root: Path) -> bool:
    """Return whether ``<run>/robustness/<name>`` is what a folder is, in a folder of runs."""
    run = folder.parent.parent
    return folder.parent.name == "robustness" and run.is_relative_to(root) and (run / "record.json").is_file()

"""Checks of files: which ones the folder of a submission, and the folder of all of them, may hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from worldstrat_bench.artefacts.places import record_folders
from worldstrat_bench.artefacts.sensitivity import Sensitivity
from worldstrat_bench.submission.faults import CheckFinding
from worldstrat_bench.submission.manifest import MANIFEST_NAME, WEIGHTS_SUFFIXES, read_text
from worldstrat_bench.submission.manifest_faults import ManifestError
from worldstrat_bench.submission.results import RESULT_FILES
from worldstrat_bench.toml_text import read_toml

SUBMISSIONS = "submissions"
MAX_FILES = 200
MAX_RECORDS = 24
"""Records of one submission: each may have a board, with a page for each of its tiles."""

MAX_TOTAL_BYTES = 20 * 1024 * 1024
MAX_FILE_BYTES = 5 * 1024 * 1024
ALLOWED_SUFFIXES = (".toml", ".lock", ".txt", ".md", ".json", ".csv", ".whl", ".safetensors", ".onnx", ".in", ".cff")
"""A submission is data: no code is read from its folder but what is in a wheel."""

_READ_ELSEWHERE: Final = frozenset({*RESULT_FILES, Sensitivity.FILE, "site.json"})
"""Names by which records, what lies beside them, studies and built sites are found."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+ -]*")
_OURS: Final = (MANIFEST_NAME, "results", *RESULT_FILES)
_PLAIN = "letters, digits, dot, dash, plus, space and underscore, a letter or digit first"


DEEPEST = 8
"""Folders below a submission's own that are looked into."""


def stated_weights(folder: Path) -> PurePosixPath | None:
    """Return the file that a manifest names as weights beside it, if its name ends as its format's do.

    No suffix is allowed to every file: a checkpoint is a program to whoever opens it, and so belongs where the
    manifest says that it is one.
    """
    try:
        weights = read_toml(read_text(folder)[1]).get("weights")
    except (ManifestError, ValueError):
        return None
    if not isinstance(weights, dict) or not isinstance(weights.get("path"), str):
        return None
    path = PurePosixPath(weights["path"])
    suffixes = {name: ends for name, ends in WEIGHTS_SUFFIXES.items() if name == weights.get("format")}
    return path if any(path.suffix.lower() in ends for ends in suffixes.values()) else None


def folder_faults(folder: Path) -> Iterator[CheckFinding]:
    """Find what does not belong in a submission: links, code, odd names, results in the wrong depth, large files."""
    total = count = 0
    if folder.is_symlink():
        what = "a submission is a folder, not a link to one"
        yield CheckFinding("files", what, where=folder, remedy="commit the folder itself")
        return
    weights = stated_weights(folder)
    # Links are named and never followed: what they lead to is not of the pull request.
    for root, folders, files in os.walk(folder, followlinks=False):
        # In place, so that `walk` goes on in this order and findings come alike on every machine.
        folders.sort()
        if len(Path(root).relative_to(folder).parts) > DEEPEST:
            what = f"folders lie more than {DEEPEST} deep in it"
            yield CheckFinding(
                "files", what, where=folder, remedy="results/PROTOCOL/DATASET is the deepest that is used"
            )
            return
        yield from name_twins(Path(root), folders + files)
        for name in sorted(files + [f for f in folders if (Path(root) / f).is_symlink()]):
            path = Path(root) / name
            fault = _unwanted(path, folder, weights)
            if fault:
                yield fault
            count += 1
            total += 0 if path.is_symlink() else path.stat().st_size
    if (records := len(record_folders(folder))) > MAX_RECORDS:
        what = f"{records} records: at most {MAX_RECORDS}"
        yield CheckFinding("size", what, where=folder, remedy="submit those that are to be on a board")
    if count > MAX_FILES or total > MAX_TOTAL_BYTES:
        what = f"{count} files of {total / 1e6:.0f} MB: at most {MAX_FILES} and {MAX_TOTAL_BYTES // 10**6} MB"
        yield CheckFinding("size", what, where=folder, remedy="keep large files behind a URL in [weights]")


def name_twins(folder: Path, names: Iterable[str]) -> Iterator[CheckFinding]:
    """Find names that a reader or another system takes for others: odd letters, and names that differ in case alone.

    Parameters
    ----------
    names : of the files and folders in `folder`.
    """
    ours = {name.casefold(): name for name in _OURS}
    seen: dict[str, str] = {}
    for name in sorted(names):
        shown = ascii(name)[1:-1]
        if not _NAME.fullmatch(name):
            what = f"the name {shown[:80]} has characters that do not belong in one"
            yield CheckFinding("files", what, where=folder, remedy=f"use {_PLAIN}")
            continue
        twin = seen.setdefault(name.casefold(), name)
        meant = ours.get(name.casefold(), name)
        if twin != name or meant != name:
            what = f"{shown[:80]!r} differs from {(twin if twin != name else meant)[:80]!r} in case alone"
            yield CheckFinding("files", what, where=folder, remedy="give it the right name, or another one")


def loose_faults(submissions: Path) -> Iterator[CheckFinding]:
    """Find what lies directly in the folder of all submissions: files, links, what a submodule left behind."""
    for path in sorted(submissions.iterdir()):
        if path.is_symlink() or not path.is_dir():
            what = f"{ascii(path.name)[1:-1][:80]!r} is not the folder of a submission"
            yield CheckFinding("files", what, where=submissions, remedy="remove it, or move it elsewhere")
        elif not any(path.iterdir()) or (path / ".git").exists():
            what = f"{ascii(path.name)[1:-1][:80]!r} is empty, or a separate repository, as a submodule is"
            yield CheckFinding("files", what, where=submissions, remedy="commit the files themselves")


def _unwanted(path: Path, folder: Path, weights: PurePosixPath | None) -> CheckFinding | None:
    where = path
    if path.is_symlink() or not path.is_file():
        return CheckFinding(
            "files", "links and special files are not accepted", where=where, remedy="commit the file itself"
        )
    parts = path.relative_to(folder).parts
    if parts[0] == "results":
        if len(parts) != 4:
            what = "results lie in results/<protocol>/<dataset>-<8 digits of the targets>-<device class>/"
            return CheckFinding(
                "files", what, where=where, remedy="let `worldstrat-bench submission add RUN FOLDER` place them"
            )
        return None  # the record's own check knows what may be there
    if path.name.casefold() in _READ_ELSEWHERE:
        what = f"{path.name[:80]!r} is read where a record lies, and nowhere else in a submission"
        remedy = "remove it, or let `worldstrat-bench submission add RUN FOLDER` place it"
        return CheckFinding("files", what, where=where, remedy=remedy)
    # A wheel is found by its ending, and must not be passed over for capital letters.
    suffix = path.suffix if path.suffix.lower() == ".whl" else path.suffix.lower()
    if suffix not in ALLOWED_SUFFIXES and PurePosixPath(*parts) != weights:
        what = f"files of type {path.suffix[:20]!r} do not belong in a submission"
        remedy = "code goes into the model's package; weights are named in [weights], by path (to 5 MB) or by url"
        return CheckFinding("files", what, where=where, remedy=remedy)
    if path.stat().st_size > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 10**6
        return CheckFinding("size", f"larger than {limit} MB", where=where, remedy="put it behind a URL")
    return None

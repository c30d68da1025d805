"""Digests of files and of the harness's own code, and why two files may differ."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def file_sha256(path: Path) -> str:
    """sha256 of a file's content in hex; the file is read in pieces.

    Raises
    ------
    OSError
        if it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


LINE_ENDINGS = "only the line endings differ: a checkout has turned LF into CRLF"
LINE_ENDINGS_REMEDY = "check it out again with `git config core.autocrlf false`, or with a .gitattributes of `* -text`"


def differs_in_line_endings(content: bytes, sha256: str | None) -> bool:
    """Return whether `content` would have that digest if its lines ended in LF as they were written."""
    return b"\r\n" in content and hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest() == sha256


@cache
def code_sha256(patterns: tuple[str, ...], packages: tuple[str, ...] = (), root: Path | None = None) -> str:
    """sha256 over the names and bytes of some files of this package and the versions of other packages.

    A part of the key of whatever is kept on disk: what other code made is never used.

    Parameters
    ----------
    patterns : globs below `root`; None: the folder of worldstrat_bench.
    packages : distributions whose arithmetic counts as well.
    """
    folder = root or Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for file in sorted(file for pattern in patterns for file in folder.glob(pattern)):
        digest.update(f"{file.relative_to(folder).as_posix()} {file_sha256(file)}\n".encode())
    for name in packages:
        digest.update(f"{name} {_version(name)}\n".encode())
    return digest.hexdigest()


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""

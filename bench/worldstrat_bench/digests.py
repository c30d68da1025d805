"""Digests of files and of the harness's own code, and why two files may differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content in hex; the file is read in pieces.

    Raises
    ------
    OSError
        if it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_sha256(files: Mapping[str, Path]) -> str:
    """Return the sha256 over a line ``<name>\\t<sha256 of the content>`` for every file, in the order of the names.

    Parameters
    ----------
    files : path on this machine by relative name, with ``/`` between its parts.

    Raises
    ------
    OSError
        if a file cannot be read.
    """
    return listing_sha256((name, file_sha256(path)) for name, path in files.items())


def listing_sha256(digests: Iterable[tuple[str, str]]) -> str:
    """Return the digest of :func:`tree_sha256` from (name, sha256 of the content) of every file, in any order."""
    lines = (f"{name}\t{sha256}\n" for name, sha256 in sorted(digests))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def is_compiled(name: str) -> bool:
    """Return whether a relative name is Python's cache of a module: it follows from the source and is not content."""
    return "__pycache__" in name.split("/")


@cache
def harness_sha256(package: Path | None = None) -> str:
    """Return the digest of the harness's own code as it is installed: every file of the package, caches left out.

    A checkout, an editable install and a wheel of one commit have the same. Computed once in a process.

    Parameters
    ----------
    package : folder of the package; None: the one that runs.
    """
    folder = package or Path(__file__).resolve().parent
    named = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return tree_sha256({name: path for name, path in named.items() if not is_compiled(name)})


LINE_ENDINGS = "only the line endings differ: a checkout has turned LF into CRLF"
LINE_ENDINGS_REMEDY = "check it out again with `git config core.autocrlf false`, or with a .gitattributes of `* -text`"


def differs_in_line_endings(content: bytes, sha256: str | None) -> bool:
    """Return whether `content` would have that digest if its lines ended in LF as they were written."""
    return b"\r\n" in content and hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest() == sha256


@cache
def code_sha256(patterns: tuple[str, ...], packages: tuple[str, ...] = (), root: Path | None = None) -> str:
    """Return the sha256 over the names and bytes of some files of this package and the versions of other packages.

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

"""Digests of files, and why two may differ."""

from __future__ import annotations

import hashlib
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

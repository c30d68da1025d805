"""Reading untrusted zip archives: errors that it can raise, and a look at their directory before it is read."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final

DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)
"""Raised by zipfile for bytes that are not what the directory promises, for methods and encryption that it does not
know, and by a file that cannot be read."""

LARGEST_DIRECTORY: Final = 16 << 20
"""Bytes of the directory of an archive, which zipfile reads before it says how many files there are: some 100,000."""

_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of the others zipfile unpacks a block at once, however little of it is asked for and whatever size is stated."""
_SIZE: Final = 5
"""Place of the size of the directory in what zipfile reads of an archive's end."""


def open_zip(source: Path | IO[bytes], largest: int = LARGEST_DIRECTORY) -> zipfile.ZipFile:
    """Open an untrusted archive for reading.

    Parameters
    ----------
    largest : size of its directory, bytes: of millions of entries zipfile makes gigabytes.

    Raises
    ------
    BadZipFile and others of :data:`DAMAGED`
        if it is not an archive, its directory is larger, or a file in it is packed by another method than deflate.
    """
    if isinstance(source, Path):
        with source.open("rb") as stream:
            _check_directory(stream, largest)
    else:
        _check_directory(source, largest)
    archive = zipfile.ZipFile(source)
    other = next((member for member in archive.infolist() if member.compress_type not in _METHODS), None)
    if other is not None:
        archive.close()
        raise zipfile.BadZipFile(f"{other.filename[:100]!r} is packed by a method other than deflate")
    return archive


def _check_directory(stream: IO[bytes], largest: int) -> None:
    found: Any = zipfile._EndRecData(stream)  # type: ignore[attr-defined]  # its own reading of the end, zip64 included
    stream.seek(0)
    if found and int(found[_SIZE]) > largest:
        raise zipfile.BadZipFile("it holds too many files")

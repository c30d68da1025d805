"""Reading untrusted zip archives: errors that it can raise, and a look at their directory before it is read."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
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

_SIZE: Final = 5
"""Place of the size of the directory in what zipfile reads of an archive's end."""


def directory_bytes(archive: IO[bytes]) -> int:
    """Return the size of the directory of a zip archive, as its end states it; 0 of anything else.

    Of a directory with millions of entries zipfile makes gigabytes.
    """
    found: Any = zipfile._EndRecData(archive)  # type: ignore[attr-defined]  # its own reading of the end, zip64 included
    archive.seek(0)
    return int(found[_SIZE]) if found else 0

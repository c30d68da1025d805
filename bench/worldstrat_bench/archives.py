"""Errors that reading an untrusted zip archive can raise, listed once for all readers."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from typing import Final

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

"""Reading files that a stranger may have put there: a pipe is not waited for, and a device not read without end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

LARGEST_DOCUMENT: Final = 256 << 20
"""Bytes of a JSON document of a site, beyond that of a thousand models."""

_TO_READ: Final = os.O_RDONLY | sum(
    # O_NONBLOCK: opening a pipe must not wait for its other end. Windows lacks it, and has a text mode to leave.
    getattr(os, name, 0)
    for name in ("O_NONBLOCK", "O_BINARY")
)


def read_plain(path: Path, most: int) -> bytes:
    """Return the content of a regular file; of a larger one the first `most` + 1 bytes, so that the caller can tell.

    A link is followed. The size is not asked for beforehand: that of a device is 0.

    Raises
    ------
    OSError
        if it is anything but a regular file, or cannot be read.
    """
    descriptor = os.open(path, _TO_READ)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(most + 1)
    finally:
        os.close(descriptor)

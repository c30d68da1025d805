"""Writing files so that a crash leaves the former content or the new one, never half of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError


def write_durably(path: Path, content: bytes | Sequence[bytes | bytearray | memoryview]) -> None:
    """Write a file so that, whenever the machine stops, the path holds nothing, the former content or all of it.

    Parameters
    ----------
    content : in one piece, or in pieces that follow one another.

    Raises
    ------
    InfrastructureError
        if the disk is full or fails.
    InvalidArtefactError
        if a folder lies where the file is first written.
    """
    # In the same folder, since a rename between file systems is a copy. The name is fixed, so that the next start can
    # find what a kill has left.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        make_room(temporary)
        with temporary.open("xb") as stream:
            for piece in (content,) if isinstance(content, bytes) else content:
                stream.write(piece)
            stream.flush()
            # The content has to be on the disk before its name is: a rename may be written first.
            os.fsync(stream.fileno())
        temporary.replace(path)
        # The new name is an entry of the folder, which has a place on the disk of its own.
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise InfrastructureError(
            f"cannot write: {error.strerror}",
            where=path,
            remedy="make room on the disk, then give the same command again",
        ) from None


def make_room(temporary: Path) -> None:
    """Remove what has the name of a temporary file. A link by that name, to a file of ours say, is not followed.

    Raises
    ------
    InvalidArtefactError
        if it is a folder, which only a stranger's run holds by such a name.
    """
    if temporary.is_dir() and not temporary.is_symlink():
        raise InvalidArtefactError("a folder lies where a file is written", where=temporary, remedy="remove the folder")
    temporary.unlink(missing_ok=True)


def remove_temporary(folder: Path) -> None:
    """Remove what :func:`write_durably` left in `folder` when it was killed."""
    for leftover in folder.glob(".*.tmp"):
        make_room(leftover)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system lets a folder be synchronised
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

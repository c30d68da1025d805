"""The folder that a fetch fills. A file has its final name only once it is complete, checked and on the disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from worldstrat_bench.errors import DataError, InfrastructureError

_BLOCK = 1 << 20


class Store:
    """A dataset's folder and the fetch's own notes in its ``.fetch`` folder, which may be deleted at any time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes = root / ".fetch"

    def prepare(self) -> None:
        """Make the folders and drop what an interrupted fetch left half written."""
        with disk_errors(self.root):
            shutil.rmtree(self.notes / "partial", ignore_errors=True)
            (self.notes / "partial").mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Return the file `name` (relative, made by this package from checked parts) below the root."""
        return self.root.joinpath(*name.split("/"))

    def has(self, name: str, size: int, crc: int) -> bool:
        """Return whether the file is there with this size and CRC-32, so that a truncated file is fetched again."""
        path = self.path(name)
        try:
            return path.is_file() and path.stat().st_size == size and crc_of(path) == crc
        except OSError:
            return False

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Open a file to write to; it takes its final name when the block ends well and vanishes when it does not.

        Raises
        ------
        InfrastructureError
            if the disk is full or cannot be written.
        """
        with disk_errors(self.root):
            partial = self.partial()
            try:
                with partial.open("xb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                self.adopt(partial, name)
            finally:
                partial.unlink(missing_ok=True)

    def partial(self) -> Path:
        """Return a new name among the partial files, on the same file system as the root."""
        return self.notes / "partial" / uuid4().hex

    def adopt(self, partial: Path, name: str) -> None:
        """Give a complete file its final name."""
        final = self.path(name)
        final.parent.mkdir(parents=True, exist_ok=True)
        # On one file system, hence all or nothing.
        partial.replace(final)

    def free_bytes(self) -> int:
        """Return the bytes that are free on the disk where the root is or will be."""
        place = self.root.absolute()
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free

    def read_note(self, name: str) -> bytes | None:
        """Return a note of an earlier fetch, or None."""
        try:
            return (self.notes / name).read_bytes()
        except OSError:
            return None

    def write_note(self, name: str, content: bytes) -> None:
        """Keep a note for the next fetch into this folder."""
        with self.writing(f".fetch/{name}") as file:
            file.write(content)

    def drop_note(self, name: str) -> None:
        """Forget a note."""
        (self.notes / name).unlink(missing_ok=True)

    def receipts(self) -> dict[str, tuple[int, int]]:
        """Return the size and CRC-32 of the files that came out of verified streams, by name."""
        try:
            document = json.loads(self.read_note("receipts.json") or b"{}")
            return {str(name): (int(size), int(crc)) for name, (size, crc) in document.items()}
        except (ValueError, TypeError, AttributeError):
            return {}

    def add_receipts(self, receipts: dict[str, tuple[int, int]]) -> None:
        """Remember files that came out of a verified stream."""
        merged = self.receipts() | receipts
        self.write_note("receipts.json", json.dumps(merged, sort_keys=True).encode())


def crc_of(path: Path) -> int:
    """Return the CRC-32 of a file."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turn errors of the local disk into the user's words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise InfrastructureError("the disk is full", where=where, remedy="make room, then run it again") from error
        if isinstance(error, (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError)):
            what = f"the folder cannot be written ({error.strerror})"
            raise DataError(what, where=error.filename or where, remedy="choose another folder") from error
        raise InfrastructureError(f"the disk failed ({error})", where=where, remedy="run it again") from error

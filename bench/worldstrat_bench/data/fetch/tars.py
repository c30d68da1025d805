"""tar.gz archives: streamed once, from a server or a disk, keeping only the members needed.

A gzip stream can only be decompressed from its beginning. A connection that is lost is therefore taken up again by a
range at the same compressed byte while the decompressor waits; a fetch that was ended starts its archive again. Members
are kept aside until the archive's end has been reached and its checksum (gzip's CRC and length; the published md5 where
the release is recognised) is right, because a tar member has no checksum of its own; then they get their final names,
and a later fetch asks for the archive only if a member it needs is not among them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from worldstrat_bench.data.fetch.hostile import check_tar_member, classify, duplicate, is_unsafe
from worldstrat_bench.data.fetch.remote import RemoteFile, RetryingReader
from worldstrat_bench.data.fetch.store import Store, disk_errors
from worldstrat_bench.data.fetch.wanted import Member, WantedFiles
from worldstrat_bench.errors import DataError

_BLOCK = 1 << 20
_READ_BYTES = 256 << 10
_HEADERS_BYTES = 4 << 20
"""Largest size of the headers of one member: a long name or an extended header is a few hundred bytes."""
_LARGEST_RATIO = 200
_RATIO_GRACE_BYTES = 64 << 20
_OTHER_SOURCE = "run it again; if that does not help, use another source: this archive is damaged or made to harm"


class PackedStream(Protocol):
    """The bytes of an archive in order; empty at the end."""

    def next(self) -> bytes: ...


class LocalStream:
    """A local archive as a :class:`PackedStream`."""

    def __init__(self, path: Path, on_bytes: Callable[[int], None]) -> None:
        self._file = path.open("rb")
        self._on_bytes = on_bytes

    def next(self) -> bytes:
        block = self._file.read(_BLOCK)
        self._on_bytes(len(block))
        return block

    def close(self) -> None:
        self._file.close()


class RemoteStream:
    """A remote archive as a :class:`PackedStream` that outlives lost connections."""

    def __init__(self, remote: RemoteFile, on_bytes: Callable[[int], None]) -> None:
        self._reader = RetryingReader(remote)
        self._on_bytes = on_bytes

    def next(self) -> bytes:
        chunk = self._reader.next()
        self._on_bytes(len(chunk))
        return chunk


class _Hashed(io.RawIOBase):
    """A packed stream as a file, with the md5 and the length of what was read."""

    def __init__(self, stream: PackedStream) -> None:
        self._stream = stream
        self._rest = memoryview(b"")
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.length = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            chunk = self._stream.next()
            self.md5.update(chunk)
            self.length += len(chunk)
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class _Unpacked:
    """The decompressed stream, with limits that a bomb runs into before the memory does."""

    def __init__(self, packed: _Hashed, where: str) -> None:
        self._packed = packed
        self._gzip = gzip.GzipFile(fileobj=io.BufferedReader(packed, _BLOCK), mode="rb")
        self._where = where
        self._length = 0
        self._allowed = _HEADERS_BYTES

    def allow(self, size: int) -> None:
        """Allow `size` bytes of the stream and one header; more is refused."""
        self._allowed = self._length + size + _HEADERS_BYTES

    def read(self, size: int) -> bytes:
        try:
            data = self._gzip.read(size)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError("the archive is damaged or cut short", where=self._where, remedy=_OTHER_SOURCE) from error
        self._length += len(data)
        if self._length > self._allowed:
            raise DataError("a member's header is a bomb", where=self._where, remedy=_OTHER_SOURCE)
        if self._length > _RATIO_GRACE_BYTES + _LARGEST_RATIO * self._packed.length:
            raise DataError("the archive is a bomb", where=self._where, remedy=_OTHER_SOURCE)
        return data


@dataclass(frozen=True)
class Kept:
    """A member that waits aside for the archive's checksum."""

    partial: Path
    size: int
    crc: int


class TarFetcher:
    """Streams one archive into a store.

    Parameters
    ----------
    have : names that need not be kept because they are there already.
    md5 : the published checksum, if it is known to apply.
    on_written : called with the size of every member kept.
    """

    def __init__(
        self,
        store: Store,
        wanted: WantedFiles,
        have: frozenset[str],
        *,
        where: str,
        md5: str | None,
        on_written: Callable[[str, int], None],
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._have = have
        self._where = where
        self._md5 = md5
        self._on_written = on_written
        self._kept: dict[str, Kept] = {}
        self.ignored = 0

    def run(self, stream: PackedStream) -> dict[str, tuple[int, int]]:
        """Read the whole archive; return size and CRC-32 of the members that now have their final names.

        Raises
        ------
        DataError
            for a damaged or hostile archive; nothing of it is kept then.
        InfrastructureError
        """
        packed = _Hashed(stream)
        try:
            self._read(_Unpacked(packed, self._where))
            while packed.read(_BLOCK):  # what may follow the gzip stream is part of the file and of its md5
                pass
            if self._md5 is not None and packed.md5.hexdigest() != self._md5:
                raise DataError("the archive's md5 is not the published one", where=self._where, remedy=_OTHER_SOURCE)
            return self._adopt()
        finally:
            for kept in self._kept.values():
                kept.partial.unlink(missing_ok=True)

    def _read(self, unpacked: _Unpacked) -> None:
        seen: set[str] = set()
        try:
            # Not r|gz: tarfile would unpack by itself, and without a limit.
            with tarfile.open(fileobj=unpacked, mode="r|", bufsize=_READ_BYTES) as archive:  # type: ignore[call-overload]
                while (info := archive.next()) is not None:
                    archive.members = []  # a stream never goes back; 250,000 headers would fill the memory
                    unpacked.allow(0 if info.size < 0 else info.size)
                    self._member(archive, info, seen)
        except (tarfile.TarError, UnicodeDecodeError, ValueError, OverflowError) as error:
            raise DataError("the archive is not a tar archive", where=self._where, remedy=_OTHER_SOURCE) from error
        # What follows the last member has no size of its own: the ratio alone limits it.
        unpacked.allow(1 << 62)
        while unpacked.read(_BLOCK):  # to the end, where gzip keeps its checksum
            pass

    def _member(self, archive: tarfile.TarFile, info: tarfile.TarInfo, seen: set[str]) -> None:
        member = classify(info.name, self._wanted, self._where)
        if member is None:
            self.ignored += is_unsafe(info.name)
            return
        check_tar_member(info, member, self._where)
        if member.path in seen:
            raise duplicate(info.name, self._where)
        seen.add(member.path)
        if member.path in self._have:
            return
        source = archive.extractfile(info)
        assert source is not None  # it is a regular file: check_tar_member refuses others
        with disk_errors(self._store.root):
            self._keep(source, info, member)

    def _keep(self, source: object, info: tarfile.TarInfo, member: Member) -> None:
        reader: BinaryIO = source  # type: ignore[assignment]
        partial = self._store.partial()
        crc = size = 0
        with partial.open("xb") as out:
            self._kept[member.path] = Kept(partial, info.size, 0)  # known from its first byte on: see run()
            while block := reader.read(_BLOCK):
                crc, size = zlib.crc32(block, crc), size + len(block)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        if size != info.size:
            raise DataError(f"{member.path} is cut short", where=self._where, remedy=_OTHER_SOURCE)
        self._kept[member.path] = Kept(partial, size, crc)
        self._on_written(member.path, size)

    def _adopt(self) -> dict[str, tuple[int, int]]:
        with disk_errors(self._store.root):
            for path, kept in self._kept.items():
                self._store.adopt(kept.partial, path)
        return {path: (kept.size, kept.crc) for path, kept in self._kept.items()}

"""Members of ZIP archives, remote and local: which are needed, where they lie, and how they get onto the disk."""

from __future__ import annotations

import itertools
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from worldstrat_bench.data.fetch.client import FaultCount
from worldstrat_bench.data.fetch.faults import FetchAttemptFailed
from worldstrat_bench.data.fetch.hostile import check_zip_member, classify, duplicate, is_unsafe
from worldstrat_bench.data.fetch.remote import RemoteFile, RetryingReader
from worldstrat_bench.data.fetch.sparse import SparseFile
from worldstrat_bench.data.fetch.store import Store
from worldstrat_bench.data.fetch.wanted import WantedFiles

_BLOCK = 1 << 20
_LOCAL_HEADER_BYTES = 30
_LARGEST_EXTRA_BYTES = 65535
_DESCRIPTOR_BYTES = 24
_LARGEST_SPAN_BYTES = 8 << 20
_LARGEST_GAP_BYTES = 16 << 10
_GAP_SHARE = 0.02
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, RuntimeError)
"""Raised by zipfile for bytes that do not match the archive's directory."""


@dataclass(frozen=True)
class ZipMember:
    """A member that is wanted: where it goes, and its bytes (header included) in the archive."""

    path: str
    info: zipfile.ZipInfo
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes once unpacked."""
        return self.info.file_size


@dataclass(frozen=True)
class Span:
    """Neighbouring members fetched in one request."""

    members: tuple[ZipMember, ...]

    @property
    def start(self) -> int:
        return self.members[0].start

    @property
    def end(self) -> int:
        return self.members[-1].end


def select(archive: zipfile.ZipFile, wanted: WantedFiles, where: str) -> tuple[list[ZipMember], int]:
    """Return the members that `wanted` asks for, in the order of the archive, and how many unsafe names were ignored.

    Raises
    ------
    DataError
        for a member that is wanted and hostile, and for two members that are the same file.
    """
    infos = archive.infolist()
    starts = sorted({info.header_offset for info in infos} | {archive.start_dir})
    following = dict(itertools.pairwise(starts))
    chosen: dict[str, ZipMember] = {}
    ignored = 0
    for info in infos:
        # As it was written: zipfile ends `filename` at a NUL, and on Windows turns backslashes into slashes.
        member = classify(info.orig_filename, wanted, where)
        if member is None:
            ignored += is_unsafe(info.orig_filename)
            continue
        check_zip_member(info, member, where)
        if member.path in chosen:
            raise duplicate(info.filename, where)
        start = info.header_offset
        most = start + _LOCAL_HEADER_BYTES + 4 * len(info.filename) + _LARGEST_EXTRA_BYTES + _DESCRIPTOR_BYTES
        # How long a member's own header is, the directory does not say: it may go on to the next member, but not beyond
        # the longest header that the format allows.
        end = min(following.get(start, archive.start_dir), most + info.compress_size)
        chosen[member.path] = ZipMember(member.path, info, start, max(end, start + _LOCAL_HEADER_BYTES))
    return sorted(chosen.values(), key=lambda member: member.start), ignored


def join(members: Iterable[ZipMember]) -> list[Span]:
    """Join neighbours into one request: fewer round trips, at most 2 % of bytes that are not needed."""
    spans: list[list[ZipMember]] = []
    waste = 0
    for member in members:
        if spans:
            last = spans[-1]
            gap, length = member.start - last[-1].end, member.end - last[0].start
            small = gap <= _LARGEST_GAP_BYTES and waste + gap <= _GAP_SHARE * length
            if gap >= 0 and small and length <= _LARGEST_SPAN_BYTES:
                last.append(member)
                waste += gap
                continue
        spans.append([member])
        waste = 0
    return [Span(tuple(members)) for members in spans]


class Extractor:
    """Writes members of one open archive; safe to use from several threads.

    Parameters
    ----------
    on_written : called with every member that has its final name.
    """

    def __init__(self, archive: zipfile.ZipFile, store: Store, on_written: Callable[[ZipMember], None]) -> None:
        self._archive = archive
        self._store = store
        self._on_written = on_written
        self._lock = threading.Lock()  # zipfile counts its readers without one

    def extract(self, member: ZipMember) -> None:
        """Unpack one member, check its size and CRC, and give it its final name.

        Raises
        ------
        FetchAttemptFailed
            with ``damaged`` set, if the bytes are not what the directory promises.
        """
        try:
            with self._store.writing(member.path) as out:
                with self._lock:
                    packed = self._archive.open(member.info)
                try:
                    while block := packed.read(_BLOCK):  # zipfile checks the CRC at the end
                        out.write(block)
                finally:
                    with self._lock:
                        packed.close()
                if out.tell() != member.size:
                    raise FetchAttemptFailed(f"{member.path} has the wrong size", damaged=True)
        except DAMAGE as error:
            raise FetchAttemptFailed(f"{member.path} fails its checksum or is not readable", damaged=True) from error
        self._on_written(member)


class RemoteFetcher:
    """Fetches spans of a remote archive and unpacks every member as soon as its bytes are there."""

    def __init__(
        self, remote: RemoteFile, sparse: SparseFile, extractor: Extractor, on_bytes: Callable[[int], None]
    ) -> None:
        self._remote = remote
        self._sparse = sparse
        self._extractor = extractor
        self._on_bytes = on_bytes

    def fetch(self, span: Span) -> None:
        """Fetch one span; a member that arrives damaged is asked for again by itself.

        Raises
        ------
        DataError, InfrastructureError, SourceChanged
        """
        for member in self._stream(span):
            self._remote.client.tell(f"{member.path}: damaged on the way; asking for it again")
            faults = FaultCount()
            self._remote.client.retrying(partial(self._again, member), where=member.path, faults=faults)

    def _again(self, member: ZipMember) -> None:
        if self._stream(Span((member,))):
            raise FetchAttemptFailed(f"{member.path} fails its checksum or is not readable", damaged=True)

    def _stream(self, span: Span) -> list[ZipMember]:
        """Fetch and unpack the members of a span; return those that came out damaged."""
        block = bytearray()
        damaged: list[ZipMember] = []
        waiting = list(span.members)
        self._sparse.hold(span.start, block)
        try:
            reader = RetryingReader(self._remote, span.start, span.end)
            while chunk := reader.next():
                block += chunk
                self._on_bytes(len(chunk))
                while waiting and reader.position >= waiting[0].end:
                    self._extract(waiting.pop(0), damaged)
        finally:
            self._sparse.drop(span.start)
        return damaged

    def _extract(self, member: ZipMember, damaged: list[ZipMember]) -> None:
        try:
            self._extractor.extract(member)
        except FetchAttemptFailed:
            damaged.append(member)


def unfinished(members: Sequence[ZipMember], store: Store) -> list[ZipMember]:
    """Return the members that are not yet on the disk with the right size and CRC."""
    return [member for member in members if not store.has(member.path, member.size, member.info.CRC)]

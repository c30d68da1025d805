"""One file on a server: what it is, and its bytes from here to there, checked header by header."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from worldstrat_bench.data.fetch.client import Client, FaultCount, retry_after
from worldstrat_bench.data.fetch.faults import FetchAttemptFailed, SourceChanged
from worldstrat_bench.errors import DataError, InfrastructureError

_CONTENT_RANGE = re.compile(r"^bytes (\d{1,19})-(\d{1,19})/(\d{1,19})$")
_CHUNK = 256 * 1024
_SLOWEST_BYTES_PER_SECOND = 256
_NOT_A_FILE = "open the address in a browser: a login or a portal may answer instead of the archive"
_NO_RANGES = "download the archives by other means and give their folder as --source"


@dataclass(frozen=True)
class Identity:
    """Identity of a remote file, fixed during a fetch: its size, and an ETag or a date if the server sends one."""

    size: int
    etag: str
    modified: str

    @property
    def validator(self) -> str:
        """The value for If-Range; weak ETags are not allowed there (RFC 9110, 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def differs(self, other: Identity) -> bool:
        """Return whether `other` is another file; a header that one of them lacks says nothing."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified))
        return self.size != other.size or any(mine and theirs and mine != theirs for mine, theirs in pairs)


class RemoteFile:
    """A file behind a URL. All reading is in single attempts that raise :class:`FetchAttemptFailed`; callers retry."""

    def __init__(self, client: Client, url: str, name: str) -> None:
        self.client = client
        self.url = url
        self.name = name
        self._identity: Identity | None = None
        self._if_range = True
        self._lock = threading.Lock()

    def identity(self) -> Identity:
        """Ask for size and validators, with a range of one byte.

        Raises
        ------
        DataError, InfrastructureError
        """
        known = self._identity
        if known is None:
            self.client.retrying(self._probe, where=self.name, faults=FaultCount())
            known = self._identity
        assert known is not None
        return known

    def forget(self) -> None:
        """Start again after the file changed."""
        self._identity = None

    def chunks(self, start: int, end: int | None) -> Iterator[bytes]:
        """Yield the bytes `start` to `end` (exclusive; None is the end of the file), in one attempt.

        Without a start and an end a plain request is sent. Where the whole file is being read, a server that
        ignores ranges is accepted: the beginning is read again and discarded.

        Raises
        ------
        FetchAttemptFailed, SourceChanged, DataError, InfrastructureError
        """
        headers = {}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"
            if self._identity and self._identity.validator and self._if_range:
                headers["If-Range"] = self._identity.validator
        response = self.client.get(self.url, headers)
        try:
            begins, length = self._check(response, start, end, ranged="Range" in headers)
            yield from self._body(response, start - begins, length)
        finally:
            self.client.release(response)

    def _probe(self) -> None:
        try:
            for _ in self.chunks(0, 1):
                pass
        except FetchAttemptFailed:
            if self._identity is None:  # the head of a full answer says as much; a stream can do without ranges
                raise

    def _check(self, response: requests.Response, start: int, end: int | None, *, ranged: bool) -> tuple[int, int]:
        """Return where the body begins in the file, and how long it is."""
        headers = response.headers
        if response.status_code not in (200, 206):
            raise self._refusal(response)
        if "html" in headers.get("Content-Type", "").lower():
            raise FetchAttemptFailed("a web page came instead of the file", remedy=_NOT_A_FILE)
        if headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise FetchAttemptFailed("the server changed the encoding of the file")
        if response.status_code == 206:
            begins, stops, size = _content_range(headers)
            self._same(_identity(headers, size))
            if not ranged or begins != start or stops > (end or size) or stops <= begins:
                raise FetchAttemptFailed("the server sent another range than asked for")
            return begins, stops - begins
        length = headers.get("Content-Length", "")
        if not length.isdecimal():
            raise FetchAttemptFailed("the server does not say how long the file is")
        self._same(_identity(headers, int(length)))
        if ranged and end is not None:
            with self._lock:
                self._if_range = False  # some servers drop the range when If-Range has an ETag (RFC 9110 forbids it)
            raise FetchAttemptFailed("the server ignores ranges and sends the whole archive", remedy=_NO_RANGES)
        return 0, int(length)

    def _same(self, identity: Identity) -> None:
        with self._lock:
            if self._identity is None:
                self._identity = identity
            elif self._identity.differs(identity):
                raise SourceChanged(f"{self.name} changed on the server")

    def _refusal(
        self, response: requests.Response
    ) -> FetchAttemptFailed | DataError | InfrastructureError | SourceChanged:
        status = response.status_code
        what = f"the server answered {status}"
        if status in (404, 410):
            return DataError(f"the source has no {self.name}", where=self.url, remedy="check --source and --release")
        if status == 416 and self._identity is not None:
            total = response.headers.get("Content-Range", "").removeprefix("bytes */")
            if total.isdecimal() and int(total) != self._identity.size:
                return SourceChanged(f"{self.name} changed on the server")
        if status in (408, 416, 425, 429) or status >= 500 or status < 400:
            return FetchAttemptFailed(what, retry_after_seconds=retry_after(response) if status in (429, 503) else None)
        return InfrastructureError(what, where=self.url, remedy=_NOT_A_FILE)

    def _body(self, response: requests.Response, drop: int, length: int) -> Iterator[bytes]:
        left = length
        window_begins, window_bytes = time.monotonic(), 0
        patience = self.client.policy.silence_seconds
        while left:
            chunk = self._read(response, min(_CHUNK, left))
            if not chunk:
                raise FetchAttemptFailed("the connection was cut")
            left -= len(chunk)
            self.client.count(len(chunk))
            window_bytes += len(chunk)
            # The time limit of the socket begins again with every byte, so that one byte now and then would be waited
            # for without end.
            if time.monotonic() - window_begins > patience:
                if left and window_bytes < _SLOWEST_BYTES_PER_SECOND * patience:
                    raise FetchAttemptFailed("the server is all but silent")
                window_begins, window_bytes = time.monotonic(), 0
            skipped = min(drop, len(chunk))
            drop -= skipped
            if skipped < len(chunk):
                yield chunk[skipped:]

    def _read(self, response: requests.Response, size: int) -> bytes:
        self.client.check_stopped()
        try:
            # read1: what has arrived is used even if the connection is cut or falls silent before `size` bytes.
            return bytes(response.raw.read1(size, decode_content=False))
        except (HTTPError, OSError, ValueError) as error:
            self.client.check_stopped()
            silent = "timed out" in str(error).lower()
            raise FetchAttemptFailed("the server fell silent" if silent else "the connection was cut") from error


class RetryingReader:
    """The bytes of a remote file in order, over as many attempts as the policy allows; resumes by ranges.

    Raises
    ------
    SourceChanged, DataError, InfrastructureError
    """

    def __init__(self, remote: RemoteFile, start: int = 0, end: int | None = None) -> None:
        self.position = start
        self._remote = remote
        self._end = end
        self._chunks: Iterator[bytes] | None = None
        self._faults = FaultCount()

    def next(self) -> bytes:
        """Return the next bytes; empty at the end."""
        return self._remote.client.retrying(self._next, where=self._remote.name, faults=self._faults)

    def _next(self) -> bytes:
        try:
            while not self._complete():
                if self._chunks is None:
                    self._chunks = self._remote.chunks(self.position, self._end)
                chunk = next(self._chunks, b"")
                if chunk:
                    self.position += len(chunk)
                    self._faults.progress(len(chunk))
                    return chunk
                self._chunks = None  # a shorter range than asked for: ask for the rest
        except FetchAttemptFailed:
            self._chunks = None
            raise
        return b""

    def _complete(self) -> bool:
        identity = self._remote._identity
        end = self._end if self._end is not None else (identity.size if identity else None)
        return end is not None and self.position >= end


def read_range(remote: RemoteFile, start: int, end: int) -> bytes:
    """Read bytes `start` to `end` (exclusive) of a remote file into memory."""
    reader = RetryingReader(remote, start, end)
    parts = []
    while chunk := reader.next():
        parts.append(chunk)
    return b"".join(parts)


def _identity(headers: CaseInsensitiveDict[str], size: int) -> Identity:
    return Identity(size, headers.get("ETag", ""), headers.get("Last-Modified", ""))


def _content_range(headers: CaseInsensitiveDict[str]) -> tuple[int, int, int]:
    """Return the first byte, the last byte + 1 and the size of the file."""
    match = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
    if not match:
        raise FetchAttemptFailed("the server sent a range without saying which")
    first, last, size = (int(group) for group in match.groups())
    return first, last + 1, size

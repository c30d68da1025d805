"""A remote archive as the seekable file that zipfile wants, of which only the parts asked for are ever fetched."""

from __future__ import annotations

import hashlib
import io
import json
import threading

from worldstrat_bench.data.fetch.faults import FetchAttemptFailed
from worldstrat_bench.data.fetch.remote import Identity, RemoteFile, read_range
from worldstrat_bench.data.fetch.store import Store
from worldstrat_bench.errors import DataError

_TAIL_BYTES = 32 << 10
_LARGEST_DIRECTORY_BYTES = 256 << 20


class SparseFile(io.BufferedIOBase):
    """Blocks of a remote file held in memory.

    While the directory of the archive is being read (`open_ended`), what is missing is fetched; afterwards reading
    outside the blocks held is an error: a member's header then points where it must not.
    """

    def __init__(self, remote: RemoteFile) -> None:
        self.open_ended = True
        self.size = remote.identity().size
        self._remote = remote
        self._blocks: dict[int, bytearray] = {}
        self._position = 0
        self._lock = threading.Lock()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._position, 2: self.size}[whence]
        if base + offset < 0:
            raise OSError("position before the beginning")  # what a real file says, and zipfile expects
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        start = self._position
        end = self.size if size is None or size < 0 else min(self.size, start + size)
        data = self._held(start, end)
        if data is None:
            if not self.open_ended:
                raise FetchAttemptFailed("a member's header points outside the member", damaged=True)
            data = self._fetch(start, end)
        self._position = start + len(data)
        return data

    def hold(self, start: int, data: bytearray) -> None:
        """Hold a block; it may grow at its end while it is held."""
        with self._lock:
            self._blocks[start] = data

    def drop(self, start: int) -> None:
        """Forget a block."""
        with self._lock:
            self._blocks.pop(start, None)

    def _held(self, start: int, end: int) -> bytes | None:
        if end <= start:
            return b""
        with self._lock:
            for begins, block in self._blocks.items():
                if begins <= start and end <= begins + len(block):
                    return bytes(block[start - begins : end - begins])
        return None

    def _fetch(self, start: int, end: int) -> bytes:
        if end - start > _LARGEST_DIRECTORY_BYTES:
            raise DataError("the archive's directory is implausibly large", where=self._remote.name)
        # zipfile reads a few bytes at the end first, then what lies just before them: the whole tail comes with the
        # first.
        begins = max(0, min(start, self.size - _TAIL_BYTES)) if not self._blocks else start
        stops = end
        for held in self._blocks:  # the tail is here already: fetch what lies before it
            if start < held < end:
                stops = held
        block = bytearray(read_range(self._remote, begins, max(stops, begins)))
        if stops < end:
            block += self._blocks.pop(stops)
        self.hold(begins, block)
        return bytes(block[start - begins : end - begins])

    def save(self, store: Store) -> None:
        """Keep the directory for the next fetch into this folder."""
        (begins, block), *_ = sorted(self._blocks.items())
        identity = self._remote.identity()
        head = {
            "url": self._remote.url,
            "size": identity.size,
            "etag": identity.etag,
            "modified": identity.modified,
            "begins": begins,
            "sha256": hashlib.sha256(block).hexdigest(),
        }
        store.write_note(note_name(self._remote), json.dumps(head).encode() + b"\n" + block)

    @classmethod
    def restore(cls, remote: RemoteFile, store: Store) -> SparseFile | None:
        """Return the directory that an earlier fetch kept, unless the file has changed since."""
        head, _, block = (store.read_note(note_name(remote)) or b"").partition(b"\n")
        try:
            noted = json.loads(head)
            kept = Identity(int(noted["size"]), str(noted["etag"]), str(noted["modified"]))
            begins, digest, url = int(noted["begins"]), str(noted["sha256"]), str(noted["url"])
        except (ValueError, TypeError, KeyError):
            return None
        same = url == remote.url and not remote.identity().differs(kept)
        if not same or hashlib.sha256(block).hexdigest() != digest:
            return None
        sparse = cls(remote)
        sparse.hold(begins, bytearray(block))
        return sparse


def note_name(remote: RemoteFile) -> str:
    """Return where the directory of an archive is kept."""
    return f"{remote.name}.directory"

"""Decoded images, kept on disk between runs.

A folder of files, one an entry, named by its kind and the sha256 of what it was made from: an entry never goes stale,
and runs at the same time write the same bytes. An entry is written to a temporary name and renamed; one that is
damaged is deleted and counts as absent. A cache is never a reason to fail: every error of the disk is a miss.

When the folder is full, entries that were not used for a day make room, the longest unused first. Those that were
stay, and what is new is not kept. Runs read the same tiles in the same order: if they do not all fit, dropping the
least recently used would drop each tile shortly before it is needed, and every read would be a miss. This way those
that fit are hits.
"""

from __future__ import annotations

import math
import os
import re
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.errors import UsageError
from worldstrat_bench.packed import DamagedError, pack, unpack

DEFAULT_BYTES = 6 * 1024**3
"""Holds inputs and targets of one release's test list, 394 tiles of 15 MB."""
ENVIRONMENT_VARIABLE = "WORLDSTRAT_BENCH_CACHE"
SIZE_VARIABLE = "WORLDSTRAT_BENCH_CACHE_GIB"
IN_USE_SECONDS = 24 * 3600.0
"""An entry that was used within this time does not make room for another."""
_KEY = re.compile(r"(?:[a-z]{1,20}-)?[0-9a-f]{32,128}")
_SUFFIX = ".entry"
_ABANDONED_SECONDS = 3600.0
"""A temporary file as old as this belongs to a process that was killed."""
_LOOK_AGAIN_SECONDS = 10.0


class DiskCache:
    """Named arrays under hexadecimal keys, in a folder of bounded size. Any thread may use it.

    Parameters
    ----------
    folder : created when first written to; None: :func:`cache_folder`.
    max_bytes : the size that the folder is kept below; 0 keeps nothing; None: :func:`cache_bytes`.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int | None = None) -> None:
        self.folder = cache_folder() if folder is None else folder
        self.max_bytes = cache_bytes() if max_bytes is None else max_bytes
        self._lock = threading.Lock()
        self._held: int | None = None
        self._unlisted_bytes = 0
        self._full_until = 0.0

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of that key, or None.

        Raises
        ------
        ValueError
            if the key is not a hexadecimal digest, or a word, "-" and such a digest.
        """
        path = self._path(key)
        try:
            with path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if status.st_size > self.max_bytes:  # nothing that was kept here is larger, whatever the file claims
                    return None
                block = np.empty(status.st_size, dtype=np.uint8)
                complete = _fill(file, block)
        except OSError:
            return None
        try:
            arrays = unpack(path.stem, block[:complete])
        except DamagedError:
            self._drop(path)
            return None
        if time.time() - status.st_mtime > _LOOK_AGAIN_SECONDS:
            with suppress(OSError):
                os.utime(path)
        return arrays

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays of numbers or bools under a key, if the disk allows it and there is room.

        Raises
        ------
        ValueError
            if the key is not one, see :meth:`get`.
        """
        path = self._path(key)
        pieces = pack(path.stem, arrays)
        size = sum(map(len, pieces))
        if not self.accepts(size):
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with temporary.open("wb", buffering=0) as file:
                for piece in pieces:
                    _write_all(file.fileno(), piece)
            temporary.replace(path)
        except OSError:
            self._drop(temporary)
            return
        with self._lock:
            self._held = (self._held or 0) + size
            self._unlisted_bytes += size

    def accepts(self, size: int) -> bool:
        """Return whether an entry of that many bytes would be kept now; makes room for it if old entries can go."""
        if size > self.max_bytes or self.lacks_disk():
            return False
        with self._lock:
            if time.monotonic() < self._full_until:
                return False
            known = self._held
            if known is None or known + size > self.max_bytes or self._unlisted_bytes > self.max_bytes // 64:
                known, self._unlisted_bytes = self.trim(size), 0
                self._held = known
            if known + size > self.max_bytes:
                # Not asked for every tile of a long run: a listing takes milliseconds.
                self._full_until = time.monotonic() + _LOOK_AGAIN_SECONDS
                return False
        return True

    def lacks_disk(self) -> bool:
        """Return whether the disk has less than twice the cache's size free: then nothing is added."""
        place = next((path for path in (self.folder, *self.folder.absolute().parents) if path.is_dir()), None)
        try:
            return place is None or shutil.disk_usage(place).free < 2 * self.max_bytes
        except OSError:
            return True

    def trim(self, wanted: int = 0) -> int:
        """Make room for `wanted` bytes by deleting old entries, and delete what killed processes left behind.

        If the folder is over its size all the same, because several processes filled it at once, the entries used
        last go: a run needs those again later than all others.

        Returns
        -------
        The bytes that remain.
        """
        now, entries = time.time(), []
        for path, status in self._files():
            if path.suffix == _SUFFIX:
                entries.append((status.st_mtime, status.st_size, path))
            elif now - status.st_mtime > _ABANDONED_SECONDS:
                self._drop(path)
        total = sum(size for _, size, _ in entries)
        old = sorted(entry for entry in entries if now - entry[0] > IN_USE_SECONDS)
        fresh = sorted((entry for entry in entries if now - entry[0] <= IN_USE_SECONDS), reverse=True)
        for candidates, limit in ((old, self.max_bytes - wanted), (fresh, self.max_bytes)):
            for _, size, path in candidates:
                if total <= limit:
                    break
                self._drop(path)
                total -= size
        return total

    def usage(self) -> dict[str, tuple[int, int]]:
        """Return the number of entries and bytes by kind, the word before "-" in their keys; "" for those without."""
        counts: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for path, status in self._files():
            if path.suffix == _SUFFIX:
                kind = path.stem.rpartition("-")[0]
                counts[kind] += 1
                sizes[kind] += status.st_size
        return {kind: (counts[kind], sizes[kind]) for kind in sorted(counts)}

    def clear(self) -> None:
        """Delete every entry."""
        for path, _ in self._files():
            self._drop(path)
        with self._lock:
            self._held, self._full_until = None, 0.0

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """Return our own files in the folder, without those that other processes delete during the listing."""
        found: list[tuple[Path, os.stat_result]] = []
        try:
            paths = list(self.folder.iterdir())
        except OSError:
            return found
        for path in paths:
            if path.suffix in (_SUFFIX, ".tmp"):
                with suppress(OSError):
                    found.append((path, path.stat()))
        return found

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"not a cache key: {key[:40]!r}")
        return self.folder / f"{key}{_SUFFIX}"

    @staticmethod
    def _drop(path: Path) -> None:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _fill(file: FileIO, block: NDArray[np.uint8]) -> int:
    """Read a file into a block; the bytes that there were."""
    view, done = block.data, 0
    while done < len(view) and (count := file.readinto(view[done:])):
        done += count
    return done


def _write_all(descriptor: int, piece: bytes | memoryview) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def cache_root() -> Path:
    """Return the folder of all caches: $WORLDSTRAT_BENCH_CACHE, or the user's cache folder as platformdirs finds it.

    ``tiles`` in it holds decoded tiles, ``weights`` and ``environments`` what submissions need.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("worldstrat-bench", appauthor=False)


def cache_folder() -> Path:
    """Return where decoded tiles are kept."""
    return cache_root() / "tiles"


def cache_bytes() -> int:
    """Return the size of the cache of decoded tiles: $WORLDSTRAT_BENCH_CACHE_GIB, or :data:`DEFAULT_BYTES`.

    Raises
    ------
    UsageError
        if the variable is not a number of GiB, 0 or more.
    """
    text = os.environ.get(SIZE_VARIABLE, "").strip()
    return gib_bytes(text, SIZE_VARIABLE) if text else DEFAULT_BYTES


def gib_bytes(size: str | float, where: str) -> int:
    """Return a size in GiB as bytes.

    Raises
    ------
    UsageError
        if it is not a number from 0 to a million; `where` says which setting it is.
    """
    try:
        gib = float(size)
    except ValueError:
        gib = math.nan
    if not 0 <= gib <= 1e6:
        raise UsageError(
            f"{str(size)[:40]!r} is not a size", where=where, remedy="give a number of GiB, such as 6, or 0"
        )
    return int(gib * 2**30)


def default_cache() -> DiskCache:
    """Return the cache of this user."""
    return DiskCache()

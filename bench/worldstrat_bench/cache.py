"""What was computed from the high-resolution images, kept on disk between runs.

A folder of files, one an entry, named by the sha256 of what the entry was computed from: an entry never goes
stale, and runs at the same time write the same bytes. An entry is written to a temporary name and renamed; it
carries the digest of its content, and one that is damaged is deleted and counts as absent. The least recently
used entries go when the folder is over its size. A cache is never a reason to fail: every error of the disk is
a miss.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_BYTES = 4 * 1024**3
ENVIRONMENT_VARIABLE = "WORLDSTRAT_BENCH_CACHE"
_KEY = re.compile(r"[0-9a-f]{32,128}")
_SUFFIX = ".entry"
_ABANDONED_SECONDS = 3600.0
"""A temporary file as old as this belongs to a process that was killed."""
_DIGEST_BYTES = 32


class DiskCache:
    """Named arrays under hexadecimal keys, in a folder of bounded size.

    Parameters
    ----------
    folder : created when first written to; None: :func:`cache_folder`.
    max_bytes : the size that the folder is kept below; 0 keeps nothing.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int = DEFAULT_BYTES) -> None:
        self.folder = cache_folder() if folder is None else folder
        self.max_bytes = max_bytes
        self._unchecked_bytes = max_bytes

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """The arrays of that key, or None.

        Raises
        ------
        ValueError
            if the key is no hexadecimal digest.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(key.encode() + body).digest() != digest:
            self._drop(path)
            return None
        try:
            arrays: dict[str, NDArray[Any]] = load(body)
        except (SafetensorError, ValueError, KeyError):
            self._drop(path)
            return None
        with suppress(OSError):
            os.utime(path)
        return arrays

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays of numbers or bools under a key, if the disk allows it.

        Raises
        ------
        ValueError
            if the key is no hexadecimal digest.
        """
        from safetensors.numpy import save

        path = self._path(key)
        body = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
        size = len(body) + _DIGEST_BYTES
        if size > self.max_bytes:
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_bytes(hashlib.sha256(key.encode() + body).digest() + body)
            temporary.replace(path)
        except OSError:
            self._drop(temporary)
            return
        self._unchecked_bytes += size
        if self._unchecked_bytes > self.max_bytes // 64:
            self._unchecked_bytes = 0
            self.trim()

    def trim(self) -> int:
        """Delete the least recently used entries beyond the size, and what killed processes left behind.

        Returns
        -------
        The bytes that remain.
        """
        entries = []
        for path, status in self._files():
            if path.suffix == _SUFFIX:
                entries.append((status.st_mtime_ns, status.st_size, path))
            elif time.time() - status.st_mtime > _ABANDONED_SECONDS:
                self._drop(path)
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.max_bytes:
                break
            self._drop(path)
            total -= size
        return total

    def clear(self) -> None:
        """Delete every entry."""
        for path, _ in self._files():
            self._drop(path)

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """Our own files in the folder; those that other processes delete meanwhile are left out."""
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


def cache_folder() -> Path:
    """Where entries are kept: $WORLDSTRAT_BENCH_CACHE, or the user's cache folder as platformdirs finds it."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("worldstrat-bench", appauthor=False) / "tiles"


def default_cache() -> DiskCache:
    """The cache of this user."""
    return DiskCache()

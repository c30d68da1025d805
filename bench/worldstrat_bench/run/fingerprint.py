"""A fingerprint of the dataset files of a run, taken in milliseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import DataError

_SAMPLE = 4096


def files_sha256(tiles: Sequence[Tile]) -> str:
    """Return a fingerprint of those tiles' files: names, dates, sizes, and 4 KiB of the middle of the largest two.

    It tells another dataset, release or seed apart in milliseconds. Silent damage is for ``data check``, and the
    targets themselves are hashed when they are scored.
    """
    digest = hashlib.sha256()
    for tile in tiles:
        facts = tile.facts
        digest.update(f"{tile.name}\t{facts.ipcc}\t{facts.smod}\t{facts.lon}\t{facts.lat}\n".encode())
        # From the middle: headers of a release's files are alike, their pixels are not.
        digest.update(_sample(tile.hr))
        for position, revisit in enumerate(tile.revisits):
            digest.update(f"{revisit.n}\t{revisit.days}\t{_size(revisit.data)}\t{_size(revisit.cloud_mask)}\n".encode())
            # The first revisit alone: opening all eight of a tile would make the start of a run eight times as long.
            if position == 0:
                digest.update(_sample(revisit.data))
    return digest.hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _sample(path: Path) -> bytes:
    size = _size(path)
    if size < 0:
        return b"missing"
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, size // 2 - _SAMPLE // 2))
            return f"{size}\n".encode() + stream.read(_SAMPLE)
    except OSError as error:
        raise DataError(
            f"a file cannot be read: {error.strerror}", where=path, remedy="check its permissions and the disk"
        ) from None

"""The cache of a run: its size as asked for, and what is said if the data are larger."""

from __future__ import annotations

import math
from collections.abc import Sequence

from worldstrat_bench.cache import DiskCache
from worldstrat_bench.data.kept import inputs_bytes
from worldstrat_bench.data.raster import read_header
from worldstrat_bench.data.reading import offered_revisits
from worldstrat_bench.data.target import target_bytes
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import DataError
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.events import Listener, Notice
from worldstrat_bench.run.request import RunOptions

_GIB = 2**30


def open_cache(options: RunOptions) -> DiskCache | None:
    """Return the cache of decoded tiles; None if nothing is to be kept.

    Raises
    ------
    UsageError
        if the environment names a size that is not one.
    """
    return DiskCache(max_bytes=options.cache_bytes) if options.cache else None


def tell_what_fits(cache: DiskCache, tiles: Sequence[Tile], protocol: Protocol, tell: Listener) -> None:
    """Say so if the decoded tiles are larger than the cache, or the disk too small for it."""
    if not tiles or cache.max_bytes == 0:
        return
    needed = len(tiles) * _bytes_of(tiles[0], protocol)
    if needed > cache.max_bytes:
        share = f"{cache.max_bytes / needed:.0%}" if cache.max_bytes * 100 > needed else "less than 1 %"
        text = (
            f"decoded, these tiles take {needed / _GIB:.1f} GiB and the cache holds {cache.max_bytes / _GIB:.1f}: "
            f"about {share} of them are kept for the next run; --cache-gib {math.ceil(needed / _GIB)} would keep all"
        )
        tell(Notice(text, once=True))
    elif cache.lacks_disk():
        text = (
            f"nothing is added to the cache in {cache.folder}: the disk has less than twice its "
            f"{cache.max_bytes / _GIB:.1f} GiB free (--cache-gib)"
        )
        tell(Notice(text, once=True))


def _bytes_of(tile: Tile, protocol: Protocol) -> int:
    """Return what a tile takes; 0 if its files cannot be read, which is for the run to say."""
    revisits = offered_revisits(tile, protocol)
    try:
        side = protocol.target.size(read_header(tile.hr).height)
        height, width = read_header(revisits[0].data).shape if revisits else (0, 0)
    except DataError:
        return 0
    if protocol.inputs.side is not None:
        height = width = protocol.inputs.side
    return inputs_bytes(height, width, len(revisits)) + target_bytes(side)

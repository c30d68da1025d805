"""Decoded inputs, kept between runs: the second model on the same data decodes nothing.

An entry holds every frame that the protocol offers, best first, so that it serves any number of frames. Its key is
the content of the files that it was made from, not their names or dates: a hash of 6 MB takes a tenth of the time of
decoding them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.raster import files_of
from worldstrat_bench.data.reading import TileInputs, check_frames, offered_revisits, read_inputs
from worldstrat_bench.data.target import ArrayCache
from worldstrat_bench.data.task import Task
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.digests import code_sha256
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.protocol import Protocol

SOURCES = (
    "data/kept.py",
    "data/reading.py",
    "data/raster.py",
    "data/traits.py",
    "data/target.py",
    "data/task.py",
    "filtering.py",
    "resampling.py",
)
"""The code that makes what is kept."""

_LARGEST_FILE = 1 << 30
"""Bytes of a raster: one of 1,024 px and twelve bands has a tenth."""
_NAMES = {"images", "clear", "days", "revisits", "cloud", "age", "sha256"}


def read_kept_inputs(tile: Tile, protocol: Protocol, frames: int, cache: ArrayCache | None) -> TileInputs:
    """Read as :func:`~worldstrat_bench.data.reading.read_inputs`, from the cache if it has them.

    Raises
    ------
    UsageError, DataError
        as there.
    """
    check_frames(frames, protocol)
    key = None if cache is None else inputs_key(tile, protocol)
    if cache is None or key is None:
        return read_inputs(tile, protocol, frames)
    stored = cache.get(key)
    if stored is not None and set(stored) == _NAMES:
        return _first(stored, tile, protocol, frames)
    # All frames are brought to one grid for the sake of later runs, which is for nothing if they cannot be kept.
    if not cache.accepts(1):
        return read_inputs(tile, protocol, frames)
    arrays = _arrays(read_inputs(tile, protocol, protocol.inputs.frames))
    if inputs_key(tile, protocol) == key:  # else a file was changed during the read
        cache.put(key, arrays)
    return _first(arrays, tile, protocol, frames)


def inputs_key(tile: Tile, protocol: Protocol) -> str | None:
    """Return the name of a tile's decoded inputs; None if a file cannot be read: reading it will say why."""
    rules = protocol.inputs.model_dump_json()
    # Frames are resampled by the kernel of the target only where they are brought to a fixed side.
    kernel = "" if protocol.inputs.side is None else protocol.target.kernel
    code = code_sha256(SOURCES, ("torch", "rasterio"))
    digest = hashlib.sha256(f"{code} {rules} {kernel}\n".encode())
    try:
        for revisit in offered_revisits(tile, protocol):
            digest.update(f"{revisit.n} {revisit.days}\n".encode())
            for path in (*files_of(revisit.data), *files_of(revisit.cloud_mask)):
                content = read_plain(path, _LARGEST_FILE)
                if len(content) > _LARGEST_FILE:
                    return None
                digest.update(f"{path.suffix} {len(content)}\n".encode())
                digest.update(content)
    except OSError:
        return None
    return f"inputs-{digest.hexdigest()}"


def inputs_bytes(height: int, width: int, frames: int) -> int:
    """Return about the size of an entry for frames of `height` x `width` px."""
    # Twelve bands of float32 and a byte of the mask for each pixel, and the head of the entry.
    return frames * height * width * (12 * 4 + 1) + 1024


def _arrays(inputs: TileInputs) -> dict[str, NDArray[Any]]:
    task = inputs.task
    return {
        "images": task.images[0],
        "clear": task.clear[0],
        "days": task.days[0],
        "revisits": np.array(inputs.revisits, dtype=np.int64),
        "cloud": np.array(inputs.cloud, dtype=np.float64),
        "age": np.array(inputs.age, dtype=np.int64),
        "sha256": _digests(task.images[0], task.clear[0], task.days[0]),
    }


def _digests(images: NDArray[Any], clear: NDArray[Any], days: NDArray[Any]) -> NDArray[np.uint8]:
    """Return :attr:`Task.sha256` of the first 1, 2, .. T frames, (T, 32), in one pass over the images."""
    begun, rows = hashlib.sha256(), []
    for count in range(1, len(days) + 1):
        begun.update(np.ascontiguousarray(images[count - 1], dtype="<f4").data)
        # A copy, since the frames that follow are added to the images and not behind the masks and the days.
        digest = begun.copy()
        digest.update(np.ascontiguousarray(clear[:count], dtype="?").data)
        digest.update(np.ascontiguousarray(days[:count], dtype="<i8").data)
        rows.append(np.frombuffer(digest.digest(), dtype=np.uint8))
    return np.stack(rows)


def _first(arrays: Mapping[str, NDArray[Any]], tile: Tile, protocol: Protocol, frames: int) -> TileInputs:
    images, clear, days = (arrays[name][:frames] for name in ("images", "clear", "days"))
    task = Task.of(tile, protocol, images, clear, days)
    return TileInputs(
        task=task.with_known_sha256(arrays["sha256"][len(images) - 1].tobytes().hex()),
        revisits=tuple(int(n) for n in arrays["revisits"][:frames]),
        cloud=float(arrays["cloud"]),
        age=int(arrays["age"]),
    )

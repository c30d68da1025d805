"""The seed that a worker is given with a tile."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.reading import inputs_sha256


def tile_seed(seed: int, images: NDArray[np.float32], clear: NDArray[np.bool_], days: NDArray[np.int64]) -> int:
    """The seed of one tile, 0..2^63 - 1: the same wherever, whenever and in whatever order it runs.

    Of sha256(run seed, sha256 of the inputs as the model gets them). A seed made of the tile's name would tell the
    model which tile it is: run seeds and names are public.

    Parameters
    ----------
    seed : of the run.
    images, clear, days : (T, 12, h, w) float32 reflectance, (T, 1, h, w) bool, (T,) int64, as they are sent.
    """
    return seed_of(seed, inputs_sha256(images, clear, days))


def seed_of(seed: int, inputs_sha256: str) -> int:
    """:func:`tile_seed` where the digest of the inputs is known."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{inputs_sha256}".encode()).digest()[:8], "big") >> 1

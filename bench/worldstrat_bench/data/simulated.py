"""Inputs made from a tile's own high-resolution image by the sensor model, for ``--lr synthetic``.

They separate what a model loses to real revisits (clouds, change, geolocation) from what it loses to
sampling. Never on a board.
"""

from __future__ import annotations

import hashlib

import numpy as np

from worldstrat_bench.data.layout import Tile
from worldstrat_bench.data.raster import REFLECTANCE_SCALE, read_hr
from worldstrat_bench.data.reading import Inputs, frame_order
from worldstrat_bench.data.sensor import Sky, simulate_revisits
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import Protocol

SKY = Sky(cloudiness=0.2)


def simulated_inputs(tile: Tile, protocol: Protocol, frames: int, seed: int = 0) -> Inputs:
    """Revisits of a tile as the sensor model makes them; the order is that of :func:`read_inputs`.

    Parameters
    ----------
    seed : together with the tile's name it decides shifts, haze, noise and clouds.

    Raises
    ------
    UsageError
        if `frames` is not within 1 and what the protocol offers.
    DataError
        if the high-resolution file is missing or damaged.
    """
    offered = protocol.inputs.frames
    if not 1 <= frames <= offered:
        raise UsageError(f"cannot give a model {frames} frames", where="--frames", remedy=f"1 to {offered}")
    digest = hashlib.sha256(f"{seed}/{tile.name}".encode()).digest()
    side = protocol.inputs.side
    made = simulate_revisits(
        read_hr(tile.hr) / REFLECTANCE_SCALE,
        int.from_bytes(digest[:8], "big"),
        offered,
        shape=None if side is None else (side, side),
        sky=SKY,
    )
    shares = [1.0 - float(clear.mean()) for clear in made.clear]
    order = frame_order(shares, made.days.tolist(), range(1, offered + 1), protocol)
    taken = order[:frames]
    return Inputs(
        made.images[taken],
        made.clear[taken],
        made.days[taken],
        tuple(i + 1 for i in taken),
        float(np.mean(shares)),
        int(made.days[order[0]]),
    )

"""Reading what a model is asked about a tile: the one place that knows where frames come from.

``--lr synthetic`` takes inputs made from the high-resolution image by mini's sensor model. Many published models were
only ever tested on such inputs. Scoring a model on both shows the gap.
"""

from __future__ import annotations

import hashlib

import numpy as np

from worldstrat_bench.data.kept import read_kept_inputs
from worldstrat_bench.data.raster import REFLECTANCE_SCALE, read_hr
from worldstrat_bench.data.reading import TileInputs, frame_order
from worldstrat_bench.data.sensor import simulate_revisits
from worldstrat_bench.data.target import ArrayCache
from worldstrat_bench.data.task import InputSource, Task
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import Protocol


def read_tile(
    tile: Tile, *, protocol: Protocol, frames: int, source: InputSource = "real", cache: ArrayCache | None = None
) -> TileInputs:
    """Return the real revisits of a tile, or inputs made from its high-resolution image.

    Raises
    ------
    UsageError, DataError
        see :func:`synthetic_inputs` and :func:`worldstrat_bench.data.reading.read_inputs`.
    """
    if source == "synthetic":
        return synthetic_inputs(tile, protocol, frames)
    return read_kept_inputs(tile, protocol, frames, cache)


def synthetic_inputs(tile: Tile, protocol: Protocol, frames: int) -> TileInputs:
    """Return simulated revisits of a tile in place of its real ones; the same for every model, machine and run.

    As many revisits are simulated as the protocol offers, then ordered by its rule and cut to `frames`.

    Raises
    ------
    UsageError
        if the protocol brings its inputs to a fixed side.
    DataError
        see ``read_hr``.
    """
    if protocol.inputs.side is not None:
        raise UsageError(
            f"there are no synthetic inputs for {protocol.id}", where="--lr", remedy="use --protocol wsb-1"
        )
    scene = read_hr(tile.hr).astype(np.float64) / REFLECTANCE_SCALE
    # The name alone decides: two models are compared on the same simulated frames, whoever runs them. A model does not
    # learn it, since its own seed is another.
    seed = int.from_bytes(hashlib.sha256(tile.name.encode()).digest()[:8], "big")
    made = simulate_revisits(scene, seed, protocol.inputs.frames)
    shares = 1.0 - made.clear.reshape(len(made.clear), -1).mean(axis=1)
    first = frame_order(shares.tolist(), made.days.tolist(), range(len(shares)), protocol)[:frames]
    images, clear = np.ascontiguousarray(made.images[first]), np.ascontiguousarray(made.clear[first])
    return TileInputs(
        task=Task.of(tile, protocol, images, clear, made.days[first].astype(np.int64)),
        revisits=tuple(t + 1 for t in first),
        cloud=float(shares.mean()),
        age=int(made.days[first[0]]),
    )

"""Predictions of a run as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.arguments import check_text, path_of
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.run.folder import PREDICTIONS
from worldstrat_bench.run.predictions import PredictionStore
from worldstrat_bench.typed import typed


@typed
def read_prediction(run: Path | str, tile: str) -> NDArray[np.float32]:
    """Return what a run predicted for a tile.

    Parameters
    ----------
    run : a run directory that kept its predictions.

    Returns
    -------
    (3, H, W) float32 reflectance R, G, B, or (4, H, W) with the near infrared, on the grid of the model's answer.

    Raises
    ------
    UsageError
        for arguments of another type.
    InvalidArtefactError
        if the run has no prediction of the tile, or it is damaged.
    """
    check_text(tile, "tile", "give the name of a tile")
    folder = path_of(run, "run") / PREDICTIONS
    if not folder.is_dir():
        raise InvalidArtefactError("the run has kept no predictions", where=run, remedy="evaluate it without --no-keep")
    # A name that is a path would lead out of the folder.
    if not tile or Path(tile).name != tile:
        raise InvalidArtefactError(f"there is no tile {tile[:60]!r}", where=run, remedy="give the name of a tile")
    return PredictionStore(folder).read(tile).image

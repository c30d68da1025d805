"""GeoTIFF files of inputs: where a frame lies, and its bands as one file in memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from worldstrat_bench.data.raster import opened


@dataclass(frozen=True)
class Georeference:
    """Place of an image.

    Attributes
    ----------
    crs : as WKT; empty if the file names none.
    transform : the six numbers of an affine transform, of a column and a row to x and y.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]


def georeference_of(path: Path, size: tuple[int, int]) -> Georeference | None:
    """Return where a raster lies, for an image of (h, w) px over the same footprint; None if the file does not say.

    Raises
    ------
    DataError
        if the file is missing or damaged.
    """
    with opened(path) as source:
        if source.transform.is_identity and source.crs is None:
            return None
        stretched = source.transform @ source.transform.scale(source.width / size[1], source.height / size[0])
        crs = "" if source.crs is None else source.crs.to_wkt()
    a, b, c, d, e, f = stretched[:6]
    return Georeference(crs, (a, b, c, d, e, f))


def write_frame(
    image: NDArray[Any], place: Georeference | None, bands: Sequence[str], about: Mapping[str, str]
) -> bytes:
    """Return (C, h, w) numbers as the content of a GeoTIFF, lossless, with the names of its bands and tags."""
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    where: dict[str, Any] = {}
    if place is not None:
        where = {"crs": place.crs or None, "transform": Affine(*place.transform)}
    # Not catch_warnings(): it restores the filters of another thread.
    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    count, height, width = image.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=image.dtype,
            compress="deflate",
            zlevel=1,
            **where,
        ) as file:
            file.write(image)
            file.descriptions = tuple(bands)
            file.update_tags(**about)
        content: bytes = memory.read()
    return content

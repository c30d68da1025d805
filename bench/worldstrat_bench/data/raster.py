"""TIFF files as arrays, every fault as one line that names the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.api import BANDS
from worldstrat_bench.errors import DataError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

REFLECTANCE_SCALE = 10_000.0
"""High-resolution digital numbers per unit of reflectance. They go far above 4,095."""

REFLECTANCE_RANGE = (-1.0, 50.0)
"""Sentinel-2 reflectance outside this is not reflectance (digital numbers, say)."""

_MAX_SIDE = 20_000
_GET = "worldstrat-bench data check DIR lists all faults; get the file again"


@dataclass(frozen=True)
class Header:
    """What the header of a raster says."""

    bands: int
    height: int
    width: int
    dtype: str

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


def read_hr(path: Path) -> NDArray[np.uint16]:
    """A pan-sharpened tile: (4, S, S) uint16, R, G, B, NIR, reflectance times 10,000.

    Raises
    ------
    DataError
        if the file is missing, damaged, or of another type or shape.
    """
    with opened(path) as source:
        check_hr_header(header_of(source), path)
        image: NDArray[np.uint16] = source.read()
    return image


def read_lr(path: Path) -> NDArray[np.float32]:
    """A Sentinel-2 revisit: (12, h, w) float32 reflectance.

    Raises
    ------
    DataError
        as :func:`read_hr`, and for values that are not finite or not reflectance.
    """
    with opened(path) as source:
        check_lr_header(header_of(source), path)
        image: NDArray[np.float32] = source.read()
    check_reflectance(image, path)
    return image


def read_cloud_mask(path: Path) -> NDArray[np.float32]:
    """A cloud mask: (h, w) float32, 1 is cloud. Upstream stores it as float32, other tools as uint8.

    Raises
    ------
    DataError
        if the file is missing, damaged or has more than one band.
    """
    with opened(path) as source:
        check_mask_header(header_of(source), path)
        mask: NDArray[Any] = source.read(1)
    return mask.astype(np.float32)


def read_header(path: Path) -> Header:
    """The header alone.

    Raises
    ------
    DataError
        if the file is missing or its header cannot be read.
    """
    with opened(path) as source:
        return header_of(source)


def read_end(path: Path) -> tuple[Header, NDArray[Any]]:
    """The header and the last row of every band, (bands, 1, width): reading it finds most truncated files.

    Raises
    ------
    DataError
        if the file is missing, damaged or truncated.
    """
    from rasterio.windows import Window

    with opened(path) as source:
        row = source.read(window=Window(0, source.height - 1, source.width, 1))
        return header_of(source), row


def check_hr_header(header: Header, path: Path) -> None:
    """Raise DataError unless four bands of uint16, square."""
    if (header.bands, header.dtype) != (4, "uint16"):
        raise _fault(f"has {header.bands} bands of {header.dtype}, expected 4 of uint16", path)
    if header.height != header.width:
        raise _fault(f"is {header.height} x {header.width} px, expected a square", path)


def check_lr_header(header: Header, path: Path) -> None:
    """Raise DataError unless twelve bands of float32."""
    if (header.bands, header.dtype) != (len(BANDS), "float32"):
        raise _fault(f"has {header.bands} bands of {header.dtype}, expected {len(BANDS)} of float32", path)


def check_mask_header(header: Header, path: Path) -> None:
    """Raise DataError unless one band."""
    if header.bands != 1:
        raise _fault(f"has {header.bands} bands, expected 1", path)


def check_reflectance(image: NDArray[np.float32], path: Path) -> None:
    """Raise DataError unless every value is finite and within :data:`REFLECTANCE_RANGE`."""
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise _fault("has values that are not finite", path)
    if low < REFLECTANCE_RANGE[0] or high > REFLECTANCE_RANGE[1]:
        raise _fault(f"has values from {low:.4g} to {high:.4g}, which are not reflectance", path)


def header_of(source: DatasetReader) -> Header:
    """The header of an open raster."""
    return Header(source.count, source.height, source.width, str(source.dtypes[0]))


@contextmanager
def opened(path: Path) -> Iterator[DatasetReader]:
    """An open TIFF; whatever goes wrong with it inside the block becomes a DataError."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    if not path.is_file():
        raise DataError("the file is missing", where=path, remedy=_GET)
    try:
        # High-resolution tiles carry no geotransform, and nothing here is aligned by one. Not catch_warnings():
        # it restores the filters of another thread.
        warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
        with rasterio.open(path, driver="GTiff") as source:
            if max(source.height, source.width) > _MAX_SIDE:
                raise _fault(f"claims to be {source.height} x {source.width} px", path)
            yield source
    except RasterioError as error:
        raise _fault(f"is damaged or no TIFF: {_one_line(error)}", path) from None
    except OSError as error:
        raise _fault(f"cannot be read: {_one_line(error)}", path) from None


def _fault(what: str, path: Path) -> DataError:
    return DataError(f"{path.name} {what}", where=path, remedy=_GET)


def _one_line(error: Exception) -> str:
    text = str(error.__cause__ or error)
    return " ".join(text.split())[:160]

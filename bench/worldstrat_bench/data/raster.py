"""TIFF files as arrays, every fault as one line that names the file.

A file may say what its numbers mean: a scale and an offset, a value that stands for no data, a mask. All are applied
here (protocol 1.2), so that whoever reads further knows one convention: a pixel without data is 0 in every band.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.api import BANDS
from worldstrat_bench.data.blocks import HR_SIDE_MAX, check_beside, check_blocks
from worldstrat_bench.data.tags import check_tags
from worldstrat_bench.data.traits import (
    Traits,
    check_alpha,
    has_alpha,
    no_data_of,
    raster_fault,
    scaled_values,
    traits_of,
)
from worldstrat_bench.errors import DataError
from worldstrat_bench.printed import plain_number

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

REFLECTANCE_SCALE = 10_000.0
"""High-resolution digital numbers per unit of reflectance. They go far above 4,095."""

REFLECTANCE_RANGE = (-1.0, 50.0)
"""Sentinel-2 reflectance outside this is not reflectance (digital numbers, say)."""

HR_BANDS = 4

BLACK = 1e-30
"""Stands in one band of a pixel with data that is 0 in all bands, to tell it from one without data."""

LR_SIDE_MAX = 1_024
"""Side of revisits and cloud masks: the footprint of the greatest high-resolution file has 615 px of 10 m."""

_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@dataclass(frozen=True)
class Header:
    """Header of a raster; `bands` leaves out the `alpha` band, if there is one."""

    bands: int
    height: int
    width: int
    dtype: str
    alpha: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def described(self) -> str:
        """Number and type of the bands, as text."""
        return f"{self.bands} bands{' and an alpha band' if self.alpha else ''} of {self.dtype}"


def read_hr(path: Path) -> NDArray[np.uint16] | NDArray[np.float64]:
    """Return a pan-sharpened tile, (4, S, S): R, G, B, NIR, reflectance times 10,000, 0 in all bands without data.

    uint16 as stored; float64 if the file has a scale or an offset. Scaled values are taken as reflectance, not as
    reflectance times 10,000, if no uint16 could then exceed the range of reflectance.

    Raises
    ------
    DataError
        if the file is missing, damaged, or of another type or shape, or its scale makes neither of them.
    """
    with opened(path) as source:
        check_hr_header(header_of(source), path)
        # The bands by number, since an alpha band may follow them. What has no data is asked of the numbers as stored.
        image: NDArray[np.uint16] = source.read(list(range(1, HR_BANDS + 1)))
        hidden = no_data_of(source, image)
        traits = traits_of(source)
    if traits.scaled:
        return _told_apart(scaled_values(image, traits, path) * _hr_unit(traits, path), hidden)
    image[:, hidden] = 0
    return image


def read_lr(path: Path) -> NDArray[np.float32]:
    """Return a Sentinel-2 revisit, (12, h, w) float32 reflectance, 0 in all bands where it has no data.

    Raises
    ------
    DataError
        as :func:`read_hr`, and for values that are not finite or not reflectance.
    """
    with opened(path) as source:
        check_lr_header(header_of(source), path, scaled=traits_of(source).scaled)
        # Its header was checked first: a few bytes can claim gigabytes.
        image: NDArray[Any] = source.read(list(range(1, len(BANDS) + 1)))
        hidden = no_data_of(source, image)
        traits = traits_of(source)
    if traits.scaled:
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused below
            image = _told_apart(scaled_values(image, traits, path).astype(np.float32), hidden)
    else:
        image[:, hidden] = 0
    check_reflectance(image, path)
    return image


def read_cloud_mask(path: Path) -> NDArray[np.float32]:
    """Return a cloud mask, (h, w) float32: 0 to 1, 1 is cloud, and 255 where it has no data.

    Upstream stores it as float32, other tools as uint8.

    Raises
    ------
    DataError
        if the file is missing, damaged or has more than one band, if it says that 0, which is clear sky, means no data,
        or for any other value than 0 to 1 and 255: what NaN or -1 means would be a guess.
    """
    with opened(path) as source:
        check_mask_header(header_of(source), path)
        traits = traits_of(source)
        if traits.no_data[0] == 0:
            raise raster_fault("says that 0 stands for no data, which is its value for clear sky", path)
        stored: NDArray[Any] = source.read([1])
        # 0 is clear sky here.
        hidden = no_data_of(source, stored, zeros=False)
    values = scaled_values(stored, traits, path) if traits.scaled else stored
    mask: NDArray[np.float32] = np.where(hidden, 255, values[0]).astype(np.float32)
    legal = ((mask >= 0) & (mask <= 1)) | (mask == 255)
    if not legal.all():
        raise raster_fault(f"has the value {plain_number(float(mask[~legal][0]), 4)}, expected 0 to 1 or 255", path)
    return mask


def read_traits(path: Path) -> tuple[Header, Traits]:
    """Return header and traits.

    Raises
    ------
    DataError
        as :func:`read_header`.
    """
    with opened(path) as source:
        return header_of(source), traits_of(source)


def files_of(path: Path) -> tuple[Path, ...]:
    """Return a raster and those files beside it that say what its numbers mean."""
    beside = (path.with_name(f"{path.name}{suffix}") for suffix in (".msk", ".aux.xml"))
    return (path, *(file for file in beside if file.is_file()))


def _told_apart(image: NDArray[Any], hidden: NDArray[np.bool_]) -> NDArray[Any]:
    """Return scaled (C, h, w) values as 0 in all bands where `hidden`, and nowhere else.

    A pixel with data may become exactly 0 in every band (a stored 1,000 with an offset of -1,000). It gets
    :data:`BLACK` in its last band, near or short-wave infrared, which changes no score.
    """
    black = (image == 0).all(axis=0) & ~hidden
    image[-1, black] = BLACK
    image[:, hidden] = 0
    return image


def _hr_unit(traits: Traits, path: Path) -> float:
    """Return what brings scaled numbers of a high-resolution file to reflectance times 10,000."""
    # The greatest number that the file can hold, not that it holds: one dark tile must not be read in another unit
    # than the rest.
    most = [
        np.iinfo(np.uint16).max * scale + offset for scale, offset in zip(traits.scales, traits.offsets, strict=True)
    ]
    if min(most) > 0 and max(most) <= REFLECTANCE_RANGE[1]:
        return REFLECTANCE_SCALE
    if min(most) >= REFLECTANCE_SCALE:
        return 1.0
    raise raster_fault(f"has {traits}, which makes neither reflectance nor reflectance x 10,000 of its numbers", path)


def read_header(path: Path) -> Header:
    """Return the header alone.

    Raises
    ------
    DataError
        if the file is missing or its header cannot be read.
    """
    with opened(path) as source:
        return header_of(source)


def read_end(path: Path) -> NDArray[Any]:
    """Return the last row of every band, (bands, 1, width): reading it finds most truncated files.

    Check the header first: a row may be read with a whole block of the file.

    Raises
    ------
    DataError
        if the file is missing, damaged or truncated.
    """
    from rasterio.windows import Window

    with opened(path) as source:
        row: NDArray[Any] = source.read(window=Window(0, source.height - 1, source.width, 1))
        return row


def check_hr_header(header: Header, path: Path) -> None:
    """Raise DataError unless four bands of uint16, square, of at most :data:`HR_SIDE_MAX` px."""
    if header.alpha and (header.bands, header.dtype) == (HR_BANDS - 1, "uint16"):
        raise raster_fault(
            f"has {header.described}: the near infrared is missing",
            path,
            "get the file again; if its last band is the near infrared, clear the tag that calls it alpha",
        )
    if (header.bands, header.dtype) != (HR_BANDS, "uint16"):
        raise raster_fault(f"has {header.described}, expected {HR_BANDS} of uint16", path)
    if header.height != header.width:
        raise raster_fault(f"is {header.height} x {header.width} px, expected a square", path)
    _check_sides(header, path, HR_SIDE_MAX)


def check_lr_header(header: Header, path: Path, *, scaled: bool = False) -> None:
    """Raise DataError unless twelve bands of float32, or of integers that the file gives a scale, in bounds."""
    if header.bands != len(BANDS) or not (header.dtype == "float32" or (scaled and header.dtype in _INTEGERS)):
        expected = f"{len(BANDS)} of float32, or of integers with a scale"
        raise raster_fault(f"has {header.described}, expected {expected}", path)
    _check_sides(header, path, LR_SIDE_MAX)


def check_mask_header(header: Header, path: Path) -> None:
    """Raise DataError unless one band of real numbers, in bounds."""
    if header.bands != 1 or header.dtype not in (*_INTEGERS, "float32", "float64"):
        raise raster_fault(f"has {header.described}, expected 1 of real numbers", path)
    _check_sides(header, path, LR_SIDE_MAX)


def _check_sides(header: Header, path: Path, most: int) -> None:
    if max(header.shape) > most:
        raise raster_fault(f"claims to be {header.height} x {header.width} px, at most {most} are read", path)


def check_reflectance(image: NDArray[np.float32], path: Path) -> None:
    """Raise DataError unless every value is finite and within :data:`REFLECTANCE_RANGE`."""
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise raster_fault("has values that are not finite", path)
    if low < REFLECTANCE_RANGE[0] or high > REFLECTANCE_RANGE[1]:
        raise raster_fault(
            f"has values from {plain_number(low, 4)} to {plain_number(high, 4)}, which are not reflectance", path
        )


def header_of(source: DatasetReader) -> Header:
    """Return the header of an open raster."""
    alpha = has_alpha(source)
    return Header(source.count - alpha, source.height, source.width, str(source.dtypes[0]), alpha)


def gdal_name(path: Path) -> str:
    """Return a path as GDAL, which takes every name for UTF-8, finds it, whatever the locale.

    Raises
    ------
    DataError
        if the bytes of the name are not UTF-8.
    """
    try:
        return os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        what = "the name of the file or of a folder above it is not UTF-8, and GDAL finds no such file"
        raise DataError(what, where=path, remedy="rename it, or give the folder by a link whose name is") from None


@contextmanager
def opened(path: Path) -> Iterator[DatasetReader]:
    """Open a TIFF; whatever goes wrong with it inside the block becomes a DataError."""
    import rasterio
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    if not path.is_file():
        raise DataError(
            "the file is missing", where=path, remedy="worldstrat-bench data check DIR lists all faults; get the file"
        )
    try:
        # High-resolution tiles carry no geotransform, and nothing here is aligned by one. Not catch_warnings():
        # it restores the filters of another thread.
        warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
        name = gdal_name(path)
        # Before GDAL has the file: it opens a mask beside it by itself, and with any of its drivers.
        check_beside(path)
        with path.open("rb") as stream:
            check_tags(stream, path)
        # No other driver: some read further files, or the network, where the content of a file says so.
        with _alone(path, name) as place, rasterio.open(place, driver="GTiff") as source:
            check_alpha(source, path)
            check_blocks(source, path)
            yield source
    # The second is what GDAL itself says; rasterio lets it through where a file states an unknown projection.
    except (RasterioError, CPLE_BaseError) as error:
        raise raster_fault(f"is damaged or not a TIFF: {_one_line(error)}", path) from None
    except MemoryError:
        raise raster_fault("does not fit in memory", path, "free memory, or get the file again") from None
    except OSError as error:
        raise raster_fault(f"cannot be read: {_one_line(error)}", path) from None


@contextmanager
def _alone(path: Path, name: str) -> Iterator[str]:
    """Yield where GDAL finds a TIFF and those files beside it that say what its numbers mean, and no other.

    It looks for some thirty more, of any size, and takes long for some of them.
    """
    import rasterio

    beside = [file for file in (*files_of(path)[1:], path.with_name(f"{path.name}.msk.aux.xml")) if file.is_file()]
    if not beside:
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
            yield name
        return
    with TemporaryDirectory(prefix="worldstrat-bench-") as folder:
        for file in (path, *beside):
            (Path(folder) / file.name).symlink_to(file.absolute())
        yield gdal_name(Path(folder) / path.name)


def _one_line(error: Exception) -> str:
    text = str(error.__cause__ or error)
    return " ".join(text.split())[:160]

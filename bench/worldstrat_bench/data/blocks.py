"""Blocks in which a raster and its mask are stored: each is decoded as a whole, however small the image is.

A file of a few hundred bytes can so ask for gigabytes. And the mask beside a TIFF is opened by whatever driver of GDAL
knows it, of which some read other files, and the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from worldstrat_bench.data.tags import LONGEST_METADATA, check_tags
from worldstrat_bench.data.traits import has_mask, raster_fault

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

HR_SIDE_MAX: Final = 4_096
"""Side of a high-resolution file, px. All of it is read at once, and a header of a few bytes can claim gigabytes."""

BLOCK_BYTES_MAX: Final = 512 << 20
"""Size of a block of a file, decoded; the largest tiles that programs write by themselves are far smaller."""

_IMAGES_MAX: Final = 32
"""Images in a file with a mask: itself, reduced ones, and the masks of all."""

_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def check_blocks(source: DatasetReader, path: Path) -> None:
    """Raise DataError for blocks beyond reason, of the image or of a mask in the same file."""
    import rasterio
    from rasterio.errors import RasterioError

    _check_sizes(source, path)
    if source.driver != "GTiff" or not has_mask(source):
        return
    # Which of the images the mask is, the library does not say: all are looked at, none is decoded.
    for number in range(1, _IMAGES_MAX + 1):
        try:
            with rasterio.open(f"GTIFF_DIR:{number}:{source.name}", driver="GTiff") as image:
                _check_sizes(image, path)
        except RasterioError:
            return
    raise raster_fault(f"holds more than {_IMAGES_MAX} images", path)


def check_beside(path: Path) -> None:
    """Raise DataError for files beside a TIFF by which GDAL would open more than it.

    A mask (``.msk``) has to be a TIFF with blocks within reason, under just that name: GDAL finds it in any letters,
    upper or lower. ``.aux`` is a raster of another driver, which may state what the TIFF does not.
    """
    import rasterio

    mask, stems = f"{path.name}.msk", {path.name.casefold(), path.stem.casefold()}
    for name in (entry.name for entry in path.parent.iterdir()):
        folded = name.casefold()
        if folded in (mask.casefold(), f"{mask}.msk".casefold()) and name != mask:
            raise raster_fault(f"has a mask beside it that is not called {mask}, but {name[:80]!r}", path)
        if folded.endswith(".aux") and folded.removesuffix(".aux") in stems:
            raise raster_fault(f"has a file beside it that another driver would read, {name[:80]!r}", path)
        if folded in (f"{path.name}.aux.xml".casefold(), f"{mask}.aux.xml".casefold()):
            _check_statements(path.with_name(name), path)
    beside = path.with_name(mask)
    if beside.exists() or beside.is_symlink():
        if not beside.is_file():
            raise raster_fault("has a mask beside it that is not a file", path)
        try:
            with beside.open("rb") as file:
                begins = file.read(4)
                file.seek(0)
                check_tags(file, path)
        except OSError as error:
            raise raster_fault(f"has a mask that cannot be read: {error.strerror}", path) from None
        if begins not in _TIFF:
            raise raster_fault("has a mask beside it that is not a TIFF", path)
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(beside, driver="GTiff") as mask:
            _check_sizes(mask, path)


def _check_statements(beside: Path, path: Path) -> None:
    """Raise DataError for statements of GDAL beside a file that are beyond reason: it looks through all for each."""
    if not beside.is_file() or beside.stat().st_size > LONGEST_METADATA:
        what = f"has a file beside it, {beside.name[:80]!r}, that is not one of at most {LONGEST_METADATA >> 10} kB"
        raise raster_fault(what, path)


def _check_sizes(source: DatasetReader, path: Path) -> None:
    from rasterio.enums import Interleaving

    # Where the bands of a pixel lie together, a block holds and decodes all of them.
    together = source.count if source.interleaving == Interleaving.pixel else 1
    size = together * max(np.dtype(name).itemsize for name in source.dtypes)
    for height, width in set(source.block_shapes):
        if max(height, width) > HR_SIDE_MAX or height * width * size > BLOCK_BYTES_MAX:
            raise raster_fault(f"is stored in blocks of {height} x {width} px, which is beyond reason", path)

"""GeoTIFF and PNG files that were handed in, with what they say of their own numbers."""

from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.blocks import check_blocks
from worldstrat_bench.data.raster import header_of
from worldstrat_bench.data.tags import check_tags
from worldstrat_bench.data.traits import check_alpha, no_data_of, scaled_values, traits_of
from worldstrat_bench.handed.numbers import MAX_BYTES, ONE_IMAGE, Numbers, UnusableFileError, check_numbers, check_size
from worldstrat_bench.handed.stated import Stated

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

_MOST_CHUNKS: Final = 100_000
"""Of a PNG: writers put at least some thousand bytes of an image into one."""

_PACKED: Final = (b"zTXt", b"iTXt", b"iCCP")
_MOST_PACKED: Final = 64 << 10
"""Bytes of compressed remarks and profiles in a PNG: the library unpacks all of them, to a thousand times as much."""

_PNG = b"\x89PNG\r\n\x1a\n"

_FILE = Path("file")
"""Stands before the messages of readers that name one."""


def read_raster(content: bytes, driver: str, stated: Stated) -> Numbers:
    """Return what the content of a raster holds; its scale and offset are applied.

    Parameters
    ----------
    driver : of GDAL, the only one that is tried.

    Raises
    ------
    UnusableFileError
        for other bands than stated, a palette, or pixels without data.
    DataError, RasterioError
        for a file that the libraries refuse.
    """
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    if driver == "PNG":
        _check_png(content)
    elif driver == "GTiff":
        check_tags(io.BytesIO(content), _FILE)
    # Not catch_warnings(): it restores the filters of another thread.
    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    with MemoryFile(content) as memory, memory.open(driver=driver) as source:
        _check_header(source, stated)
        image: NDArray[Any] = source.read(list(range(1, len(stated.bands) + 1)))
        _refuse_no_data(source, image)
        traits = traits_of(source)
    if not traits.scaled:
        return Numbers(image)
    return Numbers(scaled_values(image, traits, _FILE), scaled=True)


def _check_png(content: bytes) -> None:
    """Refuse a PNG that is cut short or damaged: its library gives what is left of it, and zeros for the rest."""
    at, kind, chunks, packed = len(_PNG), b"", 0, 0
    while content.startswith(_PNG) and kind != b"IEND":
        chunks += 1
        # Each costs a look here and another one in the library, however little it holds.
        if chunks > _MOST_CHUNKS:
            raise UnusableFileError(f"holds more than {_MOST_CHUNKS:,} chunks", "write it again")
        length = int.from_bytes(content[at : at + 4], "big")
        kind, end = content[at + 4 : at + 8], at + 8 + length
        packed += length if kind in _PACKED else 0
        if packed > _MOST_PACKED:
            raise UnusableFileError(f"holds more than {_MOST_PACKED >> 10} kB of remarks", "write it again without")
        check = content[end : end + 4]
        if len(check) < 4 or zlib.crc32(content[at + 4 : end]) != int.from_bytes(check, "big"):
            raise UnusableFileError("is cut short or damaged", "write it again")
        at = end + 4


def _check_header(source: DatasetReader, stated: Stated) -> None:
    from rasterio.enums import ColorInterp

    check_alpha(source, _FILE)
    check_blocks(source, _FILE)
    header = header_of(source)
    if ColorInterp.palette in source.colorinterp:
        raise UnusableFileError("has a palette: its numbers are not a measure of light", "store three bands of numbers")
    if header.bands != len(stated.bands):
        named = ",".join(stated.bands)
        remedy = "name every band of the file in order with --bands"
        raise UnusableFileError(f"has {header.described}, {len(stated.bands)} are expected ({named})", remedy)
    kinds = {np.dtype(name) for name in source.dtypes}
    for kind in kinds:
        check_numbers(kind.kind)
    check_size(header.height, header.width)
    # Pixels of all bands are decoded together where they are stored together.
    if source.count * header.height * header.width * max(kind.itemsize for kind in kinds) > MAX_BYTES:
        raise UnusableFileError(f"unpacks to more than {MAX_BYTES >> 20} MiB", ONE_IMAGE)


def _refuse_no_data(source: DatasetReader, image: NDArray[Any]) -> None:
    """Refuse pixels that the file itself calls empty: a value that stands for no data does not measure light."""
    named = [value for value in source.nodatavals[: len(image)] if value is not None]
    # 0 is a legal value in one band: it stands for no data where all bands have it, and only if the file says so.
    hidden = no_data_of(source, image, zeros=0 in named)
    if hidden.any():
        remedy = "predict every pixel; if these are meant as they are stored, remove the no-data value or mask"
        raise UnusableFileError(f"has {int(hidden.sum()):,} pixels that it declares as no-data", remedy)

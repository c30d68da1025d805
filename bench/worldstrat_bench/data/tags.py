"""The directory of a TIFF, read before GDAL is given the file: GDAL takes long for what one of its tags may hold.

Layout: https://www.awaresystems.be/imaging/tiff/bigtiff.html. The tag with GDAL's own metadata is text in XML, and for
each of its items GDAL looks through all: four million bytes take half a minute, in which nothing interrupts it.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO, Final

from worldstrat_bench.data.traits import raster_fault

_GDAL_METADATA: Final = 42112
LONGEST_METADATA: Final = 256 << 10
"""Bytes: GDAL writes some hundred of an image, and some thousand with statistics of many bands."""
_MOST_TAGS: Final = 4096
_MOST_DIRECTORIES: Final = 64
_SPARE: Final = 1 << 20
_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 11: 4, 13: 4}
"""Type of a value to its size; 8 for all others."""
_ORDERS: Final = {b"II": "<", b"MM": ">"}


def check_tags(stream: BinaryIO, path: Path) -> None:
    """Raise DataError for metadata beyond reason in a TIFF; of anything else nothing is said.

    Parameters
    ----------
    stream : at its start.
    path : for the message.
    """
    order = _ORDERS.get(stream.read(2))
    if order is None:
        return
    try:
        _check(stream, order, path)
    except struct.error:  # it is cut short, which its reader says
        return


def _check(stream: BinaryIO, order: str, path: Path) -> None:
    (version,) = _unpack(stream, f"{order}H")
    big = version == 43
    if big:
        stream.read(4)
    # Number of tags, one tag (number, type, count, value), place of the next directory.
    number, tag, place = (order + layout for layout in (("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")))
    room = 2 * _size(stream) + _SPARE
    (at,) = _unpack(stream, place)
    for _ in range(_MOST_DIRECTORIES):
        if not at:
            return
        stream.seek(at)
        (tags,) = _unpack(stream, number)
        if tags > _MOST_TAGS:
            raise raster_fault(f"has a directory of {tags} tags, which is beyond reason", path)
        for _ in range(tags):
            name, kind, count, _ = _unpack(stream, tag)
            # Of an honest file no two tags name the same bytes; the library copies those of each that it does not know.
            room -= count * _BYTES.get(kind, 8)
            if room < 0:
                raise raster_fault("has tags that are larger than the file", path)
            if name == _GDAL_METADATA and count > LONGEST_METADATA:
                raise raster_fault(f"holds more than {LONGEST_METADATA >> 10} kB of GDAL's metadata", path)
        (at,) = _unpack(stream, place)
    raise raster_fault(f"holds more than {_MOST_DIRECTORIES} images", path)


def _size(stream: BinaryIO) -> int:
    """Return the length of a stream, whose place is kept."""
    here = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(here)
    return size


def _unpack(stream: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, stream.read(struct.calcsize(layout)))

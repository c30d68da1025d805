"""Named arrays as one block of bytes with a checksum: fast to write, and read without a copy.

A block is a prefix, a JSON header with the block's name and what lies where, and the arrays' bytes. The checksum is a
CRC-32 of all that follows it. It is there against what happens to files (a torn write, a lost page, a flipped bit), of
which it misses one in four thousand million; a person who can write the folder could forge any digest as well. It
costs a fifth of a sha256. The block is read, not mapped: of a mapped file a failing disk would end the process.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PREFIX = struct.Struct("<4sIQ")
_MAGIC = b"WSA\x01"
_ALIGNMENT = 64
_CRC = struct.Struct("<I")
_START = _PREFIX.size + _CRC.size

Buffer = bytes | memoryview


class DamagedError(ValueError):
    """The bytes are not a block, not the one that was asked for, or not as they were written."""


def pack(name: str, arrays: Mapping[str, NDArray[Any]]) -> list[Buffer]:
    """Return the pieces of a block, to be written one after the other; the arrays are not copied if they are dense.

    Raises
    ------
    ValueError
        if an array holds anything but numbers or bools.
    """
    dense = {label: np.require(array, requirements="C") for label, array in arrays.items()}
    if any(array.dtype.kind not in "biuf" for array in dense.values()):
        raise ValueError("only numbers and bools can be packed")
    layout = {label: [array.dtype.str, array.shape] for label, array in dense.items()}
    header = json.dumps({"name": name, "arrays": layout}).encode()
    header += b" " * (-(_START + len(header)) % _ALIGNMENT)
    pieces: list[Buffer] = [header]
    for array in dense.values():
        pieces.append(array.reshape(-1).view(np.uint8).data)
        pieces.append(bytes(-array.nbytes % _ALIGNMENT))
    check = 0
    for piece in pieces:
        check = zlib.crc32(piece, check)
    return [_PREFIX.pack(_MAGIC, len(header), sum(map(len, pieces))), _CRC.pack(check), *pieces]


def unpack(name: str, block: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a block, as views of its bytes.

    Raises
    ------
    DamagedError
    """
    view = block.data
    try:
        magic, length, size = _PREFIX.unpack_from(view)
        (check,) = _CRC.unpack_from(view, _PREFIX.size)
        if magic != _MAGIC or len(view) != _START + size or zlib.crc32(view[_START:]) != check:
            raise DamagedError("the block is damaged")
        header = json.loads(bytes(view[_START : _START + length]))
        if header["name"] != name:
            raise DamagedError("the block is another one")
        return _views(block, header["arrays"], _START + length)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(str(error)) from None


def _views(block: NDArray[np.uint8], layout: Mapping[str, Any], offset: int) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for label, (kind, shape) in layout.items():
        dtype = np.dtype(kind)
        if dtype.kind not in "biuf" or any(side < 0 for side in shape):
            raise DamagedError("the block holds something other than arrays of numbers")
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        arrays[label] = block[offset : offset + size].view(dtype).reshape(shape)
        offset += size + -size % _ALIGNMENT
    return arrays

"""Safetensors messages, made and read without copying what they hold.

The library makes bytes of a whole message, and copies every array of one: with eight frames of a tile that is as much
work as a small model. Standard library and numpy only, syntax of Python 3.9.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

from worldstrat_bench.worker.inside.wire import Buffer

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIGNMENT = 64
"""Bytes: where the largest array starts, counted from the start of the message, for vector instructions."""
_LENGTH_BYTES = 8
_KINDS = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
    "bool": "BOOL",
}


def pieces_of(arrays: Mapping[str, NDArray[Any]], metadata: Optional[Mapping[str, str]] = None) -> List[Buffer]:
    """Return the header and the bytes of the arrays, the largest first, to be sent or written one after the other.

    Raises
    ------
    KeyError
        for a type of number that is not among those that are sent.
    """
    import numpy as np

    header: Dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    pieces: List[Buffer] = []
    offset = 0
    for name, array in sorted(arrays.items(), key=lambda item: -item[1].nbytes):
        dense = np.require(array, array.dtype.newbyteorder("<"), "C")
        header[name] = {
            "dtype": _KINDS[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        pieces.append(dense.reshape(-1).view(np.uint8).data)
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-(_LENGTH_BYTES + len(text)) % ALIGNMENT)
    return [len(text).to_bytes(_LENGTH_BYTES, "little") + text, *pieces]


def arrays_of(message: Buffer) -> Dict[str, NDArray[Any]]:
    """Return the arrays of a message that this harness made.

    The largest shares the message's memory if it may be written to, so that a model can change its inputs. Nothing is
    checked: a message from elsewhere is for the library.
    """
    import numpy as np

    length = int.from_bytes(message[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    header = json.loads(bytes(message[_LENGTH_BYTES:start]))
    kinds = {kind: name for name, kind in _KINDS.items()}
    arrays: Dict[str, NDArray[Any]] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        place = start + entry["data_offsets"][0]
        flat = np.frombuffer(message, np.dtype(kinds[entry["dtype"]]), math.prod(entry["shape"]), place)
        shared = flat.flags.writeable and place % ALIGNMENT == 0
        arrays[name] = (flat if shared else flat.copy()).reshape(entry["shape"])
    return arrays

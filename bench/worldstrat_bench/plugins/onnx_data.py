"""Which files beside an ONNX file hold its tensors, read from the file without running or unpacking any of it.

The host has to know them before a worker starts, and onnx is a package of the model's environment, not of the host's:
this walks the wire format of protocol buffers and looks only at what can lead to a tensor. Field numbers are those of
`onnx.proto` (they never change), wire types those of https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# message: {field: message that the field holds}; every other field is passed over
_LEADING: Final[dict[str, dict[int, str]]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
    "Entry": {},
}
_KEY, _VALUE = 1, 2  # of an Entry
_LONGEST_TEXT = 4096


def external_data(file: Path) -> tuple[str, ...]:
    """Return the names of the files that hold tensors of an ONNX file, as it spells them, sorted; () if it is not ONNX.

    Raises
    ------
    OSError
        if the file cannot be read.
    """
    with file.open("rb") as stream:
        try:
            # Mapped, not read: weights are gigabytes, of which only the keys are looked at.
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return ()
        with content:
            try:
                return tuple(sorted(set(_locations(content))))
            except ValueError:
                return ()


def _locations(content: mmap.mmap) -> Iterator[str]:
    """Yield the `location` of every tensor; ValueError where the bytes are not a protocol buffer."""
    # A list and not recursion: how deep graphs lie in graphs is up to the file.
    pending = [("Model", 0, len(content))]
    while pending:
        message, start, end = pending.pop()
        leading = _LEADING[message]
        entry: dict[int, bytes] = {}
        for field, begin, stop in _long_fields(content, start, end):
            if message == "Entry" and field in (_KEY, _VALUE) and stop - begin <= _LONGEST_TEXT:
                entry[field] = content[begin:stop]
            elif field in leading:
                pending.append((leading[field], begin, stop))
        if entry.get(_KEY) == b"location":
            yield entry.get(_VALUE, b"").decode("utf-8")


def _long_fields(content: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number, the start and the end of every field of the wire type `BYTES`."""
    while at < end:
        tag, at = _varint(content, at, end)
        kind = tag & 7
        if kind == VARINT:
            _, at = _varint(content, at, end)
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        elif kind == BYTES:
            length, at = _varint(content, at, end)
            if length > end - at:
                raise ValueError("a field is longer than what holds it")
            yield tag >> 3, at, at + length
            at += length
        else:
            raise ValueError(f"there is no wire type {kind}")
    if at != end:
        raise ValueError("a field ends beyond what holds it")


def _varint(content: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number does not end")

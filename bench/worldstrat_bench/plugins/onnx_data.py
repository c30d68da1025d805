"""Statements of an ONNX file: the files beside it that hold its tensors, and the shape of its input.

It is read without running or unpacking any of it.

The host has to know the files before a worker starts, and onnx is a package of the model's environment, not of the
host's: this walks the wire format of protocol buffers and looks only at what can lead to a tensor. Field numbers are
those of `onnx.proto` (they never change), wire types those of https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

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
_LARGEST_SIDE = 1 << 20
_MOST_FIELDS = 2_000_000
"""Of all messages of a file together, each as often as it is walked."""

Found = TypeVar("Found")


class Content:
    """The bytes of a file, and how many fields may still be looked at in it."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self.mapped, self._left = mapped, _MOST_FIELDS

    def __len__(self) -> int:
        return len(self.mapped)

    def part(self, span: tuple[int, int]) -> bytes:
        """Return the bytes from a place to another."""
        return self.mapped[span[0] : span[1]]

    def spend(self) -> None:
        """Count one field.

        Raises
        ------
        ValueError
            if there are too many: a file of tiny messages would cost minutes.
        """
        if not self._left:
            raise ValueError("there are too many fields")
        self._left -= 1


def external_data(file: Path) -> tuple[str, ...]:
    """Return the names of the files that hold tensors of an ONNX file, as it spells them, sorted; () if it is not ONNX.

    Raises
    ------
    OSError
        if the file cannot be read.
    """
    return tuple(sorted(set(_read(file, _locations))))


Sides: TypeAlias = tuple[int | None, ...]
"""The sides of an input, None for one that the file leaves open."""


def input_sides(file: Path) -> Sides:
    """Return the sides of the one input that an ONNX file is fed with; () if it is not ONNX or has not just one.

    Raises
    ------
    OSError
        if the file cannot be read.
    """
    found = list(_read(file, _inputs))
    return found[0] if len(found) == 1 else ()


def _read(file: Path, parse: Callable[[Content], Iterable[Found]]) -> tuple[Found, ...]:
    with file.open("rb") as stream:
        try:
            # Mapped, not read: weights are gigabytes, of which only the keys are looked at.
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return ()
        with mapped:
            try:
                return tuple(parse(Content(mapped)))
            except ValueError:
                return ()


def _inputs(content: Content) -> Iterator[Sides]:
    """Yield the sides of every input that is not a tensor of the file; ValueError where the bytes are not ONNX."""
    for graph in _inside(content, (0, len(content)), 7):
        tensors = [*_inside(content, graph, 5), *_inside(content, graph, 15, 1)]
        stored = {content.part(span) for tensor in tensors for span in _inside(content, tensor, 8)}
        for value in _inside(content, graph, 11):
            named = {content.part(span) for span in _inside(content, value, 1)}
            # Files of old versions list their weights among the inputs.
            if not named & stored:
                yield tuple(_side(content, one) for one in _inside(content, value, 2, 1, 2, 1))


def _inside(content: Content, span: tuple[int, int], *path: int) -> list[tuple[int, int]]:
    """Return where the fields lie that the numbers of `path` lead to, one message in another."""
    spans = [span]
    for number in path:
        spans = [(begin, end) for own in spans for field, begin, end in _long_fields(content, *own) if field == number]
    return spans


def _side(content: Content, span: tuple[int, int]) -> int | None:
    sizes = [_varint(content, begin, end)[0] for field, kind, begin, end in _fields(content, *span) if kind == VARINT]
    return sizes[0] if sizes and 0 < sizes[0] < _LARGEST_SIDE else None


def _locations(content: Content) -> Iterator[str]:
    """Yield the `location` of every tensor; ValueError where the bytes are not a protocol buffer."""
    # A list and not recursion: how deep graphs lie in graphs is up to the file.
    pending = [("Model", 0, len(content))]
    while pending:
        message, start, end = pending.pop()
        leading = _LEADING[message]
        entry: dict[int, bytes] = {}
        for field, begin, stop in _long_fields(content, start, end):
            if message == "Entry" and field in (_KEY, _VALUE) and stop - begin <= _LONGEST_TEXT:
                entry[field] = content.part((begin, stop))
            elif field in leading and begin < stop:
                pending.append((leading[field], begin, stop))
        if entry.get(_KEY) == b"location":
            yield entry.get(_VALUE, b"").decode("utf-8")


def _long_fields(content: Content, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number, the start and the end of every field of the wire type `BYTES`."""
    for number, kind, begin, stop in _fields(content, at, end):
        if kind == BYTES:
            yield number, begin, stop


def _fields(content: Content, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the number, the wire type, the start and the end of the value of every field."""
    while at < end:
        # What is walked is not tensors: a large network has some thousand nodes in one graph.
        content.spend()
        tag, at = _varint(content, at, end)
        kind, begin = tag & 7, at
        if kind == VARINT:
            _, at = _varint(content, at, end)
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        elif kind == BYTES:
            length, begin = _varint(content, at, end)
            if length > end - begin:
                raise ValueError("a field is longer than what holds it")
            at = begin + length
        else:
            raise ValueError(f"there is no wire type {kind}")
        yield tag >> 3, kind, begin, at
    if at != end:
        raise ValueError("a field ends beyond what holds it")


def _varint(content: Content, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = content.mapped[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number does not end")

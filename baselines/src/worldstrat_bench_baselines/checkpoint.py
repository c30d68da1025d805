"""Tensors out of a PyTorch or Lightning checkpoint, without running what it says.

A checkpoint is a ZIP archive with a pickle in it (before torch 1.6: a row of pickles and numbers), and a pickle is a
program. Lightning stores whole objects beside
the weights, so torch's own ``weights_only`` refuses such files. The reader here follows the pickle's instructions
with every name it asks for replaced: a few that build tensors by our own functions, all others by a hollow class
that swallows its arguments and does nothing. Nothing is imported and nothing in the file is called.
"""

from __future__ import annotations

import io
import math
import pickle  # only with every name of the file replaced, see _Reader.find_class
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

MAX_BYTES = 2 << 30
"""No checkpoint of a model of this benchmark is larger."""

OLD_MAGIC = 0x1950A86A20F9469CFC6C
"""First number of a checkpoint from before torch 1.6, as it is pickled."""

Nested = dict[str, "Tensor | Nested"]
"""Dicts of tensors as a training script wraps them."""

_STORAGES: Mapping[str, tuple[type[np.generic], torch.dtype]] = {
    "DoubleStorage": (np.float64, torch.float64),
    "FloatStorage": (np.float32, torch.float32),
    "BFloat16Storage": (np.int16, torch.bfloat16),
    "HalfStorage": (np.float16, torch.float16),
    "LongStorage": (np.int64, torch.int64),
    "IntStorage": (np.int32, torch.int32),
    "ShortStorage": (np.int16, torch.int16),
    "CharStorage": (np.int8, torch.int8),
    "ByteStorage": (np.uint8, torch.uint8),
    "BoolStorage": (np.bool_, torch.bool),
}


class CheckpointError(ValueError):
    """A file that is not a checkpoint, or one that tensors cannot be read from."""


class _Hollow:
    """Stands for every object that is not a tensor; takes anything, keeps nothing, does nothing."""

    def __new__(cls, *_: object, **__: object) -> _Hollow:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        return

    def __call__(self, *_: object, **__: object) -> _Hollow:
        return self

    def __setstate__(self, _: object) -> None:
        return

    def __setitem__(self, _: object, __: object) -> None:
        return

    def append(self, _: object) -> None:
        return

    def extend(self, _: object) -> None:
        return

    def add(self, _: object) -> None:
        return


class _Inert:
    """Base of what the pickle may touch: instructions to change its attributes change nothing."""

    __slots__ = ()

    def __setstate__(self, _: object) -> None:
        return


class _StorageType(_Inert):
    """The name of a storage class; it only says how numbers are stored."""

    __slots__ = ("numpy_type", "torch_type")

    def __init__(self, name: str) -> None:
        self.numpy_type, self.torch_type = _STORAGES[name]


class _Held(_Inert):
    """A tensor out of the pickle's reach."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class _Dict(dict[object, object]):
    """An OrderedDict or state dict: keys and values; attributes such as ``_metadata`` are dropped."""

    def __setstate__(self, _: object) -> None:
        return


class _RebuildTensor(_Inert):
    """Rebuild a tensor as ``torch._utils._rebuild_tensor_v2`` does, with the bounds checked."""

    __slots__ = ()

    def __call__(self, storage: object, offset: object, size: object, stride: object, *_: object) -> object:
        if not isinstance(storage, _Held):
            return _Hollow()
        sizes, strides = _integers(size), _integers(stride)
        (start,) = _integers((offset,))
        if len(sizes) != len(strides) or len(sizes) > 8:
            raise CheckpointError("a tensor with a shape that makes no sense")
        last = start + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
        if math.prod(sizes) > storage.tensor.numel() or (0 not in sizes and last >= storage.tensor.numel()):
            raise CheckpointError("a tensor that reaches beyond its storage")
        return _Held(torch.as_strided(storage.tensor, sizes, strides, start))


class _RebuildParameter(_Inert):
    """Rebuild a parameter as ``torch._utils._rebuild_parameter`` does, less the gradient."""

    __slots__ = ()

    def __call__(self, data: object = None, *_: object) -> object:
        return data


def _integers(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(type(v) is int and 0 <= v < 2**40 for v in values):
        raise CheckpointError("a tensor with a shape that makes no sense")
    return values


class _Reader(pickle._Unpickler):
    """Follows the pickle with every name replaced; where the numbers of a storage are, the subclasses know.

    Python's own unpickler and not the one in C, whose memo is an array: one number in a small file makes it gigabytes.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="utf-8")
        self.storages: dict[str, _Held] = {}

    def find_class(self, module: str, name: str) -> object:
        """Return our own class for the names that build tensors, a hollow class for all others."""
        if module == "torch._utils" and name in {"_rebuild_tensor_v2", "_rebuild_tensor"}:
            return _RebuildTensor()
        if module == "torch._utils" and name == "_rebuild_parameter":
            return _RebuildParameter()
        if module == "collections" and name == "OrderedDict":
            return _Dict
        if module == "torch" and name in _STORAGES:
            return _StorageType(name)
        return _Hollow

    def persistent_load(self, pid: object) -> object:
        """Return the numbers of a storage: ("storage", class, key, device, count), and in old files a view of it."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or not isinstance(pid[1], _StorageType):
            return _Hollow()
        if pid[0] != "storage" or (len(pid) == 6 and pid[5] is not None):
            return _Hollow()
        key = str(pid[2])
        if key not in self.storages:
            self.storages[key] = _Held(self.numbers(key, pid[1], pid[4]))
        return self.storages[key]

    def numbers(self, key: str, kind: _StorageType, count: object) -> Tensor:
        """Return the numbers of a storage as a flat tensor."""
        raise NotImplementedError


class _ArchiveReader(_Reader):
    """Reads the pickle of a ZIP archive; a storage is a file of it."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, program: bytes) -> None:
        super().__init__(io.BytesIO(program))
        self._archive = archive
        self._folder = folder

    def numbers(self, key: str, kind: _StorageType, count: object) -> Tensor:
        """Return a private copy of the file's numbers."""
        try:
            raw = self._archive.read(f"{self._folder}/data/{key}")
        except KeyError:
            raise CheckpointError(f"storage {key[:40]!r} is missing") from None
        if len(raw) % np.dtype(kind.numpy_type).itemsize:
            raise CheckpointError(f"storage {key[:40]!r} is cut short")
        return torch.from_numpy(np.frombuffer(raw, dtype=kind.numpy_type).copy()).view(kind.torch_type)


class _OldReader(_Reader):
    """Reads the object of a file from before torch 1.6; the numbers of the storages follow behind it."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        super().__init__(stream)
        self._left = size

    def numbers(self, key: str, kind: _StorageType, count: object) -> Tensor:
        """Make room for the numbers, which :meth:`fill` reads; no more of it than the file is long."""
        (length,) = _integers((count,))
        self._left -= length * np.dtype(kind.numpy_type).itemsize
        if self._left < 0:
            raise CheckpointError("its storages are longer than the file")
        return torch.from_numpy(np.zeros(length, kind.numpy_type)).view(kind.torch_type)

    def fill(self, stream: BinaryIO, keys: object) -> None:
        """Read the numbers of the storages in the order of `keys`, each behind its count."""
        if not isinstance(keys, list) or {str(key) for key in keys} != set(self.storages):
            raise CheckpointError("its list of storages is another than its tensors want")
        for key in keys:
            flat = self.storages[str(key)].tensor.view(torch.uint8)
            count = int.from_bytes(stream.read(8), "little")
            raw = stream.read(flat.numel())
            if len(raw) != flat.numel() or count * self.storages[str(key)].tensor.itemsize != len(raw):
                raise CheckpointError(f"storage {str(key)[:40]!r} is cut short")
            flat.copy_(torch.from_numpy(np.frombuffer(raw, np.uint8).copy()))


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read every tensor of a ``.ckpt``, ``.pt`` or ``.pth`` file that has a name, state dicts flattened.

    Names are as in the state dict; ``state_dict.`` itself is dropped where there is one.

    Raises
    ------
    CheckpointError
        if the file is not a checkpoint, is damaged, or holds no tensor.
    """
    content = read_nested(path)
    inner = content.get("state_dict")
    tensors = dict(_named(inner if isinstance(inner, dict) else content, ""))
    if not tensors:
        raise CheckpointError(f"no tensors in {path.name}")
    return tensors


def read_nested(path: Path) -> Nested:
    """Return the dicts of a checkpoint with the tensors in them; everything else is left out.

    Raises
    ------
    CheckpointError
        if the file is not a checkpoint, or is damaged.
    """
    try:
        content = _read_archive(path) if zipfile.is_zipfile(path) else _read_old(path)
    except CheckpointError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged pickle fails in any way it likes
        raise CheckpointError(f"{path.name} cannot be read as a checkpoint: {type(error).__name__}") from None
    return _plain(content)


def _read_archive(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise CheckpointError(f"more than {MAX_BYTES >> 30} GiB of numbers in {path.name}")
        programs = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(programs) != 1:
            raise CheckpointError(f"{path.name} is not a checkpoint of PyTorch")
        folder = programs[0].split("/", 1)[0]
        return _ArchiveReader(archive, folder, archive.read(programs[0])).load()


def is_old(path: Path) -> bool:
    """Return whether a file is a checkpoint as torch wrote them before 1.6."""
    with path.open("rb") as stream:
        start = stream.read(64)
    return OLD_MAGIC.to_bytes(10, "little") in start and start[:1] == b"\x80"


def _read_old(path: Path) -> object:
    if not is_old(path):
        raise CheckpointError(f"{path.name} is not a checkpoint of PyTorch")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise CheckpointError(f"more than {MAX_BYTES >> 30} GiB of numbers in {path.name}")
    with path.open("rb") as stream:
        for _ in range(3):  # a magic number, a version, facts about the machine that wrote it
            _OldReader(stream, 0).load()
        reader = _OldReader(stream, size)
        content = reader.load()
        reader.fill(stream, _OldReader(stream, 0).load())
    return content


def _plain(content: object, depth: int = 0) -> Nested:
    """Return the dicts with a name for everything, and the tensors in them."""
    found: Nested = {}
    for key, value in content.items() if isinstance(content, dict) and depth < 6 else ():
        if not isinstance(key, str):
            continue
        if isinstance(value, _Held):
            found[key] = value.tensor
        elif isinstance(value, dict):
            found[key] = _plain(value, depth + 1)
    return found


def _named(content: Nested, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for key, value in content.items():
        name = f"{prefix}.{key}" if prefix else key
        if isinstance(value, Tensor):
            yield name, value
        else:
            yield from _named(value, name)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by :func:`read_checkpoint`, or of a safetensors file; its content tells which.

    Raises
    ------
    CheckpointError
        if it is neither.
    """
    return read_checkpoint(path) if is_checkpoint(path) else _read_safetensors(path)


def load_nested(path: Path) -> Nested:
    """Return the same with the dicts of a checkpoint as they are nested; a safetensors file has none.

    Raises
    ------
    CheckpointError
        if it is neither.
    """
    return read_nested(path) if is_checkpoint(path) else dict(_read_safetensors(path))


def is_checkpoint(path: Path) -> bool:
    """Return whether a file is a checkpoint of any age, by its first bytes."""
    return zipfile.is_zipfile(path) or is_old(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path, device="cpu")
    except SafetensorError:
        raise CheckpointError(f"{path.name} is neither a safetensors file nor a checkpoint") from None


def convert(source: Path, destination: Path) -> int:
    """Write the tensors of a checkpoint as safetensors; returns how many there are. Shared ones are copied."""
    tensors = read_checkpoint(source)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, destination)
    return len(tensors)

"""Tensors out of a PyTorch or Lightning checkpoint, without running what it says.

A checkpoint is a ZIP archive with a pickle in it, and a pickle is a program. Lightning stores whole objects beside
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

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

MAX_BYTES = 2 << 30
"""No checkpoint of a model of this benchmark is larger."""

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
    """A file that is no checkpoint, or one that tensors cannot be read from."""


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
    """What ``torch._utils._rebuild_tensor_v2`` does, with the bounds checked."""

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
        return _Held(torch.as_strided(storage.tensor, sizes, strides, start).clone())


class _RebuildParameter(_Inert):
    """What ``torch._utils._rebuild_parameter`` does, less the gradient."""

    __slots__ = ()

    def __call__(self, data: object = None, *_: object) -> object:
        return data


def _integers(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(type(v) is int and 0 <= v < 2**40 for v in values):
        raise CheckpointError("a tensor with a shape that makes no sense")
    return values


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, folder: str, program: bytes) -> None:
        super().__init__(io.BytesIO(program), encoding="utf-8")
        self._archive = archive
        self._folder = folder
        self._storages: dict[str, _Held] = {}

    def find_class(self, module: str, name: str) -> object:
        """Ours for the names that build tensors, a hollow class for all others."""
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
        """The numbers of a storage: ("storage", class, key, device, count)."""
        if not isinstance(pid, tuple) or len(pid) != 5 or pid[0] != "storage" or not isinstance(pid[1], _StorageType):
            return _Hollow()
        key = str(pid[2])
        if key not in self._storages:
            try:
                raw = self._archive.read(f"{self._folder}/data/{key}")
            except KeyError:
                raise CheckpointError(f"storage {key[:40]!r} is missing") from None
            if len(raw) % np.dtype(pid[1].numpy_type).itemsize:
                raise CheckpointError(f"storage {key[:40]!r} is cut short")
            numbers = torch.from_numpy(np.frombuffer(raw, dtype=pid[1].numpy_type).copy())
            self._storages[key] = _Held(numbers.view(pid[1].torch_type))
        return self._storages[key]


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Every tensor of a ``.ckpt``, ``.pt`` or ``.pth`` file that has a name, state dicts flattened.

    Names are as in the state dict; ``state_dict.`` itself is dropped where there is one.

    Raises
    ------
    CheckpointError
        if the file is not a ZIP checkpoint (written by PyTorch 1.6 or later), is damaged, or holds no tensor.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise CheckpointError(f"more than {MAX_BYTES >> 30} GiB of numbers in {path.name}")
            programs = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
            if len(programs) != 1:
                raise CheckpointError(f"{path.name} is no checkpoint of PyTorch 1.6 or later")
            folder = programs[0].split("/", 1)[0]
            content = _Reader(archive, folder, archive.read(programs[0])).load()
    except CheckpointError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged pickle fails in any way it likes
        raise CheckpointError(f"{path.name} cannot be read as a checkpoint: {type(error).__name__}") from None
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    tensors = dict(_named(content, ""))
    if not tensors:
        raise CheckpointError(f"no tensors in {path.name}")
    return tensors


def _named(content: object, prefix: str, depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, _Held):
        yield prefix, content.tensor
    elif isinstance(content, dict) and depth < 6:
        for key, value in content.items():
            if isinstance(key, str):
                yield from _named(value, f"{prefix}.{key}" if prefix else key, depth + 1)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by :func:`read_checkpoint`, or of a safetensors file; its content tells which.

    Raises
    ------
    CheckpointError
        if it is neither.
    """
    if zipfile.is_zipfile(path):
        return read_checkpoint(path)
    try:
        return load_file(path, device="cpu")
    except SafetensorError:
        raise CheckpointError(f"{path.name} is neither a safetensors file nor a checkpoint") from None


def convert(source: Path, destination: Path) -> int:
    """Write the tensors of a checkpoint as safetensors; returns how many there are. Shared ones are copied."""
    tensors = read_checkpoint(source)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, destination)
    return len(tensors)

"""Finds where a host waits for a device, without one: fake tensors have no values, and copies between them are seen."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
CUDA = torch.device("cuda:0")
SMALL = 64 * 1024
"""Bytes that CUDA copies from memory that is not pinned without waiting."""
T = TypeVar("T")


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects the operations for which the host waits for the device, of those that fake tensors let pass.

    Attributes
    ----------
    found : their names.
    launches : operations that a device would run a kernel for, or several: everything but views.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []
        self.launches = 0

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: tuple[object, ...] = (), kwargs: dict[str, object] | None = None
    ) -> object:
        answer = func(*args, **(kwargs or {}))
        leaves = [x for x in tree_leaves((args, kwargs, answer)) if isinstance(x, Tensor) and x.ndim]
        if len({x.device.type for x in leaves}) > 1 and not self._announced(func, args, kwargs or {}):
            self.found.append(str(func))
        self.launches += not (func.is_view or "empty" in str(func))
        return answer

    @staticmethod
    def _announced(func: OpOverload, args: tuple[object, ...], kwargs: dict[str, object]) -> bool:
        """Whether it is a copy that does not block: anything else between host and device does.

        CUDA puts a small piece of ordinary memory aside at once. For a large one it waits, unless it is pinned.
        """
        given = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
        if func not in {aten._to_copy.default, aten.copy_.default} or not given.get("non_blocking"):
            return False
        source = given.get("src", given.get("self"))
        assert isinstance(source, Tensor)
        return source.device.type == "cpu" and (source.nbytes <= SMALL or source.is_pinned())


def on_fake_device(part: T) -> T:
    """A dataclass with an empty tensor on a CUDA device for every tensor; call it under ``FakeTensorMode``."""
    whole: Any = part
    if isinstance(whole, Tensor):
        fake: Any = torch.empty_strided(whole.shape, whole.stride(), dtype=whole.dtype, device=CUDA)
        return fake  # type: ignore[no-any-return]
    if is_dataclass(whole) and not isinstance(whole, type):
        names = [field.name for field in fields(whole)]
        return replace(whole, **{name: on_fake_device(getattr(whole, name)) for name in names})  # type: ignore[return-value]
    return part

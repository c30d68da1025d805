"""TorchScript files and ``torch.export`` archives.

Both hold a program, not only numbers; it runs in the confined worker like any model.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from worldstrat_bench_baselines.adapters.declaration import Value, declare
from worldstrat_bench_baselines.adapters.filemodel import FileModel, need_file


@dataclass(frozen=True)
class ModuleNetwork:
    """A loaded module as a function of a tensor; the first of several answers counts."""

    module: Any  # a ScriptModule or a GraphModule: what it takes and gives is known when it runs

    def __call__(self, x: Tensor) -> Tensor:
        """Run on the device of `x`."""
        answer = self.module(x)
        if isinstance(answer, (tuple, list)):
            answer = answer[0]
        if not isinstance(answer, Tensor):
            raise ValueError(f"the network answered {type(answer).__name__}, not a tensor")
        return answer


def load_torchscript(weights: Path | None, device: torch.device, **parameters: Value) -> FileModel:
    """A file written by ``torch.jit.save``; parameters as in :func:`declare`.

    Raises
    ------
    ValueError
        without a file, or if a parameter makes no sense.
    """
    says = declare(**parameters)  # type: ignore[arg-type]
    path = need_file(weights, "TorchScript file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the format is deprecated, and still what many models come as
        module = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
        module.eval()
    return FileModel(ModuleNetwork(module), says)


def load_exported(weights: Path | None, device: torch.device, **parameters: Value) -> FileModel:
    """An archive written by ``torch.export.save``; parameters as in :func:`declare`.

    A program exported without dynamic sizes wants `window` and `fixed`.

    Raises
    ------
    ValueError
        without a file, or if a parameter makes no sense.
    """
    says = declare(**parameters)  # type: ignore[arg-type]
    path = need_file(weights, "torch.export archive")
    module = torch.export.load(path).module()
    return FileModel(ModuleNetwork(module.to(device)), says)

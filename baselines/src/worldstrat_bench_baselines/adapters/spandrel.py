"""State dicts of many super-resolution families, recognised by their names through spandrel (extra ``spandrel``)."""

from __future__ import annotations

import importlib
from pathlib import Path

import torch

from worldstrat_bench_baselines.adapters.declaration import Value, declare
from worldstrat_bench_baselines.adapters.filemodel import FileModel, need_file
from worldstrat_bench_baselines.adapters.torch_archive import ModuleNetwork
from worldstrat_bench_baselines.checkpoint import load_tensors


def load_spandrel(weights: Path | None, device: torch.device, **parameters: Value) -> FileModel:
    """A single-frame RGB network of a family that spandrel knows, from a state dict or safetensors file.

    The file is read by :func:`load_tensors`, so a pickle in it runs nothing. `multiple` and `window` follow the
    family's own wishes where they are not said.

    Raises
    ------
    ValueError
        without a file, if the network does not take and give three channels, or if a parameter makes no sense.
    ImportError
        if spandrel is not installed in the model's environment.
    """
    path = need_file(weights, "state dict")
    tensors = load_tensors(path)
    for key in ("params_ema", "params"):  # where BasicSR puts a state dict
        inner = {name.removeprefix(f"{key}."): t for name, t in tensors.items() if name.startswith(f"{key}.")}
        tensors = inner or tensors
    descriptor = importlib.import_module("spandrel").ModelLoader().load_from_state_dict(tensors)
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise ValueError(
            f"{path.name}: {descriptor.input_channels} channels in, {descriptor.output_channels} out, not 3"
        )
    wishes = descriptor.size_requirements
    given: dict[str, Value] = {"multiple": int(wishes.multiple_of)}
    says = declare(**{**given, **parameters})  # type: ignore[arg-type]
    return FileModel(ModuleNetwork(descriptor.model.to(device).eval().requires_grad_(False)), says)

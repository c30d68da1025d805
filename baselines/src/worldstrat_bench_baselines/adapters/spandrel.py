"""State dicts of many super-resolution families, recognised by their names through spandrel (extra ``spandrel``)."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from worldstrat_bench.preprocessing import Value, declare
from worldstrat_bench_baselines.adapters.filemodel import FileModel, need_file, need_package
from worldstrat_bench_baselines.adapters.network import as_network
from worldstrat_bench_baselines.adapters.statedict import state_dicts


def load_spandrel(weights: Path | None, device: torch.device, **parameters: Value) -> FileModel:
    """Load a single-frame RGB network of a family that spandrel knows: state dict, checkpoint or safetensors.

    The file is read by :func:`state_dicts`, so a pickle in it runs nothing; wrappers and prefixes of training scripts
    are taken off. `multiple` follows the family's own wish where it is not said.

    Raises
    ------
    ValueError
        without a file or spandrel, if spandrel knows nothing in it, if the network does not take and give three
        channels, or if a parameter makes no sense.
    """
    path = need_file(weights, "state dict")
    declare(**parameters)
    descriptor = _recognise(path)
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise ValueError(
            f"{path.name}: {descriptor.input_channels} channels in, {descriptor.output_channels} out, not 3"
        )
    wish = int(descriptor.size_requirements.multiple_of)
    says = declare(**{**parameters, "multiple": parameters.get("multiple") or wish})
    return FileModel(as_network(descriptor.model, device, "spandrel"), says)


def _recognise(path: Path) -> Any:
    """Return spandrel's descriptor of the first state dict in the file that it knows."""
    spandrel = need_package("spandrel")
    loader = spandrel.ModelLoader()
    names = sorted((one.architecture.name for one in loader.registry.architectures()), key=str.casefold)
    # All of them fit into the longest message that a model's error may have.
    flaw = f"of none of spandrel's {len(names)} families, export it to ONNX: {', '.join(names)}"
    first: list[str] = []
    for candidate in _candidates(path):
        first = first or list(candidate)[:3]
        try:
            return loader.load_from_state_dict(candidate)
        except spandrel.UnsupportedModelError:
            continue
        except Exception as error:  # noqa: BLE001 - a family taken for another fails in any way it likes
            flaw = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"
    raise ValueError(f"{path.name} is not recognised ({', '.join(first)[:60]} ...): {flaw}")


def _candidates(path: Path) -> Iterator[dict[str, Tensor]]:
    """State dicts in the file; those of a TorchScript archive are asked of the program, as spandrel's loader does."""
    if zipfile.is_zipfile(path) and _is_torchscript(path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the format is deprecated
            yield dict(torch.jit.load(str(path), map_location="cpu").state_dict())  # type: ignore[no-untyped-call]
        return
    yield from state_dicts(path)


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())

"""TorchScript files and ``torch.export`` archives.

Both hold a program, not only numbers; it runs in the confined worker like any model.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from worldstrat_bench.preprocessing import Value, declare
from worldstrat_bench_baselines.adapters.filemodel import FileModel, need_file
from worldstrat_bench_baselines.adapters.network import ModuleNetwork, precision_of

TRAINING = "was exported in training mode: {} is part of the program. Call model.eval() before the export"


def load_torchscript(weights: Path | None, device: torch.device, **parameters: Value) -> FileModel:
    """Return a file written by ``torch.jit.save``; parameters as in :func:`declare`.

    Raises
    ------
    ValueError
        without a file, if the program is one for training, or if a parameter makes no sense.
    """
    says = declare(**parameters)
    path = need_file(weights, "TorchScript file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the format is deprecated, and still what many models come as
        module = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
        module.eval()
    if found := _scripted_training(module):
        raise ValueError(f"{path.name} {TRAINING.format(found)}")
    return FileModel(ModuleNetwork(module, precision_of(module)), says)


def load_exported(weights: Path | None, device: torch.device, **parameters: Value) -> FileModel:
    """Return an archive written by ``torch.export.save``; parameters as in :func:`declare`.

    A program exported without dynamic sizes wants `window` and `fixed`.

    Raises
    ------
    ValueError
        without a file, if the program is one for training, or if a parameter makes no sense.
    """
    says = declare(**parameters)
    path = need_file(weights, "torch.export archive")
    program = torch.export.load(path)
    if found := _exported_training(program.graph):
        raise ValueError(f"{path.name} {TRAINING.format(found)}")
    module = program.module().to(device)
    return FileModel(ModuleNetwork(module, precision_of(module)), says)


def _scripted_training(module: Any) -> str:
    """Return what a traced module does as in training with no flag to stop it: dropout, batch statistics, or ""."""
    for node in module.inlined_graph.nodes():
        kind = node.kind()
        place = {"aten::dropout": 2, "aten::feature_dropout": 2, "aten::batch_norm": 5}.get(kind)
        flag = None if place is None else list(node.inputs())[place]
        # a flag that is computed follows eval(); a constant is what the trace saw
        if flag is not None and flag.node().kind() == "prim::Constant" and flag.toIValue():
            return str(kind.partition("::")[2])
    return ""


def _exported_training(graph: torch.fx.Graph) -> str:
    """Do the same for an exported graph."""
    places = {"dropout": 2, "feature_dropout": 2, "native_dropout": 2, "batch_norm": 5, "_native_batch_norm_legit": 5}
    for node in graph.nodes:
        name = str(node.target).removeprefix("aten.").partition(".")[0]
        if name in places and len(node.args) > places[name] and node.args[places[name]] is True:
            return name
        if name == "_native_batch_norm_legit_functional":
            return "batch_norm"
    return ""

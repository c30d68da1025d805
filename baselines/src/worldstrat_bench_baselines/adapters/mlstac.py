"""Folders as mlstac publishes them: ``mlm.json``, ``load.py`` and safetensors files. mlstac itself is not needed."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import torch

from worldstrat_bench.preprocessing import Value, declare
from worldstrat_bench_baselines.adapters.filemodel import FileModel
from worldstrat_bench_baselines.adapters.network import as_network, call_with

LOADER = "load.py"
BUILDERS = ("compiled_model", "trainable_model")
"""Functions of ``load.py`` that build the network; the first is the one for inference."""


def load_mlstac(weights: Path | None, device: torch.device, arguments: str = "", **parameters: Value) -> FileModel:
    """Return what ``compiled_model(folder, ...)`` of the folder's ``load.py`` returns, or else ``trainable_model``.

    The function is called with those of the names `device` and `stac_item` (the content of ``mlm.json``) that it takes.

    Parameters
    ----------
    arguments : a JSON object with further arguments by name.
    parameters : those of :func:`declare`; the host reads the bands of ``mlm.json``.

    Raises
    ------
    ValueError
        without a folder, if it holds no ``load.py`` with such a function, or if a parameter makes no sense.
    """
    says = declare(**parameters)
    if weights is None or not weights.is_dir():
        raise ValueError("give the folder with mlm.json, load.py and the safetensors files with --weights FOLDER")
    for name in ("mlm.json", LOADER):
        if not (weights / name).is_file():
            raise ValueError(f"the folder {weights.name} has no {name}")
    module = _import(weights)
    builder = next((found for name in BUILDERS if callable(found := getattr(module, name, None))), None)
    if builder is None:
        raise ValueError(f"{LOADER} has neither {' nor '.join(BUILDERS)}")
    item = json.loads((weights / "mlm.json").read_text("utf-8-sig"))
    # the device is given as text, as mlstac's own examples do
    network = call_with(builder, weights, arguments=arguments, device=str(device), stac_item=item)
    return FileModel(as_network(network, device, LOADER), says)


def _import(folder: Path) -> object:
    """Return the folder's ``load.py``, which may import its neighbours."""
    spec = importlib.util.spec_from_file_location("mlstac_load", folder / LOADER)
    if spec is None or spec.loader is None:
        raise ValueError(f"{LOADER} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    sys.modules["mlstac_load"] = module
    spec.loader.exec_module(module)
    return module

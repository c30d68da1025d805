"""Networks that an installed package builds: ``package.module:function`` with a declared preprocessing."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from worldstrat_bench.preprocessing import Value, declare
from worldstrat_bench_baselines.adapters.filemodel import FileModel
from worldstrat_bench_baselines.adapters.network import as_network, call_with, takes
from worldstrat_bench_baselines.adapters.statedict import load_into

_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def load_callable(
    weights: Path | None, device: torch.device, function: str = "", arguments: str = "", **parameters: Value
) -> FileModel:
    """Return what `function` returns: a torch module, or a function of a tensor.

    Parameters
    ----------
    function : ``package.module:name`` of a function or a class in the model's environment. It is called with those of
        the names `weights` (a path) and `device` that it takes. If it does not take `weights` and a file is given,
        the file's tensors are loaded into the module that it returns.
    arguments : a JSON object with further arguments by name.
    parameters : those of :func:`declare`.

    Raises
    ------
    ValueError
        if there is no such function, what it returns is not a network, or a parameter is invalid.
    """
    says = declare(**parameters)
    maker = _find(function)
    network = call_with(maker, arguments=arguments, weights=weights, device=device)
    if weights is not None and not takes(maker, "weights"):
        if not isinstance(network, nn.Module):
            raise ValueError(f"{function} takes no weights, and it returned no module to load {weights.name} into")
        load_into(network, weights)
    return FileModel(as_network(network, device, function), says)


def _find(function: str) -> Callable[..., object]:
    """Return the function of that name.

    Raises
    ------
    ValueError
        if there is none that can be called.
    """
    if not _TARGET.fullmatch(function):
        raise ValueError(f"function is package.module:name, not {function[:80]!r}")
    module, _, name = function.partition(":")
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"function: the model's environment has no module {error.name!r}") from None
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ValueError(f"function: {module} has no function {name!r}")
    return found

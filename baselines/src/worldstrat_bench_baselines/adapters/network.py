"""Networks from Python code or an archive: a module or a function, called with one tensor."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ModuleNetwork:
    """A loaded module or a function of a tensor; the first of several answers counts.

    Attributes
    ----------
    precision : of the tensor that it is given.
    """

    module: Callable[[Tensor], Any]
    precision: torch.dtype = torch.float32

    def __call__(self, x: Tensor) -> Tensor:
        """Run on the device of `x`.

        Raises
        ------
        ValueError
            if the answer is not a tensor.
        """
        answer = self.module(x.to(self.precision))
        if isinstance(answer, (tuple, list)):
            answer = answer[0]
        if not isinstance(answer, Tensor):
            raise ValueError(f"the network answered {type(answer).__name__}, not a tensor")
        return answer


def precision_of(module: nn.Module) -> torch.dtype:
    """Return the module's dtype if all its tensors share one, else float32."""
    kinds = {p.dtype for p in module.parameters() if p.is_floating_point()}
    return kinds.pop() if len(kinds) == 1 else torch.float32


def as_network(made: object, device: torch.device, maker: str) -> ModuleNetwork:
    """Return a module on the device and ready for inference, or a function as it is.

    Raises
    ------
    ValueError
        if it is neither.
    """
    if isinstance(made, nn.Module):
        return ModuleNetwork(made.to(device).eval().requires_grad_(False), precision_of(made))
    if not callable(made):
        raise ValueError(f"{maker} returned {type(made).__name__}, not a torch module or a function")
    return ModuleNetwork(made)


def call_with(maker: Callable[..., object], *positional: object, arguments: str, **offered: object) -> object:
    """Call `maker` with those of `offered` that it takes by name, and with `arguments`, a JSON object.

    Raises
    ------
    ValueError
        if `arguments` is not a JSON object, or names something that is offered.
    """
    try:
        given = json.loads(arguments or "{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ValueError(f"arguments is a JSON object such as '{{\"scale\": 4}}', not {arguments[:60]!r}")
    names = _names(maker)
    if names is None:  # some callables have no signature: they get what was given
        return maker(*positional, **given)
    names = names[len(positional) :]
    unknown = [] if "**" in names else [name for name in given if name not in names]
    if unknown:
        raise ValueError(f"arguments: it takes {', '.join(names) or 'none'}, not {', '.join(unknown)[:80]}")
    fitting = {name: value for name, value in offered.items() if name in names and name not in given}
    return maker(*positional, **given, **fitting)


def takes(maker: Callable[..., object], name: str) -> bool:
    """Return whether a function says that it takes an argument of that name."""
    return name in (_names(maker) or [])


def _names(maker: Callable[..., object]) -> list[str] | None:
    """Names of the arguments of a function, "**" for any; None if it does not tell."""
    try:
        known = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):
        return None
    names = [
        one.name for one in known if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    return [*names, "**"] if any(one.kind is one.VAR_KEYWORD for one in known) else names

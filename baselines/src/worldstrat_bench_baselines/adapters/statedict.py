"""Where a training script puts the network's own state dict, and under which prefix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor, nn

from worldstrat_bench_baselines.checkpoint import Nested, load_nested

WRAPPERS = ("model_state_dict", "state_dict", "params_ema", "params-ema", "params", "model", "net", "ema", "generator")
"""Keys under which a whole state dict lies, the averaged weights before the last ones."""

PREFIXES = (
    "params_ema.",
    "params-ema.",
    "params.",
    "model_ema.",
    "ema_model.",
    "generator_ema.",
    "net_g_ema.",
    "module.",
    "_orig_mod.",
    "model.",
    "net.",
    "network.",
    "generator.",
    "net_g.",
    "netG.",
    "sr_model.",
    "student.",
    "backbone.",
)
"""Prefixes that Lightning modules and their like give to one network among others, averaged weights first."""

MAX_PREFIXES = 3


def state_dicts(path: Path) -> Iterator[dict[str, Tensor]]:
    """Yield what may be the network's state dict, the likeliest first: without wrappers, then without prefixes.

    Raises
    ------
    CheckpointError
        if the file is neither a checkpoint nor a safetensors file.
    """
    inner = unwrap(load_nested(path))
    tensors = {name: value for name, value in inner.items() if isinstance(value, Tensor)}
    seen: list[frozenset[str]] = []
    for candidate in _without_prefixes(tensors, MAX_PREFIXES):
        names = frozenset(candidate)
        if candidate and names not in seen:
            seen.append(names)
            yield candidate


def unwrap(content: Nested) -> Nested:
    """Return the dict that holds the tensors: below a known key, or below the only one."""
    for _ in range(4):
        if any(isinstance(value, Tensor) for value in content.values()):
            return content
        below = {name: value for name, value in content.items() if isinstance(value, dict) and value}
        known = next((name for name in WRAPPERS if name in below), None)
        if known is None and len(below) != 1:
            return content
        inner = below[known or next(iter(below))]
        content = inner
    return content


def _without_prefixes(tensors: dict[str, Tensor], depth: int) -> Iterator[dict[str, Tensor]]:
    yield tensors
    if not depth:
        return
    for prefix in PREFIXES:
        inner = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        if inner:
            yield from _without_prefixes(inner, depth - 1)


def load_into(module: nn.Module, path: Path) -> None:
    """Load the tensors of a file into a module, from under whatever wrapper or prefix they lie.

    Raises
    ------
    ValueError
        if no state dict in the file has all names of the module with their shapes.
    """
    wanted = {name: tensor.shape for name, tensor in module.state_dict().items()}
    closest: list[str] = sorted(wanted)
    for candidate in state_dicts(path):
        missing = [n for n, shape in wanted.items() if n not in candidate or candidate[n].shape != shape]
        if not missing:
            module.load_state_dict({name: candidate[name] for name in wanted})
            return
        closest = min(closest, missing, key=len)
    raise ValueError(f"{path.name} has no tensor of that shape for {', '.join(closest[:4])[:200]}")

"""The reference models that need no file of the user."""

from __future__ import annotations

from importlib.metadata import entry_points

import torch

from worldstrat_bench.api import SRModel

NAMES = (
    "nearest",
    "bicubic",
    "lanczos",
    "bicubic-shifted",
    "median",
    "shift-and-add",
    "trained-single",
    "trained-multi",
)


def load_reference(name: str, device: str = "cpu") -> SRModel:
    """Return a model as the harness finds it."""
    (entry,) = [e for e in entry_points(group="worldstrat_bench.models") if e.name == name]
    model: SRModel = entry.load()(None, torch.device(device))
    return model

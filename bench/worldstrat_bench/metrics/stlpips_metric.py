"""Shift-tolerant LPIPS (Ghildyal and Liu 2022), optional: ``pip install worldstrat-bench[stlpips]``.

The package carries its own weights and needs no network. Importing it takes two seconds (it imports IPython),
so that it happens only when the metric is loaded.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from worldstrat_bench.metrics.lpips_metric import LearnedDistance, over_pixels
from worldstrat_bench.metrics.optional import Found, Pairs
from worldstrat_bench.metrics.perceptual import Perceptual, Unavailable

WEIGHTS_SHA256 = "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee"
"""Digest of weights/vST0.0/alex_shift_tolerant.pth in stlpips-pytorch 0.0.2."""


@dataclass(frozen=True)
class ShownDistance:
    """ST-LPIPS of what LPIPS is shown: each tile's own stretch, no-data copied from the target."""

    network: Perceptual
    software: str

    def __call__(self, pairs: Pairs) -> Found:
        """One column."""
        # Pooling and blurring run along channels here: on a CPU a third less time than plane by plane.
        shown = (one.contiguous(memory_format=torch.channels_last) for one in pairs.shown)
        return Found({"stlpips": self.network(*shown)})


def load_shown_stlpips(device: torch.device | str = "cpu") -> ShownDistance | Unavailable:
    """Return the optional metric, or why it cannot be had here."""
    network = load_stlpips(device)
    if isinstance(network, Unavailable):
        return network
    try:
        return ShownDistance(network, f"stlpips-pytorch {version('stlpips-pytorch')}")
    except PackageNotFoundError as error:
        return Unavailable(f"ST-LPIPS needs pip install worldstrat-bench[stlpips]: {error}")


def load_stlpips(device: torch.device | str = "cpu") -> Perceptual | Unavailable:
    """Load ST-LPIPS (AlexNet), or return why it cannot be had here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from stlpips_pytorch import stlpips
    except ImportError as error:
        return Unavailable(f"ST-LPIPS needs pip install worldstrat-bench[stlpips]: {error}")
    path = Path(stlpips.__file__).parent / "weights" / "vST0.0" / "alex_shift_tolerant.pth"
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
            return Unavailable(f"ST-LPIPS weights {path.name} are not those of stlpips-pytorch 0.0.2")
        state = torch.load(path, map_location="cpu", weights_only=True)
        stlpips.spatial_average = over_pixels
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = stlpips.LPIPS(net="alex", variant="shift_tolerant", pretrained=False, verbose=False)
        shared = {name: state[name.replace("lins.", "lin", 1)] for name in network.state_dict() if name[:5] == "lins."}
        network.load_state_dict({**state, **shared}, strict=True)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        return Unavailable(f"ST-LPIPS cannot be set up: {str(error)[:200]}")
    network = network.eval().requires_grad_(False)
    return LearnedDistance("stlpips", WEIGHTS_SHA256, network.to(device, memory_format=torch.channels_last))

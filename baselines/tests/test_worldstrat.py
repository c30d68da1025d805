"""WorldStrat's architectures: names and sizes of upstream's weights, and a golden answer.

That the answers are upstream's own was shown once against its code with random weights (see docs/models.md); here a
golden answer keeps them so.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from worldstrat_bench.api import LowRes, Target
from worldstrat_bench_baselines.checkpoint import CheckpointError
from worldstrat_bench_baselines.worldstrat import (
    HighResNet,
    Shape,
    Srcnn,
    build,
    load_worldstrat,
    upstream_name,
    without_prefix,
)

CPU = torch.device("cpu")


def pattern(*shape: int, phase: float = 0.0, size: float = 0.2) -> Tensor:
    """Numbers that look random and are the same on every machine and version."""
    index = torch.arange(math.prod(shape), dtype=torch.float64)
    return (size * torch.sin(index * 0.7 + phase) * torch.cos(index * index * 0.011)).reshape(shape).float()


def upstream_weights(kind: str, frames: int, hidden: int = 16) -> dict[str, Tensor]:
    """Weights under upstream's names."""
    shape = Shape(12, hidden, frames)
    net = Srcnn(shape) if kind == "srcnn" else HighResNet(shape)
    weights = {}
    for number, (name, tensor) in enumerate(net.state_dict().items()):
        slope = tensor.numel() == 1
        weights[f"backbone.{upstream_name(name)}"] = (
            torch.full_like(tensor, 0.25)
            if slope
            else pattern(*tensor.shape, phase=number, size=1.5 / math.sqrt(max(1, tensor[0].numel())))
        )
    weights["backbone.sr.upsample.4.bias"] = torch.tensor([0.3, 0.2, 0.1])
    return weights


UPSTREAM_NAMES = {
    "srcnn": {
        "encoder.doubleconv2d.0.weight",
        "encoder.doubleconv2d.2.weight",
        "fusion.0.doubleconv2d.4.bias",
        "fusion.1.0.residualblock.doubleconv2d.6.weight",
        "sr.upsample.1.weight",
        "sr.upsample.6.weight",
    },
    "highresnet": {
        "encoder.doubleconv2d.6.weight",
        "fusion.fusion.0.fuse.0.residualblock.doubleconv2d.0.weight",
        "fusion.fusion.0.fuse.1.bias",
        "fusion.fusion.0.fuse.3.weight",
        "sr.upsample.3.weight",
    },
}


@pytest.mark.parametrize("kind", ["srcnn", "highresnet"])
def test_names_are_upstreams(kind: str) -> None:
    assert UPSTREAM_NAMES[kind] <= set(without_prefix(upstream_weights(kind, 8)))


GOLDEN = {
    ("srcnn", 1): (0.3660807, 0.5176911, -0.0954209),
    ("srcnn", 8): (0.3698383, 0.5238969, -0.0894627),
    ("highresnet", 8): (0.1713030, 0.1240572, 0.1942064),
    ("highresnet", 5): (0.1719909, 0.1201594, 0.1826466),
}
"""Mean, deviation and one pixel of what upstream's own code (commit 39fe2232) answers to the same numbers."""


@pytest.mark.parametrize(("kind", "frames"), GOLDEN)
def test_golden_answer(kind: str, frames: int) -> None:
    net = build(upstream_weights(kind, frames), frames)
    answer = net(pattern(1, frames, 12, 11, 13, phase=2.0, size=1.0))
    assert answer.shape == (1, 3, 22, 26)
    probes = (float(answer.mean()), float(answer.std()), float(answer[0, 1, 7, 9]))
    assert probes == pytest.approx(GOLDEN[kind, frames], abs=1e-5)


def lowres(frames: int, side: int) -> LowRes:
    images = 0.1 + pattern(2, frames, 12, side, side + 2, size=0.05)
    clear = torch.ones(2, frames, 1, side, side + 2, dtype=torch.bool)
    return LowRes(images, clear, torch.zeros(2, frames, dtype=torch.long))


@pytest.mark.parametrize(("kind", "frames", "chip"), [("srcnn", 1, 0), ("srcnn", 8, 50), ("highresnet", 8, 0)])
def test_a_checkpoint_becomes_a_model(kind: str, frames: int, chip: int, tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": upstream_weights(kind, frames), "hyper_parameters": {"lr": 1e-4}}, path)
    model = load_worldstrat(path, CPU, frames=frames, chip=chip)
    # fewer revisits than the network wants are repeated
    answer = model.predict(lowres(min(frames, 3), 60), Target(240, 248))
    assert answer.shape == (2, 3, 188, 194)
    assert bool(torch.isfinite(answer).all())


def test_tiles_of_upstreams_size_go_through_its_grids(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(upstream_weights("srcnn", 1, hidden=8), path)
    answer = load_worldstrat(path, CPU).predict(lowres(1, 157), Target(632, 632))
    assert answer.shape == (2, 3, 500, 500)


def test_chips_give_what_whole_tiles_give(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(upstream_weights("srcnn", 2, hidden=8), path)
    lr, target = lowres(2, 80), Target(320, 328)
    whole = load_worldstrat(path, CPU).predict(lr, target)
    chips = load_worldstrat(path, CPU, chip=50, overlap=20, margin=8).predict(lr, target)
    inside = (..., slice(30, -30), slice(30, -30))
    assert float((whole - chips)[inside].abs().max()) < 1e-6


@pytest.mark.parametrize("kind", ["srcnn", "highresnet"])
def test_weights_of_something_else_are_refused(kind: str) -> None:
    weights = upstream_weights(kind, 8)
    with pytest.raises(CheckpointError, match="not the weights"):
        build({"conv.weight": torch.zeros(3, 3)}, 8)
    del weights["backbone.encoder.doubleconv2d.4.bias"]
    with pytest.raises(CheckpointError, match="do not fit"):
        build(weights, 8)


def test_without_weights_it_says_so() -> None:
    with pytest.raises(ValueError, match="no weights are shipped"):
        load_worldstrat(None, CPU)

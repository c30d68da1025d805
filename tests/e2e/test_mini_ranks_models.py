"""On mini a better model scores better: the order of the baselines is that of what they can know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from worldstrat_bench import score_pair
from worldstrat_bench.api import LowRes, SRModel, Target
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.data.target import TargetImage, read_target
from worldstrat_bench.data.task import Task
from worldstrat_bench.protocol import load_protocol

fusion = pytest.importorskip("worldstrat_bench_baselines.fusion", reason="the baselines are not installed")
interpolation = pytest.importorskip("worldstrat_bench_baselines.interpolation")


def psnr(model: SRModel, task: Task, target: TargetImage) -> float:
    batch = (torch.from_numpy(a) for a in (task.images, task.clear, task.days))
    with torch.no_grad():
        image = model.predict(LowRes(*batch), Target(task.height, task.width))
    assert isinstance(image, torch.Tensor)
    scores = score_pair(image[0], target.image, valid=target.valid, clear=task.clear[0, 0, 0], metrics=["psnr"])
    value = scores["psnr"]
    assert value is not None
    return value


def test_nearest_then_bicubic_then_lanczos_then_fusion(tmp_path: Path) -> None:
    write_mini(tmp_path / "mini", test_tiles=8, train_tiles=0, size=320, seed=1)
    device = torch.device("cpu")
    models: dict[str, SRModel] = {
        "nearest": interpolation.load_nearest(None, device),
        "bicubic": interpolation.load_bicubic(None, device),
        "lanczos": interpolation.load_lanczos(None, device),
        "shift-and-add": fusion.load_shift_and_add(None, device),
    }
    tiles = open_dataset(tmp_path / "mini").tiles()
    protocol = load_protocol()
    pairs = [(read_inputs(tile, protocol, 8).task, read_target(tile, protocol)) for tile in tiles]
    scores = [[psnr(model, *pair) for model in models.values()] for pair in pairs]
    nearest, bicubic, lanczos, fused = np.mean(scores, axis=0)
    assert nearest + 0.2 < bicubic < lanczos
    assert lanczos + 1.0 < fused

"""Without a GPU: every tensor that a model makes follows its inputs to the device, checked with fake tensors.

Registration decides on values and cannot run on fake tensors; tests/gpu runs it on a real device.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from worldstrat_bench.api import LowRes, SRModel, Target
from worldstrat_bench_baselines.adapters.declaration import declare
from worldstrat_bench_baselines.adapters.filemodel import FileModel
from worldstrat_bench_baselines.fusion import ShiftAndAdd, TemporalMedian
from worldstrat_bench_baselines.interpolation import (
    load_bicubic,
    load_bicubic_shifted,
    load_lanczos,
    load_nearest,
)
from worldstrat_bench_baselines.nets import MultiFrameNet, SingleFrameNet
from worldstrat_bench_baselines.tiling import Tiling
from worldstrat_bench_baselines.trained import MultiFrame, SingleFrame
from worldstrat_bench_baselines.worldstrat import HighResNet, Shape, Srcnn, WorldStratModel

CUDA = torch.device("cuda:0")
Maker = Callable[[], SRModel]


def interpolator(load: Callable[[Path | None, torch.device], SRModel]) -> Maker:
    return lambda: load(None, CUDA)


def worldstrat(kind: type[Srcnn] | type[HighResNet]) -> WorldStratModel:
    statistics = torch.zeros(1, 1, 12, 1, 1, device=CUDA)
    return WorldStratModel(kind(Shape(12, 8, 4)), Tiling(), statistics, statistics + 1)


def tiled(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, -2).repeat_interleave(2, -1)


MODELS: dict[str, tuple[Maker, int]] = {
    "nearest": (interpolator(load_nearest), 1),
    "bicubic": (interpolator(load_bicubic), 1),
    "lanczos": (interpolator(load_lanczos), 1),
    "bicubic-shifted": (interpolator(load_bicubic_shifted), 1),
    "median": (TemporalMedian, 4),
    "shift-and-add": (ShiftAndAdd, 1),
    "trained-single": (lambda: SingleFrame(SingleFrameNet()), 1),
    "trained-multi": (lambda: MultiFrame(MultiFrameNet(), ShiftAndAdd()), 1),
    "srcnn": (lambda: worldstrat(Srcnn), 4),
    "highresnet": (lambda: worldstrat(HighResNet), 4),
    "file": (lambda: FileModel(tiled, declare(window=16, overlap=4, margin=1)), 1),
}


@pytest.mark.parametrize("name", MODELS)
def test_everything_is_on_the_device(name: str) -> None:
    make, frames = MODELS[name]
    with FakeTensorMode():
        images = torch.rand(2, frames, 12, 40, 42, device=CUDA)
        clear = torch.ones(2, frames, 1, 40, 42, dtype=torch.bool, device=CUDA)
        with CUDA:  # fake parameters cannot be moved, but made in place
            model = make()
        answer = model.predict(LowRes(images, clear, torch.zeros(2, frames, dtype=torch.int64)), Target(160, 168))
        assert answer.device == CUDA
        assert answer.shape[:2] == (2, 3)

"""Without a GPU: every tensor that a model makes follows its inputs to the device, checked with fake tensors.

Fake tensors have no values, so a model that reads one back cannot run on them. tests/gpu runs on a real device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from device_waits import CUDA, Waits
from worldstrat_bench.api import LowRes, SRModel, Target
from worldstrat_bench.preprocessing import declare
from worldstrat_bench_baselines import resampling
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


@pytest.fixture(autouse=True)
def no_kept_tables() -> Iterator[None]:
    """Fake tensors of one mode are of no use in another."""
    resampling._kept_matrix.cache_clear()
    yield
    resampling._kept_matrix.cache_clear()


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
    "shift-and-add, 8 frames": (ShiftAndAdd, 8),
    "trained-single": (lambda: SingleFrame(SingleFrameNet()), 1),
    "trained-multi": (lambda: MultiFrame(MultiFrameNet(), ShiftAndAdd()), 1),
    "trained-multi, 8 frames": (lambda: MultiFrame(MultiFrameNet(), ShiftAndAdd()), 8),
    "srcnn": (lambda: worldstrat(Srcnn), 4),
    "highresnet": (lambda: worldstrat(HighResNet), 4),
    "file": (lambda: FileModel(tiled, declare(window=16, overlap=4, margin=1)), 1),
}


def predict_fake(make: Maker, frames: int) -> tuple[Tensor, list[str]]:
    """The answer of a model to fake tensors on a CUDA device, and for what the host waited on the way."""
    with FakeTensorMode():
        images = torch.rand(2, frames, 12, 40, 42, device=CUDA)
        clear = torch.ones(2, frames, 1, 40, 42, dtype=torch.bool, device=CUDA)
        with CUDA:  # fake parameters cannot be moved, but made in place
            model = make()
        lr = LowRes(images, clear, torch.zeros(2, frames, dtype=torch.int64))
        model.predict(lr, Target(160, 168))  # tables that are kept for the next tile are copied here
        with Waits() as waits:
            return model.predict(lr, Target(160, 168)), waits.found


@pytest.mark.parametrize("name", MODELS)
def test_everything_is_on_the_device(name: str) -> None:
    answer, _ = predict_fake(*MODELS[name])
    assert answer.device == CUDA
    assert answer.shape[:2] == (2, 3)


@pytest.mark.parametrize("frames", [1, 2, 8])
@pytest.mark.parametrize("name", ["median", "shift-and-add", "trained-multi"])
def test_models_of_many_frames_never_wait_for_the_device(name: str, frames: int) -> None:
    _, waited = predict_fake(MODELS[name][0], frames)
    assert waited == []


class Waiting:
    """Does one of the things that the test above is there to find."""

    def __init__(self, what: Callable[[Tensor], Tensor]) -> None:
        self.what = what

    def predict(self, lr: LowRes, target: Target) -> Tensor:
        return self.what(lr.images)


@pytest.mark.parametrize(
    "what",
    [
        lambda x: x[:, :, [3, 2, 1]],
        lambda x: x * torch.ones(42).to(x.device),
        lambda x: x.cpu().to(x.device, non_blocking=True),
        lambda x: x * torch.full((42,), 2.0).to(x),
        lambda x: x * torch.ones(12, 40, 42).to(x.device, non_blocking=True),
    ],
)
def test_a_wait_is_found(what: Callable[[Tensor], Tensor]) -> None:
    _, waited = predict_fake(lambda: Waiting(what), 2)
    assert waited


@pytest.mark.parametrize("what", [lambda x: x * float(x.max()), lambda x: x if x.sum() > 0 else -x, lambda x: x[x > 0]])
def test_a_value_that_is_read_back_is_found(what: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
        predict_fake(lambda: Waiting(what), 2)

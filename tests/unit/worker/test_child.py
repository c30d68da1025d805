"""The worker's side in this process: what it does to tensors, also to those of a device that is not here."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import safetensors.torch
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from worldstrat_bench.api import LowRes, Target
from worldstrat_bench.worker.inside import child


class Enlarge:
    """Bicubic of frame 0."""

    def predict(self, lr: LowRes, target: Target) -> torch.Tensor:
        return torch.nn.functional.interpolate(lr.rgb(), size=(target.height, target.width), mode="bicubic")


def inputs() -> dict[str, torch.Tensor]:
    return {
        "images": torch.rand(1, 2, 12, 8, 9),
        "clear": torch.ones(1, 2, 1, 8, 9, dtype=torch.bool),
        "days": torch.tensor([[1, -2]]),
    }


def header(**more: Any) -> dict[str, Any]:
    return {"op": "predict", "nonce": "n", "seed": 3, "height": 32, "width": 36, **more}


def test_predict_adds_and_keeps_the_batch_axis() -> None:
    reply, data = child.predict(Enlarge(), "cpu", header(), safetensors.torch.save(inputs()))
    assert reply["op"] == "prediction"
    assert reply["seconds"] > 0
    assert isinstance(data, list)
    assert safetensors.torch.load(b"".join(data))["prediction"].shape == (1, 3, 32, 36)


def test_examination_tells_a_changed_input() -> None:
    class Writes(Enlarge):
        def predict(self, lr: LowRes, target: Target) -> torch.Tensor:
            lr.images.zero_()
            return super().predict(lr, target)

    data = safetensors.torch.save(inputs())
    assert child.predict(Writes(), "cpu", header(examine=True), data)[0]["changed_input"]
    reply, _ = child.predict(Enlarge(), "cpu", header(examine=True), data)
    assert not reply["changed_input"]
    assert reply["output_device"] == "cpu"


def test_both_ends_of_the_way_over_a_cuda_device() -> None:
    """FakeTensorMode knows where every tensor would be: inputs on the device, the output back on the host."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        lr = child.low_res(inputs(), "cuda")
        assert {lr.images.device.type, lr.clear.device.type, lr.days.device.type} == {"cuda"}
        output = Enlarge().predict(lr, Target(32, 36))
        assert output.device.type == "cuda"
        back = child.to_host(output)
    assert back.device.type == "cpu"
    assert back.is_contiguous()
    assert back.shape == (1, 3, 32, 36)


@pytest.mark.parametrize("value", [None, [1.0], torch.rand(3).to_sparse()])
def test_what_cannot_be_sent_is_the_models_fault(value: Any) -> None:
    with pytest.raises(child.OutputError):
        child.to_host(value)


def test_errors_are_told_apart() -> None:
    assert child.outcome_of(MemoryError()) == "out_of_memory"
    assert child.outcome_of(RuntimeError("CUDA out of memory. Tried to allocate")) == "out_of_memory"
    assert child.outcome_of(torch.cuda.OutOfMemoryError("x")) == "out_of_memory"
    assert (
        child.outcome_of(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")) == "out_of_memory"
    )
    assert child.outcome_of(ValueError("shape")) == "model_error"


def test_seeds_reach_every_generator() -> None:
    import random

    import numpy as np

    def draw() -> tuple[float, float, float]:
        child.seed_everything(2**62 + 11)
        return float(torch.rand(1)), float(np.random.rand()), random.random()

    assert draw() == draw()


def test_a_thread_of_the_model_does_not_hold_up_the_answer() -> None:
    class Lingers(Enlarge):
        def predict(self, lr: LowRes, target: Target) -> torch.Tensor:
            threading.Thread(target=time.sleep, args=(120,), daemon=True).start()
            return super().predict(lr, target)

    started = time.monotonic()
    child.predict(Lingers(), "cpu", header(), safetensors.torch.save(inputs()))
    assert time.monotonic() - started < 60


def test_parameters_that_an_entry_point_does_not_take_are_named_with_those_it_takes() -> None:
    def plain(weights: object, device: object, strength: float = 1.0, *, steps: int = 2) -> None:
        """Two parameters."""

    def open_ended(weights: object, device: object, **more: object) -> None:
        """Any."""

    child.check_parameters(plain, "m:plain", {"strength": 2.0, "steps": 1})
    child.check_parameters(open_ended, "m:open_ended", {"anything": 1})
    with pytest.raises(TypeError, match="m:plain has no parameter 'foo'; it takes strength, steps"):
        child.check_parameters(plain, "m:plain", {"foo": 1})
    with pytest.raises(TypeError, match="it takes none"):
        child.check_parameters(lambda weights, device: None, "m:none", {"foo": 1})

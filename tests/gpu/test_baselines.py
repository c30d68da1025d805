"""The reference models on a CUDA device give what they give on the CPU."""

from __future__ import annotations

import pytest
import torch

from reference_models import NAMES, load_reference
from worldstrat_bench.api import LowRes, Target

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device: not run"),
]


def lowres() -> LowRes:
    """Smooth random land, some of it under cloud."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 1, 12, 20, 20, generator=generator).expand(-1, 6, -1, -1, -1)
    images = torch.nn.functional.interpolate(coarse.flatten(0, 1), size=(80, 78), mode="bicubic")
    images = images.reshape(2, 6, 12, 80, 78) * 0.3 + 0.003 * torch.randn(2, 6, 12, 80, 78, generator=generator)
    clear = torch.rand(2, 6, 1, 80, 78, generator=generator) > 0.02
    return LowRes(images, clear, torch.arange(6).expand(2, -1))


@pytest.mark.parametrize("name", NAMES)
def test_cpu_and_gpu_agree(name: str) -> None:
    lr, target = lowres(), Target(320, 312)
    on_cpu, on_gpu = load_reference(name), load_reference(name, "cuda:0")
    answer = on_gpu.predict(LowRes(lr.images.cuda(), lr.clear.cuda(), lr.days.cuda()), target)
    expected = on_cpu.predict(lr, target)
    assert isinstance(answer, torch.Tensor)
    assert isinstance(expected, torch.Tensor)
    assert answer.device.type == "cuda"
    # convolutions may use TF32 there: a thousandth of reflectance
    assert float((answer.cpu() - expected).abs().max()) < 1e-3

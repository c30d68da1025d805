"""Sums over pixels: as torch's own on a CPU, and on devices padded so that no address decides their order."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from worldstrat_bench.metrics.lpips_metric import over_pixels
from worldstrat_bench.sums import VECTOR, pixel_mean, pixel_sum


def test_on_a_cpu_they_are_those_of_torch_to_the_bit() -> None:
    values = torch.rand(2, 3, 17, 19, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pixel_sum(values), values.sum(dim=(-2, -1), dtype=torch.float64))
    assert torch.equal(pixel_sum(values, 3), values.sum(dim=(-3, -2, -1), dtype=torch.float64))
    assert torch.equal(pixel_mean(values), values.mean(dim=(-2, -1)))
    assert torch.equal(over_pixels(values), values.mean([2, 3], keepdim=True))


class Summed(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects the lengths that are added up."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lengths: list[int] = []

    def __torch_dispatch__(
        self, func: object, types: object, args: tuple[object, ...] = (), kwargs: dict[str, object] | None = None
    ) -> object:
        if "sum" in str(func):
            assert isinstance(args[0], torch.Tensor)
            self.lengths.append(args[0].shape[-1])
        return func(*args, **(kwargs or {}))  # type: ignore[operator]


@pytest.mark.parametrize("side", [16, 17, 18, 19])
def test_on_a_gpu_every_image_has_a_length_that_vectors_divide(side: int) -> None:
    with FakeTensorMode(), Summed() as seen:
        values = torch.empty(8, 3, side, side, device="cuda")
        assert pixel_sum(values).shape == (8, 3)
        assert pixel_mean(values, 3).shape == (8,)
    assert len(seen.lengths) == 2
    assert all(length % VECTOR == 0 and length >= side * side for length in seen.lengths)


def test_the_networks_of_both_packages_use_it() -> None:
    import lpips
    from stlpips_pytorch import stlpips

    from worldstrat_bench.metrics.lpips_metric import build_network
    from worldstrat_bench.metrics.stlpips_metric import load_stlpips

    load_stlpips()
    with pytest.raises(KeyError):
        build_network({})
    for package in (lpips.LPIPS, stlpips.LPIPS):
        assert package.forward.__globals__["spatial_average"] is over_pixels

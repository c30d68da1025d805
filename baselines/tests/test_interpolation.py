"""Interpolators, and the control whose offset is known."""

from __future__ import annotations

import pytest
import torch

from worldstrat_bench import resampling as harness
from worldstrat_bench.api import LowRes, Target
from worldstrat_bench_baselines.interpolation import (
    KNOWN_OFFSET,
    load_bicubic,
    load_bicubic_shifted,
    load_lanczos,
    load_nearest,
)
from worldstrat_bench_baselines.resampling import resample, sensor_sigma

CPU = torch.device("cpu")


def lowres(h: int = 20, w: int = 24) -> LowRes:
    images = torch.rand(2, 1, 12, h, w, generator=torch.Generator().manual_seed(4))
    return LowRes(images, torch.ones(2, 1, 1, h, w, dtype=torch.bool), torch.zeros(2, 1, dtype=torch.long))


def test_bicubic_is_the_reference_of_the_harness() -> None:
    lr = lowres()
    ours = load_bicubic(None, CPU).predict(lr, Target(79, 95))
    assert torch.equal(ours, harness.bicubic(lr.rgb(0), 79, 95))


def test_lanczos_is_the_resampling_of_the_harness() -> None:
    lr = lowres()
    ours = load_lanczos(None, CPU).predict(lr, Target(79, 95))
    assert float((ours - harness.lanczos_resize(lr.rgb(0), 79, 95)).abs().max()) < 1e-5


def test_nearest_repeats_pixels() -> None:
    lr = lowres()
    ours = load_nearest(None, CPU).predict(lr, Target(80, 96))
    assert torch.equal(ours, lr.rgb(0).repeat_interleave(4, -2).repeat_interleave(4, -1))


def test_the_control_shows_the_content_of_bicubic_elsewhere() -> None:
    lr, target = lowres(), Target(80, 96)
    plain = load_bicubic(None, CPU).predict(lr, target)
    moved = load_bicubic_shifted(None, CPU).predict(lr, target)
    # read at +offset, the moved image is the plain one again
    back = resample(moved, 80, 96, KNOWN_OFFSET)
    inside = (..., slice(16, -16), slice(16, -16))
    assert float((back - plain)[inside].abs().max()) < 2e-3
    assert float((moved - plain)[inside].abs().max()) > 0.05


@pytest.mark.parametrize(("dy", "dx"), [(1, 0), (-2, 3)])
def test_an_offset_reads_further_down_and_right(dy: int, dx: int) -> None:
    image = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(1))
    moved = resample(image, 20, 20, (dy, dx))
    assert float((moved[:, 5:15, 5:15] - image[:, 5 + dy : 15 + dy, 5 + dx : 15 + dx]).abs().max()) < 1e-6


def test_the_sensor_has_its_modulation_at_nyquist() -> None:
    sigma = sensor_sigma(4.0)
    nyquist = 0.5 / 4.0  # cycles a target px
    modulation = torch.exp(torch.tensor(-2 * (torch.pi * sigma * nyquist) ** 2))
    assert float(modulation) == pytest.approx(0.3, abs=1e-6)

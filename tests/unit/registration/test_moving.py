"""Applying a shift."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import scoring_reference as reference
from scoring_scenes import land
from worldstrat_bench.registration import Shifts, move, move_each


@pytest.mark.parametrize("shift", [(2.0, -3.0), (0.0, 0.0), (8.0, -8.0)])
def test_whole_pixels_are_copied_exactly(shift: tuple[float, float]) -> None:
    image = torch.from_numpy(land(100).copy())
    y, x = (int(s) for s in shift)
    assert torch.equal(move(image, *shift, border=20), image[:, 20 + y : 80 + y, 20 + x : 80 + x])


@pytest.mark.parametrize("shift", [(1.25, -0.5), (0.0625, 0.0), (-7.5, 7.9375), (1.5, 2.5), (0.0, -3.0625)])
@pytest.mark.parametrize("border", [20, 4])
def test_is_its_definition(shift: tuple[float, float], border: int) -> None:
    image = land(100).astype(np.float64)
    out = move(torch.from_numpy(image), *shift, border=border)
    np.testing.assert_allclose(out.numpy(), reference.moved(image, *shift, border), atol=1e-14)


def test_half_a_pixel_is_the_same_from_either_side() -> None:
    """Whichever whole pixel a half is split from, the same sixteen pixels are read with the same weights."""
    image = torch.from_numpy(land(100).astype(np.float64))
    a, b = move(image, 0.5, 0.0, border=20), move(image.roll(1, -2), 1.5, 0.0, border=20)
    torch.testing.assert_close(a, b, atol=1e-15, rtol=0)


def test_a_smooth_image_is_moved_to_a_thousandth() -> None:
    t = torch.arange(100, dtype=torch.float64)
    out = move((0.2 * t).sin()[None, :, None] * (0.31 * t).cos()[None, None, :], 1.3125, -0.4375, border=20)
    inside = t[20:80]
    expected = (0.2 * (inside + 1.3125)).sin()[:, None] * (0.31 * (inside - 0.4375)).cos()[None, :]
    assert float((out[0] - expected).abs().max()) < 1e-3


def test_runs_on_a_gpu_as_far_as_can_be_told_without_one() -> None:
    with FakeTensorMode():
        out = move(torch.empty(3, 100, 90, device="cuda"), 1.25, -0.5, border=20)
    assert out.device.type == "cuda"
    assert out.shape == (3, 60, 50)


@pytest.mark.parametrize("border", [20, 12])
def test_moving_each_by_its_own_shift_is_moving_one_by_one(border: int) -> None:
    rng = np.random.default_rng(0)
    pairs = [(0.0, 0.0), (8.0, -8.0), (7.5, -7.5), (0.5, -0.5), *(rng.integers(-120, 121, (12, 2)) / 16)]
    image = torch.from_numpy(rng.random((len(pairs), 2, 61, 70), dtype=np.float32))
    y, x = torch.tensor(np.array(pairs), dtype=torch.float64).unbind(dim=1)
    found = move_each(image, Shifts(y, x, y > 9), border, radius=8, fraction=16)
    for own, source, (dy, dx) in zip(found, image, pairs, strict=True):
        wanted = move(source, float(dy), float(dx), border)
        torch.testing.assert_close(own, wanted, rtol=0, atol=1e-6)
        if dy % 1 == dx % 1 == 0:
            assert torch.equal(own, wanted)

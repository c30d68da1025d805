"""Bringing images to another grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

import scoring_reference as reference
from worldstrat_bench.resampling import bicubic, lanczos_resize, nearest


@pytest.mark.parametrize(("size_in", "size_out"), [(158, 632), (40, 63), (63, 40), (9, 40), (40, 9), (50, 51)])
def test_lanczos_is_its_definition(size_in: int, size_out: int) -> None:
    line = np.random.default_rng(0).normal(size=size_in)
    expected = reference.lanczos_resize(line, size_out)
    rows = lanczos_resize(torch.from_numpy(line)[None, :, None].expand(2, -1, 3).contiguous(), size_out, 3)
    columns = lanczos_resize(torch.from_numpy(line)[None, None, :], 1, size_out)
    np.testing.assert_allclose(rows[1, :, 2].numpy(), expected, atol=1e-13)
    np.testing.assert_allclose(columns[0, 0].numpy(), expected, atol=1e-13)


def test_lanczos_keeps_constants_sizes_and_types() -> None:
    image = torch.full((3, 40, 41), 0.25)
    out = lanczos_resize(image, 160, 158)
    assert out.dtype == torch.float32
    assert out.shape == (3, 160, 158)
    torch.testing.assert_close(out, torch.full_like(out, 0.25))
    assert lanczos_resize(image, 40, 41) is image
    noise = torch.rand(3, 40, 41)
    assert torch.equal(lanczos_resize(noise, 40, 80)[:, 7], lanczos_resize(noise[:, 7:8], 1, 80)[:, 0])


def test_lanczos_keeps_the_footprint() -> None:
    """Pixels are areas: a flipped image gives the flipped result, and a blob stays where it is."""
    image = torch.rand(1, 30, 40, dtype=torch.float64)
    torch.testing.assert_close(lanczos_resize(image.flip(-1), 77, 99), lanczos_resize(image, 77, 99).flip(-1))
    x = (torch.arange(40, dtype=torch.float64) + 0.5) / 40
    out = lanczos_resize(torch.exp(-(((x - 0.3) / 0.1) ** 2))[None, None], 1, 158)[0, 0]
    centres = (torch.arange(158, dtype=torch.float64) + 0.5) / 158
    assert float((out * centres).sum() / out.sum()) == pytest.approx(0.3, abs=1e-4)


def test_shrinking_does_not_alias() -> None:
    stripes = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(60)[None, None]
    middle = lanczos_resize(stripes, 1, 40)[0, 0, 10:30]
    torch.testing.assert_close(middle, torch.full_like(middle, 0.5), atol=0.02, rtol=0)


def test_bicubic_is_torchs() -> None:
    image = torch.rand(2, 3, 20, 21)
    expected = F.interpolate(image, size=(80, 84), mode="bicubic", align_corners=False, antialias=False)
    assert torch.equal(bicubic(image, 80, 84), expected)


def test_nearest_takes_the_pixel_under_the_centre() -> None:
    mask = torch.tensor([[True, False, False], [False, True, False]])
    out = nearest(mask, 5, 7)
    expected = [[bool(mask[int((y + 0.5) * 2 / 5), int((x + 0.5) * 3 / 7)]) for x in range(7)] for y in range(5)]
    assert out.tolist() == expected
    assert out.dtype == torch.bool


@pytest.mark.parametrize(("old", "new"), [(192, 632), (144, 500), (108, 98), (148, 98), (1, 5), (163, 632)])
def test_nearest_is_exact_in_whole_numbers(old: int, new: int) -> None:
    """In some of these sizes a centre computed in float32 or float64 falls on the wrong side of an edge."""
    lines = torch.eye(old, dtype=torch.bool)
    found = torch.stack([nearest(line[None], 1, new)[0] for line in lines])
    assert found.sum(dim=0).eq(1).all()
    assert found.int().argmax(dim=0).tolist() == [(2 * i + 1) * old // (2 * new) for i in range(new)]


def test_runs_on_a_gpu_as_far_as_can_be_told_without_one() -> None:
    with FakeTensorMode():
        image = torch.empty(3, 40, 41, device="cuda")
        assert lanczos_resize(image, 160, 158).device.type == "cuda"
        assert nearest(image[0] > 0, 160, 158).shape == (160, 158)

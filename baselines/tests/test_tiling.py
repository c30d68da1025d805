"""The tiler against whole-image inference."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from worldstrat_bench_baselines.tiling import Tiling, factor_of, starts

REACH = 3


def local_network(x: Tensor) -> Tensor:
    """Three 3 x 3 convolutions with zero padding and a ReLU, then doubling: a receptive field of 3 px."""
    generator = torch.Generator().manual_seed(8)
    for layer in range(REACH):
        kernel = torch.randn(x.shape[1], x.shape[1], 3, 3, generator=generator) / 4
        x = F.conv2d(x, kernel, padding=1)
        x = F.relu(x) if layer < REACH - 1 else x
    return x.repeat_interleave(2, -2).repeat_interleave(2, -1)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(20, 60), st.integers(20, 60), st.integers(14, 40), st.integers(0, 5), st.booleans(), st.integers(0, 99)
)
def test_a_local_network_gives_the_same_in_windows(
    height: int, width: int, window: int, more: int, fixed: bool, seed: int
) -> None:
    image = torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(seed))
    tiling = Tiling(window=window, overlap=2 * REACH + more, margin=REACH, fixed=fixed)
    whole, tiled = local_network(image), tiling.run(local_network, image)
    assert tiled.shape == whole.shape
    assert tiled.dtype == whole.dtype
    inside = (..., slice(2 * REACH, -2 * REACH), slice(2 * REACH, -2 * REACH))  # an image that was padded has
    assert float((tiled - whole)[inside].abs().max()) < 1e-6  # other values beyond its border


def test_without_a_margin_the_seams_show_but_blend() -> None:
    image = torch.rand(1, 2, 40, 40, generator=torch.Generator().manual_seed(0))
    tiled = Tiling(window=20, overlap=8).run(local_network, image)
    assert tiled.shape == (1, 2, 80, 80)
    assert float((tiled - local_network(image)).abs().max()) > 1e-4


def test_every_window_has_the_fixed_size() -> None:
    seen = []

    def network(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape[-2:]))
        return x

    image = torch.rand(1, 3, 37, 15)
    assert torch.allclose(Tiling(window=20, overlap=4, margin=2, fixed=True).run(network, image), image)
    assert set(seen) == {(20, 20)}


def test_sides_are_padded_to_a_multiple_and_cut_again() -> None:
    def network(x: Tensor) -> Tensor:
        assert x.shape[-1] % 8 == x.shape[-2] % 8 == 0
        return x.repeat_interleave(4, -2).repeat_interleave(4, -1)

    image = torch.rand(1, 3, 37, 16)
    assert Tiling(multiple=8).run(network, image).shape == (1, 3, 148, 64)


def test_stacks_of_frames_can_be_cut_too() -> None:
    image = torch.rand(1, 8, 12, 30, 33)
    tiled = Tiling(window=16, overlap=4, margin=2).run(lambda x: x.mean(dim=1), image)
    assert torch.allclose(tiled, image.mean(dim=1), atol=1e-6)


@given(st.integers(1, 300), st.integers(2, 64), st.data())
def test_windows_cover_the_axis(size: int, window: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, window - 1))
    begin = starts(size, window, overlap)
    assert begin[0] == 0
    assert all(b - a <= window - overlap for a, b in pairwise(begin))
    assert begin[-1] + window >= size
    assert begin[-1] == max(0, size - window)


@pytest.mark.parametrize(("window", "overlap", "margin"), [(10, 10, 0), (10, 4, 3), (-1, 0, 0), (10, 3, 2)], ids=str)
def test_impossible_tilings_are_refused(window: int, overlap: int, margin: int) -> None:
    with pytest.raises(ValueError, match=r"px|negative"):
        Tiling(window=window, overlap=overlap, margin=margin)


def test_a_network_that_shrinks_is_refused() -> None:
    with pytest.raises(ValueError, match="answered"):
        factor_of(torch.zeros(1, 3, 5, 5), torch.zeros(1, 3, 10, 10))

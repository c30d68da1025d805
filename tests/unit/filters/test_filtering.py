"""Separable filters as matrix products."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch._subclasses.fake_tensor import FakeTensorMode

from worldstrat_bench.filtering import (
    correlate,
    correlate_columns,
    correlate_rows,
    correlate_turned,
    crop_or_pad,
    gaussian_taps,
    lanczos_taps,
)


@pytest.mark.parametrize("size", [17, 31, 32, 48, 49, 95, 130])
@pytest.mark.parametrize("taps", [1, 2, 11, 17])
def test_rows_and_columns_are_scipys_correlation(size: int, taps: int) -> None:
    rng = np.random.default_rng(size * taps)
    image, weights = rng.normal(size=(2, 3, size, size + 5)), rng.normal(size=taps)
    windows = np.lib.stride_tricks.sliding_window_view(image, taps, axis=-2)
    rows = correlate_rows(torch.from_numpy(image), weights.tolist())
    np.testing.assert_allclose(rows.numpy(), windows @ weights, rtol=0, atol=1e-13)
    windows = np.lib.stride_tricks.sliding_window_view(image, taps, axis=-1)
    columns = correlate_columns(torch.from_numpy(image), weights.tolist())
    np.testing.assert_allclose(columns.numpy(), windows @ weights, rtol=0, atol=1e-13)


def test_views_are_read_in_place() -> None:
    image = torch.randn(3, 90, 80, dtype=torch.float64)
    taps = gaussian_taps(2.0, 8)
    view = image[:, 5:75, 3:70]
    assert torch.equal(correlate(view, taps, taps), correlate(view.contiguous(), taps, taps))
    turned = image.transpose(-1, -2)
    torch.testing.assert_close(correlate(turned, taps, taps), correlate(image, taps, taps).transpose(-1, -2))


@pytest.mark.parametrize("size", [11, 12, 18, 19, 50])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_turned_in_memory_the_numbers_are_the_same(size: int, dtype: torch.dtype) -> None:
    image = torch.randn(2, 3, size, size + 3, dtype=dtype)
    taps = gaussian_taps(1.5, 5)
    found = correlate_turned(image, taps)
    torch.testing.assert_close(
        found, correlate(image, taps, taps), rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-15
    )
    assert found.transpose(-1, -2).is_contiguous()


def test_columns_are_written_where_they_are_wanted() -> None:
    image, taps = torch.randn(30, 45, dtype=torch.float64), gaussian_taps(2.0, 8)
    around = torch.zeros(32, 40, dtype=torch.float64)
    assert correlate_columns(image, taps, out=around[:30, :29]).data_ptr() == around.data_ptr()
    assert torch.equal(around[:30, :29], correlate_columns(image, taps))
    assert not around[30:].any()
    assert not around[:, 29:].any()


def test_gaussian_is_scipys() -> None:
    impulse = np.zeros(33)
    impulse[16] = 1
    np.testing.assert_allclose(
        gaussian_taps(2.0, 8), ndimage.gaussian_filter1d(impulse, 2.0, truncate=4.0)[8:25], atol=1e-15
    )


@pytest.mark.parametrize("fraction", [-0.5, -0.25, 0.0625, 0.5])
def test_lanczos_taps_sum_to_one_and_mirror(fraction: float) -> None:
    taps = lanczos_taps(fraction, 8)
    assert len(taps) == 17
    assert sum(taps) == pytest.approx(1, abs=1e-15)
    assert taps == pytest.approx(lanczos_taps(-fraction, 8)[::-1], abs=1e-15)


def test_lanczos_taps_at_a_whole_pixel_copy() -> None:
    assert lanczos_taps(0.0, 8) == tuple(float(k == 8) for k in range(17))


def test_crop_or_pad() -> None:
    image = torch.arange(12.0).view(1, 3, 4)
    assert torch.equal(crop_or_pad(image, 1), image[:, 1:2, 1:3])
    assert crop_or_pad(image, -1)[0, 0].tolist() == [5, 4, 5, 6, 7, 6]
    assert crop_or_pad(image, -1, mode="replicate")[0, 0].tolist() == [0, 0, 1, 2, 3, 3]
    assert crop_or_pad(image, 0) is image


def test_runs_on_a_gpu_as_far_as_can_be_told_without_one() -> None:
    with FakeTensorMode():
        image = torch.empty(3, 70, 81, dtype=torch.float64, device="cuda")
        out = correlate(crop_or_pad(image, -3), gaussian_taps(1.5, 5), lanczos_taps(0.25, 8))
    assert out.device.type == "cuda"
    assert out.shape == (3, 66, 71)

"""PSNR, RMSE and the bias."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

import scoring_reference as reference
from scoring_scenes import blurred, land
from worldstrat_bench.metrics.mae import mae
from worldstrat_bench.metrics.psnr import differences, psnr
from worldstrat_bench.metrics.rmse import rmse


def test_equals_scikit_image() -> None:
    target, prediction = land(100), blurred(land(100), 1.0)
    sums = differences(torch.from_numpy(prediction.copy()), torch.from_numpy(target.copy()))
    peak: Any = peak_signal_noise_ratio
    expected = peak(target.astype(np.float64), prediction.astype(np.float64), data_range=1)
    assert float(psnr(sums.mse(biased=True), None)) == pytest.approx(expected, abs=1e-9)
    assert float(rmse(sums.mse(biased=True), None)) == pytest.approx(10 ** (-expected / 20), rel=1e-9)


def test_the_bias_is_the_one_of_least_error_on_the_valid_pixels() -> None:
    target, prediction = land(100), blurred(land(100), 1.0) + np.float32(0.1)
    valid = np.random.default_rng(0).random((100, 100)) < 0.7
    sums = differences(torch.from_numpy(prediction), torch.from_numpy(target.copy()), torch.from_numpy(valid))
    assert float(psnr(sums.mse(biased=False), None)) == pytest.approx(
        reference.psnr(prediction, target, valid), abs=1e-9
    )
    assert float(psnr(sums.mse(biased=True), None)) == pytest.approx(
        reference.psnr(prediction, target, valid, biased=True), abs=1e-9
    )
    fixed = prediction + sums.bias.numpy()[:, None, None]
    for step in (-1e-3, 1e-3):
        assert reference.psnr(fixed + step, target, valid, biased=True) < reference.psnr(
            fixed, target, valid, biased=True
        )


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.5, 0.5), st.integers(0, 99))
def test_a_constant_added_to_a_band_is_forgiven(constant: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    target, prediction = torch.from_numpy(rng.random((2, 3, 12, 13)))
    moved = prediction + torch.tensor([constant, 0.0, -constant])[:, None, None]
    plain, shifted = differences(prediction, target), differences(moved, target)
    torch.testing.assert_close(plain.mse(biased=False), shifted.mse(biased=False), rtol=1e-9, atol=1e-15)


def test_the_floor_is_the_cap() -> None:
    image = torch.from_numpy(land(60).copy())
    mse = differences(image, image).mse(biased=False)
    assert float(psnr(mse, 1e-10)) == 100.0
    assert float(rmse(mse, 1e-10)) == pytest.approx(1e-5)
    assert float(psnr(mse, None)) == float("inf")


def test_batches_are_their_members() -> None:
    a, b = torch.rand(2, 4, 3, 20, 21)
    valid = torch.rand(4, 20, 21) < 0.5
    together = differences(a, b, valid).mse(biased=False)
    for i in range(4):
        torch.testing.assert_close(together[i], differences(a[i], b[i], valid[i]).mse(biased=False))


def test_mae() -> None:
    a, b = torch.rand(2, 3, 20, 21)
    assert float(mae(a, b)) == pytest.approx(float(np.abs(a.numpy() - b.numpy()).mean()), rel=1e-6)

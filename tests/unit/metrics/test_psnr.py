"""PSNR, RMSE and MAE."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

import scoring_reference as reference
from scoring_scenes import blurred, land
from worldstrat_bench.metrics.psnr import mae, psnr, rmse, squared_error


def test_equals_scikit_image() -> None:
    target, prediction = land(100), blurred(land(100), 1.0)
    mse = squared_error(torch.from_numpy(prediction.copy()), torch.from_numpy(target.copy()))
    peak: Any = peak_signal_noise_ratio
    expected = peak(target.astype(np.float64), prediction.astype(np.float64), data_range=1)
    assert float(psnr(mse, None)) == pytest.approx(expected, abs=1e-9)
    assert float(rmse(mse, None)) == pytest.approx(10 ** (-expected / 20), rel=1e-9)


def test_the_valid_pixels_alone_count() -> None:
    target, prediction = land(100), blurred(land(100), 1.0) + np.float32(0.1)
    valid = np.random.default_rng(0).random((100, 100)) < 0.7
    mse = squared_error(torch.from_numpy(prediction), torch.from_numpy(target.copy()), torch.from_numpy(valid))
    assert float(psnr(mse, None)) == pytest.approx(reference.psnr(prediction, target, valid), abs=1e-9)


def test_the_floor_is_the_cap() -> None:
    image = torch.from_numpy(land(60).copy())
    mse = squared_error(image, image)
    assert float(psnr(mse, 1e-10)) == 100.0
    assert float(rmse(mse, 1e-10)) == pytest.approx(1e-5)
    assert float(psnr(mse, None)) == float("inf")


def test_batches_are_their_members() -> None:
    a, b = torch.rand(2, 4, 3, 20, 21)
    valid = torch.rand(4, 20, 21) < 0.5
    together = squared_error(a, b, valid)
    for i in range(4):
        torch.testing.assert_close(together[i], squared_error(a[i], b[i], valid[i]))


def test_mae() -> None:
    a, b = torch.rand(2, 3, 20, 21)
    assert float(mae(a, b)) == pytest.approx(float(np.abs(a.numpy() - b.numpy()).mean()), rel=1e-6)

"""Spectral angle, stretch, detail and agreement with the low-resolution frame."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch._subclasses.fake_tensor import FakeTensorMode

import scoring_reference as reference
from scoring_scenes import blurred, land
from worldstrat_bench.metrics.detail import detail, plain_detail
from worldstrat_bench.metrics.lr_consistency import degrade, lr_consistency, sensor, sensor_matrix
from worldstrat_bench.metrics.sam import sam
from worldstrat_bench.metrics.stretch import stretch, white_level


def tensor(image: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(image.copy())


def test_sam_is_the_arc_cosine_of_the_cosine() -> None:
    target, prediction = land(80).astype(np.float64), blurred(land(80, 1), 1.0).astype(np.float64)
    cosine = (target * prediction).sum(0) / np.linalg.norm(target, axis=0) / np.linalg.norm(prediction, axis=0)
    expected = np.degrees(np.arccos(cosine))
    assert float(sam(tensor(prediction), tensor(target))) == pytest.approx(expected.mean(), abs=1e-9)
    valid = expected < np.median(expected)
    assert float(sam(tensor(prediction), tensor(target), tensor(valid))) == pytest.approx(
        expected[valid].mean(), abs=1e-9
    )


def test_sam_of_equal_spectra_is_nothing_even_in_float32() -> None:
    image = tensor(land(80))
    assert float(sam(image, image)) == 0.0
    assert float(sam(image * 1.7, image)) < 1e-4  # brightness is not colour


def test_sam_leaves_out_black_pixels() -> None:
    target = tensor(land(20)).clone()
    prediction = target.roll(1, 0)
    expected = float(sam(prediction[:, 5:], target[:, 5:]))
    target[:, :5] = 0
    assert float(sam(prediction, target)) == pytest.approx(expected, rel=1e-6)
    assert sam(prediction, torch.zeros_like(target)).isnan()


def test_sam_notices_swapped_bands() -> None:
    image = tensor(land(40))
    assert float(sam(image.flip(0), image)) > 1.0


def test_stretch() -> None:
    image = tensor(land(80))
    white = white_level(image, None, white_min=0.3, percentile=99.5)
    assert white == pytest.approx(max(0.3, np.percentile(land(80), 99.5)))
    assert white_level(image * 0.1, None, white_min=0.3, percentile=99.5) == 0.3
    bright = image.clone()
    bright[:, 0] = 1.0
    valid = torch.ones(80, 80, dtype=torch.bool)
    valid[0] = False
    assert white_level(bright, valid, white_min=0.01, percentile=100) < 0.96
    assert stretch(torch.tensor([-1.0, 0.3, 9.0]), 0.6).tolist() == [0.0, 0.5, 1.0]


def test_detail_is_the_variance_that_smoothing_takes() -> None:
    image = land(80).astype(np.float64)
    fine = (image - reference.gaussian(image))[:, 20:-20, 20:-20]
    smoothed = reference.gaussian(image)[:, 20:-20, 20:-20]
    inside = image[:, 20:-20, 20:-20]
    assert float(detail(tensor(inside), tensor(smoothed))) == pytest.approx(fine.var(axis=(1, 2)).mean(), rel=1e-12)
    valid = np.random.default_rng(0).random((40, 40)) < 0.5
    masked = float(detail(tensor(inside), tensor(smoothed), tensor(valid)))
    assert masked == pytest.approx(fine[:, valid].var(axis=1).mean(), rel=1e-12)
    whole = (image - reference.gaussian(image))[:, 8:-8, 8:-8]
    assert float(plain_detail(tensor(image))) == pytest.approx(whole.var(axis=(1, 2)).mean(), rel=1e-12)
    assert float(plain_detail(tensor(blurred(land(80), 2.0)))) < 0.1 * float(plain_detail(tensor(land(80))))


def test_the_sensor_has_the_stated_transfer_at_nyquist() -> None:
    """A wave of two coarse pixels comes out with 0.3 of its contrast, a constant with all of it."""
    matrix = sensor_matrix(632, 158, 0.3, torch.empty(0, dtype=torch.float64))
    position = (torch.arange(632, dtype=torch.float64) + 0.5) / 4
    wave = torch.cos(math.pi * (position - 0.5))
    response = matrix @ wave
    assert float(response[40:-40].abs().mean()) == pytest.approx(0.3, abs=1e-3)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(158, dtype=torch.float64))


def test_lr_consistency_forgives_a_bias_and_counts_clear_pixels_only() -> None:
    image = tensor(land(80)).double()
    eye = sensor((80, 80), (20, 21), 0.3, image)
    frame = degrade(image, eye)
    torch.testing.assert_close(frame, eye.rows @ image @ eye.columns.t(), rtol=1e-13, atol=0)
    clear = torch.ones(20, 21, dtype=torch.bool)
    assert float(lr_consistency(image + 0.05, frame, clear, eye)) == pytest.approx(0, abs=1e-12)
    noise = 0.01 * torch.randn(3, 20, 21, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    clear[:, 10:] = False
    noise[:, :, 10:] += 5.0
    seen = noise[:, :, :10].flatten(1)
    expected = (seen - seen.mean(dim=1, keepdim=True)).abs().mean()
    assert float(lr_consistency(image, frame + noise, clear, eye)) == pytest.approx(float(expected), rel=1e-9)


def test_lr_consistency_is_blind_to_invented_detail_and_sees_a_wrong_scene() -> None:
    image = tensor(land(80)).double()
    eye = sensor((80, 80), (20, 20), 0.3, image)
    frame, clear = degrade(image, eye), torch.ones(20, 20, dtype=torch.bool)
    checker = 0.05 * (-1.0) ** (torch.arange(80)[:, None] + torch.arange(80)[None, :])
    assert float(lr_consistency(image + checker, frame, clear, eye)) < 1e-4
    assert float(lr_consistency(tensor(land(80, 5)).double(), frame, clear, eye)) > 0.02


def test_run_on_a_gpu_as_far_as_can_be_told_without_one() -> None:
    with FakeTensorMode():
        image = torch.empty(3, 80, 80, device="cuda")
        mask, small = image[0] > 0, torch.empty(3, 20, 21, device="cuda")
        values = [
            sam(image, image, mask),
            detail(image, image.double(), mask),
            plain_detail(image, mask),
            lr_consistency(image, small, small[0] > 0, sensor((80, 80), (20, 21), 0.3, image)),
            stretch(image, 0.3),
        ]
    assert {value.device.type for value in values} == {"cuda"}


def test_a_sensor_is_made_once_for_a_size() -> None:
    image = torch.zeros(3, 60, 64)
    first = sensor((60, 64), (15, 16), 0.1, image)
    assert sensor((60, 64), (15, 16), 0.1, torch.ones(3, 60, 64)) is first
    for other in (
        sensor((60, 64), (15, 16), 0.2, image),
        sensor((60, 64), (20, 16), 0.1, image),
        sensor((60, 64), (15, 16), 0.1, image.double()),
    ):
        assert other is not first
    assert torch.equal(first.rows, sensor_matrix(60, 15, 0.1, image))
    assert torch.equal(first.columns, sensor_matrix(64, 16, 0.1, image))

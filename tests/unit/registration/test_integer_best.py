"""The PROBA-V search without moving anything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import scoring_reference as reference
from scoring_scenes import blurred, land
from worldstrat_bench.registration.integer_best import prepare_windows, window_mismatch


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("shift", [(0, 0), (2, -3)])
def test_is_the_rule_of_the_challenge(share: float, shift: tuple[int, int]) -> None:
    target = land(90)
    valid = np.random.default_rng(3).random((90, 90)) < share
    prediction = np.roll(blurred(target, 1.0), shift, (1, 2)) + np.float32(0.05)
    truth = prepare_windows(torch.from_numpy(target.copy()), torch.from_numpy(valid), 3)
    values, bias = window_mismatch(torch.from_numpy(prediction[:, 3:-3, 3:-3].copy()), truth)
    expected = reference.kelvins(prediction, target, valid)
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-9)
    assert divmod(int(values.argmin()), 7) == (3 - shift[0], 3 - shift[1])
    if shift == (0, 0) and share == 1.0:
        np.testing.assert_allclose(bias[:, 3, 3].numpy(), -0.05, atol=2e-3)


def test_a_window_without_a_valid_pixel_is_never_best() -> None:
    valid = np.zeros((40, 40), dtype=bool)
    valid[:2] = True
    truth = prepare_windows(torch.from_numpy(land(40).copy()), torch.from_numpy(valid), 3)
    values, _ = window_mismatch(torch.from_numpy(land(40)[:, 3:-3, 3:-3].copy()), truth)
    assert torch.isinf(values[3:]).all()
    assert torch.isfinite(values[:2]).all()


def test_runs_on_a_gpu_as_far_as_can_be_told_without_one() -> None:
    with FakeTensorMode():
        target = torch.empty(3, 90, 90, device="cuda")
        truth = prepare_windows(target, target[0] > 0, 3)
        values, bias = window_mismatch(target[:, 3:-3, 3:-3], truth)
    assert (values.device.type, values.shape, bias.shape) == ("cuda", (7, 7), (3, 7, 7))

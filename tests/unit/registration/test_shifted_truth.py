"""The 81 sub-pixel shifts of the 2022 protocols without a single moved copy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import scoring_reference as reference
from scoring_scenes import blurred, land
from worldstrat_bench.registration.shifted_truth import prepare_truth, truth_kernels, truth_mismatch

SHIFTS = [i / 2 - 2 for i in range(9)]
UPSTREAM = truth_kernels(SHIFTS, taps=11, lobes=3, cut=False, normalised=False, epsilon=1e-3)
FIXED = truth_kernels(SHIFTS, taps=11, lobes=3, cut=True, normalised=True, epsilon=0.0)


def test_upstreams_kernels_are_its_formula() -> None:
    for shift, kernel in zip(SHIFTS, UPSTREAM, strict=True):
        for x, value in zip(range(-5, 6), kernel, strict=True):
            p = math.pi * (x - shift) + 1e-3
            assert value == pytest.approx(3 * math.sin(p) * math.sin(p / 3) / p**2, rel=1e-12)
    assert all(sum(kernel) != pytest.approx(1, abs=1e-6) for kernel in UPSTREAM[1::2])


def test_corrected_kernels() -> None:
    for shift, kernel in zip(SHIFTS, FIXED, strict=True):
        assert sum(kernel) == pytest.approx(1, abs=1e-15)
        assert all(value == 0 for x, value in zip(range(-5, 6), kernel, strict=True) if abs(x - shift) >= 3)
        if shift == int(shift):
            assert kernel == tuple(float(x == shift) for x in range(-5, 6))


@pytest.mark.parametrize("kernels", [UPSTREAM, FIXED], ids=["upstream", "fixed"])
@pytest.mark.parametrize("crop", [2, 5])
def test_is_the_search_by_copies(kernels: tuple[tuple[float, ...], ...], crop: int) -> None:
    truth = np.stack([land(80, seed) for seed in (0, 1)]).astype(np.float64)
    truth[1] += 0.4
    seen = np.stack([np.roll(blurred(t, 1.2), (1, -2), (1, 2)) for t in truth]) + 0.01
    prepared = prepare_truth(torch.from_numpy(truth), kernels)
    assert prepared.side == 70
    values = truth_mismatch(torch.from_numpy(seen)[..., crop : crop + 70, crop : crop + 70], prepared).numpy()
    for i in range(2):
        expected = reference.copied_search(seen[i], truth[i], np.array(kernels), crop)
        np.testing.assert_allclose(values[i], expected, rtol=1e-9, atol=1e-16)
        assert values[i].argmin() == expected.argmin()


def test_runs_on_a_gpu_as_far_as_can_be_told_without_one() -> None:
    with FakeTensorMode():
        truth = prepare_truth(torch.empty(9, 3, 156, 156, device="cuda"), FIXED)
        values = truth_mismatch(torch.empty(9, 3, 146, 146, device="cuda"), truth)
    assert values.device.type == "cuda"
    assert values.shape == (9, 9, 9)

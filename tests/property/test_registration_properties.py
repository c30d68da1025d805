"""What must hold for any image, mask and shift."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import scoring_reference as reference
from worldstrat_bench.filtering import correlate, crop_or_pad, gaussian_taps
from worldstrat_bench.metrics.ssim import ssim, ssim_target
from worldstrat_bench.registration import mismatch, move, pick_shift, prepare_search
from worldstrat_bench.registration.shifted_truth import prepare_truth, truth_kernels, truth_mismatch

seeds = st.integers(0, 10_000)
RADIUS, BORDER = 3, 11


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.05, 1.0), st.floats(0.0, 0.9), st.sampled_from([1e-3, 0.1, 1.0]))
def test_the_search_is_its_definition(seed: int, share: float, level: float, contrast: float) -> None:
    rng = np.random.default_rng(seed)
    target = level + contrast * rng.random((3, 40, 43))
    prediction = rng.normal(0.5, 0.5) + np.roll(target, rng.integers(-3, 4, 2), (1, 2)) * rng.normal(1, 0.3, (3, 1, 1))
    mask = rng.random((18, 21)) < share
    mask[5, 5] = True
    taps = gaussian_taps(2.0, 8)
    still = correlate(crop_or_pad(torch.from_numpy(target), BORDER - 8), taps, taps)
    moving = correlate(crop_or_pad(torch.from_numpy(prediction), BORDER - 8 - RADIUS), taps, taps)
    values = mismatch(moving, prepare_search(still, torch.from_numpy(mask), RADIUS)).numpy()
    expected = reference.mismatch(prediction, target, mask, RADIUS, BORDER)
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-15)
    found = pick_shift(values, tie=1e-9, fraction=16)
    assert (found.y, found.x) == reference.refined(expected)


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(-8, 8), st.floats(-8, 8), st.sampled_from([0, 2, 16]))
def test_moving_is_its_definition(seed: int, y: float, x: float, border: int) -> None:
    y, x = round(y * 16) / 16, round(x * 16) / 16
    image = np.random.default_rng(seed).random((2, 36, 39))
    out = move(torch.from_numpy(image), y, x, border)
    np.testing.assert_allclose(out.numpy(), reference.moved(image, y, x, border), atol=1e-13)


@settings(max_examples=15, deadline=None)
@given(seeds, st.booleans(), st.floats(0, 1e-3), st.floats(0, 0.9))
def test_the_2022_search_is_the_one_by_copies(seed: int, fixed: bool, epsilon: float, level: float) -> None:
    shifts = [-1.0, -0.5, 0.0, 0.5, 1.0]
    kernels = truth_kernels(shifts, taps=9, lobes=3, cut=fixed, normalised=fixed, epsilon=0.0 if fixed else epsilon)
    rng = np.random.default_rng(seed)
    truth, seen = level + 0.2 * rng.random((3, 30, 30)), rng.random((3, 30, 30))
    prepared = prepare_truth(torch.from_numpy(truth)[None], kernels)
    values = truth_mismatch(torch.from_numpy(seen)[None, :, 4:26, 4:26], prepared)[0]
    np.testing.assert_allclose(values.numpy(), reference.copied_search(seen, truth, np.array(kernels), 4), rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.1, 1.0))
def test_ssim_is_bounded_symmetric_and_one_for_equals(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = (torch.from_numpy(rng.random((3, 24, 25))) for _ in range(2))
    valid = torch.from_numpy(rng.random((24, 25)) < share)
    valid[3:16, 4:17] = True
    forth, back = ssim(a, ssim_target(b, valid)), ssim(b, ssim_target(a, valid))
    torch.testing.assert_close(forth, back, rtol=0, atol=1e-12)
    assert -1 <= float(forth) <= 1
    torch.testing.assert_close(ssim(a, ssim_target(a, valid)), torch.tensor(1.0, dtype=torch.float64))

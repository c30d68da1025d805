"""The robust offset of wsb-1 is its definition, for one image and for many, step by step as on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import scoring_reference as reference
from scoring_scenes import blurred, land
from worldstrat_bench import filtering
from worldstrat_bench.protocol import OffsetFirst, load_protocol
from worldstrat_bench.registration import offset as module
from worldstrat_bench.registration.offset import (
    OffsetTarget,
    clipped_share,
    first_offset,
    first_stride,
    prepare_offset,
    remaining_bias,
    robust_offset,
    without_absurd,
)


def rule_of(protocol: str) -> OffsetFirst:
    rule = load_protocol(protocol).offset
    assert isinstance(rule, OffsetFirst)
    return rule


RULE = rule_of("wsb-1")


def statistics_of(target: torch.Tensor, valid: torch.Tensor | None, mask: torch.Tensor | None) -> OffsetTarget:
    return prepare_offset(target, valid, mask, first_stride(mask, RULE))


def offset_of(prediction: torch.Tensor, target: OffsetTarget) -> torch.Tensor:
    """b0 of a window, its absurd values clipped first."""
    first = first_offset(prediction, target)
    return robust_offset(without_absurd(prediction, first, RULE), target, first, RULE)


Masks = tuple[torch.Tensor | None, torch.Tensor | None]


def scene(case: str) -> tuple[torch.Tensor, torch.Tensor, Masks]:
    """Prediction, target, and the masks of the pixels with data and of those that are clear, too."""
    rng = np.random.default_rng(3)
    target = land(120).copy()
    prediction = blurred(target, 1.5) + np.float32(0.07)
    valid = None
    if case == "wild":
        prediction[:, rng.random((120, 120)) < 0.01] = 1e6
    if case == "dark":
        target = (target * np.float32(0.1)).clip(0, 1)
        prediction = prediction * np.float32(0.1) - np.float32(0.3)
    if case == "snow":
        target, prediction = (target * 8).clip(0, 1), prediction * np.float32(8)
    if case == "opposite":  # no pixel of the first band is inside after the median, so that the median stays
        prediction[0] = np.where(rng.random((120, 120)) < 0.5, -9, 9)
    if case in ("holes", "odd holes"):
        valid = rng.random((120, 120)) < (0.4 if case == "holes" else 0.401)
    if case == "sparse":  # nothing where the offset would start from
        valid = np.ones((120, 120), dtype=bool)
        valid[::4, ::4] = False
    clear = np.ones((120, 120), dtype=bool) if valid is None else valid
    if case.startswith("cloud"):
        clear[:, :80] = False
        prediction[:, :, :75] = 0.9
    if case == "clouds and holes":
        valid = rng.random((120, 120)) < 0.7
        clear &= valid
    if case == "cloudy but for a few":  # all of them between the pixels that the offset would start from
        clear &= rng.random((120, 120)) < 0.5
        clear[::4, ::4] = False
    masks = mask_of(valid), None if clear.all() else mask_of(clear)
    return torch.from_numpy(prediction.astype(np.float32)), torch.from_numpy(target.astype(np.float32)), masks


def mask_of(given: NDArray[np.bool_] | None) -> torch.Tensor | None:
    return None if given is None else torch.from_numpy(given)


CASES = (
    "plain",
    "wild",
    "dark",
    "snow",
    "opposite",
    "holes",
    "odd holes",
    "sparse",
    "clouds",
    "clouds and holes",
    "cloudy but for a few",
)


def as_numpy(mask: torch.Tensor | None) -> NDArray[np.bool_]:
    return np.ones((120, 120), dtype=bool) if mask is None else mask.numpy()


@pytest.mark.parametrize("case", CASES)
def test_is_the_definition(case: str) -> None:
    prediction, target, masks = scene(case)
    prepared = statistics_of(target, *masks)
    found = offset_of(prediction, prepared)
    valid, clear = (as_numpy(mask) for mask in masks)
    first = reference.first_offset(prediction.numpy(), target.numpy(), clear)
    possible = reference.without_absurd(prediction.numpy(), first)
    torch.testing.assert_close(
        without_absurd(prediction, torch.from_numpy(first), RULE), torch.from_numpy(possible).float(), rtol=0, atol=0
    )
    expected = reference.robust_offset(possible, target.numpy(), clear, first)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)
    raised = prediction.double().numpy() + expected[:, None, None]
    outside = ((raised < 0) | (raised > 1)) & (target.numpy() > 0) & (target.numpy() < 1)
    assert float(clipped_share(prediction, prepared, found)) == pytest.approx(outside[:, valid].mean(), abs=1e-12)
    left = (target.double() - prediction.double()).numpy()[:, valid].mean(axis=1)
    np.testing.assert_allclose(remaining_bias(prediction, prepared).numpy(), left, atol=1e-7, rtol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_a_fixed_number_of_steps_over_all_pixels_gives_the_same(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU computes, which asks for no value on the way."""
    prediction, target, masks = scene(case)
    prepared = statistics_of(target, *masks)
    stopped = offset_of(prediction, prepared)
    share = clipped_share(prediction, prepared, stopped)
    monkeypatch.setattr(filtering, "on_gpu", lambda image: True)
    torch.testing.assert_close(offset_of(prediction, prepared), stopped, rtol=0, atol=1e-13)
    assert torch.equal(clipped_share(prediction, prepared, stopped), share)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.floats(-1.5, 1.5), st.sampled_from([1.0, 5.0, 40.0]))
def test_pixels_are_picked_out_again_when_the_offset_moves(seed: int, start: float, gain: float) -> None:
    """From a start far off, and where most values are saturated: as if every step looked at all pixels."""
    rng = np.random.default_rng(seed)
    target = torch.from_numpy(rng.random((2, 40, 41)).astype(np.float32))
    prediction = (target * gain + 0.2 * torch.from_numpy(rng.normal(size=target.shape))).float()
    mask = torch.from_numpy(rng.random((40, 41)) < 0.6)
    prepared = statistics_of(target, mask, mask)
    first = torch.full((2,), start, dtype=torch.float64)
    found = robust_offset(prediction, prepared, first, RULE)
    expected = reference.robust_offset(prediction.double().numpy(), target.numpy(), mask.numpy(), first.numpy())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_the_median_is_that_of_numpy_by_selection_and_by_sorting(size: int) -> None:
    values = torch.from_numpy(np.random.default_rng(size).normal(size=(3, size)))
    expected = torch.from_numpy(np.median(values.numpy(), axis=-1))
    torch.testing.assert_close(module._median(values, None), expected, rtol=0, atol=0)
    everything = torch.ones(1, size, dtype=torch.bool)
    torch.testing.assert_close(module._median(values, everything), expected, rtol=0, atol=0)


def stacked(masks: list[torch.Tensor | None]) -> torch.Tensor | None:
    given = [mask for mask in masks if mask is not None]
    return torch.stack(given) if given else None


@pytest.mark.parametrize(
    "cases", [("plain", "wild", "dark", "snow", "opposite"), ("holes", "odd holes"), ("clouds and holes",) * 2]
)
def test_batches_are_their_members(cases: tuple[str, ...]) -> None:
    scenes = [scene(case) for case in cases]
    prediction, target = torch.stack([s[0] for s in scenes]), torch.stack([s[1] for s in scenes])
    valid, clear = (stacked([s[2][kind] for s in scenes]) for kind in (0, 1))
    prepared = statistics_of(target, valid, clear)
    together = offset_of(prediction, prepared)
    shares = clipped_share(prediction, prepared, together)
    for one, found, share in zip(scenes, together, shares, strict=True):
        alone = statistics_of(one[1], *one[2])
        torch.testing.assert_close(found, offset_of(one[0], alone), rtol=0, atol=1e-12)
        torch.testing.assert_close(share, clipped_share(one[0], alone, found), rtol=0, atol=1e-12)


def test_clouds_leave_the_offset_alone() -> None:
    """Whatever stands there: the bits are the same."""
    prediction, target, masks = scene("clouds and holes")
    prepared = statistics_of(target, *masks)
    plain = offset_of(prediction, prepared)
    assert masks[1] is not None
    for cloud in (0.4, 1.6, -3.0, 1e6):
        other = torch.where(masks[1], prediction, cloud)
        assert torch.equal(offset_of(other, prepared), plain)


@settings(max_examples=25, deadline=None)
@given(st.floats(-2, 2), st.integers(0, 99))
def test_an_offset_of_the_prediction_is_taken_off_again(constant: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = torch.from_numpy(rng.random((3, 40, 41)).astype(np.float32))
    prediction = (target + 0.2 * torch.from_numpy(rng.normal(size=target.shape))).float()
    prepared = statistics_of(target, None, None)
    plain, moved = (offset_of(image, prepared) for image in (prediction, prediction + constant))
    torch.testing.assert_close(moved, plain - constant, rtol=0, atol=2e-6)


def test_absurd_values_end_as_their_clipped_twins() -> None:
    """Judged after the offset, clipped as they came: the limits themselves are possible values."""
    first = torch.tensor([0.25, -3.0], dtype=torch.float64)
    values = [-1e9, -1.26, -1.25, -0.4, 0.5, 1.75, 1.76, 1e9]
    image = torch.tensor([[values], [[value + 3.25 for value in values]]])
    expected = torch.tensor([[[0, 0, *values[2:6], 1, 1]], [[0, 1, 2, 2.85, 3.75, 5, 1, 1]]])
    torch.testing.assert_close(without_absurd(image, first, RULE), expected, rtol=0, atol=1e-6)
    possible = image[..., 2:6].contiguous()
    assert without_absurd(possible, first, RULE) is possible


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.sampled_from([1e3, 1e6, -9999.0, 2.6, -1.6]), st.floats(-0.3, 0.3))
def test_wild_pixels_leave_the_offset_of_their_clipped_twin(seed: int, value: float, constant: float) -> None:
    rng = np.random.default_rng(seed)
    target = torch.from_numpy(rng.random((3, 40, 41)).astype(np.float32))
    prediction = (target + constant + 0.1 * torch.from_numpy(rng.normal(size=target.shape))).float().clamp(0, 1)
    prepared = statistics_of(target, None, None)
    wild, twin = prediction.clone(), prediction.clone()
    some = torch.from_numpy(rng.random((40, 41)) < 0.02)
    wild[:, some], twin[:, some] = value, min(max(value, 0), 1)
    first = first_offset(wild, prepared)
    assert torch.equal(without_absurd(wild, first, RULE), twin)
    torch.testing.assert_close(offset_of(wild, prepared), offset_of(twin, prepared), rtol=0, atol=2e-6)

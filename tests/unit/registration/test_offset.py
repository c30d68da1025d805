"""The robust offset of wsb-1 is its definition, for one image and for many, step by step as on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import scoring_reference as reference
from scoring_scenes import blurred, land
from worldstrat_bench.protocol import OffsetFirst, load_protocol
from worldstrat_bench.registration import offset as module
from worldstrat_bench.registration.offset import clipped_share, prepare_offset, robust_offset


def rule_of(protocol: str) -> OffsetFirst:
    rule = load_protocol(protocol).offset
    assert isinstance(rule, OffsetFirst)
    return rule


RULE = rule_of("wsb-1")


def scene(case: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Prediction, target and valid mask."""
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
    mask = None if valid is None else torch.from_numpy(valid)
    return torch.from_numpy(prediction.astype(np.float32)), torch.from_numpy(target.astype(np.float32)), mask


CASES = ("plain", "wild", "dark", "snow", "opposite", "holes", "odd holes", "sparse")


@pytest.mark.parametrize("case", CASES)
def test_is_the_definition(case: str) -> None:
    prediction, target, valid = scene(case)
    prepared = prepare_offset(target, valid, RULE)
    found = robust_offset(prediction, prepared, RULE)
    mask = np.ones(target.shape[1:], dtype=bool) if valid is None else valid.numpy()
    expected = reference.robust_offset(prediction.numpy(), target.numpy(), mask)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)
    raised = prediction.double().numpy() + expected[:, None, None]
    outside = ((raised < 0) | (raised > 1)) & (target.numpy() > 0) & (target.numpy() < 1)
    assert float(clipped_share(prediction, prepared, found)) == pytest.approx(outside[:, mask].mean(), abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_a_fixed_number_of_steps_gives_the_same_bits(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU computes, which asks for no value on the way."""
    prediction, target, valid = scene(case)
    prepared = prepare_offset(target, valid, RULE)
    stopped = robust_offset(prediction, prepared, RULE)
    share = clipped_share(prediction, prepared, stopped)
    monkeypatch.setattr(module._Bounds, "of", lambda image: None)
    assert torch.equal(robust_offset(prediction, prepared, RULE), stopped)
    assert torch.equal(clipped_share(prediction, prepared, stopped), share)


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_the_median_is_that_of_numpy_by_selection_and_by_sorting(size: int) -> None:
    values = torch.from_numpy(np.random.default_rng(size).normal(size=(3, size)))
    expected = torch.from_numpy(np.median(values.numpy(), axis=-1))
    torch.testing.assert_close(module._median(values, None), expected, rtol=0, atol=0)
    everything = torch.ones(1, size, dtype=torch.bool)
    torch.testing.assert_close(module._median(values, everything), expected, rtol=0, atol=0)


@pytest.mark.parametrize("cases", [("plain", "wild", "dark", "snow", "opposite"), ("holes", "odd holes")])
def test_batches_are_their_members(cases: tuple[str, ...]) -> None:
    scenes = [scene(case) for case in cases]
    masks = [valid for *_, valid in scenes if valid is not None]
    prediction, target = torch.stack([s[0] for s in scenes]), torch.stack([s[1] for s in scenes])
    prepared = prepare_offset(target, torch.stack(masks) if masks else None, RULE)
    together = robust_offset(prediction, prepared, RULE)
    shares = clipped_share(prediction, prepared, together)
    for one, found, share in zip(scenes, together, shares, strict=True):
        alone = prepare_offset(one[1], one[2], RULE)
        torch.testing.assert_close(found, robust_offset(one[0], alone, RULE), rtol=0, atol=1e-12)
        torch.testing.assert_close(share, clipped_share(one[0], alone, found), rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.floats(-2, 2), st.integers(0, 99))
def test_an_offset_of_the_prediction_is_taken_off_again(constant: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = torch.from_numpy(rng.random((3, 40, 41)).astype(np.float32))
    prediction = (target + 0.2 * torch.from_numpy(rng.normal(size=target.shape))).float()
    prepared = prepare_offset(target, None, RULE)
    plain, moved = (robust_offset(image, prepared, RULE) for image in (prediction, prediction + constant))
    torch.testing.assert_close(moved, plain - constant, rtol=0, atol=2e-6)

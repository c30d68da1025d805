"""The fast search of wsb-1 is the definition, integer for integer and J for J."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch._subclasses.fake_tensor import FakeTensorMode

import scoring_reference as reference
from scoring_scenes import REAL_TILES, blurred, land, real_tile
from worldstrat_bench.filtering import correlate, crop_or_pad, gaussian_taps
from worldstrat_bench.registration import Shift, mismatch, mismatch_smoothed, pick_shift, pick_shifts, prepare_search
from worldstrat_bench.registration.lags import box_sums, fft_length

RADIUS, BORDER = 8, 20
Mask = NDArray[np.bool_]


def fast(prediction: NDArray[np.float32], target: NDArray[np.float32], mask: Mask | None) -> NDArray[np.float64]:
    """J of a prediction that is smoothed on the way, which is that of the smoothed one."""
    taps = gaussian_taps(2.0, 8)
    around = crop_or_pad(torch.from_numpy(prediction.copy()), BORDER - RADIUS - 8)
    still = correlate(crop_or_pad(torch.from_numpy(target.copy()), BORDER - 8).double(), taps, taps)
    weights = None if mask is None else torch.from_numpy(mask)
    prepared = prepare_search(still, weights, RADIUS)
    values = mismatch_smoothed(around, taps, prepared)
    whole = mismatch(correlate(around.double(), taps, taps), prepared)
    torch.testing.assert_close(values, whole, rtol=1e-10, atol=1e-17)
    return np.asarray(values.numpy())


def assert_same(values: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-17)
    assert pick_shift(values, tie=1e-9, fraction=16) == Shift(*reference.refined(expected), at_edge=_at_edge(expected))


def _at_edge(values: NDArray[np.float64]) -> bool:
    return RADIUS in (abs(shift) for shift in reference.integer_optimum(values))


def masks(side: int) -> dict[str, Mask | None]:
    rng = np.random.default_rng(side)
    holes = np.ones((side, side), dtype=bool)
    holes[: side // 2, side // 3 :] = False
    return {"everything": None, "random": rng.random((side, side)) < 0.4, "half": holes}


@pytest.mark.parametrize("mask", ["everything", "random", "half"])
@pytest.mark.parametrize("shift", [(0, 0), (2, -3), (-7, 6), (8, 8)])
def test_is_the_brute_force_definition(mask: str, shift: tuple[int, int]) -> None:
    target = land(120)
    noise = np.random.default_rng(1).normal(0, 0.01, target.shape)
    prediction = (np.roll(blurred(target, 1.0), shift, (1, 2)) + noise + 0.1).astype(np.float32)
    chosen = masks(80)[mask]
    whole = np.ones((80, 80), dtype=bool) if chosen is None else chosen
    expected = reference.mismatch(prediction, target, whole, RADIUS, BORDER)
    assert reference.integer_optimum(expected) == shift
    assert_same(fast(prediction, target, chosen), expected)


@pytest.mark.shared
@pytest.mark.parametrize("name", [REAL_TILES[0], *(pytest.param(n, marks=pytest.mark.soak) for n in REAL_TILES[1:])])
def test_is_the_definition_on_every_real_tile(realdata: Path, name: str) -> None:
    tile = real_tile(realdata, name)
    prediction, target = tile.bicubic.clip(0, 1), tile.target.image
    side = target.shape[-1] - 2 * BORDER
    mask = masks(side)["random"] if side < 400 else None
    whole = np.ones((side, side), dtype=bool) if mask is None else mask
    assert_same(fast(prediction, target, mask), reference.mismatch(prediction, target, whole, RADIUS, BORDER))


@pytest.mark.shared
@pytest.mark.soak
@pytest.mark.parametrize("mask", ["everything", "random", "half"])
@pytest.mark.parametrize("name", REAL_TILES)
def test_is_the_definition_on_every_real_tile_and_mask(realdata: Path, name: str, mask: str) -> None:
    tile = real_tile(realdata, name)
    prediction, target = np.roll(tile.bicubic, (3, -1), (1, 2)).clip(0, 1), tile.target.image
    side = target.shape[-1] - 2 * BORDER
    chosen = masks(side)[mask]
    whole = np.ones((side, side), dtype=bool) if chosen is None else chosen
    assert_same(fast(prediction, target, chosen), reference.mismatch(prediction, target, whole, RADIUS, BORDER))


def test_a_mask_of_everything_is_like_no_mask() -> None:
    target, prediction = land(120), blurred(land(120), 1.5)
    np.testing.assert_allclose(
        fast(prediction, target, np.ones((80, 80), dtype=bool)), fast(prediction, target, None), rtol=1e-11, atol=1e-18
    )


def test_masked_pixels_of_the_target_do_not_matter() -> None:
    target, prediction, mask = land(120), blurred(land(120), 1.5), masks(80)["half"]
    assert mask is not None
    still = torch.from_numpy(target[:, 20:100, 20:100].astype(np.float64))
    other = torch.where(torch.from_numpy(mask), still, 7.0)
    moving = torch.from_numpy(prediction[:, 12:108, 12:108].astype(np.float64))
    weights = torch.from_numpy(mask)
    torch.testing.assert_close(
        mismatch(moving, prepare_search(still, weights, 8)), mismatch(moving, prepare_search(other, weights, 8))
    )


def test_brightness_cancels_without_losing_digits() -> None:
    """A bright, nearly flat image: the sums are 10^8 times their differences."""
    target = (0.9 + 1e-4 * land(120)).astype(np.float32)
    prediction = (np.roll(target, (1, 2), (1, 2)) * 0.5 + 0.4).astype(np.float32)
    expected = reference.mismatch(prediction, target, np.ones((80, 80), dtype=bool), RADIUS, BORDER)
    np.testing.assert_allclose(fast(prediction, target, None), expected, rtol=1e-6, atol=1e-17)


def test_a_batch_is_its_members() -> None:
    target = torch.from_numpy(np.stack([land(120, s)[:, 20:100, 20:100] for s in (0, 1)])).double()
    moving = torch.from_numpy(np.stack([land(120, s)[:, 12:108, 12:108] for s in (0, 1)])).double()
    keep = torch.rand(2, 80, 80) < 0.5
    for mask in (None, keep):
        together = mismatch(moving, prepare_search(target, mask, 8))
        for i in range(2):
            alone = mismatch(moving[i], prepare_search(target[i], None if mask is None else mask[i], 8))
            torch.testing.assert_close(together[i], alone, rtol=1e-10, atol=1e-16)


def test_a_flat_image_is_not_moved() -> None:
    flat = np.full((3, 120, 120), 0.3, dtype=np.float32)
    assert pick_shift(fast(flat, flat, None), tie=1e-9, fraction=16) == Shift(0.0, 0.0, at_edge=False)
    assert pick_shift(fast(flat + 0.2, land(120), None), tie=1e-9, fraction=16) == Shift(0.0, 0.0, at_edge=False)


def bowl(y: float, x: float, radius: int = 3) -> NDArray[np.float64]:
    d = np.arange(-radius, radius + 1)
    return np.asarray(0.1 + (d[:, None] - y) ** 2 + 2 * (d[None, :] - x) ** 2)


def test_the_vertex_of_a_parabola_is_found_and_rounded() -> None:
    assert pick_shift(bowl(1.25, -0.5 + 1e-9), tie=1e-9, fraction=16) == Shift(1.25, -0.5, at_edge=False)
    assert pick_shift(bowl(0.27, 0.02), tie=1e-9, fraction=16) == Shift(0.25, 0.0, at_edge=False)
    assert pick_shift(bowl(0.29, 0.04), tie=1e-9, fraction=16) == Shift(0.3125, 0.0625, at_edge=False)


def test_no_refinement_across_the_edge() -> None:
    assert pick_shift(bowl(3.3, 0.25), tie=1e-9, fraction=16) == Shift(3.0, 0.25, at_edge=True)
    assert pick_shift(bowl(-9.0, -9.0), tie=1e-9, fraction=16) == Shift(-3.0, -3.0, at_edge=True)


def test_ties_go_to_the_smaller_length_then_dy_then_dx() -> None:
    values = np.ones((7, 7))
    for i, j in ((1, 3), (3, 1), (5, 3), (3, 5), (0, 0)):
        values[i, j] = 0.5
    assert pick_shift(values, tie=1e-9, fraction=16) == Shift(-2.0, 0.0, at_edge=False)
    values[1, 3] = 0.5 * (1 + 2e-9)
    found = pick_shift(values, tie=1e-9, fraction=16)
    assert (found.y, found.x) == (0.0, -2.0)
    values[1, 3] = 0.5 * (1 + 0.5e-9)
    assert pick_shift(values, tie=1e-9, fraction=16).y == -2.0


def test_box_sums_and_lengths() -> None:
    image = torch.rand(2, 9, 11, dtype=torch.float64)
    expected = image.unfold(-2, 4, 1).unfold(-2, 5, 1).sum(dim=(-2, -1))
    torch.testing.assert_close(box_sums(image, 4, 5), expected)
    for size in (1, 7, 97, 156, 608, 611):
        length = fft_length(size)
        assert size <= length <= 2 * size
        assert length % 2 == 0


@pytest.mark.parametrize("masked", [False, True])
def test_runs_on_a_gpu_as_far_as_can_be_told_without_one(masked: bool) -> None:
    with FakeTensorMode():
        still = torch.empty(2, 3, 80, 80, dtype=torch.float64, device="cuda")
        moving = torch.empty(2, 3, 96, 96, dtype=torch.float64, device="cuda")
        mask = torch.empty(2, 80, 80, dtype=torch.bool, device="cuda") if masked else None
        values = mismatch(moving, prepare_search(still, mask, 8))
    assert values.device.type == "cuda"
    assert values.shape == (2, 17, 17)


def tables(count: int) -> NDArray[np.float64]:
    """(count, 17, 17) tables: noise, bowls, ties, flat ones, minima on edges and steep and flat parabolas."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-8:9, -8:9]
    made = []
    for i in range(count):
        scale = 10.0 ** rng.uniform(-18, 0)
        cy, cx = rng.uniform(-9, 9, 2)
        table = {
            0: rng.random((17, 17)),
            1: (y - cy) ** 2 + rng.uniform(0.1, 9) * (x - cx) ** 2,
            2: rng.integers(0, 3, (17, 17)).astype(float),
            3: np.zeros((17, 17)),
            4: np.abs(y - np.rint(cy)) + np.abs(x - np.rint(cx)) ** rng.choice([0.5, 1.0, 4.0]),
            5: np.rint(((y - cy) ** 2 + (x - cx) ** 2) * 8) / 8,
        }[i % 6]
        made.append(table * scale + rng.choice([0.0, 1e-3, -1e-3, 1.0]))
    return np.stack(made)


@pytest.mark.parametrize(("tie", "fraction"), [(1e-12, 16), (1e-3, 16), (0.0, 10)])
def test_many_shifts_are_picked_on_the_device_as_one_is_on_the_host(tie: float, fraction: int) -> None:
    made = tables(3000)
    found = pick_shifts(torch.from_numpy(made), tie=tie, fraction=fraction)
    wanted = [pick_shift(table, tie=tie, fraction=fraction) for table in made]
    assert sum(shift.at_edge for shift in wanted) > 100
    assert sum(shift.y % 1 != 0 for shift in wanted) > 100
    assert [
        Shift(*own) for own in zip(found.y.tolist(), found.x.tolist(), found.at_edge.tolist(), strict=True)
    ] == wanted

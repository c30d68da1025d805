"""Registration and classical fusion, on tiles whose truth is known."""

from __future__ import annotations

import pytest
import torch
from baselines.tests.known_tiles import KnownTile, psnr

from worldstrat_bench.api import NIR, RGB, LowRes, Target
from worldstrat_bench_baselines.fusion import ShiftAndAdd, add_spots, load_median, masked_median, wiener
from worldstrat_bench_baselines.interpolation import load_bicubic
from worldstrat_bench_baselines.registration import register
from worldstrat_bench_baselines.resampling import gaussian_blur

CPU = torch.device("cpu")
TARGET = Target(160, 160)


def first(lr: LowRes, frames: int) -> LowRes:
    return LowRes(lr.images[:, :frames], lr.clear[:, :frames], lr.days[:, :frames])


def clouded(lr: LowRes, frames: list[int]) -> LowRes:
    """Opaque cloud over the left half of those frames, and in their masks."""
    images, clear = lr.images.clone(), lr.clear.clone()
    images[:, frames, :, :, :20], clear[:, frames, :, :, :20] = 0.8, False
    return LowRes(images, clear, lr.days)


@pytest.mark.parametrize("name", ["town", "farmland"])
def test_known_shifts_are_found(name: str, request: pytest.FixtureRequest) -> None:
    tile: KnownTile = request.getfixturevalue(name)
    images, clear = tile.lr.images[0][:, [*RGB, NIR]], tile.lr.clear[0]
    fits = register(images[0], images[1:], clear[0], clear[1:])
    assert fits.found.all()
    # frame(p + shift) = reference(p), and the frame was sampled at p + its place: the shift is minus the place
    assert torch.allclose(fits.shift, -torch.tensor(tile.shifts[1:], dtype=torch.float64), atol=0.08)


def test_nothing_in_common_is_not_registered(town: KnownTile) -> None:
    images, clear = town.lr.images[0][:, list(RGB)], town.lr.clear[0]
    masks = torch.stack([clear[1], torch.zeros_like(clear[2]), clear[3]])
    fits = register(images[0], images[1:4], clear[0], masks)
    assert fits.found.tolist() == [True, False, True]
    assert fits.shift[1].tolist() == [0, 0]
    assert torch.isfinite(fits.gain).all()


def test_more_frames_are_better_and_all_beat_bicubic(town: KnownTile, farmland: KnownTile) -> None:
    for tile in (town, farmland):
        bicubic = psnr(load_bicubic(None, CPU).predict(tile.lr, TARGET)[0], tile.truth)
        scores = [psnr(ShiftAndAdd().predict(first(tile.lr, n), TARGET)[0], tile.truth) for n in (1, 4, 8)]
        assert scores[0] > bicubic + 0.3
        assert scores == sorted(scores)


def test_clouds_outside_of_frame_0_cost_little(town: KnownTile) -> None:
    clear = psnr(ShiftAndAdd().predict(town.lr, TARGET)[0], town.truth)
    cloudy = psnr(ShiftAndAdd().predict(clouded(town.lr, [2, 5, 6]), TARGET)[0], town.truth)
    assert cloudy > clear - 0.8


def test_a_cloud_in_frame_0_is_filled_from_the_others(town: KnownTile) -> None:
    tile = clouded(town.lr, [0])
    assert psnr(load_bicubic(None, CPU).predict(tile, TARGET)[0], town.truth) < 12
    assert psnr(load_median(None, CPU).predict(tile, TARGET)[0], town.truth) > 20
    assert psnr(ShiftAndAdd().predict(tile, TARGET)[0], town.truth) > 20


def test_the_order_of_the_other_frames_does_not_matter(town: KnownTile) -> None:
    order = [0, 5, 3, 7, 1, 2, 6, 4]
    shuffled = LowRes(town.lr.images[:, order], town.lr.clear[:, order], town.lr.days[:, order])
    difference = ShiftAndAdd().predict(shuffled, TARGET) - ShiftAndAdd().predict(town.lr, TARGET)
    assert float(difference.abs().max()) < 1e-5


def test_a_changed_frame_is_not_believed(town: KnownTile) -> None:
    images = town.lr.images.clone()
    images[:, 3, :, 10:30, 10:30] = images[:, 3, :, 10:30, 10:30].flip(-1)  # something else stands there now
    changed = ShiftAndAdd().predict(LowRes(images, town.lr.clear, town.lr.days), TARGET)
    usual = psnr(ShiftAndAdd().predict(town.lr, TARGET)[0], town.truth)
    assert psnr(changed[0], town.truth) > usual - 1.0


def test_the_median_leaves_clouds_out() -> None:
    images = torch.tensor([0.1, 0.9, 0.2, 0.8]).view(1, 4, 1, 1, 1).expand(1, 4, 3, 2, 2)
    clear = torch.tensor([True, False, True, False]).view(1, 4, 1, 1, 1).expand(1, 4, 1, 2, 2)
    assert masked_median(images, clear).flatten().tolist() == pytest.approx([0.15] * 12)
    assert masked_median(images, torch.zeros_like(clear)).flatten().tolist() == pytest.approx([0.5] * 12)


@pytest.mark.parametrize("sample", [(4, 12), (29, 30)])
def test_spots_lie_where_a_shifted_frame_was_sampled(sample: tuple[int, int]) -> None:
    image = torch.zeros(1, 1, 40, 50, dtype=torch.float64)
    image[0, 0, sample[0], sample[1]] = 1
    spot = add_spots(image, (160, 200), torch.tensor([[0.5, -1.25]], dtype=torch.float64), 0.3)[0]
    # sample 4 of a frame with frame(p + 0.5) = reference(p) shows the reference at 3.5, on the fine grid at 15.5
    for axis, shift in ((0, 0.5), (1, -1.25)):
        profile = spot.sum(1 - axis)
        centre = float((torch.arange(len(profile)) * profile).sum() / profile.sum())
        assert centre == pytest.approx((sample[axis] - shift + 0.5) * 4 - 0.5, abs=1e-6)


def test_wiener_undoes_a_blur() -> None:
    noise = torch.randn(3, 96, 96, generator=torch.Generator().manual_seed(2))
    land = 0.2 + 0.05 * gaussian_blur(noise, 2.5)
    blurred = gaussian_blur(land, 1.5)
    sharp = wiener(blurred, (1.5, 1.5), 0.001)
    inside = (..., slice(16, -16), slice(16, -16))
    before, after = ((image - land)[inside].square().mean() for image in (blurred, sharp))
    assert float(after) < 0.1 * float(before)

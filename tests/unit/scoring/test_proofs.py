"""What protocol 5 says is proved: on synthetic land and on the real tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import scoring_reference as reference
from scoring_scenes import REAL_TILES, Image, blurred, enlarged, land, real_tile, target_of
from worldstrat_bench.data.target import TargetImage
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.registration import move
from worldstrat_bench.scoring import Frame, TileScore, make_scorer

TEXTURED = tuple(name for name in REAL_TILES if name != "Landcover-9000005")
"""Landcover-9000005 is water."""

CAP_DB = 100.0


def score(prediction: Image, target: TargetImage, frame: Frame | None = None) -> TileScore:
    scorer = make_scorer(load_protocol("wsb-1"))
    return scorer.score(prediction, scorer.prepare(target, frame))


def shifted(image: Image, y: float, x: float) -> Image:
    """The image moved so that it is found at (y, x): what a sensor that points elsewhere sees."""
    return move(torch.from_numpy(image.copy()).double(), -y, -x, border=0).float().numpy()


def number(result: TileScore, name: str) -> float:
    value = result.metrics[name]
    assert value is not None
    return value


def scene(request: pytest.FixtureRequest, name: str) -> tuple[Image, Image]:
    """Target and a bicubic enlargement, of a real tile or of synthetic land."""
    if name.startswith("land"):
        image = land(200, int(name[4:]))
        return image, enlarged(image)
    tile = real_tile(request.getfixturevalue("realdata"), name)
    return tile.target.image, tile.bicubic


SCENES = ("land0", "land1", *TEXTURED)


@pytest.mark.parametrize("name", [*SCENES, "Landcover-9000005"])
def test_the_target_itself_scores_the_cap_unmoved(request: pytest.FixtureRequest, name: str) -> None:
    image, _ = scene(request, name)
    result = score(image, target_of(image))
    assert (result.shift_y, result.shift_x, result.shift_at_edge, result.clipped) == (0, 0, False, 0)
    for metric in ("psnr", "psnr_raw", "psnr_unregistered"):
        assert number(result, metric) == CAP_DB
    assert number(result, "ssim") == pytest.approx(1, abs=1e-6)
    assert number(result, "sam") == 0


@pytest.mark.parametrize("name", SCENES)
def test_the_target_moved_by_whole_pixels_is_recovered_exactly(request: pytest.FixtureRequest, name: str) -> None:
    image, _ = scene(request, name)
    result = score(np.roll(image, (2, -3), (1, 2)), target_of(image))
    assert (result.shift_y, result.shift_x) == (2, -3)
    assert number(result, "psnr") == CAP_DB
    assert number(result, "psnr_unregistered") < 40


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("name", SCENES)
def test_a_part_of_a_pixel_is_recovered_to_an_eighth(request: pytest.FixtureRequest, name: str, noise: float) -> None:
    image, _ = scene(request, name)
    disturbance = np.random.default_rng(0).normal(0, noise, image.shape).astype(np.float32)
    result = score(shifted(image, 1.25, -0.5) + disturbance, target_of(image))
    assert result.shift_y == pytest.approx(1.25, abs=0.125)
    assert result.shift_x == pytest.approx(-0.5, abs=0.125)


@pytest.mark.parametrize("name", SCENES)
def test_a_moved_bicubic_scores_as_the_unmoved_one(request: pytest.FixtureRequest, name: str) -> None:
    image, bicubic = scene(request, name)
    still, moved = score(bicubic, target_of(image)), score(shifted(bicubic, 1.25, -0.5), target_of(image))
    assert number(moved, "psnr") == pytest.approx(number(still, "psnr"), abs=0.02)
    assert still.shift_y is not None
    assert still.shift_x is not None
    assert moved.shift_y == pytest.approx(still.shift_y + 1.25, abs=0.125)
    assert moved.shift_x == pytest.approx(still.shift_x - 0.5, abs=0.125)


@pytest.mark.parametrize("name", SCENES[:4])
def test_a_constant_costs_psnr_raw_alone(request: pytest.FixtureRequest, name: str) -> None:
    image, bicubic = scene(request, name)
    image, bicubic = image.clip(0, 0.95), bicubic.clip(0, 0.95)
    plain, brighter = score(bicubic, target_of(image)), score(bicubic + np.float32(0.02), target_of(image))
    assert number(brighter, "psnr") == pytest.approx(number(plain, "psnr"), abs=1e-4)
    itself = score(image + np.float32(0.02), target_of(image))
    assert number(itself, "psnr") == CAP_DB
    assert number(itself, "psnr_raw") == pytest.approx(-20 * np.log10(0.02), abs=1e-3)


@pytest.mark.parametrize("name", ["land0", "Landcover-9000001", "Landcover-9000004", "UNHCR-CUBs900001"])
def test_more_blur_scores_lower(request: pytest.FixtureRequest, name: str) -> None:
    image, _ = scene(request, name)
    results = [score(blurred(image, sigma), target_of(image)) for sigma in (0.5, 0.8, 1.2, 1.8, 2.7, 4.0)]
    for metric in ("psnr", "ssim", "psnr_raw"):
        values = [number(result, metric) for result in results]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", ["land0", *TEXTURED[:6]])
def test_swapped_bands_are_noticed(request: pytest.FixtureRequest, name: str) -> None:
    image, bicubic = scene(request, name)
    right, wrong = score(bicubic, target_of(image)), score(bicubic[::-1].copy(), target_of(image))
    assert number(wrong, "psnr") < number(right, "psnr") - 0.1
    assert number(wrong, "sam") > number(right, "sam")


def assert_defined(
    prediction: Image, target: Image, valid: NDArray[np.bool_] | None = None, frame: Frame | None = None
) -> TileScore:
    """The whole chain against the slow reference."""
    result = score(prediction, target_of(target, valid), frame)
    window = np.ones(target.shape[1:], dtype=bool) if valid is None else valid
    window = window[20:-20, 20:-20]
    mask = window
    if frame is not None:  # four target pixels a side for each of frame 0
        mask = window & np.kron(frame.clear, np.ones((4, 4), dtype=bool))[20:-20, 20:-20]
    expected = reference.wsb(prediction, target, window, mask)
    assert result.levels is not None
    biases = {f"bias_{band}": value for band, value in zip("rgb", result.levels.bias, strict=True)}
    found = {
        **result.metrics,
        "shift_y": result.shift_y,
        "shift_x": result.shift_x,
        "clipped": result.clipped,
        **biases,
    }
    for name, value in expected.items():
        if np.isnan(value):
            assert found[name] is None
            continue
        # Float32 images against float64: an angle moves by more than a level.
        tolerance = {"sam": 2e-4}.get(name, 1e-5 if name.startswith("psnr") else 2e-6)
        assert found[name] == pytest.approx(value, abs=tolerance), name
    return result


@pytest.mark.shared
@pytest.mark.parametrize("name", ["Landcover-9000001", "Landcover-9000004", "Landcover-9000005"])
def test_every_number_is_its_definition(realdata: Path, name: str) -> None:
    tile = real_tile(realdata, name)
    result = assert_defined(tile.bicubic, tile.target.image)
    with_frame = score(tile.bicubic, tile.target, tile.frame)
    assert with_frame.metrics["psnr_bicubic"] == pytest.approx(number(result, "psnr"), abs=0.05)  # its clouds differ


@pytest.mark.parametrize("case", ["offset", "wild", "holes", "saturated", "contrast", "far", "black"])
def test_every_number_is_its_definition_where_levels_matter(case: str) -> None:
    rng = np.random.default_rng(5)
    target, valid = land(160).copy(), np.ones((160, 160), dtype=bool)
    prediction = shifted(enlarged(land(160)), 1.25, -2.0) + rng.normal(0, 0.003, (3, 160, 160)).astype(np.float32)
    if case == "offset":
        prediction += np.array([-0.3, 0.1, 0.7], np.float32)[:, None, None]
    if case == "wild":
        prediction.reshape(3, -1)[:, rng.integers(0, 160 * 160, 30)] = np.array([1e3, -9999, 1e6], np.float32)[:, None]
    if case == "holes":
        valid[::4] = valid[:, ::4] = False  # every pixel that the offset would start from
        target[:, ~valid] = 0
        prediction[:, ~valid] = 5
    if case == "saturated":
        target, prediction = (image * np.float32(6) - np.float32(0.3) for image in (target, prediction))
        target = target.clip(0, 1)
        prediction += np.float32(0.2)
    if case == "contrast":
        prediction = (prediction - np.float32(0.2)) * np.float32(8)
    if case == "far":
        prediction[0] += 40
    if case == "black":
        prediction[1] = 0.25
        prediction[2] = np.where(rng.random((160, 160)) < 0.5, -50, 50)
    result = assert_defined(prediction, target, None if valid.all() else valid)
    assert (result.clipped or 0) > 0 or case in ("offset", "holes", "far")


def test_a_hole_of_no_data_is_left_out() -> None:
    image = land(200).copy()
    valid = np.ones((200, 200), dtype=bool)
    valid[60:90, 70:130] = False
    image[:, ~valid] = 0
    prediction = enlarged(land(200))
    moved = shifted(prediction, 3.0, 1.0)
    whole, holed = score(moved, target_of(land(200))), score(moved, target_of(image, valid))
    assert holed.shift_y == pytest.approx(whole.shift_y, abs=0.0626)
    assert holed.shift_x == pytest.approx(whole.shift_x, abs=0.0626)
    for metric, tolerance in (("psnr", 0.5), ("ssim", 0.05), ("sam", 1.0)):
        assert number(holed, metric) == pytest.approx(number(whole, metric), abs=tolerance)
    inside = moved.copy()
    inside[:, 80:86, 85:115] = 1.0  # farther inside than the filters reach
    disturbed = score(inside, target_of(image, valid))
    assert number(disturbed, "psnr") == pytest.approx(number(holed, "psnr"), abs=1e-6)


def test_the_target_with_a_hole_still_scores_the_cap() -> None:
    image = land(200).copy()
    valid = np.ones((200, 200), dtype=bool)
    valid[60:90, 70:130] = False
    image[:, ~valid] = 0
    result = score(np.roll(image, (2, -3), (1, 2)), target_of(image, valid))
    assert (result.shift_y, result.shift_x) == (2, -3)
    assert number(result, "psnr") == CAP_DB


def test_clouds_over_half_of_frame_0_do_not_steer_the_shift() -> None:
    """A bright cloud in the prediction, moved the other way; the mask of frame 0 is wider, as masks are."""
    target = land(200)
    prediction = shifted(enlarged(target), 2.0, -1.0)
    clouds = np.roll(land(200, 7), (-6, 6), (1, 2)) * 4
    cloudy = np.zeros((200, 200), dtype=bool)
    cloudy[:, :110] = True
    prediction = np.where(np.roll(cloudy, -12, 1) & cloudy, clouds, prediction).astype(np.float32)
    clear = ~cloudy[::4, ::4]
    rgb = target.reshape(3, 50, 4, 50, 4).mean(axis=(2, 4))
    seen, blind = score(prediction, target_of(target), Frame(rgb, clear)), score(prediction, target_of(target))
    assert seen.shift_y == pytest.approx(2.0, abs=0.125)
    assert seen.shift_x == pytest.approx(-1.0, abs=0.125)
    assert (blind.shift_y, blind.shift_x) != (seen.shift_y, seen.shift_x)
    assert number(seen, "lr_consistency") < 0.05


def under_clouds(share: float, times: float, *, thin: bool = False) -> tuple[Image, Image, Frame]:
    """A prediction at (2, -1) with clouds over a share of the window that lie elsewhere, its target, and frame 0 with a
    mask that is 12 px wider."""
    side = 320
    target = land(side)
    prediction, clouds = shifted(enlarged(target), 2.0, -1.0), np.roll(land(side, 7), (-6, 6), (1, 2)) * times
    edge = 20 + round(share * (side - 40))
    # What is seen through a thin cloud is half of the land.
    prediction[..., :edge] = 0.5 * (prediction + clouds)[..., :edge] if thin else clouds[..., :edge]
    clear = np.ones((side // 4, side // 4), dtype=bool)
    clear[:, : -(-(edge + 12) // 4)] = False
    rgb = target.reshape(3, side // 4, 4, side // 4, 4).mean(axis=(2, 4))
    return prediction.astype(np.float32), target, Frame(rgb, clear)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.7])
@pytest.mark.parametrize(("times", "thin"), [(2.5, False), (4, False), (8, False), (3, True)])
def test_clouds_of_any_brightness_do_not_steer_the_shift(share: float, times: float, thin: bool) -> None:
    prediction, target, frame = under_clouds(share, times, thin=thin)
    result = score(prediction, target_of(target), frame)
    assert (result.shift_y, result.shift_x) == pytest.approx((2.0, -1.0), abs=0.0625)
    assert number(result, "lr_consistency") < 0.02


def test_every_number_is_its_definition_under_clouds() -> None:
    prediction, target, frame = under_clouds(0.5, 4)
    part = slice(0, 160), slice(80, 240)  # the clouds end in the middle of it
    clear = frame.clear[:40, 20:60]
    result = assert_defined(prediction[:, *part], target[:, *part], frame=Frame(None, clear))
    assert (result.clipped or 0) > 0


@pytest.mark.parametrize("times", [2.5, 4, 8])
def test_clouds_that_the_mask_misses_give_finite_scores(times: float) -> None:
    prediction, target, frame = under_clouds(0.5, times)
    result = score(prediction, target_of(target), Frame(frame.rgb, np.ones_like(frame.clear)))
    assert all(value is None or np.isfinite(value) for value in result.metrics.values())
    assert 5 < number(result, "psnr") < 30
    assert result.levels is not None
    assert np.isfinite(result.levels.bias).all()


def test_under_a_quarter_clear_every_valid_pixel_registers() -> None:
    target, prediction = land(200), shifted(enlarged(land(200)), 2.0, -1.0)
    clear = np.zeros((50, 50), dtype=bool)
    clear[:, :12] = True
    rgb = target.reshape(3, 50, 4, 50, 4).mean(axis=(2, 4))
    overcast, blind = score(prediction, target_of(target), Frame(rgb, clear)), score(prediction, target_of(target))
    assert (overcast.shift_y, overcast.shift_x) == (blind.shift_y, blind.shift_x)
    assert overcast.metrics["lr_consistency"] is None
    assert "clear" in overcast.nulls["lr_consistency"]
    assert overcast.metrics["psnr_bicubic"] is not None


@pytest.mark.parametrize(("level", "contrast"), [(0.9, 0.1), (0.02, 0.01), (0.03, 0.0)], ids=["snow", "water", "flat"])
def test_bright_and_dark_tiles_have_sensible_scores(level: float, contrast: float) -> None:
    target = (level + contrast * (land(200) - 0.2)).clip(0, 1).astype(np.float32)
    prediction = (level + contrast * (enlarged(land(200)) - 0.2)).clip(0, 1).astype(np.float32)
    rgb = target.reshape(3, 50, 4, 50, 4).mean(axis=(2, 4))
    result = score(prediction, target_of(target), Frame(rgb, np.ones((50, 50), dtype=bool)))
    assert 30 < number(result, "psnr") <= CAP_DB
    assert 0 < number(result, "ssim") <= 1 + 1e-6
    assert 0 <= number(result, "sam") < 5
    assert result.shift_at_edge is False
    assert all(value is None or np.isfinite(value) for value in result.metrics.values())
    if contrast == 0:
        assert (result.shift_y, result.shift_x) == (0, 0)
        assert number(result, "psnr") == CAP_DB


def test_a_shift_beyond_the_search_is_reported() -> None:
    result = score(np.roll(land(200), (12, 0), (1, 2)), target_of(land(200)))
    assert result.shift_at_edge is True
    assert number(result, "psnr") < 30

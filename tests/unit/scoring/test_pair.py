"""score_pair, the one call that most people need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

import worldstrat_bench
from scoring_scenes import Image, blurred, enlarged, land, target_of
from worldstrat_bench import score_pair
from worldstrat_bench.data.target import TargetImage
from worldstrat_bench.errors import DataError, ModelError, UsageError
from worldstrat_bench.printed import plain_number
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring import make_scorer
from worldstrat_bench.scoring.types import Frame


def test_arrays_and_tensors_in_numbers_out() -> None:
    values = score_pair(enlarged(land(200)), torch.from_numpy(land(200).copy()))
    assert values["psnr"] is not None
    assert 15 < values["psnr"] < 50
    assert values["shift_y"] is not None
    assert values["lr_consistency"] is None
    assert values["psnr_bicubic"] is None


def test_only_what_was_asked_for() -> None:
    values = score_pair(land(200), land(200), metrics=["ssim", "psnr"])
    assert values == {"ssim": pytest.approx(1.0), "psnr": 100.0}
    with pytest.raises(UsageError, match="msssim"):
        score_pair(land(200), land(200), metrics=["msssim"])


@pytest.mark.parametrize("protocol", ["wsb-1", "probav"])
def test_valid_pixels_alone_count(protocol: str) -> None:
    valid = np.ones((200, 200), dtype=bool)
    valid[50:90, 100:150] = False
    prediction = land(200).copy()
    prediction[:, 60:80, 110:140] = 0.9
    assert score_pair(prediction, land(200), protocol, valid=valid)["psnr"] == 100.0
    unmasked = score_pair(prediction, land(200), protocol)["psnr"]
    assert unmasked is not None
    assert unmasked < 40


def test_the_clear_mask_steers_the_shift_alone() -> None:
    """The left half is moved one way, the right half the other."""
    right, left = np.roll(land(200), (2, 2), (1, 2)), np.roll(land(200), (-3, 0), (1, 2))
    prediction = np.concatenate([left[:, :, :100], right[:, :, 100:]], axis=2)
    clear = np.zeros((50, 50), dtype=bool)
    clear[:, 30:] = True
    values = score_pair(prediction, land(200), clear=clear)
    assert (values["shift_y"], values["shift_x"]) == (2.0, 2.0)
    values = score_pair(prediction, land(200), clear=~clear[:, ::-1][:, ::-1] & (np.arange(50) < 20))
    assert (values["shift_y"], values["shift_x"]) == (-3.0, 0.0)


def test_another_size_is_resampled() -> None:
    assert (score_pair(land(200)[:, ::2, ::2], land(200))["psnr"] or 0) > 15


def test_faults_are_named() -> None:
    with pytest.raises(UsageError, match="protocol"):
        score_pair(land(200), land(200), "wsb-0")
    with pytest.raises(UsageError, match="target"):
        score_pair(land(200), land(200)[0])
    with pytest.raises(UsageError, match="valid"):
        score_pair(land(200), land(200), valid=np.ones((5, 5), dtype=bool))
    with pytest.raises(DataError, match="valid"):
        score_pair(land(200), land(200), valid=np.zeros((200, 200), dtype=bool))
    with pytest.raises(DataError, match="500"):
        score_pair(land(200), land(200), "worldstrat-2022")
    with pytest.raises(ModelError, match="finite"):
        score_pair(land(200) * np.nan, land(200))
    with pytest.raises(DataError, match="small"):
        score_pair(land(30), land(30))


def test_is_the_packages_own_name() -> None:
    assert worldstrat_bench.score_pair is score_pair


def test_the_2022_protocol_is_wrong_in_the_known_way() -> None:
    """Identical images are not perfect; read three pixels on, they are better. Corrected, they are perfect."""
    image = land(500)
    itself = score_pair(image, image, "worldstrat-2022")["psnr"]
    moved = score_pair(np.roll(image, (-3, -3), (1, 2)), image, "worldstrat-2022")["psnr"]
    assert itself is not None
    assert moved is not None
    assert itself < 40
    assert moved > itself + 3
    assert score_pair(image, image, "worldstrat-2022-fixed")["psnr"] == 100.0


def test_the_corrected_2022_protocol_still_rewards_blur_by_moving_the_truth() -> None:
    """Half a pixel off, the truth is interpolated, and the sharp prediction pays more than the blurred one."""
    image = land(500)
    half = (image + np.roll(image, 1, 2)) / 2
    sharp = score_pair(image, image, "worldstrat-2022-fixed")["psnr"]
    assert sharp == 100.0
    assert (score_pair(blurred(half, 0.5), image, "worldstrat-2022-fixed")["psnr"] or 0) > 20


def test_probav_takes_the_best_of_each() -> None:
    moved = np.roll(land(200), (3, -2), (1, 2))
    values = score_pair(moved + np.float32(0.02), land(200), "probav")
    assert values["psnr"] == pytest.approx(100.0, abs=1e-3)
    assert values["ssim"] == pytest.approx(1.0, abs=1e-6)
    assert (values["shift_y"], values["shift_x"]) == (3.0, -2.0)
    outside = score_pair(np.roll(land(200), (4, 0), (1, 2)), land(200), "probav")["psnr"]
    assert outside is not None
    assert outside < 40


@pytest.mark.parametrize(
    ("scale", "words"),
    [
        (lambda x: x * 255, "divide target and prediction by 255"),
        (lambda x: x * 10_000, "divide target and prediction by 10,000"),
        (lambda x: x * 2 - 1, "-1 to 1"),
        (lambda x: x - 3, "below 0"),
        (lambda x: x * 1e7, "by their scale"),
    ],
    ids=["255", "10000", "signed", "negative", "huge"],
)
@pytest.mark.parametrize("protocol", ["wsb-1", "probav"])
def test_a_target_in_another_unit_is_refused_by_range_and_scale(
    scale: Callable[[Image], Image], words: str, protocol: str
) -> None:
    target = scale(land(160))
    with pytest.raises(DataError, match="has values from") as caught:
        score_pair(land(160), target, protocol)
    least, most = (plain_number(float(value), 4) for value in (target.min(), target.max()))
    assert f"from {least} to {most}" in str(caught.value)
    assert "e+" not in str(caught.value)
    assert words in str(caught.value)


def test_a_little_overshoot_and_anything_without_data_are_accepted() -> None:
    target = land(160).copy()
    target[:, 40, 40], target[:, 50, 50] = -0.01, 1.5
    assert score_pair(land(160), target)["psnr"] is not None
    valid = np.ones((160, 160), dtype=bool)
    valid[60:70] = False
    target[:, ~valid] = -9999
    assert score_pair(land(160), target, valid=valid)["psnr"] is not None
    with pytest.raises(DataError, match="-9999"):
        score_pair(land(160), target)


def test_what_a_masked_array_hides_is_not_valid() -> None:
    hidden = np.zeros((160, 160), dtype=bool)
    hidden[:, :60] = True
    mask = np.broadcast_to(hidden, (3, 160, 160))
    target, prediction = np.where(mask, 0, land(160)).astype(np.float32), enlarged(land(160))
    expected = score_pair(prediction, target, valid=~hidden)
    for fill in (0, -9999, np.nan):
        stored = np.where(mask, np.float32(fill), target)
        assert score_pair(prediction, np.ma.masked_array(stored, mask=mask)) == expected
    one_band = np.ma.masked_array(target, mask=mask & (np.arange(3) == 1)[:, None, None])
    one_band.data[:, hidden] = 0
    assert score_pair(prediction, one_band) == expected
    assert score_pair(prediction, target, valid=np.ma.masked_array(np.ones_like(hidden), mask=hidden)) == expected
    most = np.broadcast_to(np.arange(160) < 110, (3, 160, 160))
    with pytest.raises(DataError, match="valid"):
        score_pair(prediction, np.ma.masked_array(target, mask=most))


def test_what_a_prediction_masks_is_not_valid_either() -> None:
    hidden = np.zeros((160, 160), dtype=bool)
    hidden[70:90, 60:120] = True
    prediction = enlarged(land(160))
    stored = np.where(hidden, np.float32(np.nan), prediction)
    masked = np.ma.masked_array(stored, mask=np.broadcast_to(hidden, (3, 160, 160)))
    values, plain = score_pair(masked, land(160)), score_pair(prediction, land(160), valid=~hidden)
    assert (values["shift_y"], values["shift_x"]) == (plain["shift_y"], plain["shift_x"])
    assert values["psnr"] == pytest.approx(plain["psnr"], abs=0.1)
    with pytest.raises(UsageError, match="masked prediction"):
        score_pair(np.ma.masked_array(stored, mask=masked.mask)[:, ::2, ::2], land(160))
    scorer = make_scorer(load_protocol("wsb-1"))
    with pytest.raises(ModelError, match="masked"):
        scorer.score(masked, scorer.prepare(target_of(land(160)), None))
    hole = np.ma.masked_array(land(160).copy(), mask=masked.mask)
    given = TargetImage(hole, np.ones((160, 160), dtype=bool), "0" * 64, usable=True)
    by_hand = target_of(np.where(hidden, 0, land(160)).astype(np.float32), ~hidden)
    assert scorer.score(prediction, scorer.prepare(given, None)) == scorer.score(
        prediction, scorer.prepare(by_hand, None)
    )


@pytest.mark.parametrize("protocol", ["wsb-1", "probav", "worldstrat-2022-fixed"])
@pytest.mark.parametrize(
    ("scale", "words"), [(400.0, "divide by 255"), (-9_000.0, "divide by 10,000"), (3e8, "far beyond")]
)
def test_a_prediction_in_another_unit_is_refused_with_its_likely_scale(protocol: str, scale: float, words: str) -> None:
    side = 500 if protocol.startswith("worldstrat") else 160
    image = land(side)
    with pytest.raises(ModelError, match=words):
        score_pair(np.clip(image * scale, -np.inf, 250 if words.endswith("255") else np.inf), image, protocol)
    wild = image.copy()
    wild[:, 7, 3:9] = scale
    assert score_pair(wild, image, protocol)["psnr"] is not None  # the median decides, not a few pixels


@pytest.mark.parametrize("protocol", ["wsb-1", "probav"])
def test_an_accepted_target_is_clipped(protocol: str) -> None:
    target = land(160).copy()
    target[1, 60:70, 60:70], target[0, 90, 90:99] = 1.3, -0.006
    assert score_pair(target.clip(0, 1), target, protocol)["psnr"] == 100.0
    assert score_pair(target.clip(0, 1), target, protocol) == score_pair(target.clip(0, 1), target.clip(0, 1), protocol)
    assert target.max() == np.float32(1.3)


@pytest.mark.parametrize("protocol", ["wsb-1", "probav"])
def test_a_prediction_smaller_than_the_native_grid_is_refused(protocol: str) -> None:
    with pytest.raises(ModelError, match="39 x 40 px, the native grid 40 x 40"):
        score_pair(land(160)[:, :39, :40], land(160), protocol)
    assert score_pair(land(160)[:, ::4, ::4], land(160), protocol)["psnr"] is not None
    scorer = make_scorer(load_protocol(protocol))
    frame = Frame(np.full((3, 42, 41), 0.2, np.float32), np.ones((42, 41), dtype=bool))
    prepared = scorer.prepare(target_of(land(160)), frame)
    assert scorer.score(land(160)[:, :42, :41], prepared).metrics["psnr"] is not None
    for height, width in ((41, 160), (160, 40)):
        with pytest.raises(ModelError, match="the native grid 42 x 41"):
            scorer.score(land(160)[:, :height, :width], prepared)


def test_masks_are_flags_of_two_axes() -> None:
    clear = np.zeros((40, 40), dtype=bool)
    clear[5:, 8:] = True
    plain = score_pair(enlarged(land(160)), land(160), clear=clear)
    for same in (clear[None], clear.astype(np.float64), torch.from_numpy(clear).to(torch.uint8)):
        assert score_pair(enlarged(land(160)), land(160), clear=same) == plain
    everywhere = np.ones((160, 160))
    for name, wrong in (
        ("valid", everywhere * 0.7),
        ("valid", everywhere * np.nan),
        ("clear", np.full((40, 40), 255, np.uint8)),
        ("clear", np.ones((2, 40, 40), dtype=bool)),
        ("clear", np.ones((0, 40), dtype=bool)),
        ("valid", everywhere[0]),
    ):
        with pytest.raises(UsageError, match=f"{name} has"):
            score_pair(land(160), land(160), **{name: wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("most", [1.7, 2.09, 6.5])
def test_a_bright_target_that_was_not_clipped_is_not_taken_for_bytes(most: float) -> None:
    target = land(160).copy()
    target[:, 50, 60] = most
    with pytest.raises(DataError, match=r"clip the target to \[0, 1\]"):
        score_pair(land(160), target)

"""score_pair, the one call that most people need."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import worldstrat_bench
from scoring_scenes import blurred, enlarged, land
from worldstrat_bench import score_pair
from worldstrat_bench.errors import DataError, ModelError, UsageError


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

"""SSIM against scikit-image, and the loss of the 2022 scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.metrics import structural_similarity
from torch._subclasses.fake_tensor import FakeTensorMode

from scoring_scenes import REAL_TILES, blurred, land, real_tile
from worldstrat_bench.metrics.ssim import ssim, ssim_map, ssim_target, whole_windows
from worldstrat_bench.metrics.ssim_loss import ssim_loss
from worldstrat_bench.metrics.stretch import stretch, white_level


def scikit(prediction: NDArray[Any], target: NDArray[Any], *, full: bool = False) -> Any:
    similarity: Any = structural_similarity
    return similarity(
        target.astype(np.float64),
        prediction.astype(np.float64),
        channel_axis=0,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=full,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sigma", [0.5, 3.0])
def test_equals_scikit_image(dtype: torch.dtype, sigma: float) -> None:
    target = land(150).astype(np.float64) * 2
    prediction = blurred(target, sigma).astype(np.float64) + 0.03
    value = ssim(torch.from_numpy(prediction).to(dtype), ssim_target(torch.from_numpy(target).to(dtype)))
    tolerance = 1e-6 if dtype == torch.float32 else 1e-13
    assert float(value) == pytest.approx(scikit(prediction, target), abs=tolerance)


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL_TILES)
def test_equals_scikit_image_on_real_tiles(realdata: Path, name: str) -> None:
    tile = real_tile(realdata, name)
    target, prediction = (torch.from_numpy(i[:, 20:-20, 20:-20].copy()) for i in (tile.target.image, tile.bicubic))
    white = white_level(target, None, white_min=0.3, percentile=99.5)
    seen, shown = stretch(target, white), stretch(prediction, white)
    assert float(ssim(shown, ssim_target(seen))) == pytest.approx(scikit(shown.numpy(), seen.numpy()), abs=1e-6)


def test_bright_smooth_places_lose_no_digits() -> None:
    """Snow: a level of 0.98 with a texture of 0.001, where float32 variances would be noise if not centred."""
    target = (0.98 + 0.003 * (land(120) - 0.15)).astype(np.float32)
    prediction = blurred(target, 1.0)
    value = ssim(torch.from_numpy(prediction), ssim_target(torch.from_numpy(target)))
    assert float(value) == pytest.approx(scikit(prediction, target), abs=1e-6)


def test_positions_with_a_hole_in_their_window_do_not_count() -> None:
    target, prediction = land(90), blurred(land(90), 1.0)
    valid = np.ones((90, 90), dtype=bool)
    valid[30:34, 50:70] = valid[80, 80] = False
    _, full = scikit(prediction, target, full=True)
    whole = ndimage.binary_erosion(valid, np.ones((11, 11)), border_value=0)
    value = ssim(torch.from_numpy(prediction), ssim_target(torch.from_numpy(target.copy()), torch.from_numpy(valid)))
    assert float(value) == pytest.approx(full[:, whole].mean(), abs=1e-6)
    np.testing.assert_array_equal(whole_windows(torch.from_numpy(valid), 11).numpy(), whole[5:-5, 5:-5])


def test_no_whole_window_is_not_a_number() -> None:
    image = torch.from_numpy(land(60).copy())
    valid = torch.zeros(60, 60, dtype=torch.bool)
    assert ssim(image, ssim_target(image, valid)).isnan()


def test_a_batch_is_its_members() -> None:
    target, prediction = torch.rand(2, 4, 3, 30, 31)
    together = ssim(prediction, ssim_target(target))
    for i in range(4):
        torch.testing.assert_close(together[i], ssim(prediction[i], ssim_target(target[i])), rtol=0, atol=1e-6)


def test_loss_is_its_definition() -> None:
    """kornia's: reflect padding, a 5 x 5 window, the map clamped before the mean."""
    target, prediction = land(60).astype(np.float64), np.flip(land(60, 1), 0).astype(np.float64).copy()
    x = np.arange(-2, 3)
    taps = np.exp(-(x**2) / (2 * 1.5**2))
    window = np.outer(taps, taps)[None] / taps.sum() ** 2

    def mean(image: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(ndimage.correlate(image, window, mode="mirror"))

    p, t = mean(prediction), mean(target)
    variances = mean(prediction**2) - p**2 + mean(target**2) - t**2
    covariance = mean(prediction * target) - p * t
    values = (2 * p * t + 1e-4) * (2 * covariance + 9e-4) / ((p**2 + t**2 + 1e-4) * (variances + 9e-4))
    expected = np.clip((1 - values) / 2, 0, 1).mean()
    assert float(ssim_loss(torch.from_numpy(prediction), torch.from_numpy(target))) == pytest.approx(
        expected, abs=1e-12
    )


def test_runs_on_a_gpu_as_far_as_can_be_told_without_one() -> None:
    with FakeTensorMode():
        target = torch.empty(2, 3, 60, 61, device="cuda")
        value = ssim(target, ssim_target(target, target[:, 0] > 0))
        assert ssim_map(target, ssim_target(target)).shape == (2, 3, 50, 51)
        loss = ssim_loss(target, target)
    assert {value.device.type, loss.device.type} == {"cuda"}

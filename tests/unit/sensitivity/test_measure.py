"""Each setting of a study against another way to the same number: the scorer itself, or plain NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from worldstrat_bench.data.target import make_target
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.registration.offset import prepare_offset
from worldstrat_bench.scoring import make_scorer
from worldstrat_bench.scoring.types import Frame
from worldstrat_bench.sensitivity.choices import Setting, load_choices, variants
from worldstrat_bench.sensitivity.measure import fitted, resize_by, tile_errors

WSB = load_protocol("wsb-1")
USUAL = variants(load_choices())[0].setting
SIDE = 170


@pytest.fixture(scope="module")
def hr() -> NDArray[np.uint16]:
    """A scene with texture, and without data along one side."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    waves = [np.sin(2 * np.pi * (x * a + y * b)) for a, b in ((0.02, 0.05), (0.11, 0.03), (0.2, 0.17))]
    image = np.stack([0.3 + 0.05 * sum(waves) + rng.normal(0, 0.02, (SIDE, SIDE)) for _ in range(4)])
    image[:, :, :30] = 0
    return (image.clip(0, 1) * 10_000).astype(np.uint16)


def clear() -> NDArray[np.bool_]:
    mask = np.ones((26, 26), dtype=bool)
    mask[:9] = False
    return mask


def prediction(hr: NDArray[np.uint16]) -> NDArray[np.float32]:
    target = make_target(hr, WSB).image
    rough = np.random.default_rng(1).normal(0, 0.01, target.shape)
    moved: NDArray[np.float32] = np.roll(0.8 * target + 0.03 + rough, (2, -1), axis=(1, 2)).astype(np.float32)
    return moved


def changed(setting: Setting) -> Protocol:
    search = {"radius": setting.radius, "sigma": setting.sigma, "cut": int(4 * setting.sigma)}
    update = {
        "registration": WSB.registration.model_copy(update=search),
        "target": WSB.target.model_copy(update={"border": setting.border}),
    }
    return WSB.model_copy(update=update)


@pytest.mark.parametrize(
    "setting",
    [
        USUAL,
        replace(USUAL, radius=4),
        replace(USUAL, radius=12),
        replace(USUAL, sigma=1.0),
        replace(USUAL, sigma=3.0),
        replace(USUAL, border=12),
        replace(USUAL, border=32, radius=12),
    ],
    ids=str,
)
def test_a_setting_gives_the_score_of_a_protocol_with_it(hr: NDArray[np.uint16], setting: Setting) -> None:
    image = prediction(hr)
    (row,) = tile_errors(hr, clear(), [image, image[:, :64, :64]], [setting], WSB)
    scorer = make_scorer(changed(setting))
    prepared = scorer.prepare(make_target(hr, changed(setting)), Frame(None, clear()))
    for value, own in zip(row, (image, image[:, :64, :64]), strict=True):
        score = scorer.score(own, prepared).metrics["psnr"]
        assert -10 * np.log10(value) == pytest.approx(score, abs=1e-9)


def test_what_is_removed_of_the_bands(hr: NDArray[np.uint16]) -> None:
    image = prediction(hr)
    levels = [replace(USUAL, level=level) for level in ("bias", "nothing", "gain and bias")]
    bias, nothing, both = tile_errors(hr, clear(), [image], levels, WSB)[:, 0]
    scorer = make_scorer(WSB)
    raw = scorer.score(image, scorer.prepare(make_target(hr, WSB), Frame(None, clear()))).metrics["psnr_raw"]
    assert -10 * np.log10(nothing) == pytest.approx(raw, abs=1e-9)
    assert both < bias < nothing


def test_gain_and_bias_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(2)
    window, target = rng.uniform(0.2, 0.6, (3, 20, 20)), rng.uniform(0.2, 0.6, (3, 20, 20))
    mask = rng.random((20, 20)) < 0.7
    window[2] = 0.4
    made = fitted(
        torch.from_numpy(window).float(),
        prepare_offset(torch.from_numpy(target).float(), torch.from_numpy(mask), torch.from_numpy(mask), 4),
    )
    for band in (0, 1):
        matrix = np.stack([window[band][mask], np.ones(int(mask.sum()))], axis=1)
        gain, bias = np.linalg.lstsq(matrix, target[band][mask], rcond=None)[0]
        np.testing.assert_allclose(made[band].numpy(), gain * window[band] + bias, atol=1e-5)
    np.testing.assert_allclose(made[2].numpy(), target[2][mask].mean(), atol=1e-5)


def test_the_area_kernel_is_the_mean_over_the_area() -> None:
    image = np.random.default_rng(3).random((2, 50, 50))
    made = resize_by("area", WSB)(torch.from_numpy(image), 30).numpy()
    fine = np.repeat(np.repeat(image, 3, axis=1), 3, axis=2)  # 150 px: five to a pixel of 30
    np.testing.assert_allclose(made, fine.reshape(2, 30, 5, 30, 5).mean(axis=(2, 4)), atol=1e-12)


def test_the_mtf_kernel_passes_its_share_at_the_nyquist_frequency() -> None:
    size, side = 200, 120
    x = (np.arange(size) + 0.5) * side / size
    wave = np.cos(np.pi * (x - 0.5))  # two pixels of the target, with extremes at their centres
    image = torch.from_numpy(np.broadcast_to(wave, (1, size, size)).copy())
    made = resize_by("mtf", WSB)(image, side)[0, 60].numpy()[20:-20]
    np.testing.assert_allclose(np.abs(made), 0.3, atol=0.01)


def test_a_border_that_leaves_too_few_valid_pixels_gives_none(hr: NDArray[np.uint16]) -> None:
    """A frame of 18 px of the target is without data: less than half is left of the whole, and all of its middle."""
    framed = np.zeros_like(hr)
    framed[:, 30:-30, 30:-30] = hr[:, 30:-30, 30:-30].clip(1)
    wide, narrow = tile_errors(framed, clear(), [prediction(hr)], [replace(USUAL, border=0), USUAL], WSB)
    assert np.isnan(wide).all()
    assert np.isfinite(narrow).all()

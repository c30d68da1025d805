"""Near infrared: its own columns by an independent computation, and not a bit of difference for R, G and B."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from scoring_scenes import blurred, land, target_of
from worldstrat_bench.errors import ModelError
from worldstrat_bench.metrics.nir import ndvi, ndvi_mae, sam4
from worldstrat_bench.metrics.sam import sam
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring import Frame, make_scorer, score_pair
from worldstrat_bench.scoring.wsb import WsbScorer

PROTOCOL = load_protocol("wsb-1")
COLUMNS = ("psnr_nir", "sam4", "ndvi_mae")
Floats = NDArray[np.float64]


def four(seed: int = 0, side: int = 200) -> NDArray[np.float32]:
    """(4, H, W): land with a brighter near infrared of its own texture."""
    nir = np.clip(0.1 + 1.5 * land(side, seed + 40)[:1], 0, 1)
    return np.concatenate([land(side, seed), nir]).astype(np.float32)


def angle_of(a: Floats, b: Floats) -> float:
    """Mean angle of (n, 4) spectra by the arc cosine, degrees."""
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def test_the_columns_are_those_of_numpy_on_a_pair_that_needs_no_shift_and_no_bias() -> None:
    """A gain of each band, and an offset that puts the mean back: P is the prediction itself then."""
    target = four()
    window = (slice(None), slice(20, -20), slice(20, -20))
    seen = target[window].astype(np.float64)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.02, target.shape)
    noise[window] -= noise[window].mean(axis=(1, 2), keepdims=True)
    prediction = (target + noise).astype(np.float32)
    found = score_pair(prediction, target)
    assert (found["shift_y"], found["shift_x"]) == (0, 0)
    image = prediction[window].astype(np.float64)
    image = np.clip(image + (seen - image).mean(axis=(1, 2), keepdims=True), 0, 1)
    assert found["psnr_nir"] == pytest.approx(-10 * np.log10(np.mean((image[3] - seen[3]) ** 2)), abs=0.02)
    assert found["sam4"] == pytest.approx(angle_of(image.reshape(4, -1).T, seen.reshape(4, -1).T), abs=0.02)
    bright = seen[0] + seen[3] > 0.05
    index = [(x[3] - x[0]) / np.maximum(x[3] + x[0], 1e-6) for x in (image, seen)]
    assert found["ndvi_mae"] == pytest.approx(np.abs(index[0] - index[1])[bright].mean(), abs=2e-4)


@pytest.mark.parametrize("holes", [False, True])
def test_angles_and_ndvi_are_exact(holes: bool) -> None:
    rng = np.random.default_rng(3)
    image, truth = (rng.uniform(0, 0.5, (2, 4, 30, 20)).astype(np.float32) for _ in range(2))
    truth[0, :, :5] = 0.02  # too dark for NDVI
    image[1, :, 3, 3] = 0  # no spectrum, and NDVI of nothing is 0
    valid = np.ones((2, 30, 20), bool)
    valid[1, 20:] = not holes
    a4, b4 = torch.from_numpy(image), torch.from_numpy(truth)
    bands = a4[:, :3], a4[:, 3:], b4[:, :3], b4[:, 3:]
    mask = torch.from_numpy(valid) if holes else None
    for k in range(2):
        a, b = (x[k].astype(np.float64)[:, valid[k]].T for x in (image, truth))
        keep = (np.linalg.norm(a, axis=1) > 1e-6) & (np.linalg.norm(b, axis=1) > 1e-6)
        assert float(sam4(bands, mask)[k]) == pytest.approx(angle_of(a[keep], b[keep]), abs=1e-4)
        bright = b[:, 0] + b[:, 3] > 0.05
        own = [(x[:, 3] - x[:, 0]) / np.maximum(x[:, 3] + x[:, 0], 1e-6) for x in (a, b)]
        assert float(ndvi_mae(bands, mask)[k]) == pytest.approx(np.abs(own[0] - own[1])[bright].mean(), abs=1e-6)


def test_dark_targets_have_no_ndvi_and_say_so() -> None:
    target = four() * np.float32(0.01)
    scorer = make_scorer(PROTOCOL)
    found = scorer.score(blurred(target, 1.0), scorer.prepare(target_of(target), None))
    assert found.metrics["ndvi_mae"] is None
    assert "0.05" in found.nulls["ndvi_mae"]
    assert float(ndvi(torch.zeros(1), torch.zeros(1))) == 0


def test_sam_of_three_bands_is_the_cross_product_to_the_bit() -> None:
    p, t = (torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    x, y, z = (p[(i + 1) % 3] * t[(i + 2) % 3] - p[(i + 2) % 3] * t[(i + 1) % 3] for i in range(3))
    angle = torch.atan2((x * x + y * y + z * z).sqrt(), p[0] * t[0] + p[1] * t[1] + p[2] * t[2])
    assert torch.equal(sam(p, t), torch.rad2deg(angle.sum(dtype=torch.float64) / angle.numel()))


@pytest.mark.parametrize("size", [200, 141, 50])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("wild", [False, True])
def test_red_green_and_blue_score_alike_to_the_bit(size: int, batch: int, wild: bool) -> None:
    """Whatever is in the fourth band, and on any grid."""
    scorer = WsbScorer(PROTOCOL, torch.device("cpu"), optional=make_scorer(PROTOCOL)._optional, batch=batch)  # type: ignore[attr-defined]
    target = four()
    valid = np.ones((200, 200), bool)
    valid[60:80, 90:120] = False
    frame = Frame(np.ascontiguousarray(target[:3, 2::4, 2::4]), np.ones((50, 50), bool))
    prediction = np.roll(blurred(four(), 1.2), (1, 2), (1, 2))[:, :size, :size].copy()
    if wild:
        prediction[3] = np.random.default_rng(0).normal(0, 3, (size, size))
    with_nir = scorer.prepare(target_of(target, valid), frame)
    without = scorer.prepare(target_of(target[:3], valid), frame)
    (whole,), (plain,) = scorer.score_batch([prediction], [with_nir]), scorer.score_batch([prediction[:3]], [without])
    assert set(whole.metrics) - set(plain.metrics) == set(COLUMNS)
    assert {name: value for name, value in whole.metrics.items() if name not in COLUMNS} == plain.metrics
    assert (whole.shift_y, whole.shift_x, whole.clipped, whole.levels) == (
        plain.shift_y,
        plain.shift_x,
        plain.clipped,
        plain.levels,
    )


def test_the_fourth_band_is_judged_by_its_own_unit() -> None:
    target = four()
    digital = target.copy()
    digital[3] *= 10_000
    with pytest.raises(ModelError, match="10,000"):
        score_pair(digital, target)
    assert "psnr_nir" not in score_pair(target, target[:3])
    assert "psnr_nir" not in score_pair(target[:3], target)


def test_an_offset_of_the_near_infrared_alone_costs_nothing() -> None:
    target = four()
    moved = target.copy()
    moved[3] += 0.05
    plain, other = score_pair(blurred(target, 1.0), target), score_pair(blurred(moved, 1.0), target)
    for name in COLUMNS:
        assert other[name] == pytest.approx(plain[name], rel=1e-3)

"""Resolution in metres, detail missed and invented: planted spectra, and a second implementation in plain NumPy."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

import spectral_reference
from scoring_scenes import land, real_tile, target_of
from worldstrat_bench.artefacts.spectra import BIN_WIDTH, BINS, CURVES
from worldstrat_bench.metrics.optional import Found, Pairs, load_optional
from worldstrat_bench.metrics.spectral import (
    COLUMNS,
    HOLES,
    NO_DETAIL,
    Spectral,
    coherence,
    prepare_target,
)
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring import make_scorer, score_pair

SIDE = 256
Image = NDArray[np.float64]
RING_M = 2.5 * SIDE
"""Metres of one cycle of the first ring: ring r has the half wavelength RING_M / (2 r)."""


@lru_cache(maxsize=4)
def scene(seed: int = 0, side: int = SIDE, slope: float = 1.2) -> Image:
    """(3, side, side) reflectance around 0.4 whose amplitude falls as 1 / f ** slope: detail at every scale."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    f[0, 0] = 1
    shape = 1 / (f + 0.004) ** slope
    shape[0, 0] = 0
    bands = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, side, side))) * shape).real
    image: Image = 0.4 + 0.08 * bands / np.sqrt((shape**2).mean())
    image.flags.writeable = False
    return image


def low_pass(image: Image, half_wavelength_m: float) -> Image:
    """All of an image that is coarser, to the sample."""
    f = np.hypot(np.fft.fftfreq(image.shape[-2])[:, None], np.fft.fftfreq(image.shape[-1])[None])
    return np.fft.ifft2(np.fft.fft2(image) * (f <= 2.5 / (2 * half_wavelength_m))).real


def pairs_of(*pairs: tuple[Image, Image], valid: NDArray[np.bool_] | None = None, pixel: float = 2.5) -> Pairs:
    prediction, target = (torch.from_numpy(np.stack([pair[i] for pair in pairs])).float() for i in (0, 1))
    mask = None if valid is None else torch.from_numpy(valid)
    return Pairs(
        prediction=prediction,
        unmoved=prediction,
        target=target,
        valid=[mask] * len(pairs),
        white=[1.0] * len(pairs),
        frames=["none"] * len(pairs),
        pixel=[pixel] * len(pairs),
        kept=[{} for _ in pairs],
        height=target.shape[-2],
        width=target.shape[-1],
        border=0,
    )


def found(prediction: Image, target: Image, valid: NDArray[np.bool_] | None = None) -> dict[str, float]:
    """The package's numbers, after making sure that the second implementation has the same."""
    values = Spectral()(pairs_of((prediction, target), valid=valid)).values
    mine = {name: float(value[0]) for name, value in values.items()}
    other = spectral_reference.scores(prediction.astype(np.float32), target.astype(np.float32), valid=valid)
    assert other.null == ""
    expected = [other.resolution_m, other.contrast_nyquist, other.missed, other.invented, other.energy]
    assert list(mine.values()) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    return mine


def near(metres: float) -> object:
    """The larger of 5 % and one ring."""
    ring = RING_M / (2 * metres)
    return pytest.approx(metres, abs=max(0.05 * metres, metres - RING_M / (2 * (ring + 1))))


def share_above(image: Image, half_wavelength_m: float) -> float:
    """The part of an image's detail above the input's Nyquist frequency that a low-pass takes away."""
    kept = spectral_reference.scores(np.zeros_like(image) + 1e-9 * scene(9), image)
    weight, _ = spectral_reference.weight_of(np.ones(image.shape[-2:], dtype=bool))
    power = sum(np.abs(band) ** 2 for band in spectral_reference.spectra(image, weight))
    f = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None])
    ring = np.rint(f * SIDE) / SIDE
    cut = 2.5 / (2 * half_wavelength_m)
    removed = (ring > 0.125) & (ring <= 0.5) & (f > cut)
    return float(np.asarray(power)[removed].sum()) / kept.energy


def test_the_target_itself_is_perfect() -> None:
    same = found(scene(), scene())
    assert same["resolution_m"] == 2.5
    assert same["contrast_nyquist"] == pytest.approx(1, abs=1e-12)
    assert [same["missed"], same["invented"]] == pytest.approx([0, 0], abs=1e-12)


@pytest.mark.parametrize("metres", [5.0, 7.5, 10.0, 15.0, 20.0])
def test_an_ideal_low_pass_is_found_at_its_half_wavelength(metres: float) -> None:
    soft = found(low_pass(scene(), metres), scene())
    assert soft["resolution_m"] == near(metres)
    assert soft["missed"] == pytest.approx(share_above(scene(), metres), abs=0.02)
    assert soft["invented"] < 0.02


@pytest.mark.parametrize("level", [0.05, 0.1, 0.2])
def test_white_noise_ends_the_coherence_where_its_power_is_three_times_that_of_the_target(level: float) -> None:
    """coherence = sqrt(S_H / (S_H + N)) is 1/2 where S_H = N / 3."""
    noise = np.random.default_rng(5).normal(0, level, size=(3, SIDE, SIDE))
    noisy = found(scene() + noise, scene())
    f = np.arange(1, SIDE // 2 + 1) / SIDE
    amplitude = 1 / (f + 0.004) ** 1.2
    full = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None])
    full[0, 0] = 1
    shape = 1 / (full + 0.004) ** 1.2
    shape[0, 0] = 0
    density = 0.08**2 * amplitude**2 / (shape**2).mean()  # of one sample, in units of its share of the variance
    crossing = float(np.interp(-(level**2) / 3, -density, f))
    expected = 2.5 / (2 * crossing)
    assert 2.6 < expected < 20  # not at a limit
    assert noisy["resolution_m"] == near(expected)


@pytest.mark.parametrize(("side", "level"), [(256, 0.01), (256, 0.03), (300, 0.02)])
def test_white_noise_is_invented_by_its_power_and_misses_nothing(side: int, level: float) -> None:
    image = scene(1, side)
    noise = np.random.default_rng(6).normal(0, level, size=image.shape)
    base, noisy = found(image, image), found(image + noise, image)
    weight, _ = spectral_reference.weight_of(np.ones((side, side), dtype=bool))
    ring = np.rint(np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None]) * side) / side
    samples = int(((ring > 0.125) & (ring <= 0.5)).sum())
    power = 3 * level**2 * float((weight**2).sum()) * samples
    assert noisy["invented"] == pytest.approx(power / noisy["detail_energy"], rel=0.05)
    assert noisy["missed"] - base["missed"] <= 0.01


def moved(image: NDArray[np.floating], y: float, x: float) -> Image:
    """An image moved by parts of a pixel, exactly."""
    rows, columns = np.fft.fftfreq(image.shape[-2])[:, None], np.fft.fftfreq(image.shape[-1])[None]
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * (rows * y + columns * x))).real


def assert_next_to_nothing(target: NDArray[np.floating], valid: NDArray[np.bool_] | None = None) -> None:
    names = ["resolution_m", "missed", "invented"]
    for shift in ((0.37, -1.29), (0.25, 0.5)):
        values = score_pair(moved(target, *shift).astype(np.float32), target, valid=valid, metrics=names)
        assert values["resolution_m"] == 2.5
        assert (values["missed"] or 0) <= 0.002
        assert (values["invented"] or 0) <= 0.03


def test_a_registered_sub_pixel_shift_costs_next_to_nothing() -> None:
    """The scene is softened as a sensor would: an optic that passes 0.3 at 0.5 cycles/px."""
    f = np.hypot(np.fft.fftfreq(300)[:, None], np.fft.fftfreq(300)[None])
    soft = np.fft.ifft2(np.fft.fft2(scene(2, 300)) * 0.3 ** (4 * f**2)).real
    assert_next_to_nothing(soft.astype(np.float32))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["Amnesty POI-901-1-1", "Landcover-9000002"])
def test_a_registered_sub_pixel_shift_of_a_real_tile_costs_next_to_nothing(name: str, realdata: Path) -> None:
    tile = real_tile(realdata, name)
    assert_next_to_nothing(tile.target.image, tile.target.valid)
    bicubic = score_pair(tile.bicubic, tile.target.image, metrics=["resolution_m", "missed", "invented"])
    assert 5 < (bicubic["resolution_m"] or 0) < 15
    assert (bicubic["missed"] or 0) > 0.9


def test_a_blur_misses_detail_and_keeps_the_coherence() -> None:
    blurred = ndimage.gaussian_filter(scene(), (0, 2, 2))
    soft = found(blurred, scene())
    assert soft["missed"] >= 0.8
    assert soft["invented"] < 0.02
    assert soft["contrast_nyquist"] < 0.4
    assert soft["resolution_m"] < 5


def test_the_sign_of_the_prediction_is_that_of_the_coherence() -> None:
    image, other = scene(), 0.7 * scene() + 0.3 * scene(3)
    one, minus = (spectral_reference.scores(p, image).coherence[1:] for p in (other, -other))
    assert minus == pytest.approx(-one, abs=1e-9)
    for prediction in (other, -other):
        own = Spectral()(pairs_of((prediction, image)))
        assert torch.isfinite(own.values["missed"]).all()
    curves = [Spectral()(pairs_of((p, image))).curves for p in (other, -other)]
    truth, shown, cross = (curves[0][name] for name in CURVES)
    mirrored = coherence(*(curves[1][name] for name in CURVES))
    assert torch.allclose(mirrored, -coherence(truth, shown, cross), atol=1e-6)
    assert found(-other, image)["resolution_m"] == 40


def test_a_gain_changes_contrast_and_shares_but_not_the_coherence() -> None:
    noise = np.random.default_rng(7).normal(0, 0.01, size=(3, SIDE, SIDE))
    full, weak = found(scene() + noise, scene()), found(0.7 * (scene() + noise), scene())
    assert weak["resolution_m"] == pytest.approx(full["resolution_m"], rel=1e-5)
    assert weak["contrast_nyquist"] == pytest.approx(0.7 * full["contrast_nyquist"], rel=1e-5)
    assert weak["missed"] == pytest.approx(0.09, abs=0.01)
    assert weak["invented"] == pytest.approx(0.49 * full["invented"], rel=1e-4)
    assert found(scene() + 0.1, scene())["missed"] < 1e-7  # a bias changes nothing


def test_missed_and_invented_sum_to_the_squared_error() -> None:
    prediction, target = 0.6 * scene() + 0.4 * scene(4), scene()
    both = found(prediction, target)
    weight, _ = spectral_reference.weight_of(np.ones((SIDE, SIDE), dtype=bool))
    given = [spectral_reference.spectra(one.astype(np.float32), weight) for one in (prediction, target)]
    ring = np.rint(np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None]) * SIDE) / SIDE
    above = (ring > 0.125) & (ring <= 0.5)
    error = sum(float((np.abs(p - h) ** 2)[above].sum()) for p, h in zip(*given, strict=True))
    assert both["missed"] + both["invented"] == pytest.approx(error / both["detail_energy"], rel=1e-5)


def test_no_detail_at_all_is_one_and_zero() -> None:
    flat = Spectral()(pairs_of((np.full((3, SIDE, SIDE), 0.3), scene()))).values
    assert [float(flat[n]) for n in ("resolution_m", "missed", "invented")] == pytest.approx([40, 1, 0], abs=1e-6)


def holes(*blocks: tuple[slice, slice]) -> NDArray[np.bool_]:
    valid = np.ones((SIDE, SIDE), dtype=bool)
    for block in blocks:
        valid[block] = False
    return valid


QUARTER = SIDE // 4
CORNERS = holes(
    *(
        (rows, columns)
        for rows in (slice(QUARTER), slice(-QUARTER, None))
        for columns in (slice(QUARTER), slice(-QUARTER, None))
    )
)
STRIP = holes((slice(None), slice(QUARTER)))


@pytest.mark.parametrize("valid", [CORNERS, STRIP], ids=["corners", "strip"])
def test_a_quarter_of_holes_changes_little(valid: NDArray[np.bool_]) -> None:
    assert float((~valid).mean()) == 0.25
    soft = ndimage.gaussian_filter(scene(), (0, 0.8, 0.8))
    whole, holed = found(soft, scene()), found(np.where(valid, soft, 0.0), np.where(valid, scene(), 0.0), valid)
    assert holed["missed"] == pytest.approx(whole["missed"], abs=0.02)
    assert holed["invented"] == pytest.approx(whole["invented"], abs=0.02)


def test_what_cannot_be_measured_is_null_with_its_reason() -> None:
    middle = holes((slice(70, 190), slice(70, 190)))
    metric = load_optional(["spectral"])[-1]
    batch = metric(
        replace(pairs_of((scene(), scene()), (scene(), low_pass(scene(), 10))), valid=[torch.from_numpy(middle), None])
    )
    assert spectral_reference.scores(scene(), scene(), valid=middle).null == "holes"
    assert spectral_reference.scores(scene(), low_pass(scene(), 11)).null == "no detail"
    assert all(torch.isnan(batch.values[name]).all() for name in COLUMNS)
    assert set(batch.nulls[0].values()) == {HOLES}
    assert set(batch.nulls[1].values()) == {NO_DETAIL}
    assert set(batch.nulls[0]) == set(COLUMNS)


@pytest.mark.parametrize("rms", [0.0019, 0.0021])
def test_the_limit_of_detail_is_its_weighted_rms(rms: float) -> None:
    base = low_pass(scene(), 11)
    y, x = np.mgrid[:SIDE, :SIDE]
    wave = np.sin(2 * np.pi * 60 * x / SIDE) * np.ones_like(y)
    target = torch.from_numpy(base + wave * rms * np.sqrt(2)).float()
    assert prepare_target(target, None, 2.5).null == ("" if rms > 0.002 else NO_DETAIL)


def test_a_batch_has_the_numbers_of_its_tiles_and_keeps_each_target() -> None:
    one, other = (scene() + 0.01, scene()), (low_pass(scene(1), 7.5), scene(1))
    batch = pairs_of(one, other)
    together: Found = Spectral()(batch)
    for i, pair in enumerate((one, other)):
        alone = Spectral()(pairs_of(pair))
        for name in COLUMNS:
            assert float(together.values[name][i]) == float(alone.values[name][0])
        for name in CURVES:
            assert torch.equal(together.curves[name][i], alone.curves[name][0])
    kept = batch.kept[0]["spectral"]
    Spectral()(batch)
    assert batch.kept[0]["spectral"] is kept


def test_curves_hold_every_ring_once() -> None:
    values = Spectral()(pairs_of((scene() + 0.0, scene())))
    reference = spectral_reference.scores(scene(), scene())
    assert values.curves[CURVES[0]].shape == (1, BINS)
    weight, _ = spectral_reference.weight_of(np.ones((SIDE, SIDE), dtype=bool))
    power = sum(np.abs(band) ** 2 for band in spectral_reference.spectra(scene().astype(np.float32), weight))
    ring = np.rint(np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None]) * SIDE)
    inside = (ring > 0) & (ring <= SIDE // 2)
    total = float(np.asarray(power)[inside].sum())
    assert float(values.curves[CURVES[0]].sum()) == pytest.approx(total, rel=1e-5)
    finer = float(values.curves[CURVES[0]][0, int(0.05 / BIN_WIDTH) + 1 :].sum())
    assert finer < reference.energy


@pytest.mark.parametrize("shape", [(200, 203), (171, 150)])
def test_sides_may_be_odd_and_differ(shape: tuple[int, int]) -> None:
    image = scene()[:, : shape[0], : shape[1]]
    values = Spectral()(pairs_of((image, image))).values
    assert float(values["resolution_m"]) == 2.5
    assert float(values["missed"]) == pytest.approx(0, abs=1e-12)


def test_the_pixel_in_metres_is_that_of_the_target() -> None:
    soft = low_pass(scene(), 7.5)
    narrow, wide = (float(Spectral()(pairs_of((soft, scene()), pixel=p)).values["resolution_m"]) for p in (2.5, 2.6))
    assert wide == pytest.approx(narrow * 2.6 / 2.5, rel=0.02)


def test_the_scorer_hands_on_columns_curves_and_the_registered_pair() -> None:
    scorer = make_scorer(load_protocol("wsb-1"), optional=load_optional(["spectral"]))
    prepared = scorer.prepare(target_of(land(200)), None)
    moved = np.roll(land(200), (2, -3), (1, 2))
    result = scorer.score(moved, prepared)
    assert result.metrics["resolution_m"] == 2.5
    assert result.metrics["missed"] == pytest.approx(0, abs=1e-6)
    assert {len(curve) for curve in result.curves.values()} == {BINS}
    assert set(result.curves) == set(CURVES)
    assert set(COLUMNS) <= set(result.metrics)

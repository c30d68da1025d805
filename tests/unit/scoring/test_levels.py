"""What the level of a prediction costs (nothing), and what a run says of it (protocol 3.4 and 3.5)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import scoring_reference as reference
from scoring_scenes import REAL_TILES, Image, RealTile, blurred, enlarged, land, real_tile, target_of, under_snow
from worldstrat_bench.metrics.psnr import psnr, squared_error
from worldstrat_bench.protocol import OffsetFirst, load_protocol
from worldstrat_bench.registration import pick_shift
from worldstrat_bench.resampling import bicubic
from worldstrat_bench.scoring import Frame, TileScore, make_scorer
from worldstrat_bench.scoring.levels import Levels, level_warnings
from worldstrat_bench.scoring.wsb import WsbScorer
from worldstrat_bench.scoring.wsb_align import WsbRules, moved, search_table, unbiased
from worldstrat_bench.scoring.wsb_target import WsbPrepared

PROTOCOL = load_protocol("wsb-1")
RULE = cast("OffsetFirst", PROTOCOL.offset)
OFFSETS = (-0.3, -0.1, 0.1, 0.3)


class Shown:
    """Stands for a learned metric: it sees what they all see."""

    name = "lpips"
    sha256 = "0" * 64

    def __call__(self, prediction: object, target: object) -> object:
        return (prediction - target).abs().sqrt().mean(dim=(1, 2, 3))  # type: ignore[operator]


def assert_the_same(found: TileScore, expected: TileScore) -> None:
    assert (found.shift_y, found.shift_x, found.shift_at_edge) == (
        expected.shift_y,
        expected.shift_x,
        expected.shift_at_edge,
    )
    for name, tolerance in {"psnr": 1e-4, "psnr_unregistered": 1e-4, "ssim": 1e-5, "lpips": 1e-5, "sam": 1e-4}.items():
        assert found.metrics[name] == pytest.approx(expected.metrics[name], abs=tolerance), name


def warnings_of(score: TileScore) -> tuple[str, ...]:
    assert score.levels is not None
    return level_warnings([score.levels], RULE)


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL_TILES)
def test_an_offset_costs_nothing_and_is_named(realdata: Path, name: str) -> None:
    tile = real_tile(realdata, name)
    scorer = make_scorer(PROTOCOL, perceptual=Shown())  # type: ignore[arg-type]
    prepared = scorer.prepare(tile.target, tile.frame)
    plain = scorer.score(tile.bicubic, prepared)
    assert warnings_of(plain) == ()
    for offset in (*OFFSETS, np.array([0.3, -0.1, 0.1])):
        shifted = tile.bicubic + np.asarray(offset, np.float32).reshape(-1, 1, 1)
        found = scorer.score(shifted, prepared)
        assert_the_same(found, plain)
        (warning,) = warnings_of(found)
        if np.ndim(offset) == 0:
            assert f"an offset of {-offset:+.3g} added" in warning


WILD = [(count, value) for count in (1, 10, 100) for value in (1e3, 1e6, -9999.0)]


def assert_wild_pixels_steer_nothing(root: Path, name: str, combinations: list[tuple[int, float]]) -> None:
    """Such a prediction scores as the same image clipped by hand."""
    tile = real_tile(root, name)
    scorer = make_scorer(PROTOCOL)
    prepared = scorer.prepare(tile.target, tile.frame)
    rng = np.random.default_rng(1)
    for count, value in combinations:
        wild = tile.bicubic.copy()
        wild.reshape(3, -1)[:, rng.choice(wild[0].size, count, replace=False)] = value
        found, clipped = scorer.score(wild, prepared), scorer.score(wild.clip(0, 1), prepared)
        assert found.shift_y == pytest.approx(clipped.shift_y, abs=1 / 16), (count, value)
        assert found.shift_x == pytest.approx(clipped.shift_x, abs=1 / 16), (count, value)
        # The same image once what is absurd is clipped; the line asked for is 0.1 dB.
        assert found.metrics["psnr"] == pytest.approx(clipped.metrics["psnr"], abs=1e-4), (count, value)
        assert found.metrics["psnr_raw"] == pytest.approx(clipped.metrics["psnr_raw"], abs=1e-4), (count, value)
        assert (found.clipped or 0) >= (clipped.clipped or 0), (count, value)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["Landcover-9000004"])
def test_wild_pixels_steer_nothing(realdata: Path, name: str) -> None:
    assert_wild_pixels_steer_nothing(realdata, name, WILD)


@pytest.mark.soak
@pytest.mark.shared
@pytest.mark.parametrize("name", REAL_TILES)
def test_wild_pixels_steer_nothing_on_any_real_tile(realdata: Path, name: str) -> None:
    assert_wild_pixels_steer_nothing(realdata, name, WILD)


def old_psnr(prediction: Image, target: Image) -> float:
    """`psnr` as it was before its first release: clipped first, then registered, then freed of its bias."""
    seen = prediction.clip(0, 1)
    inside: NDArray[np.bool_] = np.ones((target.shape[1] - 40, target.shape[2] - 40), dtype=bool)
    y, x = reference.refined(reference.mismatch(seen, target, inside, 8, 20))
    difference = reference.moved(seen, y, x, 20) - target[:, 20:-20, 20:-20]
    difference -= difference.mean(axis=(1, 2), keepdims=True)
    return float(-10 * np.log10(np.mean(difference**2)))


@pytest.mark.parametrize("gain", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("offset", [0.0, -0.1, 0.3])
def test_a_tile_saturated_by_snow_is_no_worse_than_when_clipped_first(gain: float, offset: float) -> None:
    target = (land(160) * np.float32(gain)).clip(0, 1)
    prediction = enlarged(land(160)) * np.float32(gain) + np.float32(offset)
    scorer = make_scorer(PROTOCOL)
    found = scorer.score(prediction, scorer.prepare(target_of(target), None))
    assert (found.metrics["psnr"] or 0) >= old_psnr(prediction, target) - 0.01


@lru_cache(maxsize=13)
def saturated(root: Path, name: str) -> tuple[Image, WsbPrepared, WsbScorer]:
    """The reference bicubic of a real tile times 6, and the target times 6 as snow would saturate it."""
    tile = real_tile(root, name)
    bright = np.clip(tile.target.image * np.float32(6), 0, 1)
    scorer = make_scorer(PROTOCOL)
    assert isinstance(scorer, WsbScorer)
    frame = Frame(np.asarray(tile.frame.rgb) * np.float32(6), tile.frame.clear)
    prepared = scorer.prepare(replace(tile.target, image=bright, sha256=tile.target.sha256[::-1]), frame)
    return tile.bicubic * np.float32(6), prepared, scorer


def clipped_first(prediction: Image, prepared: WsbPrepared, rules: WsbRules) -> float:
    """`psnr` of the rule before: clipped, then registered, then freed of its bias."""
    seen = torch.from_numpy(prediction).clamp(0, 1)
    search = rules.search
    table = search_table(seen, prepared.search, rules).numpy()
    shift = pick_shift(table, tie=search.tie, fraction=search.fraction)
    result, _ = unbiased(moved(seen, shift, rules), prepared.offset)
    return float(psnr(squared_error(result, prepared.target[:3], prepared.valid), rules.metrics.mse_floor))


@pytest.mark.shared
def test_clipping_first_pays_for_a_constant(realdata: Path) -> None:
    """Why the tile that loses most by protocol 3.4 may: the rule before paid 0.8 dB for adding 0.4 to it."""
    prediction, prepared, scorer = saturated(realdata, "Landcover-9000009")
    raised = prediction + np.float32(0.4)
    found = [scorer.score(image, prepared).metrics["psnr"] or 0 for image in (prediction, raised)]
    before = [clipped_first(image, prepared, scorer.rules) for image in (prediction, raised)]
    assert found[1] == pytest.approx(found[0], abs=1e-4)
    assert found[0] - before[0] == pytest.approx(-0.110, abs=0.005)
    assert before[1] - before[0] > 0.8


@pytest.mark.soak
@pytest.mark.shared
def test_real_tiles_times_six_score_as_protocol_3_4_says(realdata: Path) -> None:
    gains = []
    for name in REAL_TILES:
        prediction, prepared, scorer = saturated(realdata, name)
        found = scorer.score(prediction, prepared).metrics["psnr"] or 0
        gains.append(found - clipped_first(prediction, prepared, scorer.rules))
    assert (min(gains), max(gains), np.mean(gains)) == pytest.approx((-0.110, 0.228, 0.031), abs=0.005)
    assert sum(gain < -0.01 for gain in gains) == 3


def gain_under_snow(tile: RealTile, cover: float, level: float, seed: int = 0) -> float:
    """`psnr` of the reference bicubic of a snowy real tile, less what it had under the rule before, decibels."""
    image, frame = under_snow(tile, cover, level, seed)
    scorer = make_scorer(PROTOCOL)
    assert isinstance(scorer, WsbScorer)
    prepared = scorer.prepare(target_of(image.clip(0, 1), tile.target.valid, name=tile.name), frame)
    rgb = torch.from_numpy(np.ascontiguousarray(frame.rgb))[None]
    prediction = bicubic(rgb, *image.shape[-2:])[0].numpy()
    before = clipped_first(prediction, prepared, scorer.rules)
    return (scorer.score(prediction, prepared).metrics["psnr"] or 0) - before


@pytest.mark.shared
@pytest.mark.parametrize("name", ["Landcover-9000004", "Landcover-9000008", "UNHCR-CUBs900001"])
@pytest.mark.parametrize("level", [1.0, 1.5])
def test_snow_over_a_real_tile_costs_no_more_than_when_clipped_first(realdata: Path, name: str, level: float) -> None:
    assert gain_under_snow(real_tile(realdata, name), 0.5, level) > -0.01


@pytest.mark.soak
@pytest.mark.shared
def test_snow_over_real_tiles_scores_as_protocol_3_4_says(realdata: Path) -> None:
    tiles = [real_tile(realdata, name) for name in REAL_TILES]
    kinds = [(cover, level) for cover in (0.2, 0.5, 0.9) for level in (0.9, 1.0, 1.2, 1.5)]
    gains = np.array([[gain_under_snow(tile, *kind, seed) for tile in tiles for kind in kinds] for seed in range(8)])
    assert (gains.min(), gains.max(), gains.mean()) == pytest.approx((-0.111, 3.179, 0.130), abs=0.005)
    assert [int(np.sum(gains < -limit)) for limit in (0.01, 0.05)] == [27, 2]


def run_of(*, gain: float = 1.0, offset: float = 0.0, tiles: int = 4) -> tuple[str, ...]:
    """The warnings of a run whose model is a soft copy of the truth, times `gain`, plus `offset`."""
    scorer = make_scorer(PROTOCOL)
    levels = []
    for seed in range(tiles):
        image = land(160, seed) * np.float32(1 + 0.5 * seed)
        rgb = image.reshape(3, 40, 4, 40, 4).mean(axis=(2, 4))
        prepared = scorer.prepare(target_of(image.clip(0, 1)), Frame(rgb, np.ones((40, 40), dtype=bool)))
        score = scorer.score(blurred(image, 1.0) * np.float32(gain) + np.float32(offset), prepared)
        assert score.levels is not None
        levels.append(score.levels)
    return level_warnings(levels, RULE)


def test_a_run_names_the_offset_or_the_scale_that_explains_it() -> None:
    assert run_of() == run_of(offset=0.01) == ()
    assert [("offset of -0.25 " in text) for text in run_of(offset=0.25)] == [True]
    for gain in (0.25, 2.0, 4.0):
        warnings = run_of(gain=gain)
        named = [float(text.split("multiplied by ")[1].split(" ")[0]) for text in warnings]
        assert len(named) == len(warnings)
        assert all(abs(factor * gain - 1) <= 0.06 for factor in named)
        assert named
        assert any("% of the values leave" in text for text in warnings) == (gain > 1)


def test_what_neither_explains_is_said_so() -> None:
    rng = np.random.default_rng(0)
    odd = [Levels(0.0, tuple(rng.normal(0, 0.3, 3)), (0.2, 0.2, 0.2), 0.0, (0.0, 0.0, 0.0)) for _ in range(9)]
    (warning,) = level_warnings(odd, RULE)
    assert "neither" in warning
    contrast = [Levels(0.2, (0.0, 0.0, 0.0), (0.2, 0.2, 0.2), 0.0, (0.0, 0.0, 0.0))]
    (warning,) = level_warnings(contrast, RULE)
    assert "20 % of the values leave" in warning
    assert "neither" in warning


def test_the_reference_sets_the_measure() -> None:
    hard = Levels(0.15, (0.1, 0.1, 0.1), (0.5, 0.5, 0.5), 0.145, (0.09, 0.09, 0.09))
    assert level_warnings([hard] * 3, RULE) == ()
    assert level_warnings([Levels(0.9, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))], RULE) == ()  # no frame: nothing to compare
    assert level_warnings([], RULE) == ()

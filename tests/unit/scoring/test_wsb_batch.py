"""The batches of a GPU, on a CPU: the numbers of a single tile, whatever shares the batch, and no wait on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from device_waits import CUDA, Waits, on_fake_device
from scoring_scenes import REAL_TILES, enlarged, land, real_tile, target_of
from worldstrat_bench import filtering
from worldstrat_bench.errors import ModelError
from worldstrat_bench.metrics.optional import load_optional
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.registration import moving
from worldstrat_bench.scoring import Frame, make_scorer
from worldstrat_bench.scoring.types import TileScore
from worldstrat_bench.scoring.wsb import WsbScorer
from worldstrat_bench.scoring.wsb_target import WsbPrepared

pytestmark = pytest.mark.not_quick  # a second or more for most of these

PROTOCOL = load_protocol("wsb-1")
Pair = tuple[NDArray[np.float32], WsbPrepared]


class Distance:
    """A learned metric that takes a batch."""

    name = "lpips"
    sha256 = "0" * 64

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs().mean(dim=(1, 2, 3))


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arithmetic of a GPU: filters of whole stacks, a fixed number of steps, no look at a value."""
    monkeypatch.setattr(filtering, "on_gpu", lambda image: True)


def scorers(*, optional: bool = True) -> tuple[WsbScorer, WsbScorer]:
    """One that takes a tile at a time, and one that takes eight."""
    added = load_optional(["spectral"]) if optional else ()
    made = [make_scorer(PROTOCOL, perceptual=Distance(), optional=added, batch=size) for size in (1, 8)]
    assert isinstance(made[0], WsbScorer)
    assert isinstance(made[1], WsbScorer)
    return made[0], made[1]


def scene(scorer: WsbScorer, seed: int, what: str = "") -> Pair:
    """A prediction that is off by a part of a pixel, brighter and softer, with its tile; `what` is special about it."""
    rng = np.random.default_rng(seed)
    bands = 4 if what == "four bands" else 3
    image = np.concatenate([land(200, seed), land(200, seed + 50)])[:bands]
    small = image[:3].reshape(3, 50, 4, 50, 4).mean(axis=(2, 4))
    valid, clear = np.ones((200, 200), dtype=bool), np.ones((50, 50), dtype=bool)
    shift = (0, *rng.uniform(-3, 3, 2))
    if what == "holes":
        valid[60:90, 50:100] = False
    if what == "clouds":
        clear[:, :22] = False
    if what == "cloudy":
        clear[:40] = False
    if what == "edge":
        shift = (0, 8, -8)
    soft = np.concatenate([enlarged(image[:3]), image[3:]])
    prediction = ndimage.shift(soft, shift, order=3, mode="nearest").astype(np.float32) + np.float32(rng.normal() / 50)
    if what == "flat":
        prediction[:] = 0.3
    if what == "dark":
        prediction = prediction * np.float32(0.01)
    if what == "small":
        prediction = prediction[:, ::2, ::2].copy()
    frame = None if what == "no frame" else Frame(small, clear)
    return prediction, scorer.prepare(target_of(image, valid), frame)


KINDS = ("", "holes", "clouds", "cloudy", "no frame", "edge", "flat", "dark", "small", "four bands")


def assert_near(found: TileScore, wanted: TileScore) -> None:
    assert found.nulls == wanted.nulls
    place = (found.shift_y, found.shift_x, found.shift_at_edge, found.detail)
    assert place == (wanted.shift_y, wanted.shift_x, wanted.shift_at_edge, wanted.detail)
    assert found.clipped == pytest.approx(wanted.clipped, abs=1e-9)
    assert set(found.metrics) == set(wanted.metrics)
    for name, value in wanted.metrics.items():
        assert found.metrics[name] == (None if value is None else pytest.approx(value, abs=1e-6)), name
    assert found.levels is not None
    assert wanted.levels is not None
    assert found.levels.bias == pytest.approx(wanted.levels.bias, abs=1e-9)
    assert set(found.curves) == set(wanted.curves)
    for name, curve in wanted.curves.items():
        assert found.curves[name] == pytest.approx(curve, rel=1e-4, abs=1e-9), name


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_batch_gives_the_scores_of_single_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = scorers()
    pairs = [scene(one, seed, what) for seed, what in enumerate((*KINDS, "", "holes"))]
    found = many.score_batch(*zip(*pairs, strict=True))
    monkeypatch.undo()
    wanted = [one.score(*pair) for pair in pairs]
    assert any((score.shift_y or 0) % 1 for score in wanted)
    assert any(score.shift_at_edge for score in wanted)
    for own, single in zip(found, wanted, strict=True):
        assert_near(own, single)


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("what", ["", "holes", "four bands"])
def test_no_bit_depends_on_the_neighbours(what: str) -> None:
    _, many = scorers()
    pairs = [scene(many, seed, what) for seed in range(5)]
    together = many.score_batch(*zip(*pairs, strict=True))
    backwards = many.score_batch(*zip(*pairs[::-1], strict=True))[::-1]
    alone = [many.score_batch([image], [tile])[0] for image, tile in pairs]
    assert together == backwards == alone


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("name", REAL_TILES[:2])
def test_real_tiles_give_the_scores_of_single_tiles(realdata: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = scorers(optional=False)
    tile = real_tile(realdata, name)
    moved = ndimage.shift(tile.bicubic, (0, 1.3, -0.7), order=1, mode="nearest").astype(np.float32)
    prepared = one.prepare(tile.target, tile.frame)
    found = many.score_batch([tile.bicubic, moved], [prepared, prepared])
    monkeypatch.undo()
    for own, image in zip(found, (tile.bicubic, moved), strict=True):
        assert_near(own, one.score(image, prepared))


def test_a_batch_of_more_than_its_size_comes_back_in_order() -> None:
    one, many = scorers(optional=False)
    pairs = [scene(one, seed, ("", "holes")[seed % 2]) for seed in range(3)] * 7
    found = many.score_batch(*zip(*pairs, strict=True))
    assert found == found[:3] * 7
    for own, pair in zip(found[:3], pairs, strict=False):
        assert_near(own, one.score(*pair))


def test_a_prediction_with_nan_is_refused_in_a_batch_too() -> None:
    _, many = scorers(optional=False)
    image, prepared = scene(many, 0)
    with pytest.raises(ModelError, match="not finite"):
        many.score_batch([image, np.full_like(image, np.nan)], [prepared, prepared])


@pytest.fixture
def nothing_kept() -> Iterator[None]:
    """Fake tensors must not stay in what is kept for later."""
    kept = (filtering.banded, moving._tap_table)
    for own in kept:
        own.cache_clear()
    yield
    for own in kept:
        own.cache_clear()


def fake_tile(what: str) -> WsbPrepared:
    _, prepared = scene(scorers(optional=False)[0], 0, what)
    return replace(prepared, kept={})


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("what", ["", "holes", "clouds", "no frame"])
def test_a_batch_never_waits_for_the_device(what: str) -> None:
    real = fake_tile(what)
    scorer = WsbScorer(PROTOCOL, CUDA, Distance())
    assert scorer.batch == 8
    with FakeTensorMode():
        tiles = [on_fake_device(real)] * 8
        images = torch.empty(8, 3, 200, 200, device=CUDA)
        scorer.on_device(images, tiles)  # what is kept for the next batch is copied here
        with Waits() as waits:
            found = scorer.on_device(images, tiles)
    assert waits.found == []
    assert {value.shape for value in found.values.values()} == {(8,)}
    assert {value.device for value in found.values.values()} == {CUDA}


@pytest.mark.usefixtures("nothing_kept")
def test_a_wait_in_a_batch_would_be_found() -> None:
    """A single tile's shift is picked on the host: fake tensors cannot do that."""
    real = fake_tile("")
    scorer = WsbScorer(PROTOCOL, CUDA)
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        scorer.score(torch.empty(3, 200, 200, device=CUDA), on_fake_device(real))

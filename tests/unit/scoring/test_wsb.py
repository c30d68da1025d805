"""The scorer of wsb-1: what it takes, what it returns, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from scoring_scenes import blurred, enlarged, land, target_of
from worldstrat_bench.cache import DiskCache
from worldstrat_bench.data.target import TargetImage
from worldstrat_bench.errors import DataError, ModelError, WorldstratBenchError
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.resampling import lanczos_resize
from worldstrat_bench.scoring import Frame, make_scorer

PROTOCOL = load_protocol("wsb-1")


def frame(seed: int = 0) -> Frame:
    image = land(200, seed)
    return Frame(image.reshape(3, 50, 4, 50, 4).mean(axis=(2, 4)), np.ones((50, 50), dtype=bool))


def test_metrics_are_those_of_the_protocol_and_nulls_say_why() -> None:
    scorer = make_scorer(PROTOCOL)
    result = scorer.score(enlarged(land(200)), scorer.prepare(target_of(land(200)), frame()))
    assert set(result.metrics) == {*PROTOCOL.metrics.names, "psnr_bicubic"}
    assert set(result.nulls) == {"lpips"}
    lonely = scorer.score(enlarged(land(200)), scorer.prepare(target_of(land(200)), None))
    assert set(lonely.nulls) == {"lpips", "lr_consistency", "psnr_bicubic"}
    assert {name for name, value in lonely.metrics.items() if value is None} == set(lonely.nulls)


def test_the_reason_of_unavailable_weights_is_handed_on() -> None:
    scorer = make_scorer(PROTOCOL, perceptual=Unavailable("no weights here"))
    result = scorer.score(land(200), scorer.prepare(target_of(land(200)), None))
    assert result.metrics["lpips"] is None
    assert result.nulls["lpips"] == "no weights here"


class Probe:
    """A perceptual metric that keeps what it was shown."""

    name = "lpips"
    sha256 = "0" * 64

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Tensor]] = []

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        self.seen.append((prediction, target))
        return (prediction - target).abs().mean(dim=(1, 2, 3))


def test_learned_metrics_see_the_stretched_window_with_the_targets_no_data() -> None:
    probe, valid = Probe(), np.ones((200, 200), dtype=bool)
    valid[50:60, 50:60] = False
    scorer = make_scorer(PROTOCOL, perceptual=probe)
    result = scorer.score(np.roll(land(200), (1, 1), (1, 2)), scorer.prepare(target_of(land(200), valid), None))
    ((prediction, target),) = probe.seen
    assert prediction.shape == target.shape == (1, 3, 160, 160)
    assert float(target.min()) >= 0
    assert float(target.max()) == 1
    assert torch.equal(prediction[..., 30:40, 30:40], target[..., 30:40, 30:40])
    assert result.metrics["lpips"] == pytest.approx(0, abs=1e-6)


def test_the_reference_bicubic_is_scored_like_any_model() -> None:
    scorer = make_scorer(PROTOCOL)
    prepared = scorer.prepare(target_of(land(200)), frame())
    result = scorer.score(enlarged(land(200)), prepared)
    assert result.metrics["psnr"] == pytest.approx(prepared.psnr_bicubic, abs=1e-9)
    assert result.detail == prepared.detail > 0
    assert prepared.lr_consistency_target is not None


@pytest.mark.parametrize("size", [(100, 100), (196, 204), (400, 400), (50, 51)])
def test_another_size_is_resampled_to_the_grid(size: tuple[int, int]) -> None:
    scorer = make_scorer(PROTOCOL)
    prepared = scorer.prepare(target_of(land(200)), None)
    prediction = lanczos_resize(torch.from_numpy(land(200).copy()), *size)
    by_hand = lanczos_resize(prediction, 200, 200).clamp(0, 1)
    assert scorer.score(prediction, prepared).metrics == scorer.score(by_hand, prepared).metrics


def test_values_outside_the_range_are_clipped_and_counted() -> None:
    scorer = make_scorer(PROTOCOL)
    prepared = scorer.prepare(target_of(land(200)), None)
    prediction = land(200).copy()
    prediction[0, :20] = 1.5
    prediction[1, :10] = -0.1
    result = scorer.score(prediction, prepared)
    assert result.clipped == 0  # the border does not count
    prediction[0, 100:120] = 1.5
    prediction[1, 100:110] = -0.1
    result = scorer.score(prediction, prepared)
    assert result.clipped == pytest.approx((20 + 10) / (3 * 160))
    wilder = prediction.copy()
    wilder[0, 100:120], wilder[1, 100:110] = 1e6, -1e6
    assert scorer.score(wilder, prepared) == result


@pytest.mark.parametrize(
    "prediction",
    [
        np.zeros((200, 200), np.float32),
        np.zeros((1, 3, 200, 200), np.float32),
        np.zeros((12, 200, 200), np.float32),
        np.zeros((3, 0, 200), np.float32),
        np.zeros((3, 200, 200), np.int32),
        np.full((3, 200, 200), np.nan, np.float32),
        np.full((3, 200, 200), np.inf, np.float32),
    ],
    ids=["plane", "batch", "bands", "empty", "int", "nan", "inf"],
)
def test_what_is_not_a_prediction_is_the_models_fault(prediction: NDArray[Any]) -> None:
    scorer = make_scorer(PROTOCOL)
    with pytest.raises(ModelError):
        scorer.score(prediction, scorer.prepare(target_of(land(200)), None))


def test_a_target_without_enough_data_is_refused() -> None:
    target = target_of(land(200))
    with pytest.raises(DataError, match="valid"):
        make_scorer(PROTOCOL).prepare(TargetImage(target.image, target.valid, target.sha256, usable=False), None)


def test_scorers_do_not_take_each_others_statistics() -> None:
    prepared = make_scorer(PROTOCOL).prepare(target_of(land(200)), None)
    with pytest.raises(TypeError):
        make_scorer(load_protocol("probav")).score(land(200), prepared)


def test_arrays_and_tensors_of_any_float_type_score_alike() -> None:
    scorer = make_scorer(PROTOCOL)
    prepared = scorer.prepare(target_of(land(200)), None)
    array = blurred(land(200), 1.0)
    values = [scorer.score(x, prepared) for x in (array, torch.from_numpy(array), array.astype(np.float64))]
    assert values[0] == values[1] == values[2]


def test_near_infrared_is_scored_where_both_have_it() -> None:
    image = np.concatenate([land(200), land(200, 3)[:1]])
    scorer = make_scorer(PROTOCOL)
    result = scorer.score(blurred(image, 1.0), scorer.prepare(target_of(image), None))
    without = scorer.score(blurred(image, 1.0)[:3], scorer.prepare(target_of(image), None))
    assert result.metrics["psnr_nir"] is not None
    assert "psnr_nir" not in without.metrics
    assert result.metrics["psnr"] == without.metrics["psnr"]


def test_statistics_from_the_cache_give_the_same_scores(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    prediction = blurred(land(200), 1.0)
    plain = make_scorer(PROTOCOL)
    expected = plain.score(prediction, plain.prepare(target_of(land(200)), frame()))
    scorer = make_scorer(PROTOCOL, cache=cache)
    for _ in range(2):
        prepared = scorer.prepare(target_of(land(200)), frame())
        assert scorer.score(prediction, prepared) == expected
    assert len(list(tmp_path.iterdir())) == 1
    scorer.prepare(target_of(land(200)), None)
    scorer.prepare(target_of(land(200)), frame(2))
    make_scorer(load_protocol("wsb-1"), cache=cache).prepare(target_of(land(200)), frame())
    assert len(list(tmp_path.iterdir())) == 3


def test_errors_are_the_harnesss_own() -> None:
    scorer = make_scorer(PROTOCOL)
    with pytest.raises(WorldstratBenchError, match="finite"):
        scorer.score(np.full((3, 50, 50), np.nan, np.float32), scorer.prepare(target_of(land(200)), None))

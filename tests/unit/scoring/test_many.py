"""Scorer: many predictions against targets that are prepared once, and the metric of torchmetrics on top of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from scoring_scenes import blurred, enlarged, land
from worldstrat_bench import Scorer, score_pair
from worldstrat_bench.errors import DataError, ModelError, UsageError

SIDE = 96


def pairs(count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Predictions and targets, (count, 3, H, W) each; every pair another scene and shift."""
    scene = land(SIDE + 40)
    targets = [scene[:, i : i + SIDE, 2 * i : 2 * i + SIDE] for i in range(count)]
    moved = [np.roll(blurred(t, 0.7 + 0.1 * i), i % 3, axis=-1) for i, t in enumerate(targets)]
    return np.stack(moved).astype(np.float32), np.stack(targets).astype(np.float32)


def masks(count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    valid = np.ones((count, SIDE, SIDE), dtype=bool)
    clear = np.ones((count, SIDE // 4, SIDE // 4), dtype=bool)
    for i in range(count):
        valid[i, : 2 * i, :30] = False
        clear[i, :, : i % 5] = False
    return valid, clear


@pytest.mark.parametrize("count", [1, 4, 16])
def test_a_batch_has_the_scores_of_its_pairs(count: int) -> None:
    (predictions, targets), (valid, clear) = pairs(count), masks(count)
    scorer = Scorer(device="cpu").prepare(targets, valid, clear)
    found = scorer.score(torch.from_numpy(predictions))
    for i in range(count):
        alone = score_pair(predictions[i], targets[i], valid=valid[i], clear=clear[i])
        assert set(alone) == set(found)
        for name, value in alone.items():
            assert found[name][i] == pytest.approx(np.nan if value is None else value, abs=1e-6, nan_ok=True), name


def test_the_way_of_a_gpu_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU eight are scored at once; the same code runs here on the CPU."""
    predictions, targets = pairs(5)
    wanted = Scorer(device="cpu", metrics="psnr,ssim,sam").prepare(targets).score(predictions)
    monkeypatch.setattr("worldstrat_bench.scoring.wsb.usual_batch", lambda device: 4)
    found = Scorer(device="cpu", metrics="psnr,ssim,sam").prepare(targets).score(predictions)
    assert list(found) == ["psnr", "ssim", "sam"]
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6)


def test_targets_are_kept_and_chosen_by_number() -> None:
    predictions, targets = pairs(3)
    scorer = Scorer(device="cpu", metrics=["psnr"]).prepare(list(targets))
    everything = scorer.score(list(predictions))["psnr"]
    assert scorer.score(predictions[[2, 0]], index=[2, 0])["psnr"].tolist() == everything[[2, 0]].tolist()
    assert len(scorer) == 3


def test_nothing_of_a_score_takes_part_in_a_gradient() -> None:
    predictions, targets = pairs(1)
    image = torch.from_numpy(predictions).requires_grad_()
    assert isinstance(Scorer(device="cpu", metrics="psnr").prepare(targets).score(image * 1)["psnr"], np.ndarray)


def test_sizes_may_differ_and_another_protocol_scores_too() -> None:
    images = [land(96), land(120)]
    smaller = [enlarged(image) for image in images]
    found = Scorer(device="cpu", metrics="psnr").prepare(images).score(smaller)["psnr"]
    assert found.tolist() == [score_pair(a, b)["psnr"] for a, b in zip(smaller, images, strict=True)]
    one = Scorer("probav", "cpu").prepare([land(96)]).score([enlarged(land(96))])
    alone = score_pair(enlarged(land(96)), land(96), "probav")
    assert one["psnr"][0] == alone["psnr"]


def test_what_is_wrong_is_said_with_its_place() -> None:
    predictions, targets = pairs(2)
    scorer = Scorer(device="cpu", metrics="psnr")
    with pytest.raises(UsageError, match="call prepare"):
        scorer.score(predictions)
    with pytest.raises(UsageError, match="not \\(N, 3, H, W\\)"):
        scorer.prepare(targets[0])
    with pytest.raises(UsageError, match="masks for 2 targets"):
        scorer.prepare(targets, masks(3)[0])
    with pytest.raises(DataError, match="10,000") as scaled:
        scorer.prepare(targets * 10_000)
    assert scaled.value.where == "targets[0]"
    scorer.prepare(targets)
    with pytest.raises(UsageError, match="1 predictions for 2 targets"):
        scorer.score(predictions[:1])
    with pytest.raises(UsageError, match="index holds 2, and there are 2"):
        scorer.score(predictions, index=[0, 2])
    broken = predictions.copy()
    broken[1, 0, 3, 3] = np.nan
    with pytest.raises(ModelError, match="not finite") as failed:
        scorer.score(broken)
    assert failed.value.where == "batch[1]"
    with pytest.raises(UsageError, match="of type str"):
        scorer.prepare("targets")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="msssim"):
        Scorer(device="cpu", metrics="msssim")
    with pytest.raises(UsageError, match="unknown device"):
        Scorer(device="gpu")


def test_a_pair_of_lists_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="prediction is of type list"):
        score_pair([[1.0]], land(96))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="valid is of type list"):
        score_pair(land(96), land(96), valid=[[True]])  # type: ignore[arg-type]
    assert list(score_pair(land(96), land(96), metrics="psnr, ssim")) == ["psnr", "ssim"]


def test_torchmetrics_means_over_batches_and_processes() -> None:
    pytest.importorskip("torchmetrics")
    from worldstrat_bench.torchmetrics import WorldStratScore

    predictions, targets = (torch.from_numpy(images) for images in pairs(4))
    whole = Scorer(device="cpu", metrics="psnr,ssim").prepare(targets).score(predictions)
    # Two processes with two batches each, brought together as torchmetrics gathers states.
    other = WorldStratScore()
    other.update(predictions[3:], targets[3:])

    def gather(state: torch.Tensor, group: object) -> list[torch.Tensor]:
        remote = other.number if torch.equal(state, metric.number) else other.total
        return [state, remote]

    metric = WorldStratScore(dist_sync_fn=gather, distributed_available_fn=lambda: True)
    metric.update(predictions[:1], targets[:1])
    metric.update(predictions[1:3], targets[1:3])
    found = metric.compute()
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {name: float(values.mean()) for name, values in whole.items()}
    )
    metric.reset()
    assert float(metric.total.sum()) == 0
    with pytest.raises(UsageError, match="equal weight"):
        WorldStratScore(metrics="missed")


@pytest.mark.parametrize("batch", [1, 4])
def test_what_is_asked_for_does_not_depend_on_what_else_is(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr("worldstrat_bench.scoring.wsb.usual_batch", lambda device: batch)
    (predictions, targets), (_, clear) = pairs(2), masks(2)
    whole = Scorer(device="cpu").prepare(targets, clear=clear).score(predictions)
    for name in ("psnr", "ssim", "rmse", "psnr_raw", "psnr_unregistered", "sam", "shift_y", "clipped"):
        found = Scorer(device="cpu", metrics=name).prepare(targets, clear=clear).score(predictions)
        assert list(found) == [name]
        np.testing.assert_array_equal(found[name], whole[name])


@pytest.mark.parametrize("at_once", [1, 4])
def test_bands_and_expected_errors_are_those_of_the_pairs(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One prediction of four bands among others of three."""
    predictions, targets = pairs(3)
    monkeypatch.setattr("worldstrat_bench.scoring.wsb.usual_batch", lambda device: at_once)
    four = [np.concatenate([one, one[:1]]) for one in targets]
    images = [np.concatenate([predictions[0], predictions[0][:1]]), predictions[1], predictions[2]]
    errors = np.full((3, 1, SIDE, SIDE), 0.02, np.float32)
    found = Scorer(device="cpu").prepare(four).score(images, expected_error=errors)
    assert np.isnan(found["psnr_nir"]).tolist() == [False, True, True]
    for i in range(3):
        alone = score_pair(images[i], four[i], expected_error=errors[i])
        for name, value in alone.items():
            assert found[name][i] == pytest.approx(np.nan if value is None else value, abs=1e-6, nan_ok=True), name
    with pytest.raises(UsageError, match="2 expected errors for 3"):
        Scorer(device="cpu").prepare(four).score(images, expected_error=errors[:2])
    with pytest.raises(UsageError, match="probav"):
        Scorer("probav", device="cpu").prepare(targets).score(predictions, expected_error=errors)


def test_scores_take_one_thread_an_operation_and_leave_torch_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that wait for each other's short operations took half as long again."""
    predictions, targets = pairs(2)
    scorer = Scorer(device="cpu", metrics="psnr").prepare(targets)
    plain, seen = scorer._scorer.score, []

    def score(*parts: Any) -> Any:
        seen.append(torch.get_num_threads())
        return plain(*parts)

    monkeypatch.setattr(scorer._scorer, "score", score)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        scorer.score(predictions)
        assert (seen, torch.get_num_threads()) == ([1, 1], 2)
        with pytest.raises(ModelError):
            scorer.score(predictions * np.nan)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)

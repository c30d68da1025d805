"""The expected error: values by an independent NumPy, ties, floors, and what tells a calibrated model from others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import uncertainty_reference as reference
from scoring_scenes import blurred, land, target_of
from worldstrat_bench.errors import ModelError, UsageError
from worldstrat_bench.metrics.uncertainty import COLUMNS, judge
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring import Frame, make_scorer, score_pair
from worldstrat_bench.scoring.wsb import WsbScorer

PROTOCOL = load_protocol("wsb-1")
Floats = NDArray[np.float32]


def case(kind: str, side: int = 40) -> tuple[Floats, Floats, Floats]:
    """Prediction, target and expected error, (3, side, side)."""
    rng = np.random.default_rng(7)
    target = rng.uniform(0.1, 0.6, (3, side, side))
    spread = np.exp(rng.normal(-4, 0.7, (3, side, side)))
    error = rng.normal(0, 1, target.shape) * spread
    expected = {
        "calibrated": spread,
        "overconfident": spread / 3,
        "timid": spread * 3,
        "constant": np.full_like(spread, np.sqrt(np.mean(error**2))),
        "one band": spread[:1],
        "few values": np.round(spread, 2),
        "zero": np.zeros_like(spread),
        "wrong way round": np.exp(-8 - np.log(spread)),
    }[kind]
    if kind == "one band":
        error = rng.normal(0, 1, target.shape) * spread[:1]
    return tuple(x.astype(np.float32) for x in (target + error, target, expected))  # type: ignore[return-value]


KINDS = ("calibrated", "overconfident", "timid", "constant", "one band", "few values", "zero", "wrong way round")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("holes", [False, True])
def test_values_agree_with_an_independent_implementation(kind: str, holes: bool) -> None:
    prediction, target, expected = case(kind, 24 if holes else 20)
    valid = np.ones(target.shape[1:], bool)
    valid[:6, 3:] = not holes
    tensors = [torch.from_numpy(x) for x in (prediction, target, expected)]
    found = judge(tensors[0], tensors[1], tensors[2], torch.from_numpy(valid) if holes else None)
    error = (prediction - target)[:, valid].ravel().astype(np.float64)
    spread = np.broadcast_to(expected, target.shape)[:, valid].ravel().astype(np.float64)
    for name, value in reference.scores(error, spread).items():
        assert float(found[name]) == pytest.approx(value, rel=1e-9, abs=1e-12), name
    kept, oracle = (reference.sparsification(error.copy(), by) for by in (np.maximum(spread, 1e-6), np.abs(error)))
    np.testing.assert_allclose(found["sparsification"].numpy(), kept, rtol=1e-9)
    np.testing.assert_allclose(found["sparsification_oracle"].numpy(), oracle, rtol=1e-9)
    np.testing.assert_allclose(found["coverage"].numpy(), reference.coverage_curve(error, spread), atol=1e-12)


def test_calibrated_and_overconfident_models_are_told_apart() -> None:
    values = {}
    for kind in KINDS:
        prediction, target, expected = (torch.from_numpy(x) for x in case(kind, 120))
        found = judge(prediction, target, expected, None)
        values[kind] = {name: float(found[name]) for name in COLUMNS}
    right, bold, timid, flat = (values[k] for k in ("calibrated", "overconfident", "timid", "constant"))
    assert right["coverage_68"] == pytest.approx(0.68, abs=0.01)
    assert right["coverage_95"] == pytest.approx(0.95, abs=0.01)
    assert right["ence"] < 0.03
    assert bold["coverage_68"] < 0.3
    assert timid["coverage_68"] > 0.99
    assert bold["ence"] > 1
    # The order of the values is the same; only their size is wrong.
    assert bold["ause"] == pytest.approx(right["ause"], abs=1e-6)
    assert right["crps"] < min(bold["crps"], timid["crps"], flat["crps"])
    # A constant has nearly the right coverage and no calibration error: what it lacks shows in AUSE and CRPS.
    assert flat["ence"] < 1e-6
    assert flat["coverage_95"] == pytest.approx(0.95, abs=0.03)
    assert flat["ause"] > 1.5 * right["ause"]
    assert values["wrong way round"]["ause"] > flat["ause"]


def test_the_order_of_tied_values_has_no_part() -> None:
    prediction, target, expected = (torch.from_numpy(x) for x in case("few values"))
    mixed = torch.randperm(40 * 40, generator=torch.Generator().manual_seed(0))
    shuffled = [x.flatten(1)[:, mixed].view_as(x) for x in (prediction, target, expected)]
    one, other = (judge(p, t, s, None) for p, t, s in ((prediction, target, expected), shuffled))
    for name in COLUMNS:
        assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-12)


def test_no_error_at_all_has_no_sparsification_and_says_why() -> None:
    target = land(200)
    scorer = make_scorer(PROTOCOL)
    assert isinstance(scorer, WsbScorer)
    found = scorer.score(target, scorer.prepare(target_of(target), None), np.full((1, 200, 200), 0.01, np.float32))
    assert found.metrics["ause"] is None
    assert found.nulls["ause"] == "the prediction has no error"
    assert found.metrics["coverage_95"] == 1
    assert set(found.curves["sparsification"]) == {0.0}


def moved_pair() -> tuple[Floats, Floats, Floats]:
    """A soft prediction 2 px down and 3 to the left, with its expected error in the same place."""
    target, seen = land(200), blurred(land(200), 1.5)
    expected = np.clip(np.abs(blurred(land(200, 5), 2.0)[:1]) * 0.1, 1e-3, None)
    return target, np.roll(seen, (2, -3), (1, 2)), np.roll(expected, (2, -3), (1, 2))


def test_the_map_moves_with_the_image() -> None:
    target, prediction, expected = moved_pair()
    found = score_pair(prediction, target, expected_error=expected)
    assert (found["shift_y"], found["shift_x"]) == (2, -3)
    window = (slice(None), slice(20, -20), slice(20, -20))
    image = np.roll(prediction, (-2, 3), (1, 2))[window].astype(np.float64)
    truth = target[window].astype(np.float64)
    # S differs from the prediction by its offset alone here, and P has the mean of the target.
    error = image - truth
    error -= error.mean(axis=(1, 2), keepdims=True)
    spread = np.broadcast_to(np.roll(expected, (-2, 3), (1, 2))[window], truth.shape).astype(np.float64)
    for name, value in reference.scores(error.ravel(), spread.ravel()).items():
        assert found[name] == pytest.approx(value, rel=0.01, abs=2e-4), name
    still = score_pair(prediction, target, expected_error=np.roll(expected, (-2, 3), (1, 2)))
    assert still["ause"] != found["ause"]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("size", [200, 120])
def test_an_expected_error_changes_no_other_number(batch: int, size: int) -> None:
    target, prediction, expected = moved_pair()
    prediction, expected = prediction[:, :size, :size].copy(), expected[:, :size, :size].copy()
    loaded = make_scorer(PROTOCOL)._optional  # type: ignore[attr-defined]
    scorer = WsbScorer(PROTOCOL, torch.device("cpu"), optional=loaded, batch=batch)
    frame = Frame(np.ascontiguousarray(target[:, 2::4, 2::4]), np.ones((50, 50), bool))
    prepared = scorer.prepare(target_of(target), frame)
    spreads = [None, expected, np.repeat(expected, 3, axis=0)]
    plain, one, three = scorer.score_batch([prediction] * 3, [prepared] * 3, spreads)
    for found in (one, three):
        assert {name: found.metrics[name] for name in plain.metrics} == plain.metrics
        assert set(found.metrics) - set(plain.metrics) == set(COLUMNS)
        assert len({len(curve) for curve in found.curves.values()}) == 1
    assert one.metrics == three.metrics
    assert plain.curves == {}


@pytest.mark.parametrize(
    ("shape", "value"),
    [((2, 200, 200), 0.1), ((200, 200), 0.1), ((1, 200, 199), 0.1), ((1, 200, 200), -0.1), ((1, 200, 200), np.nan)],
)
def test_what_is_not_a_standard_deviation_is_refused(shape: tuple[int, ...], value: float) -> None:
    with pytest.raises(ModelError, match="expected error"):
        score_pair(land(200), land(200), expected_error=np.full(shape, value, np.float32))


def test_other_protocols_have_none() -> None:
    with pytest.raises(UsageError, match="probav"):
        score_pair(land(200), land(200), "probav", expected_error=np.full((1, 200, 200), 0.1, np.float32))

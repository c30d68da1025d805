"""Optional metrics: what the registry promises, what is asked for, what a batch is given and gives back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from scoring_scenes import blurred, land, pairs_of, target_of
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import MEASURES, OPTIONAL, RANKED, optional_column, parse_added
from worldstrat_bench.metrics.opensr import NAMES, OpenSr
from worldstrat_bench.metrics.optional import Found, Loaded, Pairs, load_optional
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.metrics.psnr import psnr, squared_error
from worldstrat_bench.metrics.stlpips_metric import load_shown_stlpips, load_stlpips
from worldstrat_bench.metrics.stretch import stretch, white_level
from worldstrat_bench.protocol import load_protocol, protocol_ids
from worldstrat_bench.scoring import Frame, make_scorer, score_pair
from worldstrat_bench.stats.ranges import RANGES

PROTOCOL = load_protocol("wsb-1")


def test_the_registry_is_not_part_of_a_protocol_and_ranks_nothing() -> None:
    columns = [column for metric in OPTIONAL.values() for column in metric.columns]
    assert len({column.name for column in columns}) == len(columns)
    for column in columns:
        assert MEASURES[column.name] is column
        assert not column.ranked
        owner = optional_column(column.name)
        assert owner is not None
        assert column in owner.columns
    assert not set(RANKED) & {column.name for column in columns}
    assert optional_column("psnr") is None
    for name in protocol_ids():
        assert not {column.name for column in columns} & set(load_protocol(name).metrics.names)
    assert MEASURES["stlpips"].label == "ST-LPIPS"
    assert all(metric.version and metric.needs and metric.null for metric in OPTIONAL.values())


def test_every_column_has_the_values_that_it_can_have() -> None:
    # Without them `submission check` would take any number for one.
    lacking = {name for metric in OPTIONAL.values() for name in (*metric.names, *metric.weights)} - set(RANGES)
    assert not lacking, f"name them in stats/ranges.py: {sorted(lacking)}"


def test_every_home_can_be_loaded() -> None:
    loaded = load_optional(OPTIONAL)
    assert [one.metric.name for one in loaded] == list(OPTIONAL)
    for one in loaded:
        assert one.version.split(",")[0] == one.metric.version
    assert [one.metric.name for one in load_optional(())] == [m.name for m in OPTIONAL.values() if m.automatic]


@pytest.mark.parametrize("text", ["stlpips", "+lpips", "+psnr", "", "+", "-stlpips"])
def test_a_wrong_name_gets_the_list_of_names(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_added([text])
    for name in OPTIONAL:
        assert f"+{name}" in str(caught.value.remedy)


def test_the_case_of_letters_does_not_matter() -> None:
    assert parse_added(["+STLPIPS"]) == ("stlpips",)


def test_what_this_machine_lacks_is_null_with_the_reason() -> None:
    one = Loaded(OPTIONAL["stlpips"], Unavailable("no package here"))
    found = one(pairs_of(0, 1))
    assert torch.isnan(found.values["stlpips"]).all()
    assert [dict(nulls) for nulls in found.nulls] == [{"stlpips": "no package here"}] * 2
    assert "not computed" in one.version
    scorer = make_scorer(PROTOCOL, optional=[one])
    result = scorer.score(land(200), scorer.prepare(target_of(land(200)), None))
    assert result.metrics["stlpips"] is None
    assert result.nulls["stlpips"] == "no package here"


class Package:
    """Stands in for opensr-test: shares that follow from the images, and NaN where the prediction is flat."""

    class Metrics:
        def correctness(self, lr: Tensor, sr: Tensor, hr: Tensor, gradient_threshold: str) -> dict[str, float]:
            assert hr.shape[-1] == 4 * lr.shape[-1]
            error = float((sr - hr).abs().mean()) if float(sr.max()) > float(sr.min()) else float("nan")
            return {"ha_metric": error, "im_metric": float(lr.mean()), "om_metric": 1.0}


def test_opensr_takes_a_batch_pair_by_pair_and_says_which_pair_had_no_frame() -> None:
    one = Loaded(OPTIONAL["opensr"], OpenSr(Package(), "1.3.1"))
    assert one.version == "1, opensr-test 1.3.1"
    batch = pairs_of(0, 1, 2, holes=True)
    flat = batch.unmoved.clone()
    flat[2] = 0.2
    found = one(replace(batch, unmoved=flat, frames=[batch.frames[0], "no frame", batch.frames[2]]))
    alone = one(replace(pairs_of(0, holes=True)))
    hallucination = found.values["opensr_hallucination"]
    assert set(found.values) == set(NAMES)
    assert float(hallucination[0]) == float(alone.values["opensr_hallucination"][0])
    assert np.isnan(float(hallucination[1]))
    assert found.nulls[1]["opensr_hallucination"] == "no frame"
    assert np.isnan(float(hallucination[2]))
    assert found.nulls[2]["opensr_hallucination"] == OPTIONAL["opensr"].null
    where_data = (batch.unmoved[0] - batch.target[0]).abs() * batch.mask[0] if batch.mask is not None else None
    assert where_data is not None
    assert float(hallucination[0]) == pytest.approx(float(where_data.mean()), rel=1e-5)


def test_near_infrared_is_psnr_of_the_fourth_band() -> None:
    nir = load_optional(())[0]
    batch = pairs_of(0, 1, holes=True)
    assert dict(nir(batch).values) == {}
    four = replace(batch, nir=batch.prediction[:, :1], target_nir=batch.target[:, :1])
    values = nir(four).values["psnr_nir"]
    for i in range(2):
        mse = squared_error(batch.prediction[i, :1], batch.target[i, :1], batch.valid[i])
        assert float(values[i]) == pytest.approx(float(psnr(mse, 1e-10)), abs=1e-9)


@pytest.fixture(scope="module")
def stlpips() -> Loaded:
    """The real network; without the extra its tests are skipped."""
    computation = load_shown_stlpips()
    if isinstance(computation, Unavailable):
        pytest.skip(computation.reason)
    return Loaded(OPTIONAL["stlpips"], computation)


def test_stlpips_of_a_batch_is_that_of_its_tiles(stlpips: Loaded) -> None:
    batch = stlpips(pairs_of(0, 1, holes=True)).values["stlpips"]
    assert float(batch[0]) == pytest.approx(float(stlpips(pairs_of(0, holes=True)).values["stlpips"]), abs=1e-6)
    assert float(batch[0]) != float(stlpips(pairs_of(0)).values["stlpips"])  # holes are copied from the target
    assert stlpips.version.startswith("1, stlpips-pytorch ")


def test_score_pair_computes_what_is_asked_for(stlpips: Loaded) -> None:
    target, prediction = land(200), blurred(land(200), 1.0)
    plain = score_pair(prediction, target)
    assert "stlpips" not in plain
    added = score_pair(prediction, target, metrics=["+stlpips"])
    assert set(added) == {*plain, "stlpips"}
    only = score_pair(prediction, target, metrics=["psnr", "stlpips"])
    assert only == {"psnr": plain["psnr"], "stlpips": added["stlpips"]}
    assert score_pair(prediction, target, metrics=["psnr", "+stlpips"]) == only
    network = load_stlpips()
    assert not isinstance(network, Unavailable)
    scorer = make_scorer(PROTOCOL)
    prepared: Any = scorer.prepare(target_of(target), None)
    white = white_level(prepared.target, None, white_min=0.3, percentile=99.5)
    truth = stretch(prepared.target, white)
    softened = torch.from_numpy(prediction)[:, 20:-20, 20:-20]
    softened = softened + (prepared.target - softened).mean(dim=(1, 2), keepdim=True)
    by_hand = float(network(stretch(softened, white)[None], truth[None]))
    assert only["stlpips"] == pytest.approx(by_hand, abs=2e-5)
    with pytest.raises(UsageError, match="optional"):
        score_pair(prediction, target, "probav", metrics=["+stlpips"])
    with pytest.raises(UsageError, match="unknown"):
        score_pair(prediction, target, metrics=["+sharpness"])


def test_asking_changes_no_other_number(stlpips: Loaded) -> None:
    small = land(200).reshape(3, 50, 4, 50, 4).mean(axis=(2, 4))
    frame = Frame(small, np.ones((50, 50), dtype=bool))
    prediction = blurred(land(200), 1.0)
    plain, more = make_scorer(PROTOCOL), make_scorer(PROTOCOL, optional=[stlpips])
    one = plain.score(prediction, plain.prepare(target_of(land(200)), frame))
    other = more.score(prediction, more.prepare(target_of(land(200)), frame))
    assert {k: v for k, v in other.metrics.items() if k != "stlpips"} == one.metrics
    assert json.dumps(other.metrics["stlpips"]) != "null"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"missd": torch.zeros(1)}, "columns .'missd'. are not among"),
        ({}, "returns none of"),
        ({"missed": torch.tensor(0.0)}, "missed has shape .., not .1,."),
    ],
)
def test_a_computation_that_returns_something_else_is_named(values: dict[str, torch.Tensor], said: str) -> None:
    """A mistyped column would otherwise be lost without a word."""

    class Odd:
        software = ""

        def __call__(self, pairs: Pairs) -> Found:
            return Found(values)

    with pytest.raises(ValueError, match=f"metric spectral: .*{said}"):
        Loaded(OPTIONAL["spectral"], Odd())(pairs_of(1))

"""Released protocols never change, and every protocol has a scorer."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import numpy as np
import pytest

from scoring_scenes import blurred, land, target_of
from worldstrat_bench.measures import MEASURES
from worldstrat_bench.protocol import load_protocol, protocol_ids, stage_in, stage_of
from worldstrat_bench.scoring import Frame, make_scorer

IDS = protocol_ids()
FIRST = {"probav", "worldstrat-2022", "worldstrat-2022-fixed", "wsb-1"}


def table() -> dict[str, Any]:
    text = resources.files("worldstrat_bench").joinpath("protocols", "released.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def released() -> dict[str, str]:
    digests: dict[str, str] = table()["sha256"]
    return digests


def test_no_released_protocol_has_changed() -> None:
    """If this fails, do not touch released.toml: give the changed protocol a new id and put the old file back.

    Those that the file names as not yet released may change, and get a new digest.
    """
    digests = released()
    assert set(IDS) >= FIRST
    assert {name: load_protocol(name).sha256 for name in digests} == digests
    assert set(table()["not_yet_released"]) <= set(IDS)


def test_every_protocol_is_listed() -> None:
    assert set(released()) == set(IDS)


def test_where_a_text_stands() -> None:
    wsb = load_protocol("wsb-1")
    listed = {"wsb-1": wsb.sha256}
    assert stage_in({"not_yet_released": ["wsb-1"], "sha256": listed}, wsb) == "not released"
    assert stage_in({"not_yet_released": [], "sha256": listed}, wsb) == "released"
    assert stage_in({"not_yet_released": [], "sha256": {"wsb-1": "0" * 64}}, wsb) == "changed"
    assert stage_in({"not_yet_released": [], "sha256": {}}, wsb) == "not listed"
    assert {stage_of(load_protocol(name)) for name in IDS} <= {"released", "not released"}


def test_only_wsb_ranks() -> None:
    official = [name for name in IDS if load_protocol(name).official]
    assert "wsb-1" in official
    assert all(load_protocol(name).family == "wsb" for name in official)


@pytest.mark.parametrize("name", IDS)
def test_every_protocol_scores(name: str) -> None:
    protocol = load_protocol(name)
    side = protocol.target.size(1054) if protocol.target.side else 200
    image = land(side)
    small = side // 4
    frame = Frame(
        image[:, : small * 4, : small * 4].reshape(3, small, 4, small, 4).mean(axis=(2, 4)),
        np.ones((small, small), dtype=bool),
    )
    scorer = make_scorer(protocol)
    assert scorer.protocol is protocol
    prepared = scorer.prepare(target_of(image), frame)
    result = scorer.score(blurred(image, 1.5), prepared)
    assert set(result.metrics) == {*protocol.metrics.names, "psnr_bicubic"}
    assert set(result.metrics) <= set(MEASURES)
    assert all(value is not None for key, value in result.metrics.items() if key != "lpips")
    assert result.clipped == 0
    assert result.detail == prepared.detail > 0
    assert set(make_scorer(protocol).score(image, scorer.prepare(target_of(image), None)).nulls) <= {
        "lpips",
        "psnr_bicubic",
        "lr_consistency",
    }

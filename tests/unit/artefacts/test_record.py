"""record.json: the id covers the content, and nothing malformed gets in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from worldstrat_bench.artefacts.record import Record, build_record, load_record
from worldstrat_bench.errors import InvalidArtefactError

HASH = "ab" * 32


def content() -> dict[str, Any]:
    """The smallest record there is."""
    return {
        "protocol": {"id": "wsb-1", "sha256": HASH},
        "dataset": {
            "release": "v1.1",
            "list": "full",
            "tiles": 1,
            "list_sha256": HASH,
            "targets_sha256": HASH,
            "official": True,
        },
        "model": {"name": "bicubic", "frames": 1},
        "harness": {"version": "0.1.0"},
        "environment": {"python": "3.11.7", "torch": "2.6.0"},
        "device": {"type": "cpu", "name": "x", "device_class": "CPU 2 cores x86-64"},
        "isolation": {"level": "strong"},
        "seed": 0,
        "outcomes": {"ok": 1},
        "scores": {
            "full": {"tiles": 1, "failed": 0, "micro": {"psnr": {"n": 1, "mean": 30.0}}, "macro": {}, "strata": {}}
        },
        "files": {"tiles.csv": HASH},
    }


def test_same_content_same_id_whenever_it_was_made() -> None:
    first = build_record(created="2026-01-01T00:00:00Z", **content())
    second = build_record(created="2027-01-01T00:00:00Z", **content())
    assert first.record_id == second.record_id
    assert first.record_id != build_record(created="2026-01-01T00:00:00Z", **{**content(), "seed": 1}).record_id


def test_round_trip(tmp_path: Path) -> None:
    record = build_record(created="2026-01-01T00:00:00Z", **content())
    record.save(tmp_path / "record.json")
    assert load_record(tmp_path) == record
    assert load_record(tmp_path / "record.json") == record
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"], "no temporary file is left"


def _edit(**changes: Any) -> str:
    data = json.loads(build_record(created="now", **content()).dump())
    for key, value in changes.items():
        target = data
        *parents, last = key.split("__")
        for parent in parents:
            target = target[parent]
        target[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "record"),
        (_edit(scores__full__micro__psnr__mean=31.0), "not the hash"),
        (_edit(extra=1), "extra"),
        (_edit(model__frames=0), "model.frames"),
        (_edit(seed=float("nan")), "NaN is not allowed"),
        (_edit(schema_version=2), "schema_version"),
        (_edit(model__name="x" * 201), "model.name"),
    ],
)
def test_malformed_records_are_refused_by_key(text: str, message: str) -> None:
    with pytest.raises(InvalidArtefactError, match=message):
        Record.parse(text)


def test_missing_record(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtefactError, match="there is no record"):
        load_record(tmp_path)


@pytest.mark.parametrize(
    ("changes", "complete"),
    [
        ({}, True),
        ({"outcomes": {"ok": 1, "timeout": 1}}, False),
        ({"outcomes": {"ok": 1, "timeout": 0}}, True),
        ({"dataset": {**content()["dataset"], "limit": 1}}, False),
        ({"dataset": {**content()["dataset"], "shard": "1/2"}}, False),
    ],
)
def test_complete(changes: dict[str, Any], complete: bool) -> None:
    record: Record = build_record(created="now", **{**content(), **changes})
    assert record.complete is complete

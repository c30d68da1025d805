"""``verification.json``: which records it vouches for, and whose numbers they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from factories import invented_facts, make_run
from site_scenes import write_verification
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.verification import Verification, verification_in, verification_of
from worldstrat_bench.errors import InvalidArtefactError


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Record]:
    folder = tmp_path / "run"
    return folder, make_run(folder, tiles=invented_facts(3), release="mini", list_name="test")


def test_a_full_run_of_maintainers_computed_the_numbers(run: tuple[Path, Record]) -> None:
    folder, record = run
    assert verification_in(folder, record) is None
    write_verification(folder, record)
    found = verification_in(folder, record)
    assert found is not None
    assert found.computed
    assert found == verification_of((folder / Verification.FILE).read_bytes(), record)


def test_a_sample_vouches_for_numbers_that_it_did_not_compute(run: tuple[Path, Record]) -> None:
    folder, record = run
    write_verification(folder, record, scope="sample")
    found = verification_in(folder, record)
    assert found is not None
    assert not found.computed


def test_nothing_vouches_that_failed_or_is_of_another_record(run: tuple[Path, Record], tmp_path: Path) -> None:
    folder, record = run
    write_verification(folder, record, passed=False)
    assert verification_in(folder, record) is None
    other = make_run(tmp_path / "other", tiles=invented_facts(4), release="mini", list_name="test")
    write_verification(folder, other)
    assert verification_in(folder, record) is None
    (folder / Verification.FILE).write_text("{}")
    assert verification_in(folder, record) is None
    assert verification_of(None, record) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": {"psnr": {"largest": 3.0, "tile": "a", "tolerance": 0.01, "contradicted": 1}}},
        {"tiles": []},
        {"tiles": [{"tile": "a", "outcome": "crash"}]},
        {"tiles": [{"tile": "a", "outcome": "ok", "order_difference": 0.5}]},
        {"speed": {"speed_sha256": "a" * 64, "largest": 2.0, "tolerance": 0.1, "agrees": False}},
        {"scope": "sample", "submitted_record_id": "b" * 64},
        {"scope": "sample", "agrees": False},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_verdict_follows_from_what_was_found(run: tuple[Path, Record], changes: dict[str, Any]) -> None:
    folder, record = run
    write_verification(folder, record)
    document = json.loads((folder / Verification.FILE).read_text()) | changes
    with pytest.raises(InvalidArtefactError, match=r"agrees|passed|sample"):
        Verification.parse(json.dumps(document))
